/* SPDX-License-Identifier: Apache-2.0 */
/* Plain connects, direct and through proxies; every way to fail, and canceling anywhere. */
#include "fake_resolver.h"
#include "net_test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "base/metrics.h"
#include "net/connector.h"

enum { TIMEOUT_MS = 5000 };

struct result {
    bool is_done;
    enum err err;
    char detail[1024];
    struct conn *conn;
};

static void on_done(void *arg, const struct connect_outcome *outcome)
{
    struct result *r = arg;

    EXPECT(!r->is_done);
    *r = (struct result){ .is_done = true, .err = outcome->err, .conn = outcome->conn };
    EXPECT(!outcome->err == !!outcome->conn);
    if (outcome->err) {
        EXPECT(outcome->detail && outcome->detail[0]);
        str_to_z(str_of(outcome->detail), r->detail, sizeof(r->detail));
    }
}

static struct endpoint place(const char *host, uint16_t port)
{
    struct endpoint e = { .port = port };

    str_to_z(str_of(host), e.host, sizeof(e.host));
    return e;
}

static uint16_t closed_port(void)
{
    uint16_t port;

    close(listen_loopback(&port));
    return port;
}

static void expect_detail(const struct result *r, const char *part)
{
    if (strstr(r->detail, part))
        return;
    print_error("\"%s\" does not say \"%s\"\n", r->detail, part);
    fail();
}

/* Connects and waits for the result. */
static struct result connect_to(struct loop *l, const struct proxy_rules *rules,
                                const struct endpoint *to)
{
    struct connector *c = connector_new(l, NULL, rules);
    struct result r = { .is_done = false };

    EXPECT(connector_loop(c) == l);
    EXPECT(connect_start(c, to, TIMEOUT_MS, on_done, &r) != NULL);
    EXPECT(!r.is_done);
    RUN_UNTIL(l, r.is_done);
    connector_free(c);
    return r;
}

/* ---- direct ---- */

static void serve_echo(void *arg, int fd)
{
    char space[512];
    ssize_t n;

    (void)arg;
    while ((n = recv(fd, space, sizeof(space), 0)) > 0)
        write_all(fd, space, (size_t)n);
}

/* Says `ping` through a connection and expects it back. */
static void expect_echo(struct loop *l, struct conn *c)
{
    struct seen s = { .loop = l, .conn = c };
    struct str ping = STR("ping");
    size_t written;

    conn_set_handler(c, &seen_handler, &s);
    conn_read_start(c);
    EXPECT_INT(conn_write(c, &ping, 1, &written), ERR_NONE);
    EXPECT_INT(written, 4);
    RUN_UNTIL(l, s.n == 4);
    EXPECT_STR(seen_text(&s), "ping");
    conn_close(c, false);
}

static void connects_to_names_and_literals(void)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost", "both.test" };
    struct peer peer;

    peer_start(&peer, serve_echo, NULL);
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct loop *l = loop_new();
        struct endpoint to = place(hosts[i], peer.port);
        int64_t made = metric_get(METRIC_CONNECTS);
        int64_t open = metric_get(METRIC_UPSTREAM_CONNS);
        struct result r = connect_to(l, NULL, &to);

        EXPECT_INT(r.err, ERR_NONE);
        EXPECT(!conn_is_tls(r.conn));
        EXPECT_INT(metric_get(METRIC_CONNECTS), made + 1);
        EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), open + 1);
        expect_echo(l, r.conn);
        EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), open);
        loop_free(l);
    }
    peer_stop(&peer);
}

