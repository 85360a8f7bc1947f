/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole gateway in this process: a worker with its listener, the providers, a store, and the
 * simulator as upstream, each on its own thread; the test is the client, on blocking sockets. The
 * linker puts the functions below in the place of those that may fail (cmake/tests.cmake): the n-th
 * call of a kind does, from when the test says, in whatever thread.
 */
#pragma once

#include <time.h>

#include "store/redis_rig.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cli/demo.h"
#include "cli/reloader.h"
#include "cli/upstreams.h"
#include "gateway/health.h"
#include "net/listener.h"

/* ---- what fails ---- */

enum fault_kind {
    FAULT_NONE,
    FAULT_MEMORY, /* what grows with what a peer sends */
    FAULT_READ,
    FAULT_WRITE,
    FAULT_ACCEPT,
    FAULT_SOCKET,
    FAULT_CONNECT,
    FAULT_TIMER, /* strikes at once */
    FAULT_SQLITE,
    FAULT_REDIS,
    FAULT_NEVER,
    FAULT_KINDS
};

static const char *const fault_names[FAULT_KINDS] = {
    [FAULT_NONE] = "none",       [FAULT_MEMORY] = "memory", [FAULT_READ] = "read",
    [FAULT_WRITE] = "write",     [FAULT_ACCEPT] = "accept", [FAULT_SOCKET] = "socket",
    [FAULT_CONNECT] = "connect", [FAULT_TIMER] = "timer",   [FAULT_SQLITE] = "SQLite",
    [FAULT_REDIS] = "Redis",
};

static struct {
    atomic_int kind;
    atomic_long left; /* calls until the one that fails */
    atomic_bool has_struck;
} fault;

/* The gateway's threads alone. */
static inline bool fault_is_ours(void)
{
    static __thread enum { NEW, OURS, OTHER } whose;
    char name[16];

    if (whose == NEW) {
        EXPECT_INT(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
        whose = strcmp(name, "simulator") == 0 ? OTHER : OURS;
    }
    return whose == OURS;
}

static inline bool fault_strikes(enum fault_kind kind)
{
    if (atomic_load(&fault.kind) != (int)kind || !fault_is_ours() ||
        atomic_fetch_sub(&fault.left, 1) != 1)
        return false;
    atomic_store(&fault.has_struck, true);
    return true;
}

static inline void fault_arm(enum fault_kind kind, long n)
{
    atomic_store(&fault.kind, FAULT_NONE);
    atomic_store(&fault.has_struck, false);
    atomic_store(&fault.left, n);
    atomic_store(&fault.kind, (int)kind);
}

static inline int fault_errno(enum fault_kind kind, int number)
{
    if (!fault_strikes(kind))
        return 0;
    errno = number;
    return -1;
}

/* `signature` is that of the function; `args` what it is called with; `failed` what it returns. */
#define FAULTY(type, name, signature, args, kind, number, failed)             \
    type __real_##name signature;                                             \
    type __wrap_##name signature;                                             \
    type __wrap_##name signature                                              \
    {                                                                         \
        return fault_errno((kind), (number)) ? (failed) : __real_##name args; \
    }

/* Less is no more than a name or a cookie, and may end the program. */
enum { PEER_SIZED = 4096 };

FAULTY(void *, mem_try, (size_t n), (n), n < PEER_SIZED ? FAULT_NEVER : FAULT_MEMORY, ENOMEM, NULL)
FAULTY(void *, mem_try_grow, (void *p, size_t n), (p, n),
       n < PEER_SIZED ? FAULT_NEVER : FAULT_MEMORY, ENOMEM, NULL)
FAULTY(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), FAULT_READ,
       ECONNRESET, -1)
FAULTY(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), FAULT_WRITE,
       ECONNRESET, -1)
FAULTY(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags),
       FAULT_ACCEPT, EMFILE, -1)
FAULTY(int, socket, (int family, int type, int protocol), (family, type, protocol), FAULT_SOCKET,
       EMFILE, -1)
FAULTY(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), FAULT_CONNECT,
       ECONNREFUSED, -1)
/* Libraries of other rooms: what is needed of their headers. */
struct sqlite3;
struct sqlite3_stmt;
struct redisReader;
enum { STEP_FAILS = 10 /* SQLITE_IOERR */, EXEC_FAILS = 13 /* SQLITE_FULL */ };
enum { PREPARE_FAILS = 7 /* SQLITE_NOMEM */, REPLY_FAILS = -1 /* REDIS_ERR */ };

FAULTY(int, sqlite3_step, (struct sqlite3_stmt * s), (s), FAULT_SQLITE, EIO, STEP_FAILS)
FAULTY(int, sqlite3_exec,
       (struct sqlite3 * db, const char *sql, int (*each)(void *, int, char **, char **), void *arg,
        char **ret_error),
       (db, sql, each, arg, ret_error), FAULT_SQLITE, EIO, EXEC_FAILS)
FAULTY(int, sqlite3_prepare_v2,
       (struct sqlite3 * db, const char *sql, int n, struct sqlite3_stmt **ret,
        const char **ret_tail),
       (db, sql, n, ret, ret_tail), FAULT_SQLITE, ENOMEM, PREPARE_FAILS)
FAULTY(int, redisReaderGetReply, (struct redisReader * r, void **ret), (r, ret), FAULT_REDIS,
       EPROTO, REPLY_FAILS)

void __real_timer_arm(struct loop *l, struct timer *t, int64_t ms, void (*expire)(void *arg),
                      void *arg);
void __wrap_timer_arm(struct loop *l, struct timer *t, int64_t ms, void (*expire)(void *arg),
                      void *arg);
