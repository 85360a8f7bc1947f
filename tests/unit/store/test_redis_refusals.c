/* SPDX-License-Identifier: Apache-2.0 */
/* Real servers that will not do, or not yet: why is said, nothing hangs, and it ends when they do.
 */
#include "base/metrics.h"
#include "net/tls_fixture.h"
#include "redis_rig.h"

static void tear_down(struct rig *r, struct server *s)
{
    rig_close(r);
    server_stop(s);
}

static void without_an_append_only_file_cookies_are_refused(void)
{
    static const char *const extra[] = { "--appendonly", "no", NULL };
    struct store_key key = contract_key_in(STORE_JAR, "a");
    struct str value = STR("cookie");
    struct told told;
    struct server s;
    struct rig r;

    server_start(&s, extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    EXPECT_INT(rig_put(&r, STORE_JAR, "a", "cookie"), ERR_IO);
    TOLD(&r.b, told, store_swap(r.b.port, &key, NULL, &value, STORE_FOREVER, on_told, &told));
    EXPECT_INT(told.err, ERR_IO);
    EXPECT_INT(contract_list(&r.b, "", 10).n_rows, 0);
    EXPECT_INT(rig_put(&r, STORE_TIP, "x", "a tip"), ERR_NONE);
    EXPECT_INT(rig_get(&r, "x"), ERR_NONE);
    expect_why(&r, "keeps no append-only file (set appendonly yes): renewed cookies could be lost");
    server_does(&s, "CONFIG SET appendonly yes");
    rig_await(&r);
    EXPECT_INT(rig_put(&r, STORE_JAR, "a", "cookie"), ERR_NONE);
    server_does(&s, "CONFIG SET appendonly no");
    PASS_UNTIL(r.b.loop, !rig_is_ready(&r));
    EXPECT_INT(rig_put(&r, STORE_JAR, "a", "cookie"), ERR_IO);
    tear_down(&r, &s);
}

static enum err get_token(struct rig *r, const char *bytes)
{
    struct store_key key = contract_key_in(STORE_TOKEN, bytes);
    struct told told;

    TOLD(&r->b, told, store_get(r->b.port, &key, on_told, &told));
    return told.err;
}

/* A snapshot brings back what was claimed after it was made. */
static void without_an_append_only_file_no_tip_outlives_the_server(void)
{
    static const char *const extra[] = { "--appendonly", "no", NULL };
    struct server s;
    struct rig r;
    char reply[64];

    server_start(&s, extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    EXPECT_INT(rig_put(&r, STORE_TIP, "a", "claimed"), ERR_NONE);
    EXPECT_INT(rig_put(&r, STORE_TIP, "b", "left"), ERR_NONE);
    EXPECT_INT(rig_put(&r, STORE_TOKEN, "t", "a token"), ERR_NONE);
    server_does(&s, "SAVE");
    expect_claimed(&r.b, "a", 0, "claimed");
    server_kill(&s);
    EXPECT(server_run(&s));
    server_say(&s, "KEYS *:tip*", reply);
    EXPECT_Z(reply, "*2"); /* they are there again */
    PASS_UNTIL(r.b.loop, rig_get(&r, "none") == ERR_NOT_FOUND);
    expect_absent(&r.b, "a");
    expect_absent(&r.b, "b");
    EXPECT_INT(get_token(&r, "t"), ERR_NONE);
    EXPECT_INT(rig_put(&r, STORE_TIP, "c", "of this run"), ERR_NONE);
    expect_claimed(&r.b, "abc", 2, "of this run");
    tear_down(&r, &s);
}

static void with_one_tips_outlive_it(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    EXPECT_INT(rig_put(&r, STORE_TIP, "a", "claimed"), ERR_NONE);
    EXPECT_INT(rig_put(&r, STORE_TIP, "b", "left"), ERR_NONE);
    expect_claimed(&r.b, "a", 0, "claimed");
    server_kill(&s);
    EXPECT(server_run(&s));
    PASS_UNTIL(r.b.loop, rig_get(&r, "none") == ERR_NOT_FOUND);
    expect_claimed(&r.b, "ab", 1, "left");
    tear_down(&r, &s);
}

/* All replicas see the same run. */
static void without_an_append_only_file_replicas_share_tips(void)
{
    static const char *const extra[] = { "--appendonly", "no", NULL };
    struct bench other;
    struct server s;
    struct rig r;

    server_start(&s, extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    bench_open(&other, store_at(s.port), r.b.loop);
    EXPECT_INT(rig_put(&r, STORE_TIP, "a", "shared"), ERR_NONE);
    expect_claimed(&other, "a", 0, "shared");
    bench_close(&other);
    tear_down(&r, &s);
}

static struct store *store_with(uint16_t port, const char *user, const char *password, unsigned db)
{
    struct store_redis_params params = params_at(port);
    struct secret secret = { NULL, 0 };
    struct store *store;

    secret_set(&secret, str_of(password));
    params.user = user;
    params.password = &secret;
    params.db = db;
    store = store_redis_new(&params);
    secret_deinit(&secret);
    return store;
}

static void the_right_password_opens(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, "open-sesame");
    rig_open(&r, store_with(s.port, NULL, "open-sesame", 0), still_loop());
    EXPECT_INT(rig_put(&r, STORE_JAR, "a", "cookie"), ERR_NONE);
    EXPECT(rig_is_ready(&r));
    tear_down(&r, &s);
}

static void a_user_has_a_password_of_its_own(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    server_does(&s, "ACL SETUSER gateway on >sesame ~* +@all");
    rig_open(&r, store_with(s.port, "gateway", "sesame", 0), still_loop());
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    EXPECT(rig_is_ready(&r));
    tear_down(&r, &s);
}

static void expect_refused(struct rig *r, const char *why)
{
    EXPECT_INT(rig_get(r, "x"), ERR_IO);
    EXPECT_INT(rig_get(r, "x"), ERR_IO);
    expect_why(r, why);
}

struct watcher {
    int problems;
    int recoveries;
};

static void on_changed(void *arg, const char *problem)
{
    struct watcher *w = arg;

    if (problem)
        w->problems++;
    else
        w->recoveries++;
}

static void trouble_from_the_start_is_told_once_and_so_is_its_end(void)
{
    struct watcher w = { 0 };
    struct store *store;
    struct server s;
    struct rig r;

    server_start(&s, no_extra, "open-sesame");
    store = store_with(s.port, NULL, "wrong-one", 0);
    store_watch(store, on_changed, &w);
    rig_open(&r, store, still_loop());
    expect_refused(&r, "refuses the user or the password");
    EXPECT_INT(w.problems, 1);
    server_does(&s, "CONFIG SET requirepass wrong-one");
    rig_await(&r);
    EXPECT_INT(w.problems, 1);
    EXPECT_INT(w.recoveries, 1);
    tear_down(&r, &s);
}

static void its_connections_are_none_of_the_upstreams(void)
{
    int64_t open = metric_get(METRIC_UPSTREAM_CONNS);
    int64_t made = metric_get(METRIC_CONNECTS);
    int64_t failed = metric_get(METRIC_CONNECT_FAILURES);
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    rig_await(&r);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), open);
    EXPECT_INT(metric_get(METRIC_CONNECTS), made);
    server_kill(&s);
    PASS_UNTIL(r.b.loop, rig_get(&r, "x") == ERR_CLOSED);
    EXPECT_INT(metric_get(METRIC_CONNECT_FAILURES), failed);
    tear_down(&r, &s);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), open);
}

