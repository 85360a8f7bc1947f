/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes with OpenSSL's server: who is trusted, what a session saves. */
#include "tls_fixture.h"

/* ---- trust ---- */

static void connects_when_all_is_well(void)
{
    static const struct {
        const char *host;
        const char *sni;
        int version;
    } rows[] = {
        { "localhost", "localhost", TLS1_2_VERSION },
        { "localhost", "localhost", TLS1_3_VERSION },
        { "127.0.0.1", "", 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tls_server s;
        struct client c;
        struct str ping = STR("ping");
        size_t written;

        tls_server_start(&s, &server_id, rows[i].version, talk_echo);
        client_open(&c);
        EXPECT_INT(client_connect(&c, rows[i].host, s.peer.port), ERR_NONE);
        EXPECT(conn_is_tls(c.conn));
        conn_read_start(c.conn);
        EXPECT_INT(conn_write(c.conn, &ping, 1, &written), ERR_NONE);
        EXPECT_INT(written, 4);
        RUN_UNTIL(c.loop, c.seen.n == 4);
        EXPECT_STR(seen_text(&c.seen), "ping");
        client_close(&c);
        tls_server_stop(&s);
        EXPECT_Z(s.sni, rows[i].sni);
        EXPECT_Z(s.alpn, "\x08http/1.1");
        /* It was closed with close_notify. */
        EXPECT_INT(s.step, 1);
    }
}

static void refuses_certificates_that_prove_nothing(void)
{
    struct identity foreign = identity_new("Foreign CA", NULL, NULL, 30);
    struct {
        struct identity id;
        const char *host;
        const char *why;
    } rows[] = {
        { identity_new("x", "DNS:other.example", &ca, 30), "localhost", "hostname mismatch" },
        { identity_new("x", "DNS:*.localhost", &ca, 30), "localhost", "hostname mismatch" },
        { identity_new("x", "DNS:localhost", &ca, 30), "127.0.0.1", "IP address mismatch" },
        { identity_new("localhost", "DNS:localhost", &ca, -1), "localhost", "expired" },
        { identity_new("localhost", "DNS:localhost", &foreign, 30), "localhost",
          "unable to get local issuer certificate" },
        { identity_new("localhost", "DNS:localhost", NULL, 30), "localhost", "self-signed" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tls_server s;
        struct client c;

        tls_server_start(&s, &rows[i].id, 0, talk_echo);
        client_open(&c);
        EXPECT_INT(client_connect(&c, rows[i].host, s.peer.port), ERR_CERT);
        expect_detail(&c, rows[i].why);
        expect_detail(&c, rows[i].host);
        client_close(&c);
        tls_server_stop(&s);
        identity_free(&rows[i].id);
    }
    identity_free(&foreign);
}

static void serve_nonsense(void *arg, int fd)
{
    const char *says = arg;
    char c;

    EXPECT(recv(fd, &c, 1, 0) == 1);
    write_text(fd, says);
}

static void says_why_a_handshake_failed(void)
{
    static char nothing[] = "";
    static char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct {
        char *says;
        const char *why;
    } rows[] = { { nothing, "closed" }, { http, "wrong version number" } };
    struct tls_server old;
    struct client c;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer peer;
        peer_start(&peer, serve_nonsense, rows[i].says);
        client_open(&c);
        EXPECT_INT(client_connect(&c, "localhost", peer.port), ERR_TLS);
        /* An unread hello makes the kernel answer the close with a reset. */
        if (i > 0)
            expect_detail(&c, rows[i].why);
        expect_detail(&c, "localhost:");
        client_close(&c);
        peer_stop(&peer);
    }
    tls_server_start(&old, &server_id, TLS1_1_VERSION, talk_echo);
    client_open(&c);
    EXPECT_INT(client_connect(&c, "localhost", old.peer.port), ERR_TLS);
    expect_detail(&c, "version");
    client_close(&c);
    tls_server_stop(&old);
}

static void names_the_file_it_cannot_use(void)
{
    struct tls_trust *t = NULL;
    char what[WHAT_MAX];
    char path[] = "/tmp/tls-bad-XXXXXX";
    int fd = mkstemp(path);

    EXPECT_INT(tls_trust_new("/nonexistent.pem", &t, what), ERR_NOT_FOUND);
    EXPECT(strstr(what, "/nonexistent.pem") && strstr(what, "No such file"));
    write_text(fd, "");
    EXPECT(write(fd, "junk\n", 5) == 5);
    EXPECT_INT(tls_trust_new(path, &t, what), ERR_BAD_INPUT);
    EXPECT(strstr(what, path));
    EXPECT(!t);
    close(fd);
    unlink(path);
    EXPECT(setenv("SSL_CERT_FILE", ca_path, 1) == 0);
    EXPECT_INT(tls_trust_new(NULL, &t, what), ERR_NONE);
    tls_trust_free(t);
    tls_trust_free(NULL);
    EXPECT(unsetenv("SSL_CERT_FILE") == 0);
}

/* ---- sessions ---- */

static void sessions_are_resumed(void)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_server s;
        struct client c;

        tls_server_start(&s, &server_id, versions[i], talk_hello);
        client_open(&c);
        for (int n = 0; n < 4; n++) {
            EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
            conn_read_start(c.conn);
            RUN_UNTIL(c.loop, c.seen.end);
            /* However the connection before ended. */
            conn_close(TAKE(c.conn), n % 2);
        }
        /* Another name is another server. */
        EXPECT_INT(client_connect(&c, "127.0.0.1", s.peer.port), ERR_NONE);
        client_close(&c);
        tls_server_stop(&s);
        EXPECT_INT(s.handshakes, 5);
        EXPECT_INT(s.resumed, 3);
    }
}

