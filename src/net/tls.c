/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificates we trust, and the sessions that servers gave us. OpenSSL's own
 * cache is off: connections on several threads would share one SSL_SESSION and
 * change it, so what is kept and what is handed out are copies.
 */
#include "net/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/map.h"
#include "base/mem.h"
#include "net/conn_internal.h"

enum { SESSIONS_MAX = 256, WHAT_MAX = 256 };

struct tls_trust {
    SSL_CTX *ctx; /* owned */
    pthread_mutex_t lock;
    struct map sessions; /* under lock: "host:port" to an owned SSL_SESSION */
};

/* Where systems keep all certificates in one file. A folder of them would be read piece by piece
 * during handshakes, which block a loop. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* Alpine, the BSDs */
};

/* ---- sessions ---- */

static void drop_session(struct tls_trust *t, struct str key)
{
    SSL_SESSION_free(map_take(&t->sessions, key));
}

static void keep_session(struct tls_trust *t, struct str key, SSL_SESSION *session)
{
    struct str other;
    size_t cursor = 0;

    pthread_mutex_lock(&t->lock);
    drop_session(t, key);
    if (t->sessions.n >= SESSIONS_MAX && map_next(&t->sessions, &cursor, &other))
        drop_session(t, other);
    map_set(&t->sessions, key, session);
    pthread_mutex_unlock(&t->lock);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_trust *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *key = SSL_get_app_data(ssl);
    SSL_SESSION *copy = SSL_SESSION_dup(session);

    if (copy)
        keep_session(t, str_of(key), copy);
    return 0; /* OpenSSL keeps its reference */
}

static void resume_session(struct tls_trust *t, SSL *ssl, struct str key)
{
    SSL_SESSION *kept;
    SSL_SESSION *copy = NULL;

    pthread_mutex_lock(&t->lock);
    kept = map_find(&t->sessions, key);
    if (kept)
        copy = SSL_SESSION_dup(kept);
    pthread_mutex_unlock(&t->lock);
    if (copy)
        SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
}

/* ---- certificates ---- */

static enum err load_file(SSL_CTX *ctx, const char *path, char *ret_what)
{
    const char *reason;

    if (access(path, R_OK) != 0) {
        snprintf(ret_what, WHAT_MAX, "cannot read the certificates in %s: %s", path,
                 strerror(errno));
        return ERR_NOT_FOUND;
    }
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(ctx, path) == 1)
        return ERR_NONE;
    reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(ret_what, WHAT_MAX, "no usable certificates (PEM) in %s: %s", path,
             reason ? reason : "unreadable");
    ERR_clear_error();
    return ERR_BAD_INPUT;
}

static const char *find_bundle(void)
{
    const char *named = getenv(X509_get_default_cert_file_env());

    if (named)
        return named;
    if (access(X509_get_default_cert_file(), R_OK) == 0)
        return X509_get_default_cert_file();
    for (size_t i = 0; i < COUNT_OF(bundles); i++)
        if (access(bundles[i], R_OK) == 0)
            return bundles[i];
    return bundles[0];
}

static void configure(SSL_CTX *ctx)
{
    static const unsigned char alpn[] = "\x08http/1.1";

    BUG_ON(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1);
    BUG_ON(SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
}

enum err tls_trust_new(const char *ca_file, struct tls_trust **ret, char *ret_what)
{
    struct tls_trust *t = mem_new(struct tls_trust);
    enum err err;

    BUG_ON(pthread_mutex_init(&t->lock, NULL) != 0);
    map_init(&t->sessions);
    t->ctx = SSL_CTX_new(TLS_client_method());
    BUG_ON(!t->ctx);
    configure(t->ctx);
    SSL_CTX_set_app_data(t->ctx, t);
    err = load_file(t->ctx, ca_file ? ca_file : find_bundle(), ret_what);
    if (err)
        tls_trust_free(t);
    else
        *ret = t;
    return err;
}

void tls_trust_free(struct tls_trust *t)
{
    size_t cursor = 0;
    struct str key;
    SSL_SESSION *session;

    if (!t)
        return;
    while ((session = map_next(&t->sessions, &cursor, &key)))
        SSL_SESSION_free(session);
    map_deinit(&t->sessions);
    SSL_CTX_free(t->ctx);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* The certificate must be for this host. */
static bool set_host(SSL *ssl, const char *host)
{
    struct address literal;

    if (address_of_literal(host, 0, &literal))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* SSL_set_tlsext_host_name() without its cast, which drops a const. */
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

struct ssl_st *tls_trust_ssl(struct tls_trust *t, const struct endpoint *to, char *key)
{
    SSL *ssl = SSL_new(t->ctx);

    BUG_ON(!ssl || !set_host(ssl, to->host));
    SSL_set_app_data(ssl, key);
    resume_session(t, ssl, str_of(key));
    return ssl;
}
