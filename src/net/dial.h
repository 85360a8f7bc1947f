/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connects to the first of several addresses that answers (RFC 8305): the families take turns,
 * the next address is tried after 250 ms or when the last try failed. For the files of net/.
 */
#pragma once

#include "net/conn.h"
#include "net/resolve.h"
#include "net/timer.h"

enum { DIAL_WHY_MAX = 128 };

struct dial_try {
    struct dial *dial;
    struct conn *conn; /* owned while it is tried, else NULL */
    size_t index;
};

/* `conn` is the receiver's; on error it is NULL and `why` says which address failed how. */
typedef void on_dialed(void *arg, enum err err, const char *why, struct conn *conn);

struct dial {
    struct loop *loop;
    struct address list[RESOLVE_MAX];
    size_t n;
    size_t n_tried;
    size_t n_running;
    struct dial_try tries[RESOLVE_MAX];
    struct timer next;
    enum err err; /* the failure that says most so far */
    char why[DIAL_WHY_MAX];
    on_dialed *done;
    void *arg;
};

/* `n` is 1 to RESOLVE_MAX. Calls `done` exactly once unless canceled, perhaps inside. */
void dial_start(struct dial *d, struct loop *l, const struct address *list, size_t n,
                on_dialed *done, void *arg);

/* Harmless after the end, and for an all-zero dial. */
void dial_cancel(struct dial *d);
