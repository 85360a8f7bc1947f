/* SPDX-License-Identifier: Apache-2.0 */
/* What an exchange keeps; only its own files look into it (exchange_internal.h). */
#pragma once

#include "chat/estimate.h"
#include "chat/tool_calls.h"
#include "gateway/exchange.h"
#include "gateway/record.h"
#include "gateway/route_book.h"
#include "gateway/walk.h"
#include "net/timer.h"
#include "shape/shaper.h"

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
    struct record *record; /* what is told of it in the end */
    struct str headers;    /* extra_headers of the request when it came */
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
    bool is_told; /* the client has something of the present target's answer, or a choice is whole:
                     no other may take over */
    bool is_committed_early; /* the headers could not tell who answers */
    int64_t started_us;
    int64_t upstream_since_us; /* 0: the upstream is not at work */
    int64_t upstream_us;       /* how long it was, so far */
    int64_t queued_since_us;   /* 0: it does not wait for an account */
    int64_t queued_us;

    const struct provider_ops *provider; /* of `upstream` */
    struct provider_call *call;          /* NULL before start and after settled or released */
    enum provider_phase phase;
    bool paused; /* the client is slow: the provider was told to wait */

    struct timer deadline;  /* of the phase, or of the settlement */
    struct timer total;     /* API_REQUEST_TIMEOUT */
    struct timer commit;    /* STREAM_COMMIT_AFTER */
    struct timer keepalive; /* STREAM_KEEPALIVE */
    int64_t first_event_ms; /* 0: none yet */
    int64_t heard_ms;       /* last sign of life of the upstream */
    int64_t wrote_ms;       /* last bytes to the client */

    struct exchange_choice *choices; /* in the request's arena */
    size_t n_choices;
    size_t arguments_n;           /* bytes of arguments of tool calls that the client has */
    bool is_serial;               /* each of several has a call of its own, one after the other */
    size_t choice;                /* then the one that is at work; else 0 */
    struct fingerprint_text said; /* what the client received as text of that choice */

    struct shaper *shaper; /* of the present answer; NULL: it goes out as it comes */
    struct chat_limits shape_limits;
    struct str instructions; /* for the upstream */
    struct str repair;       /* what the second call for an answer asks; empty: it is the first */

    int64_t prompt_tokens; /* estimated, when has_prompt_tokens */
    bool has_prompt_tokens;
    struct token_estimate said_tokens; /* of the present call */
    struct token_estimate reasoning_tokens;
    struct chat_usage counted; /* by its upstream; when is_counted */
    bool is_counted;
    bool is_asking;             /* the present call is not in `usage` yet */
    struct chat_usage usage;    /* of the calls before it */
    struct dialect_whole whole; /* when all is said */
    struct store_op *keep_op;   /* the answer is on its way into the store */
    int64_t keep_ttl_ms;
    int64_t keep_room;
};
