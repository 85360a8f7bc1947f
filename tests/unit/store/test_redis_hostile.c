/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is none: a thread that greets as it is told and answers what it is told, to
 * whatever was asked. */
#include <stdatomic.h>

#include "redis_rig.h"

#define GREETING(version, mode, aof)                                                         \
    "$45\r\nredis_version:" version "\r\nredis_mode:" mode "\r\n\r\n$15\r\naof_enabled:" aof \
    "\r\n\r\n+OK\r\n"
#define GOOD GREETING("7.0.15", "standalone", "1")

struct fake {
    struct peer peer;
    const char *greeting;
    const char *answer; /* to what comes behind the greeting */
    size_t n_answer;
    size_t cut; /* bytes of greeting and answer together, then the end; SIZE_MAX: all */
    bool byte_by_byte;
    bool keeps_silent; /* keeps the connection open behind the answer */
    atomic_bool waits; /* before the greeting */
    atomic_uint n_conns;
};

static void send_some(const struct fake *f, int fd, const char *p, size_t n)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    for (size_t i = 0; f->byte_by_byte && i < n; i++)
        write_all(fd, p + i, 1);
    if (!f->byte_by_byte)
        write_all(fd, p, n);
}

/* Reads until the probe, which ends the greeting. */
static bool read_greeting(int fd)
{
    char got[4096];
    size_t n = 0;
    ssize_t r = 1;

    while (r > 0 && str_find((struct str){ got, n }, STR("#probe\r\n")) == SIZE_MAX) {
        r = recv(fd, got + n, sizeof(got) - n, 0);
        n += r > 0 ? (size_t)r : 0;
    }
    return r > 0;
}

static void serve_fake(void *arg, int fd)
{
    struct fake *f = arg;
    size_t n = strlen(f->greeting);
    size_t left;
    char first;

    atomic_fetch_add(&f->n_conns, 1);
    if (!read_greeting(fd))
        return;
    while (atomic_load(&f->waits))
        poll(NULL, 0, 1);
    send_some(f, fd, f->greeting, n < f->cut ? n : f->cut);
    if (f->cut <= n)
        return;
    left = f->cut - n;
    if (recv(fd, &first, 1, 0) == 1)
        send_some(f, fd, f->answer, f->n_answer < left ? f->n_answer : left);
    if (f->keeps_silent)
        read_to_end(fd);
    shutdown(fd, SHUT_WR);
    read_to_end(fd);
}

static void fake_start(struct fake *f, const char *greeting, const char *answer)
{
    *f = (struct fake){ .greeting = greeting, .answer = answer, .cut = SIZE_MAX };
    f->n_answer = strlen(answer);
}

static void rig_on(struct rig *r, struct fake *f)
{
    struct loop *l = still_loop();
    size_t fds = count_fds();

    peer_start(&f->peer, serve_fake, f);
    rig_open(r, store_at(f->peer.port), l);
    r->fds = fds; /* those of the thread come and go */
}

static void rig_off(struct rig *r, struct fake *f)
{
    bench_close(&r->b);
    peer_stop(&f->peer);
    rig_end(r);
}

/* ---- operations of each verb ---- */

static struct store_op *ask(struct store_port *p, unsigned verb, struct told *told)
{
    static const struct store_key key = { STORE_JAR, 1, "k" };
    static const struct store_key lease = { STORE_LEASE, 1, "l" };
    static const struct store_tally tally = { .key = { STORE_SUM, 1, "s" }, .numbers = { 1 } };
    struct store_counter c = counter_of("c", 1, 10, 60000);
    struct str value = STR("v");

    switch (verb) {
    case 0:
        return store_get(p, &key, on_told, told);
    case 1:
        return store_put(p, &key, value, 1000, on_told, told);
    case 2:
        return store_claim_first(p, &key, 1, on_told, told);
    case 3:
        return store_swap(p, &key, NULL, &value, 1000, on_told, told);
    case 4:
        return store_count(p, &c, 1, on_told, told);
    case 5:
        return store_append(p, STORE_USAGE, value, 100000, on_told, told);
    case 6:
        return store_read(p, STORE_USAGE, 5, 2, on_told, told);
    case 7:
        return store_list(p, STORE_JAR, STR(""), 2, on_told, told);
    case 8:
        return store_hold(p, &lease, 7, 1, 1000, on_told, told);
    default:
        return store_tally(p, &tally, 1, 1000, NULL, on_told, told);
    }
}

