/* SPDX-License-Identifier: Apache-2.0 */
/* Between exchange.c (life and deadlines) and what it is made of; see the parts below. */
#pragma once

#include "gateway/admission.h"
#include "gateway/exchange_struct.h"

enum {
    ANSWER_MAX = 64 << 20,
    STREAM_ARGUMENTS_MAX = 2 << 20, /* of all tool calls of a stream: judged at once, at its end */
    ANSWER_RESERVE = 1024,          /* tokens of an answer whose request names no limit */
    SETTLE_HOLD_MS = 200,
};

/* ---- exchange_failure.c ---- */

/* How far the upstream may be: what a late one has got it may well be working on. */
enum provider_phase exchange_likely_phase(const struct exchange *x);

/* How long the present phase may take. */
int64_t exchange_phase_limit(const struct exchange *x);

/* It took longer. */
void exchange_set_timeout_failure(const struct exchange *x, struct failure *f);

/* A piece of the answer could not be taken: an error of exchange_take(). */
void exchange_set_piece_failure(struct failure *f, enum err err);

/* ---- exchange_route.c ---- */

/* The targets for the request's model. False: `f` says why there is none. */
bool exchange_find_route(struct exchange *x, struct failure *f);
void exchange_drop_route(struct exchange *x);

/* The first target. */
void exchange_choose_step(struct exchange *x);

/* Makes ready for the present step and starts its call. False: `f` says why it cannot be asked. */
MUST_USE bool exchange_start_step(struct exchange *x, const struct provider_sink *sink,
                                  struct failure *f);

/* Starts another call there: for the next choice, or for a repair. */
void exchange_start_call(struct exchange *x, const struct provider_sink *sink);

/* Moves `step` on to the next target that is to be tried after this failure; false: there is none,
 * or it is not to be. */
bool exchange_moves_on(struct exchange *x, const struct failure *f);

/* What the end at the present target says of its health; only the first time. */
void exchange_judge(struct exchange *x, enum health_verdict verdict);

/* For the time that is spent here: from when to when the upstream was at work. */
void exchange_upstream_begins(struct exchange *x);
void exchange_upstream_ends(struct exchange *x);

/* For the time that it waits for an account. */
void exchange_wait_begins(struct exchange *x);
void exchange_wait_ends(struct exchange *x, int64_t now_us);

/* x-upstream and its like, for the answer that begins now. */
void exchange_set_headers(struct exchange *x);

/* ---- exchange_fit.c ---- */

/* Whether all that is asked can be had of an upstream of `capabilities`, with what we see to
 * ourselves; else `f` names what cannot. */
bool exchange_fits(const struct exchange *x, const struct target_settings *t, unsigned capabilities,
                   struct failure *f);

/* What we see to ourselves there, all but the seed; false: nothing. *ret points to *limits. */
bool exchange_shape_config(const struct exchange *x, const struct target_settings *t,
                           unsigned capabilities, struct chat_limits *limits,
                           struct shape_config *ret);

/* ---- exchange_shape.c ---- */

/* Makes the shaper for the next answer of the present target, if it needs one. */
MUST_USE bool exchange_shape_begin(struct exchange *x, struct failure *f);
void exchange_shape_drop(struct exchange *x);

/* A piece of the provider's, for the client. Errors of answer_piece(). */
MUST_USE enum err exchange_take(struct exchange *x, const struct chat_event *event);

/* How a choice ended, as the upstream says. */
void exchange_end_choice(struct exchange *x, size_t choice, const struct chat_event *event);

/* The present answer is over, by the upstream's FINISH or before. Errors as above. */
MUST_USE enum err exchange_end_answer(struct exchange *x, const struct chat_event *event,
                                      struct shape_result *ret);

/* What the client has of it; lives as long as the exchange's next event. */
struct fingerprint_said exchange_said(struct exchange *x);

/* ---- exchange_usage.c ---- */

/* The estimate of the prompt, which is made once: it reads all of a request. */
int64_t exchange_prompt_tokens(struct exchange *x);

/* How many tokens it may come to, for the limits of its key: the estimate of the prompt, and the
 * limit that it names. */
struct admission_need exchange_need(struct exchange *x);

void usage_begin_call(struct exchange *x);
void usage_heard(struct exchange *x, const struct chat_event *event);
void usage_called(struct exchange *x, const struct chat_tool_piece *piece);
void usage_told(struct exchange *x, const struct chat_usage *usage);

/* Adds what the present call used; only the first time. */
void usage_end_call(struct exchange *x);

/* What all calls used, when all is said. Lives as long as `x`. */
const struct chat_usage *answer_usage(struct exchange *x);

/* ---- exchange_keep.c ---- */

/* Whether the answer is to be kept, once the request is decoded. */
void exchange_keep_init(struct exchange *x);

/* Keeps the answer, if it is to be, and calls then(x), now or when the store has answered or its
 * deadline passed; not when the client leaves meanwhile. What is not kept after all says so
 * (dialect_answer.is_kept). After the books are closed. */
void exchange_keep(struct exchange *x, void (*then)(struct exchange *x));

/* ---- exchange_answer.c ---- */

/* Makes the choices, once the request is decoded. */
void answer_init(struct exchange *x);

/* Begins the streamed answer if it has not begun: status line and headers. */
void answer_commit(struct exchange *x);

/* A piece of the answer, to the client or into the whole answer. ERR_TOO_BIG, ERR_NOMEM;
 * ERR_PROTOCOL: the client's format cannot tell it. */
MUST_USE enum err answer_piece(struct exchange *x, const struct chat_event *event);
void answer_keepalive(struct exchange *x);

/* The last bytes, as soon as the answer is kept. The request is gone afterwards, or soon. */
void answer_finish(struct exchange *x);
void answer_failure(struct exchange *x, const struct failure *f);
