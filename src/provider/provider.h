/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider speaks one upstream's protocol. It never sees the client's HTTP; it turns a chat
 * request into events and reports how far it is. It owns accounts, protocol and conversation; the
 * exchange owns deadlines, attempts and the end.
 *
 *     start --> on_phase* --> on_event(TEXT | REASONING | ...)* --> on_event(FINISH) --> settle -->
 * settled
 *                         \-> on_event(ERROR) --> release
 */
#pragma once

#include "chat/event.h"
#include "chat/request.h"
#include "conversation/fingerprint.h"
#include "http/client.h"
#include "store/store.h"

/* How far a call is. What the upstream certainly has not seen is below PHASE_SENT. It goes up, but
 * for a call that tries again: then it begins anew with PHASE_QUEUED, below PHASE_ACCEPTED. */
enum provider_phase {
    PHASE_QUEUED,     /* waits for an account */
    PHASE_CONNECTING, /* an account is leased; sign-in and connections are made */
    PHASE_UNSENT,     /* connected; the prompt is not out yet */
    PHASE_SENT,       /* all of the prompt is out; before, nobody can have taken it */
    PHASE_ACCEPTED,   /* the upstream said that it took it */
    PHASE_ANSWERING,  /* the first model event came */
};

struct provider_sink {
    void (*on_phase)(void *arg, enum provider_phase phase);
    /* A try begins, by this account. Optional. */
    void (*on_attempt)(void *arg, struct str account);
    /* The upstream is alive, though nothing came of it for the client. */
    void (*on_activity)(void *arg);
    /* Before the prompt goes out: its chat's id, and how many messages it lacks. Optional. */
    void (*on_prompt)(void *arg, struct str chat, size_t trimmed);
    /* FINISH and ERROR are the last; an ERROR's failure lives during the call. */
    void (*on_event)(void *arg, const struct chat_event *event);
};

/* How the exchange ended the answer (docs/internals/conversations.md). */
enum provider_verdict {
    SETTLE_EXACT,    /* the client has exactly what the upstream said: it may be continued */
    SETTLE_DIVERGED, /* cut or reshaped: it must not */
};

/* What a provider works with on one worker; borrowed for the life of the instance. */
struct provider_env {
    struct loop *loop;
    struct http_client *client; /* with the connector behind it */
    struct store_port *store;
    int64_t conversation_ttl_ms;
    int64_t connect_timeout_ms; /* for one connection; the exchange has the last word */
    int64_t accept_timeout_ms;
};

/* What an upstream understands of a request by itself; the gateway refuses or enforces the rest. */
enum provider_capability {
    PROVIDER_RAW = 1,      /* takes the client's own body, and answers with RAW events */
    PROVIDER_STOP = 2,     /* `stop` */
    PROVIDER_LIMITS = 4,   /* `max_tokens` and its like */
    PROVIDER_TOOLS = 8,    /* `tools`: real tool calls */
    PROVIDER_SCHEMA = 16,  /* `response_format` */
    PROVIDER_N = 32,       /* several choices */
    PROVIDER_LATE = 64,    /* may say nothing at all, no status either, before its first token */
    PROVIDER_IMAGES = 128, /* pictures in messages */
};

/* A change of the body on its way to one target, of top-level members. Where a member stands
 * twice, both are changed; no member stands twice that did not before. */
enum provider_edit_type {
    EDIT_SET,     /* `name` is `value`, a JSON text; added at the end when it is not there */
    EDIT_REPLACE, /* the same, but only where it is there */
    EDIT_DROP,    /* no `name` */
    EDIT_RENAME,  /* `name` is called `value`, and takes the place of one that was so called */
    EDIT_SYSTEM,  /* `value`, plain text, goes in front of the system prompt */
    EDIT_USAGE,   /* stream_options.include_usage is true */
};
struct provider_edit {
    enum provider_edit_type type;
    struct str name;
    struct str value;
};

struct provider_request {
    const struct chat_request *chat; /* outlives the call up to settle or release */
    struct str model;                /* the upstream's name */
    struct str client_model;         /* the client's; RAW events name it. Outlives the call, too */
    struct str key_id;               /* for the conversation's scope */
    struct str instructions; /* without PROVIDER_TOOLS or PROVIDER_SCHEMA: what the model is told
                                once a chat, before all messages; else empty. Outlives the call */
    bool wants_raw; /* chat->raw goes upstream, RAW events come back: with PROVIDER_RAW only */
    const struct provider_edit *edits; /* in order, at most 62; outlive the call with all
                                          they point at */
    size_t n_edits;
    const struct str *traceparent; /* W3C Trace Context, of the present try; it is another one
                                      behind on_attempt. NULL or empty: none. Outlives the call */
    const struct str *tracestate;  /* likewise, as the client sent it */
    const struct provider_sink *sink;
    void *arg;
};