static void a_start_without_trouble_tells_nothing(void)
{
    struct watcher w = { 0 };
    struct store *store;
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    store = store_at(s.port);
    store_watch(store, on_changed, &w);
    rig_open(&r, store, still_loop());
    rig_await(&r);
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    tear_down(&r, &s);
    EXPECT_INT(w.problems, 0);
    EXPECT_INT(w.recoveries, 0);
}

static void a_wrong_password_is_refused_until_it_is_right(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, "open-sesame");
    rig_open(&r, store_with(s.port, NULL, "wrong-one", 0), still_loop());
    expect_refused(&r, "refuses the user or the password");
    EXPECT(str_find(str_of(r.why), STR("wrong-one")) == SIZE_MAX);
    server_does(&s, "CONFIG SET requirepass wrong-one");
    rig_await(&r);
    EXPECT_INT(rig_get(&r, "x"), ERR_NOT_FOUND);
    tear_down(&r, &s);
}

static void no_password_where_one_is_needed_is_refused(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, "open-sesame");
    rig_open(&r, store_at(s.port), still_loop());
    expect_refused(&r, "wants a password");
    tear_down(&r, &s);
}

static void a_user_without_the_right_to_write_is_refused(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    server_does(&s, "ACL SETUSER reader on >sesame ~* +@read +info +eval");
    rig_open(&r, store_with(s.port, "reader", "sesame", 0), still_loop());
    expect_refused(&r, "does not permit");
    tear_down(&r, &s);
}

