/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call does on the wire, for the files that do it: wire_socket.c opens the answer stream and
 * notices its end, wire_post.c posts the prompt, wire.c reads the answer.
 */
#pragma once

#include "provider/enginelabs/call.h"

/* wire.c: a message of the stream. */
void wire_on_message(void *arg, bool is_text, struct str message);

/* The turn is over, once the POST was accepted too. */
void wire_ended(struct provider_call *c);

/* The sink of a call's frames. */
extern const struct frames_sink wire_frames_sink;

/* wire_post.c: the service has taken the prompt. */
void wire_accepted(struct provider_call *c);

/* wire_socket.c: the stream was silent until now, and is to be waited for a bit longer. */
void wire_wait_for_quiet(struct provider_call *c);