void __wrap_timer_arm(struct loop *l, struct timer *t, int64_t ms, void (*expire)(void *arg),
                      void *arg)
{
    __real_timer_arm(l, t, fault_strikes(FAULT_TIMER) ? 0 : ms, expire, arg);
}

/* ---- the gateway ---- */

static const struct gateway_path house_paths[] = {
    { "/v1/chat/completions", HTTP_POST, PATH_KEY | PATH_JSON, handle_chat_completions,
      &dialect_openai_chat },
    { "/v1/messages", HTTP_POST, PATH_KEY | PATH_JSON, handle_messages,
      &dialect_anthropic_messages },
    { NULL, HTTP_GET, 0, NULL, NULL },
};

struct house {
    char folder[32];
    struct server *redis; /* NULL: SQLite */
    struct demo *demo;
    struct endpoint at;
    struct endpoint upstream;
    struct settings settings;
    struct gateway gateway;
    struct gateway_worker share;
    struct worker *worker;
    size_t budget; /* before it all */
    size_t n_fds;
};

static inline void write_config(const struct house *h, const char *path)
{
    FILE *out = fopen(path, "w");
    char cookie[SIMULATOR_COOKIE_MAX + 1];
    struct buf value;

    buf_init(&value, SIMULATOR_COOKIE_MAX);
    EXPECT_INT(simulator_cookie(1, 0, &value), ERR_NONE);
    str_to_z(buf_str(&value), cookie, sizeof(cookie));
    buf_deinit(&value);
    EXPECT(out != NULL);
    fprintf(out,
            "shutdown_timeout: 1\nworkers: 1\napi_request_timeout: %d\n"
            "upstreams:\n"
            "  - {name: cto, provider: enginelabs, api_url: 'http://127.0.0.1:%u',\n"
            "     clerk_url: 'http://127.0.0.1:%u', models: [GPT5],\n"
            "     accounts: [{name: a, cookie: '%s', max_parallel: 4}]}\n"
            "  - {name: local, provider: openai, base_url: 'http://127.0.0.1:%u/v1',\n"
            "     api_key: sk-test, models: [llama]}\n",
            h->redis ? 3 : 60, h->upstream.port, h->upstream.port, cookie, h->upstream.port);
    EXPECT(fclose(out) == 0);
}

static inline void load_house(struct house *h)
{
    char path[64];
    struct settings_source source = { .use = SETTINGS_ALL, .config_file = path };
    struct buf problems;

    snprintf(path, sizeof(path), "%s/settings.yaml", h->folder);
    write_config(h, path);
    buf_init(&problems, 1 << 16);
    if (settings_load(&source, &h->settings, &problems))
        fail_msg("%.*s", STR_ARGS(buf_str(&problems)));
    buf_deinit(&problems);
}

/* False: the store refused to open, and said why. */
static inline bool open_house_store(struct house *h)
{
    char path[64];
    char why[STORE_WHY_MAX] = "";

    if (h->redis) {
        h->gateway.store = store_at(h->redis->port);
        return true;
    }
    snprintf(path, sizeof(path), "%s/state.db", h->folder);
    if (store_sqlite_open(path, &h->gateway.store, why) == ERR_NONE)
        return true;
    EXPECT(why[0] != '\0');
    return false;
}

static inline void house_prepare(struct house *h, struct server *redis)
{
    *h = (struct house){ .folder = "/tmp/faults-XXXXXX", .redis = redis };
    h->budget = mem_budget_used();
    h->n_fds = count_fds();
    log_set_level(LOG_OFF);
    EXPECT(mkdtemp(h->folder) != NULL);
    EXPECT_INT(endpoint_parse(STR("127.0.0.1:0"), &h->at), ERR_NONE);
    h->upstream = h->at;
    EXPECT_INT(demo_start(&h->upstream,
                          STR("{\"daily_limit\":1000000,\"token_life_s\":3600,\"api_keys\":\"*\","
                              "\"models\":[\"*\"],"
                              "\"pacing\":{\"first_ms\":0,\"every_ms\":0}}"),
                          &h->demo),
               ERR_NONE);
    load_house(h);
}

/* False: it refused to start. */
static inline bool house_open(struct house *h)
{
    struct gateway *g = &h->gateway;
    char what[256];

    if (!open_house_store(h))
        return false;
    EXPECT_INT(listen_open(&h->at, &g->listen_fd, what), ERR_NONE);
    g->version = "0";
    g->paths = house_paths;
    g->health = health_new();
    g->n_workers = 1;
    setup_begin(g, &h->settings);
    h->share.gateway = g;
    h->worker = worker_new(
        &(struct worker_params){ "worker", gateway_worker_start, gateway_worker_stop, &h->share });
    return true;
}

/* Nothing may be left of it. */
static inline void house_close(struct house *h)
{
    if (h->worker) {
        atomic_store(&h->gateway.draining, true);
        worker_stop(h->worker);
        worker_free(h->worker);
        setup_end(&h->gateway);
        health_free(h->gateway.health);
        close(h->gateway.listen_fd);
    }
    store_close(h->gateway.store);
    settings_deinit(&h->settings);
    demo_free(h->demo);
    EXPECT(nftw(h->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
    EXPECT_INT(metric_get(METRIC_CONNECTIONS), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    EXPECT_INT(metric_get(METRIC_EXCHANGES), 0);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(metric_get(METRIC_WAITING), 0);
    EXPECT_INT(mem_budget_used(), h->budget);
    EXPECT_INT(count_fds(), h->n_fds);
}
