/* SPDX-License-Identifier: Apache-2.0 */
/* Against a real server: the contract, replicas, restarts, and servers that will not do. */
#include "base/metrics.h"
#include "redis_rig.h"
#include "store_race.h"

static void set_up(struct rig *r, struct server *s)
{
    server_start(s, no_extra, NULL);
    rig_open(r, store_at(s->port), still_loop());
}

static void tear_down(struct rig *r, struct server *s)
{
    rig_close(r);
    server_stop(s);
}

static void does_what_every_store_must(void)
{
    struct server s;
    struct loop *l = still_loop();
    struct store *store;

    server_start(&s, no_extra, NULL);
    store = store_at(s.port);
    EXPECT(store_is_shared(store));
    EXPECT_Z(store_name(store), "redis");
    store_contract(store, l, false);
    EXPECT_INT(loop_timers(l), 0);
    loop_free(l);
    server_stop(&s);
}

static void of_two_workers_exactly_one_gets_a_key(void)
{
    enum { RACES = 1000 };
    static atomic_uchar winners[RACES];
    struct server s;
    struct loop *l = still_loop();
    struct store *store;

    server_start(&s, no_extra, NULL);
    store = store_at(s.port);
    store_race(store, l, winners, RACES);
    store_close(store);
    loop_free(l);
    server_stop(&s);
}

/* Other gateways add to them, and the server drops what has expired. */
static void nobody_counts_its_entries(void)
{
    struct server s;
    struct rig r;
    struct exposition e;
    struct buf out;

    set_up(&r, &s);
    buf_init(&out, 65536);
    exposition_init(&e, &out, EXPOSITION_PROMETHEUS);
    metrics_write(&e);
    EXPECT(str_find(buf_str(&out), STR("store_operations_total")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&out), STR("store_entries")) == SIZE_MAX);
    tear_down(&r, &s);
    buf_clear(&out);
    metrics_write(&e);
    EXPECT(!exposition_end(&e));
    EXPECT(str_find(buf_str(&out), STR("store_entries")) != SIZE_MAX);
    buf_deinit(&out);
}

/* ---- replicas ---- */

struct tally {
    unsigned n;
    unsigned n_done;
    unsigned n_refused;
    int64_t highest;
};

static void on_tally(void *arg, const struct store_result *result)
{
    struct tally *t = arg;

    t->n++;
    t->n_done += result->err == ERR_NONE;
    t->n_refused +=
        result->err == ERR_LIMIT || result->err == ERR_NOT_FOUND || result->err == ERR_CONFLICT;
    if (result->sums[0] > t->highest)
        t->highest = result->sums[0];
}

static void replicas_share_everything(void)
{
    struct store_counter c = counter_of("shared", 3, 300, 60000);
    struct store_key lease = contract_key_in(STORE_LEASE, "slot");
    struct str me = STR("me");
    struct tally counted = { 0 }, claimed = { 0 }, leased = { 0 };
    struct server s;
    struct rig r;
    struct bench other;

    set_up(&r, &s);
    bench_open(&other, store_at(s.port), r.b.loop);
    for (unsigned i = 0; i < 100; i++) {
        struct store_key key = race_key(i);

        store_put(i % 2 ? r.b.port : other.port, &key, STR("prize"), 60000, NULL, NULL);
    }
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    EXPECT_INT(rig_get(&(struct rig){ .b = other }, "x"), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 200; i++) {
        struct store_port *p = i % 2 ? r.b.port : other.port;
        struct store_key key = race_key(i / 2);

        store_count(p, &c, 1, on_tally, &counted);
        store_claim_first(p, &key, 1, on_tally, &claimed);
        store_swap(p, &lease, NULL, &me, 60000, on_tally, &leased);
    }
    RUN_UNTIL(r.b.loop, counted.n + claimed.n + leased.n == 600);
    EXPECT(counted.n_done == 100 && counted.n_refused == 100 && counted.highest == 300);
    EXPECT(claimed.n_done == 100 && claimed.n_refused == 100);
    EXPECT(leased.n_done == 1 && leased.n_refused == 199);
    bench_close(&other);
    tear_down(&r, &s);
}

