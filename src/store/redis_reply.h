/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Redis server says, read side: bytes in, replies out. hiredis does the protocol, without
 * its sockets; the replies are built here, so that a server cannot make them larger than we allow.
 */
#pragma once

#include "base/arena.h"

enum {
    /* STORE_ROWS_MAX of the largest rows, and a little more. */
    REDIS_REPLY_MAX = 9 * 1024 * 1024,
    REDIS_ITEMS_MAX = 4096, /* of one reply, all levels together */
};

enum redis_type {
    REDIS_TEXT,
    REDIS_STATUS,
    REDIS_FAILURE,
    REDIS_NUMBER,
    REDIS_NOTHING,
    REDIS_LIST,
};

struct redis_reply {
    enum redis_type type;
    struct str text;                  /* text, status, failure */
    int64_t number;                   /* number */
    const struct redis_reply **items; /* list; none is NULL */
    size_t n;                         /* list */
};

struct redis_reader {
    struct redisReader *hiredis; /* owned */
    struct arena arena;          /* holds the reply that is being built, or was told last */
    size_t n_items;              /* of that reply */
};

void redis_reader_init(struct redis_reader *r);
void redis_reader_deinit(struct redis_reader *r);

/* Takes the next bytes as they came. ERR_NOMEM. */
MUST_USE enum err redis_reader_feed(struct redis_reader *r, struct str bytes);

/* The next reply; it lives until the next call. ERR_AGAIN: it is not whole yet. ERR_TOO_BIG or
 * ERR_PROTOCOL: nothing that comes behind can be read any more. */
MUST_USE enum err redis_reader_next(struct redis_reader *r, const struct redis_reply **ret);
