/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running gateway: what the whole process shares, what each worker has of its
 * own, and the table that says which handler answers which path.
 */
#pragma once

#include <stdatomic.h>

#include "dialect/dialect.h"
#include "gateway/settings.h"
#include "http/server.h"
#include "net/listener.h"
#include "net/timer.h"
#include "net/worker.h"
#include "store/store.h"
#include "json/writer.h"

struct gateway_worker;
struct route_book;

/* A configured provider's process-wide part; setups with the same `shared` have it in common. */
struct upstream {
    const char *name;
    const struct provider_ops *provider;
    void *shared; /* what attach() takes */
};

/* What a path needs before its handler is called. */
enum {
    PATH_KEY = 1,     /* a valid key */
    PATH_PREFIX = 2,  /* everything below the path, which ends in '/' */
    PATH_JSON = 4,    /* a body that says it is application/json, where no key protects */
    PATH_STREAM = 8,  /* its handler gets the body as it comes, of any type */
    PATH_GUARD = 16,  /* gateway.guard decides who may, instead of a key */
    PATH_TOKENS = 32, /* of PATH_STREAM: what goes through is counted in tokens */
};

struct gateway_path {
    const char *path;
    enum http_method method; /* GET implies HEAD */
    unsigned needs;          /* PATH_... */
    void (*handle)(struct gateway_worker *w, struct http_request *r);
    const struct dialect_ops *dialect; /* whose errors its clients understand; NULL: OpenAI's */
};

/* Settings and what was made of them; never changes. A reload makes another: workers then take that
 * one up, and an exchange keeps the one that it began with. Who made it frees it when nobody holds
 * it any more (docs/internals/reload.md). */
struct gateway_setup {
    const struct settings *settings;
    const struct upstream *upstreams; /* in the order of settings->upstreams */
    size_t n_upstreams;
    struct route_book *routes;                /* which names there are, and where they lead */
    atomic_uint refs;                         /* whoever made it holds the first */
    void (*release)(struct gateway_setup *s); /* the last is gone; any thread. NULL: nothing */

    /* The process-wide part of its upstream `i`, for who needs that longer than the setup, and what
     * gives it back. Any thread. NULL: they outlive the gateway. */
    void *(*hold)(struct gateway_setup *s, size_t i);
    void (*drop)(void *held);
};

void gateway_setup_ref(struct gateway_setup *s);
void gateway_setup_unref(struct gateway_setup *s);

/* Everything process-wide. Filled by cli/serve.c, then only read, but for the atomics. */
struct gateway {
    struct gateway_setup *setup; /* the newest, when a worker opens its share */
    const char *version;
    bool demo;
    const struct gateway_path
        *paths; /* static, ended by a NULL path; several rows may share one path */
    struct store *store;
    struct store *spare;        /* counts limits while `store` fails; NULL: nothing does */
    struct key_ring *keys;      /* of clients, in the store; NULL: there are none */
    struct tls_trust *trust;    /* NULL when no upstream needs TLS */
    const struct wire_tap *tap; /* listens in on the upstreams; NULL: nobody does */
    struct health *health;      /* of targets; NULL: all are well */
    struct admin *admin;        /* what operators have; NULL: nothing */
    struct crew *crew;          /* all shares, to be asked; NULL: nobody asks */
    struct minutes *minutes;    /* the last hour; NULL: nobody wants to know */

    /* On the head of a request for a path with PATH_GUARD: answers it if it may not go on. May
     * lower *max_body. */
    void (*guard)(struct gateway_worker *w, struct http_request *r, size_t *max_body);
    int listen_fd;
    size_t n_workers, max_idle; /* the latter: upstream connections that a worker may keep */
    int64_t started_wall_ms, started_ms; /* the latter by the clock that nobody sets */
    bool is_handed_on;                   /* another process goes on with all that this one has */
    bool has_next;             /* another process has the socket, or will; both before `draining` */
    atomic_bool draining;      /* SIGTERM came, or is_handed_on */
    atomic_size_t connections; /* open client connections of all workers */
};

/* A setup as one worker has it; lives on its thread. */
struct gateway_view {
    const struct settings *settings; /* these four are the setup's */
    const struct upstream *upstreams;
    size_t n_upstreams;
    struct route_book *routes;
    struct provider_instance **instances; /* of each upstream */
    struct gateway_setup *setup;          /* held */
    struct attached **attached;           /* private: behind `instances` */
    struct gateway_worker *worker;
    unsigned refs; /* the worker's, while it is the newest, and one an exchange */
    struct task end;
};