enum { VERBS = 10 };

static bool is_failure(enum err err)
{
    return err == ERR_IO || err == ERR_CLOSED || err == ERR_TIMEOUT;
}

/* ---- tests ---- */

static const struct {
    const char *reply;
    const char *fits; /* verbs, as digits, that it is an answer to */
} replies[] = {
    { "$5\r\nhello\r\n", "0" },
    { "$-1\r\n", "02" },
    { ":1\r\n", "1359" },
    { "+OK\r\n", "159" },
    { "*0\r\n", "67" },
    { "*-1\r\n", "02" },
    { "*1\r\n$1\r\nx\r\n", "3" },
    { "*1\r\n:7\r\n", "" },
    { "*2\r\n:1\r\n$1\r\nx\r\n", "2" },
    { "*2\r\n:0\r\n$1\r\n5\r\n", "4" },
    { "*2\r\n:1\r\n:3\r\n", "8" },
    { "*2\r\n:0\r\n:0\r\n", "8" },
    { "*2\r\n:1\r\n:-1\r\n", "" },
    { "*3\r\n:1\r\n:1\r\n:1\r\n", "" },
    { "*2\r\n$1\r\n1\r\n:1\r\n", "" },
    { "*2\r\n$1\r\nx\r\n$-1\r\n", "" },
    { "*2\r\n:1\r\n$-1\r\n", "" },
    { "*2\r\n$-1\r\n$1\r\nx\r\n", "" },
    { "*4\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\nb\r\n$1\r\ny\r\n", "7" },
    { "*6\r\n$1\r\na\r\n$1\r\nx\r\n$1\r\nb\r\n$1\r\ny\r\n$1\r\nc\r\n$1\r\nz\r\n", "7" },
    { "*2\r\n:1\r\n$1\r\n5\r\n", "24" },
    { "*2\r\n:1\r\n$1\r\n-\r\n", "2" },
    { "*2\r\n:2\r\n$1\r\n5\r\n", "" },
    { "*2\r\n:-1\r\n$20\r\n99999999999999999999\r\n", "" },
    { "*2\r\n:0\r\n$20\r\n99999999999999999999\r\n", "" },
    { "*2\r\n$1\r\nx\r\n$1\r\nx\r\n", "7" },
    { "*2\r\n$1\r\nx\r\n:1\r\n", "" },
    { "*1\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$3\r\nrow\r\n$1\r\nx\r\n", "6" },
    { "*1\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$3\r\nrow\r\n$1\r\nx\r\n", "" },
    { "*1\r\n*2\r\n$3\r\nx-0\r\n*2\r\n$3\r\nrow\r\n$1\r\nx\r\n", "" },
    { "*1\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$3\r\nrow\r\n:1\r\n", "" },
    { "*1\r\n*2\r\n$3\r\n4-0\r\n*-1\r\n", "" },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "" },
    { "-ERR whatever\r\n", "" },
    { "-LOADING Redis is loading the dataset in memory\r\n", "" },
    { "-\r\n", "" },
    { "$9223372036854775807\r\nx", "" },
    { "$-9223372036854775807\r\nx", "" },
    { "*2147483647\r\n", "" },
    { "*-2147483648\r\n", "" },
    { "*99999999999999999999\r\n", "" },
    { "%garbage\r\n", "" },
    { "HTTP/1.1 400 Bad Request\r\n\r\n", "" },
    { "\r\n\r\n", "" },
    { "", "" },
};

