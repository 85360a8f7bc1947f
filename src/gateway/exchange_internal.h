/* SPDX-License-Identifier: Apache-2.0 */
/* Between exchange.c (life and deadlines) and exchange_answer.c (what goes to the client). */
#pragma once

#include "chat/estimate.h"
#include "chat/tool_calls.h"
#include "gateway/exchange.h"
#include "gateway/route_book.h"
#include "gateway/walk.h"
#include "net/timer.h"

enum { ANSWER_MAX = 64 << 20, SETTLE_HOLD_MS = 200 };

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_ANSWERING, EXCHANGE_SETTLING, EXCHANGE_DONE };

/* One of the request's n answers. */
struct exchange_choice {
    struct buf text;      /* whole answers only; raw: all of the body, in the first */
    struct buf reasoning; /* whole answers only */
    struct tool_calls tool_calls;
    struct dialect_end end;
};

struct exchange {
    struct list node; /* of gateway_worker.exchanges */
    enum exchange_state state;
    struct gateway_worker *worker;
    struct http_request *request;
    struct str headers; /* extra_headers of the request when it came */
    const struct dialect_ops *dialect;
    void *encoder; /* of a streamed answer; in the request's arena; NULL with RAW events */
    bool is_raw;   /* the client's body goes upstream, the upstream's bytes come back */
    struct chat_request chat;
    struct dialect_answer answer;

    struct gateway_view *view; /* held: what it began with */
    struct route_table *table; /* held while targets may be tried */
    struct route_step steps[ROUTE_TARGETS_MAX];
    size_t n_steps;
    struct target_walk walk;         /* through them */
    size_t step;                     /* the one that is tried */
    struct health_visit visit;       /* at its target */
    const struct upstream *upstream; /* its */
    unsigned attempts;               /* of all targets: each try of an account or key counts */
    struct str account;              /* of the last one; empty: it has none */
    size_t trimmed;                  /* messages that were left out */
    bool was_accepted;               /* some target took the prompt */
    bool is_committed_early;         /* the headers could not tell who answers */
    int64_t started_us;
    int64_t upstream_since_us; /* 0: the upstream is not at work */
    int64_t upstream_us;       /* how long it was, so far */

    const struct provider_ops *provider; /* of `upstream` */
    struct provider_call *call;          /* NULL before start and after settled or released */
    enum provider_phase phase;
    bool paused; /* the client is slow: the provider was told to wait */

    struct timer deadline;  /* of the phase, or of the settlement */
    struct timer total;     /* API_REQUEST_TIMEOUT */
    struct timer commit;    /* STREAM_COMMIT_AFTER */
    struct timer keepalive; /* STREAM_KEEPALIVE */
    int64_t started_ms;
    int64_t first_event_ms; /* 0: none yet */
    int64_t heard_ms;       /* last sign of life of the upstream */
    int64_t wrote_ms;       /* last bytes to the client */

    struct exchange_choice *choices; /* in the request's arena */
    size_t n_choices;
    struct fingerprint_text said; /* what the client received as text */
    struct token_estimate said_tokens;
    struct token_estimate reasoning_tokens;
    struct chat_usage usage; /* the upstream's own count, or the estimate; when has_usage */
    bool has_usage;
};

/* ---- exchange_route.c ---- */

/* The targets for the request's model. False: `f` says why there is none. */
bool exchange_find_route(struct exchange *x, struct failure *f);
void exchange_drop_route(struct exchange *x);

/* The first target. */
void exchange_choose_step(struct exchange *x);

/* Starts the call of the present step. */
void exchange_start_step(struct exchange *x, const struct provider_sink *sink);

/* Moves `step` on to the next target that is to be tried after this failure; false: there is none,
 * or it is not to be. */
bool exchange_moves_on(struct exchange *x, const struct failure *f);

/* What the end at the present target says of its health; only the first time. */
void exchange_judge(struct exchange *x, enum health_verdict verdict);

/* For the time that is spent here: from when to when the upstream was at work. */
void exchange_upstream_begins(struct exchange *x);
void exchange_upstream_ends(struct exchange *x);

/* x-upstream and its like, for the answer that begins now. */
void exchange_set_headers(struct exchange *x);

/* ---- exchange_fit.c ---- */

/* Whether the upstream of `capabilities` can do all that is asked; else `f` names what it cannot.
 */
bool exchange_fits(const struct exchange *x, unsigned capabilities, struct failure *f);

/* ---- exchange_answer.c ---- */

/* Makes the choices, once the request is decoded. */
void answer_init(struct exchange *x);

/* Begins the streamed answer if it has not begun: status line and headers. */
void answer_commit(struct exchange *x);

/* A piece of the answer, to the client or into the whole answer. ERR_TOO_BIG, ERR_NOMEM;
 * ERR_PROTOCOL: the client's format cannot tell it. */
MUST_USE enum err answer_piece(struct exchange *x, const struct chat_event *event);
void answer_keepalive(struct exchange *x);

/* The last bytes. The request is gone afterwards. */
void answer_finish(struct exchange *x);
void answer_failure(struct exchange *x, const struct failure *f);

/* What was used, as the upstream counted or estimated: once, when all is said. Lives as long as
 * `x`. */
const struct chat_usage *answer_usage(struct exchange *x);
