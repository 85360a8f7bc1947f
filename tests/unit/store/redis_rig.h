/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real Redis server as a child process on a free port, with a directory of its own, and stores on
 * it. The loops' clocks stand still, so that no deadline passes on a slow machine; tests turn them.
 */
#pragma once

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "store/redis.h"
#include "store_contract.h"

struct server {
    uint16_t port;
    char dir[32];
    const char *password;     /* NULL: none */
    const char *const *extra; /* NULL-terminated arguments */
    pid_t pid;
};

static const char *const no_extra[] UNUSED = { NULL };

/* Its socket in its directory, besides the port: `path` has 48 bytes. */
static inline void server_path(const struct server *s, char *path)
{
    snprintf(path, 48, "%s/socket", s->dir);
}

static inline void exec_server(const struct server *s)
{
    char port[8];
    char path[48];
    const char *args[32] = { "redis-server",
                             "--port",
                             port,
                             "--bind",
                             "127.0.0.1",
                             "--dir",
                             s->dir,
                             "--save",
                             "",
                             "--appendonly",
                             "yes",
                             "--appendfsync",
                             "no",
                             "--daemonize",
                             "no",
                             "--loglevel",
                             "warning",
                             "--unixsocket",
                             path };
    size_t n = 0;
    int null = open("/dev/null", O_RDWR);

    snprintf(port, sizeof(port), "%u", s->port);
    server_path(s, path);
    while (args[n])
        n++;
    if (s->password) {
        args[n++] = "--requirepass";
        args[n++] = s->password;
    }
    for (size_t i = 0; s->extra[i] && n + 1 < COUNT_OF(args); i++)
        args[n++] = s->extra[i];
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(args[0], (char *const *)(uintptr_t)args);
    _exit(127);
}

/* -1 when nobody listens. On the port somebody else may. */
static inline int server_connect(const struct server *s)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    server_path(s, a.sun_path);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Whether it listens; false when it ended (the port was taken meanwhile). */
static inline bool await_server(struct server *s)
{
    int64_t give_up = clock_now_ms() + WATCHDOG_MS;
    int fd;

    while ((fd = server_connect(s)) < 0 && clock_now_ms() < give_up) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = 0;
            return false;
        }
        poll(NULL, 0, 5);
    }
    EXPECT(fd >= 0);
    close(fd);
    return true;
}

static inline bool server_run(struct server *s)
{
    s->pid = fork();
    EXPECT(s->pid >= 0);
    if (s->pid == 0)
        exec_server(s);
    return await_server(s);
}

static inline void server_start(struct server *s, const char *const *extra, const char *password)
{
    *s = (struct server){ .extra = extra, .password = password };
    snprintf(s->dir, sizeof(s->dir), "/tmp/redis-XXXXXX");
    EXPECT(mkdtemp(s->dir) != NULL);
    do
        close(listen_loopback(&s->port));
    while (!server_run(s));
}

static inline void server_kill(struct server *s)
{
    EXPECT(kill(s->pid, SIGKILL) == 0);
    EXPECT(waitpid(s->pid, NULL, 0) == s->pid);
    s->pid = 0;
}

static inline int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int type,
                             UNUSED struct FTW *ftw)
{
    return remove(path);
}

static inline void server_stop(struct server *s)
{
    if (s->pid)
        server_kill(s);
    EXPECT(nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Says a command behind the store's back, as text; `reply` gets the first line, up to 64 bytes. */
static inline void server_say(const struct server *s, const char *command, char *reply)
{
    int fd = server_connect(s);
    size_t n = 0;

    EXPECT(fd >= 0);
    if (s->password) {
        write_text(fd, "AUTH ");
        write_text(fd, s->password);
        write_text(fd, "\r\n");
        EXPECT(read_all(fd, reply, 5) == 5 && memcmp(reply, "+OK\r\n", 5) == 0);
    }
    write_text(fd, command);
    write_text(fd, "\r\n");
    while (n < 63 && recv(fd, reply + n, 1, 0) == 1 && reply[n] != '\n')
        n++;
    reply[n > 0 ? n - 1 : 0] = '\0';
    close(fd);
}

static inline void server_does(const struct server *s, const char *command)
{
    char reply[64];

    server_say(s, command, reply);
    EXPECT_Z(reply, "+OK");
}

/* ---- stores ---- */

static inline struct store_redis_params params_at(uint16_t port)
{
    return (struct store_redis_params){ .at = { .host = "127.0.0.1", .port = port } };
}

static inline struct store *store_at(uint16_t port)
{
    struct store_redis_params params = params_at(port);

    return store_redis_new(&params);
}

static inline struct loop *still_loop(void)
{
    struct loop *l = loop_new();

    loop_clock_set(l, loop_now_ms(l));
    return l;
}

static inline void pass(struct loop *l, int64_t ms)
{
    loop_clock_set(l, loop_now_ms(l) + ms);
}

/* Lets time pass until it holds: for what is tried again and again. */
#define PASS_UNTIL(l, cond)                                    \
    do {                                                       \
        int64_t give_up_ = clock_now_ms() + WATCHDOG_MS;       \
        while (!(cond)) {                                      \
            int64_t step_ = clock_now_ms() + 20;               \
            while (clock_now_ms() < step_)                     \
                run_turn(l);                                   \
            pass(l, 50);                                       \
            if (clock_now_ms() > give_up_)                     \
                die(__FILE__, __LINE__, "never true: " #cond); \
        }                                                      \
    } while (0)

/* A loop with a store and an open port, and the descriptors before these two. */
struct rig {
    struct bench b;
    size_t fds;
    char why[128];
};

static inline void rig_open(struct rig *r, struct store *s, struct loop *l)
{
    r->why[0] = '\0';
    r->fds = count_fds();
    bench_open(&r->b, s, l);
}

/* Nothing may be left of a store that is closed: no timer, no descriptor. */
static inline void rig_end(struct rig *r)
{
    EXPECT_INT(loop_timers(r->b.loop), 0);
    EXPECT_INT(count_fds(), r->fds);
    loop_free(r->b.loop);
}

static inline void rig_close(struct rig *r)
{
    bench_close(&r->b);
    rig_end(r);
}

/* For a port that does not close before some time has passed. */
static inline void rig_close_in_time(struct rig *r)
{
    store_port_close(r->b.port, on_bench_closed, &r->b);
    PASS_UNTIL(r->b.loop, r->b.is_closed);
    store_close(r->b.store);
}

static inline bool rig_is_ready(struct rig *r)
{
    return store_is_ready(r->b.store, r->why);
}

static inline void rig_await(struct rig *r)
{
    PASS_UNTIL(r->b.loop, rig_is_ready(r));
}

static inline enum err rig_put(struct rig *r, enum store_space space, const char *key,
                               const char *value)
{
    struct store_key k = contract_key_in(space, key);
    struct told told;

    TOLD(&r->b, told, store_put(r->b.port, &k, str_of(value), 60000, on_told, &told));
    return told.err;
}

static inline enum err rig_get(struct rig *r, const char *key)
{
    struct store_key k = contract_key(key);
    struct told told;

    TOLD(&r->b, told, store_get(r->b.port, &k, on_told, &told));
    return told.err;
}

static inline void expect_why(struct rig *r, const char *part)
{
    EXPECT(!rig_is_ready(r));
    if (str_find(str_of(r->why), str_of(part)) == SIZE_MAX) {
        print_error("got \"%s\", want \"...%s...\"\n", r->why, part);
        EXPECT(false);
    }
}
