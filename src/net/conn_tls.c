/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS on a connection's socket. A record that the kernel does not take at once is
 * kept here and counts as written, because OpenSSL must be given the very same
 * bytes again; so at most one record (16 KiB) waits, and only then.
 */
#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/conn_internal.h"

enum {
    RECORD_MAX = 16384,
    READ_ROUNDS = 8,   /* records a turn, so that one peer does not hold the loop */
    SHORT_READ = 4096, /* after less than this the kernel has probably no more */
    TLS_DETAIL_MAX = 512,
};

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };

struct tls {
    SSL *ssl; /* owned */
    enum tls_state state;
    int handshake_wants; /* event */
    bool read_wants_write;
    bool write_wants_read;
    bool owes_goodbye; /* close_notify is to be sent when the socket takes it */
    char *pending;     /* owned; the record in flight, or NULL */
    size_t pending_n;
    on_tls *done;
    void *arg;
    char name[HOST_MAX + 9]; /* "host:port": of sessions, and for messages */
};

/* ---- handshake ---- */

static const char *failure_reason(int ssl_error)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    if (ssl_error == SSL_ERROR_SYSCALL && errno != 0)
        return strerror(errno);
    if (ssl_error == SSL_ERROR_ZERO_RETURN ||
        ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return "the peer closed the connection";
    return reason ? reason : "unknown error";
}

/* What no other setting here mends. */
static const char *advice(long verified)
{
    switch (verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return " (it has to be renewed there, or the clock here is wrong)";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return " (the clock here, or there, is wrong)";
    default:
        return "";
    }
}

static void fail_handshake(struct conn *c, int ssl_error)
{
    struct tls *t = c->tls;
    long verified = SSL_get_verify_result(t->ssl);
    char detail[TLS_DETAIL_MAX];

    if (verified != X509_V_OK)
        snprintf(detail, sizeof(detail), "the certificate of %s is not acceptable: %s%s", t->name,
                 X509_verify_cert_error_string(verified), advice(verified));
    else
        snprintf(detail, sizeof(detail), "the TLS handshake with %s failed: %s", t->name,
                 failure_reason(ssl_error));
    ERR_clear_error();
    t->state = TLS_FAILED;
    c->broken = ERR_TLS;
    t->done(t->arg, verified != X509_V_OK ? ERR_CERT : ERR_TLS, detail);
}

static void shake_hands(struct conn *c)
{
    struct tls *t = c->tls;
    int n;

    ERR_clear_error();
    errno = 0;
    n = SSL_do_handshake(t->ssl);
    if (n == 1) {
        t->state = TLS_OPEN;
        t->done(t->arg, ERR_NONE, "");
        return;
    }
    n = SSL_get_error(t->ssl, n);
    if (n == SSL_ERROR_WANT_READ)
        t->handshake_wants = UV_READABLE;
    else if (n == SSL_ERROR_WANT_WRITE)
        t->handshake_wants = UV_WRITABLE;
    else
        fail_handshake(c, n);
}

void tls_start(struct conn *c, struct tls_trust *trust, const struct endpoint *to, on_tls *done,
               void *arg)
{
    struct tls *t = mem_new(struct tls);

    endpoint_text(to, t->name);
    t->ssl = tls_trust_ssl(trust, to, t->name);
    t->done = done;
    t->arg = arg;
    c->tls = t;
    BUG_ON(SSL_set_fd(t->ssl, c->fd) != 1);
    SSL_set_connect_state(t->ssl);
    shake_hands(c);
    if (!c->is_closed)
        conn_settle(c, 0);
}

/* ---- reading ---- */

bool tls_has_bytes(const struct conn *c)
{
    return c->tls->state == TLS_OPEN && SSL_has_pending(c->tls->ssl);
}

/* What ended the stream; ERR_NONE when it only has to wait. An end without close_notify is a
 * reset: anybody on the way could have cut there. */
static enum err read_failure(struct tls *t, int ssl_error)
{
    if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE) {
        t->read_wants_write = ssl_error == SSL_ERROR_WANT_WRITE;
        return ERR_NONE;
    }
    if (ssl_error == SSL_ERROR_ZERO_RETURN)
        return ERR_CLOSED;
    if (ssl_error == SSL_ERROR_SYSCALL && errno != 0)
        return conn_err_of_errno(errno);
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return ERR_RESET;
    return ERR_IO;
}

static void fail_read(struct conn *c, int ssl_error)
{
    enum err err = read_failure(c->tls, ssl_error);

    ERR_clear_error();
    if (!err)
        return;
    if (err != ERR_CLOSED) {
        c->tls->state = TLS_FAILED;
        c->broken = err;
    }
    conn_end_read(c, err);
}

/* Reads until the socket has no more or the reader has enough. */
void tls_read(struct conn *c)
{
    struct tls *t = c->tls;
    char *space = loop_read_space(c->loop);

    for (int round = 0; c->is_reading && !c->is_ended; round++) {
        int n;
        if (round == READ_ROUNDS) {
            if (tls_has_bytes(c))
                loop_defer(c->loop, &c->task);
            return;
        }
        ERR_clear_error();
        errno = 0;
        n = SSL_read(t->ssl, space, LOOP_READ_SIZE);
        if (n <= 0) {
            fail_read(c, SSL_get_error(t->ssl, n));
            return;
        }
        t->read_wants_write = false;
        c->handler->on_read(c->arg, ERR_NONE, (struct str){ space, (size_t)n });
        if (c->is_closed || (n < SHORT_READ && !tls_has_bytes(c)))
            return;
    }
}

