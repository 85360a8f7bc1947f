/* SPDX-License-Identifier: Apache-2.0 */
/* Between relay.c (life, the client's side), relay_route.c (to whom), relay_answer.c (what goes
 * back) and relay_books.c (log line, counters). */
#pragma once

#include "gateway/admission.h"
#include "gateway/record.h"
#include "gateway/relay.h"
#include "gateway/relay_model.h"
#include "gateway/route_book.h"
#include "gateway/usage_tap.h"
#include "gateway/walk.h"
#include "provider/provider.h"
#include "provider/relay.h"

enum relay_state { RELAY_GATHERING, RELAY_ASKING, RELAY_ANSWERING, RELAY_DONE };

/* Where it may go. */
struct relay_step {
    size_t upstream;
    struct str model; /* the name there; empty: as it is */
};

/* Lives in the request's arena. */
struct relay {
    struct list node; /* of gateway_worker.relays, once it is begun */
    enum relay_state state;
    struct gateway_worker *worker;
    struct http_request *request;
    struct record *record; /* what is told of it in the end, once it is begun */
    const struct gateway_path *row;
    struct str headers;  /* extra_headers of the request when it came */
    struct str endpoint; /* the path without /v1 */

    struct buf start; /* of the body; empty once it went out */
    size_t looked;    /* at how much of it; for the model */
    bool is_whole;    /* that is all of it */
    bool has_ended;   /* the client sent all of it */
    uint64_t came;    /* bytes of it */
    struct relay_model model;
    struct str name; /* of the model, as the client names it; empty: none */

    struct gateway_view *view; /* held: what it began with */
    struct route_table *table; /* held while targets may be tried */
    struct relay_step steps[ROUTE_TARGETS_MAX];
    size_t n_steps;
    struct target_walk walk; /* through them */
    size_t step;
    struct health_visit visit; /* at the target of `step`, if that has a model */
    const struct upstream *upstream;
    const struct relay_ops *ops; /* of `upstream` */
    struct relay_call *call;
    struct buf edited; /* `start` with the target's name of the model */
    unsigned attempts;
    struct str account;
    bool was_accepted; /* some target may have done what was asked */

    bool is_answer_paused;
    int status;          /* of the answer */
    int64_t text_tokens; /* estimated, of what the body began with, ... */
    uint64_t text_bytes; /* ... which was so much of it; 0: not yet */
    bool was_sent;       /* to some target, as a whole: what it took counts */
    struct usage_tap tap;
    struct timer total;
    int64_t began_us; /* when all was there to begin */
    int64_t upstream_since_us;
    int64_t upstream_us;
};

/* ---- relay_route.c ---- */

/* The upstreams that may answer. False: `f` says why there is none. */
bool relay_find_route(struct relay *x, struct failure *f);
void relay_drop_route(struct relay *x);

/* The first target that is to be asked. */
void relay_choose_step(struct relay *x);

/* Moves `step` on to the next target that is to be tried after this failure; false: there is none,
 * or it is not to be. */
bool relay_moves_on(struct relay *x, const struct failure *f, bool is_unsent);

/* What the end at the present target says of its health; only the first time. */
void relay_judge(struct relay *x, enum health_verdict verdict);

/* The path below an upstream's base URL, with its query. False: it must not be passed on. */
bool relay_target(struct relay *x, struct str *ret_target);

/* Starts the call of the present step. ERR_BAD_INPUT, ERR_NOMEM, ERR_TOO_BIG: the body cannot be
 * edited. */
MUST_USE enum err relay_start_step(struct relay *x, const struct relay_sink *sink);

/* ---- relay_answer.c ---- */

/* Begins the answer with what of the upstream's head is for the client. */
void relay_answer_begin(struct relay *x, const struct http_head *head);

/* An error as the answer; one that has begun is cut. The request is gone afterwards. */
void relay_answer_failure(struct relay *x, const struct failure *f);

/* Those of the client's headers that go upstream, HTTP_HEADERS_MAX / 2 at most. */
size_t relay_headers(const struct http_head *head, struct http_header *ret);

/* ---- relay_books.c ---- */

/* What is to be reserved, by what is here of the body. */
struct admission_need relay_need(struct relay *x);

/* Ends the record, and counts. */
void relay_close_books(struct relay *x, enum record_outcome outcome, const struct failure *f);