static void connects_to_unix_sockets(void)
{
    struct loop *l = loop_new();
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct endpoint to = { .is_unix = true };
    char dir[] = "/tmp/connector-XXXXXX";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct result r;

    EXPECT(mkdtemp(dir) != NULL);
    snprintf(to.host, sizeof(to.host), "%s/s", dir);
    r = connect_to(l, NULL, &to);
    EXPECT_INT(r.err, ERR_REFUSED);
    expect_detail(&r, to.host);
    str_to_z(str_of(to.host), a.sun_path, sizeof(a.sun_path));
    EXPECT(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
    r = connect_to(l, NULL, &to);
    EXPECT_INT(r.err, ERR_NONE);
    EXPECT_STR(conn_peer(r.conn), "unix");
    conn_close(r.conn, false);
    close(fd);
    r = connect_to(l, NULL, &to);
    EXPECT_INT(r.err, ERR_REFUSED);
    memset(to.host, 'x', HOST_MAX);
    r = connect_to(l, NULL, &to);
    EXPECT_INT(r.err, ERR_UNREACHABLE);
    loop_free(l);
    unlink(a.sun_path);
    rmdir(dir);
}

static void says_who_refused(void)
{
    struct loop *l = loop_new();
    uint16_t port = closed_port();
    struct endpoint to = place("127.0.0.1", port);
    int64_t failed = metric_get(METRIC_CONNECT_FAILURES);
    struct result r = connect_to(l, NULL, &to);
    char text[HOST_MAX + 9];

    EXPECT_INT(r.err, ERR_REFUSED);
    expect_detail(&r, endpoint_text(&to, text));
    expect_detail(&r, "Connection refused");
    EXPECT_INT(metric_get(METRIC_CONNECT_FAILURES), failed + 1);
    to = place("localhost", port);
    r = connect_to(l, NULL, &to);
    EXPECT_INT(r.err, ERR_REFUSED);
    to = place("255.255.255.255", port);
    r = connect_to(l, NULL, &to);
    EXPECT_INT(r.err, ERR_UNREACHABLE);
    expect_detail(&r, "255.255.255.255");
    loop_free(l);
}

static void says_which_name_does_not_resolve(void)
{
    static const struct {
        const char *name;
        const char *why;
        enum err err;
    } rows[] = {
        { "nowhere.test", "Name or service not known", ERR_DNS },
        { "broken.test", "Too many open files", ERR_NO_FDS },
        { "busy.test", "Too many open files", ERR_NO_FDS },
        { "empty.test", "it has no address", ERR_DNS },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct loop *l = loop_new();
        struct endpoint to = place(rows[i].name, 80);
        struct result r = connect_to(l, NULL, &to);

        EXPECT_INT(r.err, rows[i].err);
        expect_detail(&r, rows[i].name);
        expect_detail(&r, "does not resolve");
        expect_detail(&r, rows[i].why);
        loop_free(l);
    }
}

static void says_when_it_is_out_of_descriptors(void)
{
    struct loop *l = loop_new();
    struct endpoint to = place("127.0.0.1", closed_port());
    int free_fd = dup(0);
    struct rlimit before;
    struct rlimit low;
    struct result r;

    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = (rlim_t)free_fd;
    close(free_fd);
    EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
    r = connect_to(l, NULL, &to);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT_INT(r.err, ERR_NO_FDS);
    loop_free(l);
}

static bool spare_twice(void *arg)
{
    return ++*(unsigned *)arg <= 2;
}

static void looks_up_again_as_often_as_somebody_spares_descriptors(void)
{
    struct loop *l = loop_new();
    struct connector *c = connector_new(l, NULL, NULL);
    struct endpoint busy = place("busy.test", closed_port());
    struct endpoint refused = place("127.0.0.1", closed_port());
    struct result r[2] = { { .is_done = false } };
    unsigned asked = 0;

    connector_set_spare(c, spare_twice, &asked);
    connect_start(c, &busy, TIMEOUT_MS, on_done, &r[0]);
    connect_start(c, &refused, TIMEOUT_MS, on_done, &r[1]);
    RUN_UNTIL(l, r[0].is_done && r[1].is_done);
    EXPECT_INT(r[0].err, ERR_NO_FDS);
    EXPECT_INT(r[1].err, ERR_REFUSED);
    EXPECT_INT(asked, 3);
    connector_free(c);
    loop_free(l);
}

/* The resolver has 8 threads. */
static void look_ups_that_hang_are_left_behind(void)
{
    enum { THREADS = 8, N = 12 };
    struct loop *l = loop_new();
    struct connector *c = connector_new(l, NULL, NULL);
    struct endpoint to = place("slow.test", closed_port());
    struct result r[N] = { { .is_done = false } };
    struct connect *ops[N];

    gate_set(true);
    for (size_t i = 0; i < N; i++)
        ops[i] = connect_start(c, &to, TIMEOUT_MS, on_done, &r[i]);
    run_turn_now(l);
    gate_await(THREADS);
    /* Some of them run, some wait for a thread. One of each is still wanted. */
    for (size_t i = 1; i < N - 1; i++)
        connect_cancel(ops[i]);
    run_turn_now(l);
    EXPECT(!r[0].is_done && !r[N - 1].is_done);
    gate_set(false);
    RUN_UNTIL(l, r[0].is_done && r[N - 1].is_done);
    for (size_t i = 0; i < N; i++)
        EXPECT_INT(r[i].err, i == 0 || i == N - 1 ? ERR_REFUSED : ERR_NONE);
    connector_free(c);
    loop_free(l);
    gate_await(0);
}

static void a_look_up_may_outlive_its_loop(void)
{
    struct loop *l = loop_new();
    struct connector *c = connector_new(l, NULL, NULL);
    struct endpoint to = place("slow.test", 1);
    struct result r = { .is_done = false };
    struct connect *op = connect_start(c, &to, TIMEOUT_MS, on_done, &r);

    gate_set(true);
    run_turn_now(l);
    gate_await(1);
    connect_cancel(op);
    connector_free(c);
    loop_free(l);
    gate_set(false);
    gate_await(0);
    EXPECT(!r.is_done);
}

/* Canceled between the answer and its delivery. */
static void an_answer_on_its_way_is_dropped(void)
{
    struct loop *l = loop_new();
    struct connector *c = connector_new(l, NULL, NULL);
    struct endpoint to = place("slow.test", 1);
    struct result r = { .is_done = false };
    struct connect *op = connect_start(c, &to, TIMEOUT_MS, on_done, &r);
    struct pollfd p = { .fd = uv_backend_fd(loop_uv(l)), .events = POLLIN };

    gate_set(true);
    run_turn_now(l);
    gate_await(1);
    gate_set(false);
    EXPECT(poll(&p, 1, 10000) == 1);
    connect_cancel(op);
    run_turn_now(l);
    EXPECT(!r.is_done);
    connector_free(c);
    loop_free(l);
}

/* ---- proxies ---- */

/* A proxy that expects texts and answers texts, then echoes. */
struct script {
    struct {
        const char *expect;
        size_t n_expect;
        const char *answer;
        size_t n_answer;
    } steps[3];
    bool closes; /* after the answers */
    atomic_bool is_wrong;
};

#define STEP(want, says)                                     \
    {                                                        \
        "" want, sizeof(want) - 1, "" says, sizeof(says) - 1 \
    }

static void serve_script(void *arg, int fd)
{
    struct script *s = arg;
    char got[512];

    for (size_t i = 0; i < COUNT_OF(s->steps) && s->steps[i].n_expect > 0; i++) {
        if (read_all(fd, got, s->steps[i].n_expect) != s->steps[i].n_expect)
            return;
        if (memcmp(got, s->steps[i].expect, s->steps[i].n_expect) != 0)
            s->is_wrong = true;
        write_all(fd, s->steps[i].answer, s->steps[i].n_answer);
    }
    if (!s->closes)
        serve_echo(NULL, fd);
}

static struct result connect_through(struct loop *l, const char *url, struct script *s,
                                     struct peer *peer)
{
    struct proxy_rules rules = { .no_proxy = "" };
    struct endpoint to = place("api.example.com", 80);
    char text[128];
    struct result r;

    peer_start(peer, serve_script, s);
    snprintf(text, sizeof(text), "%s:%u", url, peer->port);
    EXPECT_INT(proxy_parse(str_of(text), &rules.http), ERR_NONE);
    r = connect_to(l, &rules, &to);
    EXPECT(!s->is_wrong);
    proxy_deinit(&rules.http);
    return r;
}

static void opens_a_tunnel_through_an_http_proxy(void)
{
    struct script s = { .steps = { STEP(
                            "CONNECT api.example.com:80 HTTP/1.1\r\nHost: api.example.com:80\r\n"
                            "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n",
                            "HTTP/1.1 200 OK\r\n\r\n") } };
    struct loop *l = loop_new();
    struct peer peer;
    struct result r = connect_through(l, "http://user:secret@127.0.0.1", &s, &peer);

    EXPECT_INT(r.err, ERR_NONE);
    expect_echo(l, r.conn);
    loop_free(l);
    peer_stop(&peer);
}

static void opens_a_tunnel_through_a_socks_proxy(void)
{
    struct script s = { .steps = {
                            STEP("\5\2\0\2", "\5\2"), STEP("\1\4user\6secret", "\1\0"),
                            STEP("\5\1\0\3\17api.example.com\0\120", "\5\0\0\1\0\0\0\0\0\0") } };
    struct loop *l = loop_new();
    struct peer peer;
    struct result r = connect_through(l, "socks5h://user:secret@localhost", &s, &peer);

    EXPECT_INT(r.err, ERR_NONE);
    expect_echo(l, r.conn);
    loop_free(l);
    peer_stop(&peer);
}

static void says_what_the_proxy_did(void)
{
    static const char connect[] =
        "CONNECT api.example.com:80 HTTP/1.1\r\nHost: api.example.com:80\r\n"
        "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n";
    static const struct {
        const char *answer;
        const char *detail;
    } rows[] = {
        { "HTTP/1.1 407 No\r\n\r\n", "answered 407 to CONNECT" },
        { "HTTP/1.1 503 No\r\n\r\n", "answered 503 to CONNECT" },
        { "HTTP/1.1 200 OK\r\n\r\nhello", "sent bytes that nobody asked for" },
        { "HTTP/1.1 200 OK\r\n", "closed the connection" },
        { "", "closed the connection" },
        { "nonsense", "does not speak HTTP" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct script s = { .steps = { { connect, sizeof(connect) - 1, rows[i].answer,
                                         strlen(rows[i].answer) } },
                            .closes = true };
        struct loop *l = loop_new();
        struct peer peer;
        struct result r = connect_through(l, "http://user:secret@127.0.0.1", &s, &peer);

        EXPECT_INT(r.err, ERR_PROXY);
        expect_detail(&r, rows[i].detail);
        expect_detail(&r, "127.0.0.1:");
        expect_detail(&r, "api.example.com:80");
        EXPECT(!strstr(r.detail, "secret") && !strstr(r.detail, "dXNlcjpz"));
        loop_free(l);
        peer_stop(&peer);
    }
}

static void says_when_the_proxy_is_not_there(void)
{
    struct proxy_rules rules = { .no_proxy = "" };
    struct endpoint to = place("api.example.com", 80);
    struct loop *l = loop_new();
    char text[400];
    struct result r;

    snprintf(text, sizeof(text), "http://127.0.0.1:%u", closed_port());
    EXPECT_INT(proxy_parse(str_of(text), &rules.http), ERR_NONE);
    r = connect_to(l, &rules, &to);
    EXPECT_INT(r.err, ERR_REFUSED);
    expect_detail(&r, "the proxy 127.0.0.1:");

    rules.http.at = place("nowhere.test", 80);
    r = connect_to(l, &rules, &to);
    EXPECT_INT(r.err, ERR_DNS);
    expect_detail(&r, "the name of the proxy nowhere.test");
    loop_free(l);
}

/* ---- every state ---- */

enum scene { SCENE_START, SCENE_LOOKUP, SCENE_DIAL, SCENE_PROXY, SCENE_ANSWERED, SCENE_COUNT };

static const char *const timeout_texts[SCENE_COUNT] = {
    [SCENE_START] = "nothing done",
    [SCENE_LOOKUP] = "the name was not resolved",
    [SCENE_DIAL] = "no address answered",
    [SCENE_PROXY] = "the proxy did not open the tunnel",
};

struct stage {
    struct loop *loop;
    struct connector *connector;
    struct proxy_rules rules;
    struct endpoint to;
    int listening;
    int waiting[2]; /* fill the queue of a listener that answers nothing */
    int accepted;
    struct connect *op;
    struct result result;
};

static void fill_queue(struct stage *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(s->to.port) };

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(listen(s->listening, 0) == 0);
    s->waiting[0] = connect_loopback(s->to.port);
    s->waiting[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT(connect(s->waiting[1], (struct sockaddr *)&a, sizeof(a)) == -1);
}

/* Starts a connect and brings it into the state that `scene` is about. */
static void stage_open(struct stage *s, enum scene scene)
{
    uint16_t port;
    char url[64];

    *s = (struct stage){ .loop = loop_new(), .waiting = { -1, -1 }, .accepted = -1 };
    loop_clock_set(s->loop, 1000);
    gate_set(true);
    s->listening = listen_loopback(&port);
    s->to = place(scene == SCENE_LOOKUP ? "slow.test" : "127.0.0.1", port);
    if (scene == SCENE_PROXY) {
        s->rules.no_proxy = "";
        snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
        EXPECT_INT(proxy_parse(str_of(url), &s->rules.http), ERR_NONE);
    }
    if (scene == SCENE_DIAL)
        fill_queue(s);
    s->connector = connector_new(s->loop, NULL, &s->rules);
    s->op = connect_start(s->connector, &s->to, TIMEOUT_MS, on_done, &s->result);
    if (scene != SCENE_START)
        run_turn_now(s->loop);
    if (scene == SCENE_PROXY) {
        char c;
        s->accepted = accept(s->listening, NULL, NULL);
        while (recv(s->accepted, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 1)
            run_turn(s->loop);
    }
}

static void stage_close(struct stage *s)
{
    gate_set(false);
    gate_await(0);
    connector_free(s->connector);
    EXPECT_INT(loop_timers(s->loop), 0);
    loop_free(s->loop);
    proxy_deinit(&s->rules.http);
    close(s->listening);
    if (s->waiting[0] >= 0) {
        close(s->waiting[0]);
        close(s->waiting[1]);
    }
    if (s->accepted >= 0)
        close(s->accepted);
}

static void can_be_canceled_in_every_state(void)
{
    for (enum scene scene = SCENE_START; scene < SCENE_ANSWERED; scene++) {
        size_t before = count_fds();
        int64_t failed = metric_get(METRIC_CONNECT_FAILURES);
        struct stage s;

        stage_open(&s, scene);
        EXPECT(!s.result.is_done);
        connect_cancel(s.op);
        for (int i = 0; i < 5; i++)
            run_turn(s.loop);
        EXPECT(!s.result.is_done);
        EXPECT_INT(metric_get(METRIC_CONNECT_FAILURES), failed);
        stage_close(&s);
        EXPECT_INT(count_fds(), before);
    }
}

static void says_what_it_waited_for_when_time_is_up(void)
{
    for (enum scene scene = SCENE_START; scene < SCENE_ANSWERED; scene++) {
        size_t before = count_fds();
        struct stage s;

        stage_open(&s, scene);
        loop_clock_set(s.loop, 1000 + TIMEOUT_MS - 1);
        EXPECT(!s.result.is_done);
        loop_clock_set(s.loop, 1000 + TIMEOUT_MS);
        EXPECT(s.result.is_done);
        EXPECT_INT(s.result.err, ERR_TIMEOUT);
        expect_detail(&s.result, timeout_texts[scene]);
        expect_detail(&s.result, "within 5000 ms");
        run_turn_now(s.loop);
        stage_close(&s);
        EXPECT_INT(count_fds(), before);
    }
}

static const struct test suite[] = {
    { "connects to names and literals", connects_to_names_and_literals },
    { "connects to unix sockets", connects_to_unix_sockets },
    { "says who refused", says_who_refused },
    { "says which name does not resolve", says_which_name_does_not_resolve },
    { "says when it is out of descriptors", says_when_it_is_out_of_descriptors },
    { "looks up again as often as somebody spares descriptors",
      looks_up_again_as_often_as_somebody_spares_descriptors },
    { "look-ups that hang are left behind", look_ups_that_hang_are_left_behind },
    { "a look-up may outlive its loop", a_look_up_may_outlive_its_loop },
    { "an answer on its way is dropped", an_answer_on_its_way_is_dropped },
    { "opens a tunnel through an HTTP proxy", opens_a_tunnel_through_an_http_proxy },
    { "opens a tunnel through a SOCKS proxy", opens_a_tunnel_through_a_socks_proxy },
    { "says what the proxy did", says_what_the_proxy_did },
    { "says when the proxy is not there", says_when_the_proxy_is_not_there },
    { "can be canceled in every state", can_be_canceled_in_every_state },
    { "says what it waited for when time is up", says_what_it_waited_for_when_time_is_up },
};

TEST_MAIN(suite)