/* ---- writing ---- */

static enum err write_failure(struct conn *c, int ssl_error)
{
    c->broken = ssl_error == SSL_ERROR_SYSCALL ? conn_err_of_errno(errno) : ERR_IO;
    c->tls->state = TLS_FAILED;
    ERR_clear_error();
    return c->broken;
}

/* Whether all of `record` is with the kernel; false with c->broken unset: it has to wait. */
static bool write_record(struct conn *c, struct str record)
{
    struct tls *t = c->tls;
    int n;

    ERR_clear_error();
    errno = 0;
    n = SSL_write(t->ssl, record.p, (int)record.n);
    t->write_wants_read = false;
    if (n > 0) {
        BUG_ON((size_t)n != record.n);
        return true;
    }
    n = SSL_get_error(t->ssl, n);
    if (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
        t->write_wants_read = n == SSL_ERROR_WANT_READ;
    else
        (void)write_failure(c, n);
    return false;
}

static void say_goodbye(struct conn *c)
{
    struct tls *t = c->tls;
    int n;

    ERR_clear_error();
    n = SSL_shutdown(t->ssl);
    t->owes_goodbye = n < 0 && SSL_get_error(t->ssl, n) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
}

/* It may hold a cookie or a token. */
static void drop_record(struct tls *t)
{
    mem_wipe(t->pending, t->pending ? t->pending_n : 0);
    mem_free(t->pending);
    t->pending = NULL;
}

/* Whether nothing waits in here any more. */
static bool flush(struct conn *c)
{
    struct tls *t = c->tls;

    if (t->pending) {
        if (!write_record(c, (struct str){ t->pending, t->pending_n }) && !c->broken)
            return false;
        drop_record(t);
    }
    if (t->owes_goodbye && !c->broken)
        say_goodbye(c);
    return !t->owes_goodbye || c->broken;
}

/* Where the bytes not yet written begin. */
struct cursor {
    const struct str *parts;
    size_t n;
    size_t offset; /* in the first part */
};

/* The next record: a slice of one large part, or small parts joined in `space`. */
static struct str next_record(struct cursor *at, char *space)
{
    size_t filled = 0;

    while (at->n > 0 && filled < RECORD_MAX) {
        struct str piece = str_sub(at->parts[0], at->offset, RECORD_MAX - filled);
        bool is_whole = at->offset + piece.n == at->parts[0].n;
        if (piece.n == RECORD_MAX || (filled == 0 && is_whole && at->n == 1)) {
            at->offset += piece.n;
            if (is_whole)
                *at = (struct cursor){ at->parts + 1, at->n - 1, 0 };
            return piece;
        }
        if (piece.n > 0)
            memcpy(space + filled, piece.p, piece.n);
        filled += piece.n;
        at->offset += piece.n;
        if (is_whole)
            *at = (struct cursor){ at->parts + 1, at->n - 1, 0 };
    }
    return (struct str){ space, filled };
}

static void keep_record(struct tls *t, struct str record)
{
    t->pending = mem_alloc(record.n);
    memcpy(t->pending, record.p, record.n);
    t->pending_n = record.n;
}

enum err tls_write(struct conn *c, const struct str *parts, size_t n, size_t *ret_written)
{
    struct cursor at = { parts, n, 0 };
    char space[RECORD_MAX];
    struct str record;
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += parts[i].n;
    while (!c->tls->pending && (record = next_record(&at, space)).n > 0) {
        if (!write_record(c, record)) {
            if (c->broken)
                return c->broken;
            keep_record(c->tls, record);
        }
        *ret_written += record.n;
    }
    if (*ret_written < sum)
        c->needs_room = true;
    conn_settle(c, 0);
    return ERR_NONE;
}

void tls_shutdown(struct conn *c)
{
    if (c->tls->state != TLS_OPEN)
        return;
    c->tls->owes_goodbye = true;
    flush(c);
    conn_settle(c, 0);
}

/* ---- events and end ---- */

int tls_wanted(const struct conn *c)
{
    const struct tls *t = c->tls;
    int events = 0;

    if (t->state == TLS_HANDSHAKE)
        return t->handshake_wants;
    if (c->is_reading && !c->is_ended)
        events |= t->read_wants_write ? UV_WRITABLE : UV_READABLE;
    if (!c->broken && (t->pending || t->owes_goodbye))
        events |= t->write_wants_read ? UV_READABLE : UV_WRITABLE;
    return events;
}

void tls_on_events(struct conn *c, int events)
{
    struct tls *t = c->tls;

    if (t->state == TLS_HANDSHAKE) {
        shake_hands(c);
        return;
    }
    if ((t->pending || t->owes_goodbye) && flush(c) && c->needs_room)
        conn_tell_room(c);
    if (c->is_closed || !c->is_reading || c->is_ended)
        return;
    if ((events & UV_READABLE) || t->read_wants_write)
        tls_read(c);
}

void tls_free(struct conn *c, bool reset)
{
    struct tls *t = c->tls;

    if (t->state == TLS_OPEN && !reset && !t->pending && !c->broken)
        say_goodbye(c);
    SSL_free(t->ssl);
    drop_record(t);
    mem_free(t);
    c->tls = NULL;
}
