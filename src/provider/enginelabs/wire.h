/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call does on the wire, for the files that do it: wire_socket.c opens the answer stream and
 * notices its end, wire_post.c posts the prompt, wire.c reads the answer, wire_resume.c opens the
 * stream again when it breaks in the middle.
 */
#pragma once

#include "provider/enginelabs/call.h"

enum { WIRE_ANSWER_MAX = 32 * 1024 * 1024 }; /* what may be held of one answer */

/* wire.c: a message of the stream. */
void wire_on_message(void *arg, bool is_text, struct str message);

/* The turn is over, once the POST was accepted too. */
void wire_ended(struct provider_call *c);

/* The sink of a call's frames, and that of what is new in them. */
extern const struct frames_sink wire_frames_sink;
resume_emit wire_emit;

/* wire_post.c: the service has taken the prompt. */
void wire_accepted(struct provider_call *c);

/* The POST is no longer the call's: canceled, or, with nothing left to learn from it, read to its
 * end so that its connection can be used again. */
void wire_leave_post(struct provider_call *c, bool read_on);

/* wire_socket.c: the stream was silent until now, and is to be waited for a bit longer. */
void wire_wait_for_quiet(struct provider_call *c);

/* The stream, whether open or not, is closed without a further word. */
void wire_drop_socket(struct provider_call *c);

/* wire_resume.c: the stream broke, or could not be opened again, for a reason that may pass. False
 * when nothing runs upstream that could be resumed, or it was tried often enough. */
bool wire_reopen(struct provider_call *c);

/* The handshake of a stream that is opened again was refused. */
void wire_reopen_refused(struct provider_call *c, const struct websocket_end *end);

/* After something was read: false when the call goes no further with this stream, since what it
 * says is not what was sent on, or another one must confirm it. */
bool wire_check_resume(struct provider_call *c);

/* The stream ended as it should: whether all that was sent on came again. If not, the call goes no
 * further with it, as above. */
bool wire_is_whole(struct provider_call *c);