static void databases_are_apart(void)
{
    struct server s;
    struct rig r;
    struct bench other;

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_with(s.port, NULL, NULL, 3), still_loop());
    EXPECT_INT(rig_put(&r, STORE_TIP, "x", "in 3"), ERR_NONE);
    bench_open(&other, store_at(s.port), r.b.loop);
    expect_got(&other, "x", NULL);
    expect_got(&r.b, "x", "in 3");
    bench_close(&other);
    tear_down(&r, &s);
}

static void a_database_that_is_not_there_is_refused(void)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_with(s.port, NULL, NULL, 77), still_loop());
    expect_refused(&r, "has no database 77");
    tear_down(&r, &s);
}

/* A condition that comes up on an open connection, ends it, and is over later. */
static void lives_through(const char *begin, const char *end, const char *why)
{
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    EXPECT_INT(rig_put(&r, STORE_TIP, "x", "before"), ERR_NONE);
    server_does(&s, begin);
    EXPECT_INT(rig_put(&r, STORE_TIP, "x", "meanwhile"), ERR_IO);
    EXPECT_INT(rig_put(&r, STORE_TIP, "x", "meanwhile"), ERR_IO);
    expect_why(&r, why);
    for (int i = 0; i < 5; i++)
        pass(r.b.loop, 50), run_turn(r.b.loop);
    expect_why(&r, why);
    server_does(&s, end);
    rig_await(&r);
    expect_got(&r.b, "x", "before");
    tear_down(&r, &s);
}

static void a_replica_is_refused_until_it_is_the_primary(void)
{
    lives_through("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read-only replica");
}