static void check_reply(size_t i, unsigned verb)
{
    struct fake f;
    struct rig r;
    struct told told = { 0 };
    bool fits = strchr(replies[i].fits, (char)('0' + verb)) != NULL && replies[i].fits[0];

    fake_start(&f, GOOD, replies[i].reply);
    rig_on(&r, &f);
    EXPECT(ask(r.b.port, verb, &told) != NULL);
    RUN_UNTIL(r.b.loop, told.calls > 0);
    if (is_failure(told.err) == fits) {
        print_error("reply %zu to verb %u: %s\n", i, verb, err_name(told.err));
        EXPECT(false);
    }
    rig_off(&r, &f);
    EXPECT_INT(told.calls, 1);
}

static void no_reply_to_any_operation_does_harm(void)
{
    for (size_t i = 0; i < COUNT_OF(replies); i++)
        for (unsigned verb = 0; verb < VERBS; verb++)
            check_reply(i, verb);
}

static void a_connection_cut_at_any_byte_fails_the_operation(void)
{
    size_t all = strlen(GOOD "$5\r\nhello\r\n");

    for (size_t cut = 0; cut <= all; cut++) {
        struct fake f;
        struct rig r;
        enum err err;

        fake_start(&f, GOOD, "$5\r\nhello\r\n");
        f.cut = cut;
        rig_on(&r, &f);
        err = rig_get(&r, "k");
        EXPECT_INT(err, cut == all ? ERR_NONE : ERR_CLOSED);
        rig_off(&r, &f);
    }
}

static void bytes_may_come_one_by_one(void)
{
    struct fake f;
    struct rig r;
    struct told told = { 0 };

    fake_start(&f, GOOD, "*2\r\n$1\r\nx\r\n$3\r\na\r\n\r\n*0\r\n");
    f.byte_by_byte = true;
    rig_on(&r, &f);
    TOLD(&r.b, told, ask(r.b.port, 7, &told));
    EXPECT_Z(told.rows, "x=a\r\n;");
    rig_off(&r, &f);
}

/* The clock says that nothing comes any more. */
static void a_reply_that_never_ends_times_out(const char *reply)
{
    struct fake f;
    struct rig r;
    struct told told = { 0 };

    fake_start(&f, GOOD, reply);
    f.keeps_silent = true;
    rig_on(&r, &f);
    ask(r.b.port, 0, &told);
    PASS_UNTIL(r.b.loop, told.calls > 0);
    EXPECT(is_failure(told.err));
    PASS_UNTIL(r.b.loop, !rig_is_ready(&r) || atomic_load(&f.n_conns) > 1);
    rig_off(&r, &f);
    EXPECT_INT(told.calls, 1);
}

static void replies_that_never_end_time_out(void)
{
    a_reply_that_never_ends_times_out("");
    a_reply_that_never_ends_times_out("$99999999999\r\n");
    a_reply_that_never_ends_times_out("*4000\r\n:1\r\n");
    a_reply_that_never_ends_times_out("+O");
}

static void a_flood_breaks_the_connection(void)
{
    static char flood[12 * 1024 * 1024];
    static const char *const begins[] = { "$99999999999\r\n", "+", ":1\r\n" };

    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        struct fake f;
        struct rig r;
        enum err err;

        memset(flood, 'x', sizeof(flood) - 1);
        memcpy(flood, begins[i], strlen(begins[i]));
        fake_start(&f, GOOD, flood);
        rig_on(&r, &f);
        err = rig_get(&r, "k");
        EXPECT_INT(err, begins[i][0] == ':' ? ERR_IO : ERR_CLOSED);
        expect_why(&r, "broke the protocol");
        rig_off(&r, &f);
    }
}

static void values_above_our_own_bounds_are_none(void)
{
    static char answer[2 * STORE_VALUE_MAX];
    size_t n = (size_t)snprintf(answer, sizeof(answer), "$%d\r\n", STORE_VALUE_MAX + 1);
    struct fake f;
    struct rig r;

    memset(answer + n, 'x', STORE_VALUE_MAX + 1);
    memcpy(answer + n + STORE_VALUE_MAX + 1, "\r\n", 3);
    fake_start(&f, GOOD, answer);
    rig_on(&r, &f);
    EXPECT_INT(rig_get(&r, "k"), ERR_IO);
    rig_off(&r, &f);
}