/* Who answers there next does not know the session, and has to prove who he is. */
static void a_session_vouches_for_nobody_else(void)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct identity foreign = identity_new("Foreign CA", NULL, NULL, 30);
    struct identity fake = identity_new("localhost", "DNS:localhost", &foreign, 30);
    unsigned char keys[80] = { 1 }; /* of tickets */

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_server s;
        struct client c;

        tls_server_start(&s, &server_id, versions[i], talk_hello);
        client_open(&c);
        EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
        conn_read_start(c.conn);
        RUN_UNTIL(c.loop, c.seen.end);
        conn_close(TAKE(c.conn), false);
        EXPECT(SSL_CTX_use_certificate(s.ctx, fake.cert) == 1);
        EXPECT(SSL_CTX_use_PrivateKey(s.ctx, fake.key) == 1);
        EXPECT(SSL_CTX_set_tlsext_ticket_keys(s.ctx, keys, sizeof(keys)) == 1);
        EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_CERT);
        client_close(&c);
        tls_server_stop(&s);
        EXPECT_INT(s.resumed, 0);
    }
    identity_free(&fake);
    identity_free(&foreign);
}

static void serve_silence(void *arg, int fd)
{
    (void)arg;
    read_to_end(fd);
}

static void a_handshake_can_be_canceled_and_times_out(void)
{
    for (int cancels = 0; cancels < 2; cancels++) {
        struct peer peer;
        struct client c;

        peer_start(&peer, serve_silence, NULL);
        client_open(&c);
        loop_clock_set(c.loop, 1000);
        client_start(&c, "127.0.0.1", peer.port);
        for (int i = 0; i < 5; i++)
            run_turn(c.loop);
        EXPECT(!c.is_done);
        if (cancels)
            connect_cancel(c.op);
        loop_clock_set(c.loop, 1000 + CLIENT_TIMEOUT_MS);
        EXPECT(c.is_done == !cancels);
        if (!cancels) {
            EXPECT_INT(c.err, ERR_TIMEOUT);
            expect_detail(&c, "the TLS handshake did not end");
        }
        run_turn_now(c.loop);
        client_close(&c);
        peer_stop(&peer);
    }
}

/* ---- through a proxy ---- */

struct tunnel {
    uint16_t port; /* behind it */
    char asked[256];
};

static void copy_both_ways(int a, int b)
{
    struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
    char space[4096];

    while (poll(p, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            ssize_t n;
            if (!p[i].revents)
                continue;
            n = recv(p[i].fd, space, sizeof(space), 0);
            if (n <= 0)
                return;
            write_all(p[1 - i].fd, space, (size_t)n);
        }
    }
}

static void serve_tunnel(void *arg, int fd)
{
    struct tunnel *t = arg;
    size_t n = 0;
    int other;

    while (n < sizeof(t->asked) - 1 && !strstr(t->asked, "\r\n\r\n") &&
           recv(fd, t->asked + n, 1, 0) == 1)
        n++;
    other = connect_loopback(t->port);
    write_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
    copy_both_ways(fd, other);
    close(other);
}

static void goes_through_a_proxy(void)
{
    struct tunnel tunnel = { .port = 0 };
    struct tls_server s;
    struct peer proxy;
    struct client c;
    char url[64];

    tls_server_start(&s, &server_id, 0, talk_hello);
    tunnel.port = s.peer.port;
    peer_start(&proxy, serve_tunnel, &tunnel);
    client_open(&c);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", proxy.port);
    c.rules.no_proxy = "";
    EXPECT_INT(proxy_parse(str_of(url), &c.rules.https), ERR_NONE);
    EXPECT_INT(client_connect(&c, "server.test", 443), ERR_NONE);
    conn_read_start(c.conn);
    RUN_UNTIL(c.loop, c.seen.end);
    EXPECT_STR(seen_text(&c.seen), "hello");
    client_close(&c);
    peer_stop(&proxy);
    tls_server_stop(&s);
    EXPECT_Z(s.sni, "server.test");
    EXPECT(strstr(tunnel.asked, "CONNECT server.test:443 HTTP/1.1\r\n"));
}

static const struct test suite[] = {
    { "connects when all is well", connects_when_all_is_well },
    { "refuses certificates that prove nothing", refuses_certificates_that_prove_nothing },
    { "says why a handshake failed", says_why_a_handshake_failed },
    { "names the file it cannot use", names_the_file_it_cannot_use },
    { "sessions are resumed", sessions_are_resumed },
    { "a session vouches for nobody else", a_session_vouches_for_nobody_else },
    { "a handshake can be canceled and times out", a_handshake_can_be_canceled_and_times_out },
    { "goes through a proxy", goes_through_a_proxy },
};

int main(void)
{
    return run_tls_suite(__FILE__, suite, COUNT_OF(suite));
}