/* One worker's share; lives on its thread. */
struct gateway_worker {
    struct gateway *gateway;
    struct gateway_view *view; /* the newest */
    struct loop *loop;
    struct http_server *server;
    struct listener *listener;
    struct connector *connector;
    struct http_client *client;
    struct store_port *store;
    struct tracer *tracer;     /* NULL: nobody collects traces */
    struct ledger *ledger;     /* NULL: usage is not kept */
    struct store_port *spare;  /* of gateway.spare; NULL without */
    struct key_watch *keys;    /* NULL: without gateway.keys */
    struct list attached;      /* private: instances, of all views */
    void (*closed)(void *arg); /* while the share is closed */
    void *closed_arg;
    struct list exchanges;    /* struct exchange.node */
    struct list relays;       /* struct relay.node */
    struct timer drain_limit; /* SHUTDOWN_TIMEOUT while draining */
    bool served;              /* no client is left */
};

/* For struct worker_params: start opens everything, stop drains within SHUTDOWN_TIMEOUT and then
 * ends the loop. `arg` is a struct gateway_worker with `gateway` set, the rest zero. */
void gateway_worker_start(void *arg, struct loop *l);
void gateway_worker_stop(void *arg, struct loop *l);

/* What a worker needs to reach the upstreams, without a server of its own: connections, its port of
 * the store, its part of each upstream. */
void gateway_share_open(struct gateway_worker *w, struct gateway *g, struct loop *l);

/* From now on requests are served by `s`. On the worker's thread, not while its share is closed. */
void gateway_share_switch(struct gateway_worker *w, struct gateway_setup *s);

/* The newest view; it lives as long as it is held. Giving it back is fine in any callback. */
struct gateway_view *gateway_view_ref(struct gateway_worker *w);
void gateway_view_unref(struct gateway_view *v);

/* Calls closed(arg) later, when all of it is gone. */
void gateway_share_close(struct gateway_worker *w, void (*closed)(void *arg), void *arg);

/* The row for the path and method of a request, or NULL; then `ret_known`: other methods have one.
 */
const struct gateway_path *gateway_find_path(const struct gateway *g, const struct http_head *head,
                                             bool *ret_known);

/* The dialect whose errors the clients of this path understand, that of a path below one, too. */
const struct dialect_ops *gateway_dialect_of(const struct gateway *g, struct str path);

/* ---- answering ---- */

/* x-upstream and its like for the answer that is about to begin, behind the headers that `r` came
 * with. `upstream` NULL: none; `here_us` is the time that was spent in the gateway. */
void gateway_set_headers(struct http_request *r, struct str headers, const char *upstream,
                         unsigned attempts, int64_t here_us);

/* Answers with the failure in the shape of `dialect` (NULL: OpenAI's), with Retry-After,
 * WWW-Authenticate and x-should-retry where they apply. */
void gateway_reply_failure(struct http_request *r, const struct dialect_ops *dialect,
                           const struct failure *failure);

/* For a request that no exchange is begun for: counts it and writes its log line. Before the
 * answer. */
void gateway_note_refusal(const struct http_request *r, const struct failure *failure);

/* A failure made on the spot of a request without an exchange, noted as such; in OpenAI's shape. */
void gateway_reply_error(struct http_request *r, enum failure_kind kind, const char *format, ...)
    FORMAT(3, 4);

/* The same in the shape of a dialect. */
void gateway_reply_error_as(struct http_request *r, const struct dialect_ops *dialect,
                            enum failure_kind kind, const char *format, ...) FORMAT(4, 5);

/* A JSON body with a status. */
void gateway_reply_json(struct http_request *r, int status, struct str body);

/* The same with what `j` wrote; when that failed for want of memory, the error that says so. */
void gateway_reply_written(struct http_request *r, int status, struct json_writer *j);

/* ---- handlers ---- */

void handle_chat_completions(struct gateway_worker *w, struct http_request *r);
void handle_completions(struct gateway_worker *w, struct http_request *r);
void handle_responses(struct gateway_worker *w, struct http_request *r);
void handle_response(struct gateway_worker *w, struct http_request *r);
void handle_response_delete(struct gateway_worker *w, struct http_request *r);
void handle_messages(struct gateway_worker *w, struct http_request *r);
void handle_count_tokens(struct gateway_worker *w, struct http_request *r);
void handle_models(struct gateway_worker *w, struct http_request *r);
void handle_model(struct gateway_worker *w, struct http_request *r);
