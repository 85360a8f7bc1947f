/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connected byte stream on one loop, plain or TLS, and who is told of its
 * events. Reading is on or off; a write takes what fits now and says how much,
 * so whoever writes keeps the rest and its bound. Nobody queues in here.
 */
#pragma once

#include "net/loop.h"

struct conn;

/* Neither is called again after conn_close(), which may be called inside them. */
struct conn_handler {
    /* ERR_NONE: `bytes` (at least one) came; they live until the function returns, and it takes
     * all of them. ERR_CLOSED: the peer will send no more. Else (ERR_RESET, ERR_TIMEOUT, ERR_IO;
     * with TLS also an end without close_notify): the connection is broken. After an error nothing
     * more is read. */
    void (*on_read)(void *arg, enum err err, struct str bytes);
    /* After a short conn_write(): there is room again. */
    void (*on_writable)(void *arg);
    /* Where the bytes that come next shall lie, *ret_size of them at most; they are handed to
     * on_read there. NULL: in space of the loop's, of which *ret_size may take less than
     * LOOP_READ_SIZE. Plain connections only; optional. */
    char *(*room)(void *arg, size_t *ret_size);
};

/* Sets who is told. `h` is static, `arg` borrowed. Hand-over to another owner is just this. */
void conn_set_handler(struct conn *c, const struct conn_handler *h, void *arg);

/* Both may be called at any time. While reading is off the peer's end of file goes unnoticed, but
 * for conn_watch_end(). */
void conn_read_start(struct conn *c);
void conn_read_stop(struct conn *c);

/* While reading is off the peer's end (RST, or FIN, which may stand behind bytes that wait) is told
 * by on_read all the same. Plain connections only. */
void conn_watch_end(struct conn *c, bool on);

/* Writes the parts in order, as far as the kernel (or TLS) takes them now. *ret_written below the
 * sum means: on_writable follows. ERR_RESET, ERR_CLOSED, ERR_TIMEOUT or ERR_IO: the connection is
 * broken for writing; *ret_written had left before, and what the peer sent may still be read. */
MUST_USE enum err conn_write(struct conn *c, const struct str *parts, size_t n,
                             size_t *ret_written);

/* Says that nothing more will be written (FIN; TLS: close_notify); reading goes on. */
void conn_shutdown(struct conn *c);

/* Closes and frees; with `reset` the peer sees RST instead of FIN. What the kernel has taken is
 * still sent, unless bytes of the peer were left unread. NULL is fine. */
void conn_close(struct conn *c, bool reset);

struct loop *conn_loop(const struct conn *c);

/* How many bytes can be read at once, 0 when nobody knows. Plain connections only. */
size_t conn_waiting(const struct conn *c);

/* The peer's address as text ("127.0.0.1", "::1", "unix"), for logs and loopback checks. */
struct str conn_peer(const struct conn *c);
bool conn_peer_is_loopback(const struct conn *c);
bool conn_is_tls(const struct conn *c);

/* A connection on an open, non-blocking socket, which it owns from now on. */
struct conn *conn_new(struct loop *l, int fd);

/* ---- for tests: a connection without a socket ---- */

/* Scripted transport: what the other functions would do to a socket goes to these; conn_shutdown()
 * does nothing. A short write is not followed by anything but conn_script_writable(). */
struct conn_script {
    enum err (*write)(void *arg, const struct str *parts, size_t n, size_t *ret_written);
    void (*close)(void *arg, bool reset);
    void *arg;
};
struct conn *conn_new_scripted(struct loop *l, const struct conn_script *script);

/* Delivers an event to the handler of a scripted connection; ERR_AGAIN when reading is off. */
MUST_USE enum err conn_script_read(struct conn *c, enum err err, struct str bytes);
void conn_script_writable(struct conn *c);