/* One line of a report of `check`. */
struct provider_fact {
    struct str name; /* "account", which begins those of one, "state", "plan", "quota", "models" */
    struct str value;
    bool is_problem; /* then the upstream cannot be used, and value says what to do */
    bool has_share;  /* of a quota: how much of it is used, in per cent */
    unsigned share;
};
struct provider_report {
    bool usable;  /* no account of it has a problem */
    bool answers; /* it can answer, be it with some of its accounts or keys */
    const struct provider_fact *facts;
    size_t n;
};
typedef void on_report(void *arg, const struct provider_report *report);

/* Where its accounts or keys stand, each counted once, by the worst that is known of it. */
enum provider_standing {
    STANDING_READY,
    STANDING_BUSY,       /* runs as many answers as it may */
    STANDING_RESTING,    /* after a limit: not asked for anything */
    STANDING_FAILING,    /* its last sign-in failed, or its cookies are not kept */
    STANDING_SIGNED_OUT, /* somebody has to do something */
    STANDINGS,
};
struct provider_census {
    unsigned accounts[STANDINGS];
    unsigned cooldowns; /* that run: of an account and a model each, or of all its models */
};

/* A model that an upstream has. */
struct provider_model {
    struct str name;
    struct str members; /* what else it tells of it: a JSON object, or empty */
};

struct provider_call;     /* one answer in the making */
struct provider_instance; /* an upstream on one worker */

struct relay_ops;
struct provider_account;

struct provider_ops {
    const char *name;      /* "enginelabs" */
    unsigned capabilities; /* a set of enum provider_capability */

    /* On the worker, before and after its loop serves. `upstream` is the provider's process-wide
     * part. All calls have ended when `detach` is called; it calls detached(arg) when its last own
     * request has ended. */
    struct provider_instance *(*attach)(void *upstream, const struct provider_env *env);
    void (*detach)(struct provider_instance *p, void (*detached)(void *arg), void *arg);

    /* The models that it is known to have, copied into `a`; 0: none are known yet. The turn is
     * another number when they are others. Any thread. Both optional. */
    size_t (*models)(void *upstream, struct arena *a, const struct provider_model **ret);
    unsigned (*models_turn)(void *upstream);

    /* Begins to find out what is_ready and models must know and do not yet. Optional. */
    void (*prepare)(struct provider_instance *p);

    /* Never calls back before it returned. */
    struct provider_call *(*start)(struct provider_instance *p, const struct provider_request *r);

    /* Back-pressure: no text events while paused. */
    void (*pause)(struct provider_call *c);
    void (*resume)(struct provider_call *c);

    /* After FINISH, once: what the client got. `settled` is called when the next turn can be found,
     * then the call is gone. `answer` is NULL for SETTLE_DIVERGED. */
    void (*settle)(struct provider_call *c, enum provider_verdict verdict,
                   const struct fingerprint_said *answer, void (*settled)(void *arg));

    /* Any state: no callback from now on, connections of the call are closed at once, the call is
     * gone. A settlement that has begun completes by itself. */
    void (*release)(struct provider_call *c);

    /* Whether the upstream could answer now, from what is known: never asks it. One that lists no
     * models may be, by names that others know. `why` (128 bytes, empty before) says why not, or
     * what is wrong with a part of it all the same. */
    bool (*is_ready)(void *upstream, char *why);

    /* Adds its accounts. Any thread. Optional. */
    void (*census)(void *upstream, int64_t now_ms, struct provider_census *census);

    /* They as they stand, one by one (provider/account.h), in `a`; `ret_waiting`: calls that wait
     * for any of them. Any thread. Optional, as the next: ends all cool-downs of one; false: there
     * is none of that name. */
    size_t (*accounts)(void *upstream, struct arena *a, int64_t now_ms,
                       const struct provider_account **ret, size_t *ret_waiting);
    bool (*clear)(struct provider_instance *p, struct str account);

    /* Signs in and asks; `done` once, unless the instance is detached first. */
    void (*check)(struct provider_instance *p, on_report *done, void *arg);

    /* Requests for its other endpoints (provider/relay.h); NULL: it has none. */
    const struct relay_ops *relay;
};