static void stores_with_other_prefixes_are_apart(void)
{
    struct store_redis_params params;
    struct server s;
    struct rig r;
    struct bench other;

    set_up(&r, &s);
    params = params_at(s.port);
    params.key_prefix = "other";
    bench_open(&other, store_redis_new(&params), r.b.loop);
    contract_put(&other, "x", "theirs", 60000);
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    expect_got(&other, "x", "theirs");
    bench_close(&other);
    tear_down(&r, &s);
}

/* ---- what is kept ---- */

static void all_ends_by_the_servers_clock(void)
{
    struct store_counter c = counter_of("short", 1, 1, 100);
    struct store_key key = contract_key("short");
    struct store_tally tally = { .key = contract_key_in(STORE_SUM, "short") };
    struct told told;
    struct server s;
    struct rig r;
    char dbsize[64];

    set_up(&r, &s);
    TOLD(&r.b, told, store_put(r.b.port, &key, STR("x"), 50, on_told, &told));
    TOLD(&r.b, told, store_tally(r.b.port, &tally, 1, 50, NULL, on_told, &told));
    EXPECT_INT(contract_hold(&r.b, 1, 1, 50).err, ERR_NONE);
    EXPECT_INT(contract_count(&r.b, &c, 1).err, ERR_NONE);
    PASS_UNTIL(r.b.loop, rig_get(&r, "short") == ERR_NOT_FOUND);
    PASS_UNTIL(r.b.loop, contract_hold(&r.b, 2, 1, 50).err == ERR_NONE);
    PASS_UNTIL(r.b.loop, contract_count(&r.b, &c, 1).err == ERR_NONE);
    do {
        TOLD(&r.b, told, store_list(r.b.port, STORE_SUM, STR(""), 10, on_told, &told));
        server_say(&s, "DBSIZE", dbsize);
    } while (strcmp(dbsize, ":0") != 0); /* the probe too is gone after a second */
    tear_down(&r, &s);
}

static void sums_are_exact_beyond_2_to_53(void)
{
    static const struct {
        int64_t amount;
        int64_t limit;
        enum err err;
        int64_t sum;
    } rows[] = {
        { 9007199254740993, INT64_MAX, ERR_NONE, 9007199254740993 },
        { 2, 9007199254740994, ERR_LIMIT, 9007199254740993 },
        { 1, 9007199254740994, ERR_NONE, 9007199254740994 },
        { -9007199254740993, 0, ERR_NONE, 1 },
        { 999999999, 1000000000, ERR_NONE, 1000000000 },
        { -1, 0, ERR_NONE, 999999999 },
        { 1, -1, ERR_LIMIT, 999999999 },
        { 0, 0, ERR_NONE, 999999999 },
        { INT64_MAX, INT64_MAX, ERR_NONE, INT64_MAX },
        { 1, INT64_MAX - 1, ERR_LIMIT, INT64_MAX },
        { -1, 0, ERR_NONE, INT64_MAX - 1 },
        { INT64_MIN, 0, ERR_NONE, 0 },
    };
    struct server s;
    struct rig r;

    set_up(&r, &s);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct store_counter c = counter_of("sum", rows[i].amount, rows[i].limit, 60000);
        struct told told = contract_count(&r.b, &c, 1);

        EXPECT_INT(told.err, rows[i].err);
        EXPECT(told.sums[0] == rows[i].sum);
    }
    tear_down(&r, &s);
}

