/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates made on the spot, a blocking TLS server on a thread, and a client to test. */
#pragma once

#include "net_test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/connector.h"

struct identity {
    EVP_PKEY *key;
    X509 *cert;
};

static inline void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    EXPECT(extension != NULL);
    EXPECT(X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* `san` NULL makes a CA; `issuer` NULL makes it self-signed; `days` may lie in the past. */
static inline struct identity identity_new(const char *name, const char *san,
                                           const struct identity *issuer, long days)
{
    struct identity me = { EVP_EC_gen("P-256"), X509_new() };
    X509 *issuer_cert = issuer ? issuer->cert : me.cert;
    X509_NAME *subject = X509_get_subject_name(me.cert);
    static long serial = 1;

    EXPECT(me.key && me.cert);
    X509_set_version(me.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(me.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(me.cert), -3600L * 24 * 30);
    X509_gmtime_adj(X509_getm_notAfter(me.cert), 3600L * 24 * days);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(me.cert, X509_get_subject_name(issuer_cert));
    X509_set_pubkey(me.cert, me.key);
    add_extension(me.cert, issuer_cert, NID_basic_constraints,
                  san ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (san)
        add_extension(me.cert, issuer_cert, NID_subject_alt_name, san);
    EXPECT(X509_sign(me.cert, issuer ? issuer->key : me.key, EVP_sha256()) > 0);
    return me;
}

static inline void identity_free(struct identity *i)
{
    EVP_PKEY_free(i->key);
    X509_free(i->cert);
}

/* Writes the certificate into a new file below /tmp; `path` has 32 bytes. */
static inline void write_cert(const struct identity *i, char *path)
{
    FILE *f;
    int fd;

    snprintf(path, 32, "/tmp/tls-ca-XXXXXX");
    fd = mkstemp(path);
    EXPECT(fd >= 0);
    f = fdopen(fd, "w");
    EXPECT(f && PEM_write_X509(f, i->cert) == 1);
    EXPECT(fclose(f) == 0);
}

struct tls_server {
    struct peer peer;
    SSL_CTX *ctx;
    void (*talk)(struct tls_server *s, SSL *ssl);
    atomic_int handshakes;
    atomic_int failures; /* handshakes that failed */
    atomic_int resumed;
    char sni[256]; /* of the last handshake; read after tls_server_stop() */
    char alpn[32];
    size_t received; /* by the talk; read after tls_server_stop() */
    atomic_int step; /* for the talk */
};

static inline int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                          const unsigned char *in, unsigned in_n, void *arg)
{
    struct tls_server *s = arg;

    (void)ssl;
    EXPECT(in_n > 0 && in_n < sizeof(s->alpn));
    memcpy(s->alpn, in, in_n);
    s->alpn[in_n] = '\0';
    *out = in + 1;
    *out_n = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static inline void serve_tls(void *arg, int fd)
{
    struct tls_server *s = arg;
    SSL *ssl = SSL_new(s->ctx);
    const char *sni;

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        atomic_fetch_add(&s->handshakes, 1);
        atomic_fetch_add(&s->resumed, SSL_session_reused(ssl));
        sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(s->sni, sizeof(s->sni), "%s", sni ? sni : "");
        s->talk(s, ssl);
    } else {
        atomic_fetch_add(&s->failures, 1);
    }
    ERR_clear_error();
    SSL_free(ssl);
}

/* `version`: the only one it speaks, or 0. */
static inline void tls_server_start(struct tls_server *s, const struct identity *i, int version,
                                    void (*talk)(struct tls_server *s, SSL *ssl))
{
    memset(s, 0, sizeof(*s));
    s->ctx = SSL_CTX_new(TLS_server_method());
    s->talk = talk;
    if (version == TLS1_1_VERSION)
        SSL_CTX_set_security_level(s->ctx, 0);
    if (version) {
        SSL_CTX_set_min_proto_version(s->ctx, version);
        SSL_CTX_set_max_proto_version(s->ctx, version);
    }
    EXPECT(SSL_CTX_use_certificate(s->ctx, i->cert) == 1);
    EXPECT(SSL_CTX_use_PrivateKey(s->ctx, i->key) == 1);
    SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, s);
    peer_start(&s->peer, serve_tls, s);
}

static inline void tls_server_stop(struct tls_server *s)
{
    peer_stop(&s->peer);
    SSL_CTX_free(s->ctx);
}

/* ---- client ---- */

enum { CLIENT_TIMEOUT_MS = 10000, WHAT_MAX = 256 };

static struct identity ca UNUSED;
static struct identity server_id; /* for localhost and both loopback addresses */
static char ca_path[32];

struct client {
    struct loop *loop;
    struct tls_trust *trust;
    struct connector *connector;
    struct proxy_rules rules;
    struct connect *op;
    bool is_done;
    enum err err;
    char detail[1024];
    struct conn *conn;
    struct seen seen;
};

static inline void client_open(struct client *c)
{
    char what[WHAT_MAX];

    memset(c, 0, sizeof(*c));
    c->loop = loop_new();
    EXPECT_INT(tls_trust_new(ca_path, &c->trust, what), ERR_NONE);
    c->connector = connector_new(c->loop, c->trust, &c->rules);
}

static inline void client_close(struct client *c)
{
    conn_close(TAKE(c->conn), false);
    connector_free(c->connector);
    EXPECT_INT(loop_timers(c->loop), 0);
    loop_free(c->loop);
    tls_trust_free(c->trust);
}

static inline void on_done(void *arg, const struct connect_outcome *outcome)
{
    struct client *c = arg;

    EXPECT(!c->is_done);
    c->is_done = true;
    c->err = outcome->err;
    c->conn = outcome->conn;
    str_to_z(str_of(outcome->err ? outcome->detail : ""), c->detail, sizeof(c->detail));
    if (c->conn) {
        c->seen = (struct seen){ .loop = c->loop, .conn = c->conn };
        conn_set_handler(c->conn, &seen_handler, &c->seen);
    }
}

static inline void client_start(struct client *c, const char *host, uint16_t port)
{
    struct endpoint to = { .port = port, .tls = true };

    str_to_z(str_of(host), to.host, sizeof(to.host));
    c->is_done = false;
    c->op = connect_start(c->connector, &to, CLIENT_TIMEOUT_MS, on_done, c);
}

static inline enum err client_connect(struct client *c, const char *host, uint16_t port)
{
    client_start(c, host, port);
    RUN_UNTIL(c->loop, c->is_done);
    return c->err;
}

static inline void expect_detail(const struct client *c, const char *part)
{
    if (strstr(c->detail, part))
        return;
    print_error("\"%s\" does not say \"%s\"\n", c->detail, part);
    fail();
}

/* ---- talks ---- */

/* Says one thing and goodbye. */
static inline void talk_hello(struct tls_server *s, SSL *ssl)
{
    (void)s;
    SSL_write(ssl, "hello", 5);
    SSL_shutdown(ssl);
    read_to_end(SSL_get_fd(ssl));
}

/* `step` becomes 1 when the client said goodbye. */
static inline void talk_echo(struct tls_server *s, SSL *ssl)
{
    char space[8192];
    int n;

    while ((n = SSL_read(ssl, space, sizeof(space))) > 0) {
        s->received += (size_t)n;
        if (SSL_write(ssl, space, n) != n)
            return;
    }
    if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
        atomic_store(&s->step, 1);
    SSL_shutdown(ssl);
}

/* ---- suite ---- */

static inline int run_tls_suite(const char *file, const struct test *suite, size_t n)
{
    int failed;

    signal(SIGPIPE, SIG_IGN);
    ca = identity_new("Test CA", NULL, NULL, 30);
    server_id =
        identity_new("server", "DNS:localhost,DNS:server.test,IP:127.0.0.1,IP:::1", &ca, 30);
    write_cert(&ca, ca_path);
    failed = run_suite(file, suite, n);
    unlink(ca_path);
    identity_free(&server_id);
    identity_free(&ca);
    return failed;
}