static void replies_that_nobody_asked_for_break_the_connection(void)
{
    struct fake f;
    struct rig r;

    fake_start(&f, GOOD "+MORE\r\n", "$-1\r\n");
    rig_on(&r, &f);
    RUN_UNTIL(r.b.loop, !rig_is_ready(&r) && str_find(str_of(r.why), STR("protocol")) != SIZE_MAX);
    EXPECT_INT(rig_get(&r, "k"), ERR_CLOSED);
    rig_off(&r, &f);
}

static void servers_that_will_not_do_are_named(void)
{
    static const struct {
        const char *greeting;
        const char *why;
    } rows[] = {
        { GREETING("5.0.14", "standalone", "1"), "is version 5.0.14, 6.0 or later is needed" },
        { GREETING("7.0.1\x1b", "standalone", "1"), NULL },
        { GREETING("7.0.15", "cluster...", "1"), "runs as cluster..., which is not supported" },
        { GREETING("7.0.15", "standalone", "0"), "keeps no append-only file" },
        { "$4\r\nhuh?\r\n", "does not say its version" },
        { "$-1\r\n", "does not answer as Redis does" },
        { "-ERR unknown command 'INFO'\r\n", "said: ERR unknown command 'INFO'" },
        { "-ERR \x1b[31m\xff\r\n", "said: ERR ?[31m?" },
        { "HTTP/1.1 400 Bad Request\r\n", "broke the protocol" },
        { "-DENIED Redis is running in protected mode\r\n", "said: DENIED Redis is running" },
        { "-LOADING Redis is loading\r\n", "is still loading its data" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fake f;
        struct rig r;

        fake_start(&f, rows[i].greeting, "+OK\r\n");
        rig_on(&r, &f);
        EXPECT(rig_put(&r, STORE_JAR, "k", "v") == (rows[i].why ? ERR_IO : ERR_NONE) ||
               rows[i].greeting[0] == 'H');
        if (rows[i].why)
            expect_why(&r, rows[i].why);
        rig_off(&r, &f);
    }
}

/* The second answer never comes, and nobody asks a server again that is out of memory. */
static void while_it_refuses_others_nothing_more_is_asked(void)
{
    struct fake f;
    struct rig r;
    struct told told[2] = { { 0 } };

    fake_start(&f, GOOD, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    f.keeps_silent = true;
    rig_on(&r, &f);
    ask(r.b.port, 1, &told[0]);
    ask(r.b.port, 1, &told[1]);
    RUN_UNTIL(r.b.loop, told[0].calls > 0);
    EXPECT_INT(told[0].err, ERR_IO);
    EXPECT_INT(rig_get(&r, "k"), ERR_IO); /* at once */
    EXPECT_INT(told[1].calls, 0);
    expect_why(&r, "is out of memory");
    PASS_UNTIL(r.b.loop, told[1].calls > 0);
    EXPECT_INT(told[1].err, ERR_TIMEOUT);
    rig_close_in_time(&r);
    peer_stop(&f.peer);
    rig_end(&r);
}

/* What was told to have failed must not take anything later. */
static void what_waited_too_long_is_not_asked_any_more(void)
{
    struct fake f;
    struct rig r;
    struct told told = { 0 };

    fake_start(&f, GOOD, "$-1\r\n"); /* one answer for two operations */
    atomic_store(&f.waits, true);
    rig_on(&r, &f);
    ask(r.b.port, 2, &told);
    RUN_UNTIL(r.b.loop, atomic_load(&f.n_conns) == 1);
    pass(r.b.loop, 800);
    EXPECT_INT(told.calls, 1);
    EXPECT_INT(told.err, ERR_TIMEOUT);
    atomic_store(&f.waits, false);
    EXPECT_INT(rig_get(&r, "k"), ERR_NOT_FOUND);
    rig_off(&r, &f);
}

/* A server that breaks each connection is asked less and less often. */
static void attempts_become_rare(void)
{
    struct fake f;
    struct rig r;
    unsigned before;

    fake_start(&f, "-ERR no\r\n", "");
    rig_on(&r, &f);
    EXPECT_INT(rig_get(&r, "k"), ERR_IO);
    for (int i = 0; i < 40; i++) {
        pass(r.b.loop, 500);
        run_turn(r.b.loop);
        EXPECT_INT(rig_get(&r, "k"), ERR_IO);
        run_turn(r.b.loop);
    }
    before = atomic_load(&f.n_conns);
    pass(r.b.loop, 900);
    for (int i = 0; i < 20; i++)
        run_turn(r.b.loop);
    EXPECT(atomic_load(&f.n_conns) <= before + 1 && before < 30);
    PASS_UNTIL(r.b.loop, atomic_load(&f.n_conns) > before);
    rig_off(&r, &f);
}

/* ---- bounds ---- */

static void count_refused(void *arg, const struct store_result *result)
{
    *(unsigned *)arg += result->err == ERR_NOMEM;
}

/* As many as there are before the first is refused; the server does not greet. */
static unsigned fill(size_t value_n)
{
    static char value[STORE_VALUE_MAX];
    const struct store_key key = contract_key("k");
    unsigned n_refused = 0, n = 0;
    struct fake f;
    struct rig r;

    fake_start(&f, "", "");
    f.keeps_silent = true;
    rig_on(&r, &f);
    do {
        store_put(r.b.port, &key, (struct str){ value, value_n }, 1000, count_refused, &n_refused);
        n++;
        if (n % 100 == 0)
            run_turn_now(r.b.loop);
    } while (n_refused == 0 && n < 20000);
    EXPECT(n_refused > 0);
    rig_close_in_time(&r);
    peer_stop(&f.peer);
    rig_end(&r);
    return n;
}

static void what_waits_is_bounded(void)
{
    unsigned n = fill(0);

    EXPECT(n > 10000 && n <= 10200);
    n = fill(STORE_VALUE_MAX);
    EXPECT(n > 400 && n < 700);
}

/* More than the kernel takes at once: the rest goes when there is room. */
static void what_does_not_fit_is_written_later(void)
{
    static char big[STORE_VALUE_MAX];
    struct store_key key = contract_key("k");
    struct server s;
    struct rig r;
    unsigned n_refused = 0;
    struct told told = { 0 };

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    rig_await(&r);
    EXPECT(kill(s.pid, SIGSTOP) == 0);
    memset(big, 'x', sizeof(big));
    for (int i = 0; i < 400; i++)
        store_put(r.b.port, &key, (struct str){ big, sizeof(big) }, 60000, count_refused,
                  &n_refused);
    run_turn(r.b.loop);
    EXPECT(kill(s.pid, SIGCONT) == 0);
    TOLD(&r.b, told, store_get(r.b.port, &key, on_told, &told));
    EXPECT(told.err == ERR_NONE && told.n == sizeof(big));
    EXPECT_INT(n_refused, 0);
    rig_close(&r);
    server_stop(&s);
}

static const struct test suite[] = {
    { "no reply to any operation does harm", no_reply_to_any_operation_does_harm },
    { "a connection cut at any byte fails the operation",
      a_connection_cut_at_any_byte_fails_the_operation },
    { "bytes may come one by one", bytes_may_come_one_by_one },
    { "replies that never end time out", replies_that_never_end_time_out },
    { "a flood breaks the connection", a_flood_breaks_the_connection },
    { "values above our own bounds are none", values_above_our_own_bounds_are_none },
    { "replies that nobody asked for break the connection",
      replies_that_nobody_asked_for_break_the_connection },
    { "servers that will not do are named", servers_that_will_not_do_are_named },
    { "while it refuses others, nothing more is asked",
      while_it_refuses_others_nothing_more_is_asked },
    { "what waited too long is not asked any more", what_waited_too_long_is_not_asked_any_more },
    { "attempts become rare", attempts_become_rare },
    { "what waits is bounded", what_waits_is_bounded },
    { "what does not fit is written later", what_does_not_fit_is_written_later },
};

TEST_MAIN(suite)