static void a_full_server_is_refused_until_it_has_room(void)
{
    lives_through("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "out of memory");
}

static void too_few_replicas_are_a_reason(void)
{
    lives_through("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0",
                  "too few replicas");
}

/* What was sent before the condition was seen is answered one by one, not lost with it. */
static void answers_behind_a_refusal_still_count(void)
{
    struct store_key key = contract_key("x");
    struct told told[3] = { { 0 } };
    struct server s;
    struct rig r;

    server_start(&s, no_extra, NULL);
    rig_open(&r, store_at(s.port), still_loop());
    EXPECT_INT(rig_put(&r, STORE_TIP, "x", "before"), ERR_NONE);
    server_does(&s, "CONFIG SET maxmemory 1");
    store_get(r.b.port, &key, on_told, &told[0]);
    store_put(r.b.port, &key, STR("more"), 60000, on_told, &told[1]);
    store_get(r.b.port, &key, on_told, &told[2]);
    RUN_UNTIL(r.b.loop, told[0].calls && told[1].calls && told[2].calls);
    EXPECT_INT(told[1].err, ERR_IO);
    EXPECT_Z(told[0].value, "before");
    EXPECT_Z(told[2].value, "before");
    tear_down(&r, &s);
}

/* ---- TLS ---- */

struct tls_files {
    char ca[32];
    char cert[32];
    char key[32];
};

static void write_key(const struct identity *i, char *path)
{
    FILE *f;
    int fd;

    snprintf(path, 32, "/tmp/tls-key-XXXXXX");
    fd = mkstemp(path);
    EXPECT(fd >= 0);
    f = fdopen(fd, "w");
    EXPECT(f && PEM_write_PrivateKey(f, i->key, NULL, NULL, 0, NULL, NULL) == 1);
    EXPECT(fclose(f) == 0);
}

static void write_files(struct tls_files *files, const char *san)
{
    struct identity authority = identity_new("test CA", NULL, NULL, 1);
    struct identity me = identity_new("redis", san, &authority, 1);

    write_cert(&authority, files->ca);
    write_cert(&me, files->cert);
    write_key(&me, files->key);
    identity_free(&me);
    identity_free(&authority);
}

/* A server that speaks TLS on its port; a store on it is asked once and must say `want`. */
static void over_tls(const char *san, enum err want, const char *why)
{
    struct tls_files files;
    const char *extra[] = { "--tls-port",
                            NULL,
                            "--port",
                            "0",
                            "--tls-cert-file",
                            files.cert,
                            "--tls-key-file",
                            files.key,
                            "--tls-ca-cert-file",
                            files.ca,
                            "--tls-auth-clients",
                            "no",
                            NULL };
    struct server s = { .extra = extra };
    struct store_redis_params params;
    char port[8];
    char what[256];
    struct rig r;

    write_files(&files, san);
    snprintf(s.dir, sizeof(s.dir), "/tmp/redis-XXXXXX");
    EXPECT(mkdtemp(s.dir) != NULL);
    extra[1] = port;
    do {
        close(listen_loopback(&s.port));
        snprintf(port, sizeof(port), "%u", s.port);
    } while (!server_run(&s));
    params = params_at(s.port);
    params.at.tls = true;
    EXPECT_INT(tls_trust_new(files.ca, &params.trust, what), ERR_NONE);
    rig_open(&r, store_redis_new(&params), still_loop());
    EXPECT_INT(rig_put(&r, STORE_JAR, "x", "cookie"), want);
    EXPECT_INT(rig_is_ready(&r), !why);
    if (why)
        expect_why(&r, why);
    tear_down(&r, &s);
    tls_trust_free(params.trust);
    unlink(files.ca);
    unlink(files.cert);
    unlink(files.key);
}

static void speaks_tls(void)
{
    over_tls("IP:127.0.0.1", ERR_NONE, NULL);
}

static void a_certificate_for_another_host_is_refused(void)
{
    over_tls("IP:127.0.0.2", ERR_CLOSED, "certificate");
}

static const struct test suite[] = {
    { "without an append-only file cookies are refused",
      without_an_append_only_file_cookies_are_refused },
    { "without an append-only file no tip outlives the server",
      without_an_append_only_file_no_tip_outlives_the_server },
    { "with one tips outlive it", with_one_tips_outlive_it },
    { "without an append-only file replicas share tips",
      without_an_append_only_file_replicas_share_tips },
    { "the right password opens", the_right_password_opens },
    { "a user has a password of its own", a_user_has_a_password_of_its_own },
    { "a wrong password is refused until it is right",
      a_wrong_password_is_refused_until_it_is_right },
    { "trouble from the start is told once, and so is its end",
      trouble_from_the_start_is_told_once_and_so_is_its_end },
    { "its connections are none of the upstream's", its_connections_are_none_of_the_upstreams },
    { "a start without trouble tells nothing", a_start_without_trouble_tells_nothing },
    { "no password where one is needed is refused", no_password_where_one_is_needed_is_refused },
    { "a user without the right to write is refused",
      a_user_without_the_right_to_write_is_refused },
    { "databases are apart", databases_are_apart },
    { "a database that is not there is refused", a_database_that_is_not_there_is_refused },
    { "a replica is refused until it is the primary",
      a_replica_is_refused_until_it_is_the_primary },
    { "a full server is refused until it has room", a_full_server_is_refused_until_it_has_room },
    { "too few replicas are a reason", too_few_replicas_are_a_reason },
    { "answers behind a refusal still count", answers_behind_a_refusal_still_count },
    { "speaks TLS", speaks_tls },
    { "a certificate for another host is refused", a_certificate_for_another_host_is_refused },
};

TEST_MAIN(suite)
