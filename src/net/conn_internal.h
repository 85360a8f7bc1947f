/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection is made of, for conn.c, conn_tls.c and those who connect. */
#pragma once

#include <uv.h>

#include "net/conn.h"
#include "net/sockaddr.h"
#include "net/tls.h"

struct tls;

struct conn {
    struct loop *loop;
    const struct conn_handler *handler; /* NULL until somebody is to be told */
    void *arg;
    struct tls *tls;            /* owned; NULL when plain */
    struct conn_script *script; /* owned copy; NULL for a real socket */
    size_t script_waiting;      /* bytes that are being delivered */
    uv_poll_t poll;             /* initialized while fd >= 0 */
    int fd;                     /* -1: scripted, or broken from the start */
    int polled;                 /* events that `poll` is started for */
    struct task task;           /* reads what no poll reports; frees a conn without a socket */
    enum err broken;            /* what each write returns from now on */
    bool is_reading;
    bool is_ended; /* the reader was told of the end or of an error */
    bool is_closed;
    bool watches_end; /* also while it is not read */
    bool needs_room;  /* on_writable is owed */
    bool is_upstream; /* counted by METRIC_UPSTREAM_CONNS */
    bool is_loopback;
    char peer[ADDRESS_TEXT_MAX];
};

/* conn_new() for who knows the peer's address; one that is not connected yet is told of it by
 * on_writable after conn_await_room(). */
struct conn *conn_open(struct loop *l, int fd, const struct address *peer);
void conn_await_room(struct conn *c);

/* Counts it in METRIC_UPSTREAM_CONNS until it is closed. */
void conn_count_upstream(struct conn *c);

/* Polls for what is wanted now. `unwanted`: events that came though nobody waits for them. */
void conn_settle(struct conn *c, int unwanted);

/* Tells the reader, and reads no more. */
void conn_end_read(struct conn *c, enum err err);

/* Tells whoever waits for room. */
void conn_tell_room(struct conn *c);

/* ERR_RESET, ERR_CLOSED, ERR_TIMEOUT or ERR_IO for an errno of a connected socket. */
enum err conn_err_of_errno(int errno_value);

/* ---- conn_tls.c ---- */

/* `detail` is "" or lives during the call. */
typedef void on_tls(void *arg, enum err err, const char *detail);

/* Shakes hands as a client of `to`. `done` may be called inside; not after conn_close(). */
void tls_start(struct conn *c, struct tls_trust *trust, const struct endpoint *to, on_tls *done,
               void *arg);

int tls_wanted(const struct conn *c);
void tls_on_events(struct conn *c, int events);

/* Whether bytes wait inside OpenSSL, where no poll sees them. */
bool tls_has_bytes(const struct conn *c);
void tls_read(struct conn *c);
MUST_USE enum err tls_write(struct conn *c, const struct str *parts, size_t n, size_t *ret_written);
void tls_shutdown(struct conn *c);

/* Says goodbye if that still works, then frees. */
void tls_free(struct conn *c, bool reset);

/* ---- tls.c ---- */

struct ssl_st;

/* A TLS client's SSL for `to`, with a session to resume if there is one. `key` names the sessions
 * and must outlive it. */
struct ssl_st *tls_trust_ssl(struct tls_trust *t, const struct endpoint *to, char *key);
