/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of one message, which comes either as deltas or as growing snapshots. Nobody says which,
 * so both hypotheses run side by side and only what is undecided is held back:
 *
 *     the first piece goes out
 *     a piece that is longer than the one before and begins with it: undecided, held;
 *         the third in a row, or one behind a piece of at least 32 bytes: SNAPSHOT; or one behind a
 *         piece that ends with half a pair, as a delta would bring the other half first
 *     any other piece: DELTA; what was held goes out in full
 *     the end while undecided: SNAPSHOT if the last but one has at least 8 bytes, else DELTA
 *
 * "Begins" and "longer" mean the UTF-16 that the pieces were cut from. Halves of a surrogate pair
 * that was cut between two pieces are joined on the way out.
 */
#pragma once

#include "base/buf.h"
#include "provider/enginelabs/enginelabs.h"

/* One piece as it came: text without the halves at its ends. */
struct piece {
    struct str text;
    uint32_t head; /* low half that it begins with, or 0 */
    uint32_t tail; /* high half that it ends with, or 0 */
    size_t lost;   /* halves inside the text, which are U+FFFD there */
};

/* Where text goes: valid UTF-8 only. All-zero but for emit and arg is a fresh one. */
struct joiner {
    void (*emit)(void *arg, struct str text);
    void *arg;
    uint32_t pending; /* a high half that waits for its low one */
    uint64_t lost;    /* halves that became U+FFFD */
    bool emitted;     /* anything so far */
};

void joiner_add(struct joiner *j, const struct piece *p);

/* What waits will not be completed: U+FFFD. */
void joiner_end(struct joiner *j);

enum { CONTENT_KEPT = 3, CONTENT_SURE_BYTES = 32, CONTENT_END_BYTES = 8 };

struct content {
    enum enginelabs_content mode; /* CONTENT_AUTO: undecided */
    size_t sent;                  /* snapshot: bytes of the text that went out ... */
    size_t lost;                  /* ... and lost halves in it */
    unsigned n;                   /* pieces kept */
    struct kept {
        struct buf text;
        uint32_t head;
        uint32_t tail;
        size_t lost;      /* while undecided */
    } kept[CONTENT_KEPT]; /* undecided: all so far, the first went out; snapshot: the longest */
};

/* `max_bytes` bounds each piece that is kept. */
void content_init(struct content *c, enum enginelabs_content mode, size_t max_bytes);
void content_deinit(struct content *c);

/* Bytes of text that are kept. */
static inline size_t content_held(const struct content *c)
{
    size_t n = 0;

    for (unsigned i = 0; i < c->n; i++)
        n += c->kept[i].text.n;
    return n;
}

/* ERR_TOO_BIG, ERR_NOMEM; ERR_PROTOCOL when a snapshot changes text that already went out. */
MUST_USE enum err content_feed(struct content *c, const struct piece *p, struct joiner *out);

/* The message is over: decides what is undecided. More pieces may follow all the same. */
void content_end(struct content *c, struct joiner *out);
