/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on their way out of a connection: what the socket had no room for waits
 * here. While it waits nothing is written, so that all of it leaves in order and
 * in as few writes as possible. Private to this room.
 */
#pragma once

#include "base/buf.h"
#include "net/conn.h"

struct outbox {
    struct buf buf;  /* whoever writes may append to it */
    size_t sent;     /* bytes at its start that left */
    bool is_blocked; /* a write came short: on_writable follows */
};

void outbox_init(struct outbox *o, size_t max);
void outbox_deinit(struct outbox *o);

/* Bytes that wait. */
static inline size_t outbox_pending(const struct outbox *o)
{
    return o->buf.n - o->sent;
}

/* Writes what waits and then `more`, as far as there is room, and keeps (copies) the rest.
 * ERR_TOO_BIG, ERR_NOMEM, or the connection's error; nothing can be sent after any of them. */
MUST_USE enum err outbox_push(struct outbox *o, struct conn *c, struct str more,
                              size_t *ret_written);
