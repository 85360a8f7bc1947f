/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one object of an answer says: a chunk of a stream, or a whole completion, which differ by
 * `delta` and `message` only. What is not known is passed over. Pure.
 */
#pragma once

#include "chat/event.h"

enum piece_type { PIECE_TEXT, PIECE_REASONING, PIECE_TOOL, PIECE_FINISH };

/* Texts are slices of what was read, or in the arena. */
struct piece {
    struct piece *next;
    enum piece_type type;
    size_t choice;
    struct str text; /* TEXT, REASONING: not empty */
    struct chat_tool_piece tool;
    enum chat_finish finish;
};

struct chunk {
    struct piece *first; /* in the order of the text; NULL when it says nothing */
    struct piece *last;
    uint64_t choices; /* indexes that it speaks of, as bits; 63 stands for all above, too */
    uint64_t spoken;  /* of them, those with a delta or message that is an object */
    const char *flaw; /* what only a client of the upstream's own format could make sense of: "a
                         content that ..."; NULL: nothing */
    bool is_said;     /* a delta has something besides a role: maybe no piece, but audio, parts,
                         or what is not known here */
    bool has_more;    /* it has members that a chunk of usage only does not need */
    bool has_usage;
    bool is_counted; /* the usage has both counts, and they make sense */
    struct chat_usage usage;
    struct str model; /* the value of `model`; p NULL: none, or several */
    unsigned n_models;
    struct str error;  /* the value of `error` unless that is null, false, 0 or empty; all of an
                          object that calls itself one; p NULL: none */
    const char *limit; /* after ERR_TOO_BIG: which, "more than ..." */
};

/* Checks all of `json`, an object. ERR_BAD_INPUT, ERR_TOO_BIG (nested too deep, or more than
 * 65536 pieces), ERR_NOMEM. */
MUST_USE enum err chunk_read(struct str json, struct arena *a, struct chunk *ret);

/* Whether it only tells what was used. */
static inline bool chunk_is_usage(const struct chunk *c)
{
    return c->has_usage && c->choices == 0 && !c->error.p;
}