static void what_died_leaves_the_index(void)
{
    struct store_key key = contract_key_in(STORE_JAR, "b");
    struct told told;
    struct server s;
    struct rig r;
    char reply[64];

    set_up(&r, &s);
    contract_put_in(&r.b, STORE_JAR, "a", "1", STORE_FOREVER);
    contract_put_in(&r.b, STORE_JAR, "c", "3", STORE_FOREVER);
    TOLD(&r.b, told, store_put(r.b.port, &key, STR("2"), 1, on_told, &told));
    PASS_UNTIL(r.b.loop, (told = contract_list(&r.b, "", 10)).n_rows == 2);
    EXPECT_Z(told.rows, "a=1;c=3;");
    server_say(&s, "DEL enginelabs-2api:jar:a", reply);
    told = contract_list(&r.b, "", 1);
    EXPECT_Z(told.rows, "c=3;");
    server_say(&s, "ZCARD enginelabs-2api:jar#index", reply);
    EXPECT_Z(reply, ":1");
    tear_down(&r, &s);
}

static void what_goes_leaves_the_index_at_once(void)
{
    struct store_key keys[] = { contract_key_in(STORE_JAR, "a"), contract_key_in(STORE_JAR, "b"),
                                contract_key_in(STORE_JAR, "c") };
    struct str value = STR("x");
    struct told told;
    struct server s;
    struct rig r;
    char reply[64];

    set_up(&r, &s);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        store_swap(r.b.port, &keys[i], NULL, &value, STORE_FOREVER, NULL, NULL);
    EXPECT_Z(contract_list(&r.b, "", 10).rows, "a=x;b=x;c=x;");
    TOLD(&r.b, told, store_claim_first(r.b.port, &keys[0], 1, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
    TOLD(&r.b, told, store_swap(r.b.port, &keys[1], &value, &value, 0, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
    TOLD(&r.b, told, store_put(r.b.port, &keys[2], value, 0, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
    server_say(&s, "ZCARD enginelabs-2api:jar#index", reply);
    EXPECT_Z(reply, ":0");
    server_say(&s, "EXISTS enginelabs-2api:jar:a enginelabs-2api:jar:b enginelabs-2api:jar:c",
               reply);
    EXPECT_Z(reply, ":0");
    tear_down(&r, &s);
}

static void its_log_is_bounded(void)
{
    struct told told;
    struct server s;
    struct rig r;
    char reply[64];

    set_up(&r, &s);
    server_say(&s,
               "EVAL \"for i = 1, 101000 do redis.call('XADD', KEYS[1], i .. '-0', 'row', 'old') "
               "end return redis.status_reply('OK')\" 1 enginelabs-2api:usage#log",
               reply);
    EXPECT_Z(reply, "+OK");
    contract_append(&r.b, "new");
    server_say(&s, "XLEN enginelabs-2api:usage#log", reply);
    EXPECT(strlen(reply) == 7 && memcmp(reply, ":100", 4) == 0);
    told = contract_read(&r.b, UINT64_MAX, 1);
    EXPECT_Z(told.rows, "new;");
    EXPECT_INT(told.last_id, 101001);
    EXPECT_INT(contract_read(&r.b, 900, 10).n_rows, 0);
    EXPECT_INT(contract_read(&r.b, UINT64_MAX, 0).n_rows, 0);
    tear_down(&r, &s);
}

/* 256 of the largest rows are more than one answer holds. */
static void a_full_answer_goes_on_with_the_next_one(void)
{
    static char big[STORE_VALUE_MAX];
    struct tally appended = { 0 };
    struct told told;
    struct server s;
    struct rig r;

    set_up(&r, &s);
    memset(big, 'x', 9);
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 200; i++)
        store_append(r.b.port, STORE_USAGE, (struct str){ big, sizeof(big) }, 100000, on_tally,
                     &appended);
    RUN_UNTIL(r.b.loop, appended.n == 200);
    EXPECT_INT(appended.n_done, 200);
    told = contract_read(&r.b, UINT64_MAX, STORE_ROWS_MAX);
    EXPECT(told.n_rows > 100 && told.n_rows < 200 && told.last_id == 201 - told.n_rows);
    EXPECT_INT(contract_read(&r.b, told.last_id, STORE_ROWS_MAX).n_rows, 200 - told.n_rows);
    tear_down(&r, &s);
}

static void a_foreign_value_fails_only_its_operation(void)
{
    struct store_counter c = counter_of("foreign", 1, 10, 60000);
    struct server s;
    struct rig r;
    char reply[64];

    set_up(&r, &s);
    rig_await(&r);
    server_say(&s, "LPUSH enginelabs-2api:tip:foreign x", reply);
    server_say(&s, "SET enginelabs-2api:limit:foreign words", reply);
    EXPECT_INT(rig_get(&r, "foreign"), ERR_IO);
    EXPECT_INT(contract_count(&r.b, &c, 1).err, ERR_IO);
    EXPECT(rig_is_ready(&r));
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    tear_down(&r, &s);
}

/* ---- servers come and go ---- */

static void a_killed_server_fails_fast_until_it_is_back(void)
{
    struct server s;
    struct rig r;

    set_up(&r, &s);
    expect_why(&r, "is not connected yet");
    EXPECT_INT(rig_put(&r, STORE_JAR, "kept", "cookie"), ERR_NONE);
    EXPECT(rig_is_ready(&r));
    server_kill(&s);
    PASS_UNTIL(r.b.loop, rig_get(&r, "x") == ERR_CLOSED && !rig_is_ready(&r) &&
                             str_find(str_of(r.why), STR("no connection to")) != SIZE_MAX);
    for (int i = 0; i < 3; i++)
        EXPECT_INT(rig_get(&r, "x"), ERR_CLOSED); /* at once: the clock stands */
    while (!server_run(&s))                       /* somebody may have the port for a moment */
        poll(NULL, 0, 20);
    rig_await(&r);
    EXPECT_Z(contract_list(&r.b, "", 10).rows, "kept=cookie;");
    tear_down(&r, &s);
}

static void operations_wait_for_the_first_connection(void)
{
    struct tally t = { 0 };
    struct store_key key = contract_key("early");
    struct server s;
    struct rig r;

    set_up(&r, &s);
    store_put(r.b.port, &key, STR("bird"), 60000, NULL, NULL);
    for (unsigned i = 0; i < 100; i++)
        store_get(r.b.port, &key, on_tally, &t);
    RUN_UNTIL(r.b.loop, t.n == 100);
    EXPECT_INT(t.n_done, 100);
    tear_down(&r, &s);
}

static void without_a_server_they_fail_with_the_first_attempt(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* has the port, does not listen */
    struct rig r;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(bind(fd, (struct sockaddr *)&a, n) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    rig_open(&r, store_at(ntohs(a.sin_port)), still_loop());
    EXPECT_INT(rig_get(&r, "x"), ERR_CLOSED);
    EXPECT_INT(rig_get(&r, "x"), ERR_CLOSED);
    expect_why(&r, "refused");
    rig_close(&r);
    close(fd);
}

static void a_server_that_hangs_costs_the_deadline_once(void)
{
    struct store_key key = contract_key("x");
    struct told told = { 0 };
    struct server s;
    struct rig r;

    set_up(&r, &s);
    contract_put(&r.b, "x", "there", 60000);
    EXPECT(kill(s.pid, SIGSTOP) == 0);
    store_get(r.b.port, &key, on_told, &told);
    run_turn(r.b.loop);
    pass(r.b.loop, 799);
    EXPECT_INT(told.calls, 0);
    pass(r.b.loop, 1);
    RUN_UNTIL(r.b.loop, told.calls == 1);
    EXPECT_INT(told.err, ERR_TIMEOUT);
    pass(r.b.loop, 200);
    EXPECT_INT(rig_get(&r, "x"), ERR_CLOSED); /* at once: it is known to be dead */
    expect_why(&r, "does not answer");
    EXPECT(kill(s.pid, SIGCONT) == 0);
    PASS_UNTIL(r.b.loop, rig_get(&r, "x") == ERR_NONE);
    EXPECT(rig_is_ready(&r));
    tear_down(&r, &s);
}

static void a_person_waits_longer_than_a_request(void)
{
    struct store_key key = contract_key("x");
    struct told request = { 0 }, person = { 0 };
    struct server s;
    struct rig r;

    set_up(&r, &s);
    contract_put(&r.b, "x", "there", 60000);
    EXPECT(kill(s.pid, SIGSTOP) == 0);
    store_get(r.b.port, &key, on_told, &request);
    store_wait_longer(store_get(r.b.port, &key, on_told, &person));
    run_turn(r.b.loop);
    pass(r.b.loop, 900);
    RUN_UNTIL(r.b.loop, request.calls == 1);
    EXPECT_INT(request.err, ERR_TIMEOUT);
    EXPECT_INT(person.calls, 0);
    EXPECT(kill(s.pid, SIGCONT) == 0);
    RUN_UNTIL(r.b.loop, person.calls == 1);
    EXPECT_INT(person.err, ERR_NONE);
    tear_down(&r, &s);
}

static void a_port_closes_though_the_server_hangs(void)
{
    struct store_key key = contract_key("x");
    struct told told = { 0 };
    struct server s;
    struct rig r;

    set_up(&r, &s);
    rig_await(&r);
    EXPECT(kill(s.pid, SIGSTOP) == 0);
    store_put(r.b.port, &key, STR("nobody waits"), 60000, NULL, NULL);
    store_get(r.b.port, &key, on_told, &told);
    rig_close_in_time(&r);
    EXPECT(told.calls == 1 && told.err == ERR_TIMEOUT);
    rig_end(&r);
    server_stop(&s);
}

static void what_nobody_waits_for_is_written_before_the_port_closes(void)
{
    struct store_key key = contract_key("last");
    struct server s;
    struct rig r;
    struct bench other;

    set_up(&r, &s);
    rig_await(&r);
    bench_open(&other, store_at(s.port), r.b.loop);
    contract_put(&other, "first", "x", 60000);
    store_port_close(other.port, on_bench_closed, &other);
    store_put(other.port, &key, STR("words"), 60000, NULL, NULL);
    RUN_UNTIL(r.b.loop, other.is_closed);
    store_close(other.store);
    PASS_UNTIL(r.b.loop, rig_get(&r, "last") == ERR_NONE);
    tear_down(&r, &s);
}

static const struct test suite[] = {
    { "does what every store must", does_what_every_store_must },
    { "of two workers exactly one gets a key", of_two_workers_exactly_one_gets_a_key },
    { "nobody counts its entries", nobody_counts_its_entries },
    { "replicas share everything", replicas_share_everything },
    { "stores with other prefixes are apart", stores_with_other_prefixes_are_apart },
    { "all ends by the server's clock", all_ends_by_the_servers_clock },
    { "sums are exact beyond 2^53", sums_are_exact_beyond_2_to_53 },
    { "what died leaves the index", what_died_leaves_the_index },
    { "what goes leaves the index at once", what_goes_leaves_the_index_at_once },
    { "its log is bounded", its_log_is_bounded },
    { "a full answer goes on with the next one", a_full_answer_goes_on_with_the_next_one },
    { "a foreign value fails only its operation", a_foreign_value_fails_only_its_operation },
    { "a killed server fails fast until it is back", a_killed_server_fails_fast_until_it_is_back },
    { "operations wait for the first connection", operations_wait_for_the_first_connection },
    { "without a server they fail with the first attempt",
      without_a_server_they_fail_with_the_first_attempt },
    { "a server that hangs costs the deadline once", a_server_that_hangs_costs_the_deadline_once },
    { "a person waits longer than a request", a_person_waits_longer_than_a_request },
    { "a port closes though the server hangs", a_port_closes_though_the_server_hangs },
    { "what nobody waits for is written before the port closes",
      what_nobody_waits_for_is_written_before_the_port_closes },
};

TEST_MAIN(suite)
