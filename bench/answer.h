/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one HTTP/1.1 answer to a chat completion, whole or streamed, and compares it with what is
 * expected: the text that its "content" members spell, byte by byte, and the whole body where that
 * is known. It is written beside the gateway's own parsers and shares nothing with them, so that no
 * mistake of theirs can hide here. Pure: bytes in, a verdict out; input may be cut anywhere.
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct answer_want {
    struct str text; /* of letters that JSON does not escape */
    struct str body; /* empty: only the text is compared */
};

enum answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH,     /* a body of known length */
    ANSWER_CHUNK_SIZE, /* the line in front of a chunk */
    ANSWER_CHUNK,
    ANSWER_CHUNK_END, /* the line end behind it */
    ANSWER_TRAILER,
    ANSWER_DONE,
};

struct answer {
    const struct answer_want *want; /* borrowed */
    enum answer_state state;
    char head[2048];
    size_t head_n;
    size_t left;     /* bytes of the body or chunk; the size while it is read */
    size_t at_line;  /* bytes of this line of the trailer, or of a chunk's extension */
    size_t at_key;   /* matched of the key in front of a text */
    size_t at_text;  /* bytes of the text so far */
    size_t at_piece; /* where this piece began in it */
    size_t at_body;
    size_t pieces; /* that held text */
    int status;
    bool in_text;
    bool keeps_open;   /* the connection can take another request */
    const char *fault; /* the first thing wrong; NULL: nothing yet */
};

void answer_expect(struct answer *a, const struct answer_want *want);

/* True when the answer is over: whole, or so broken that no more of it can be read. Then `fault`
 * is the verdict. */
bool answer_feed(struct answer *a, struct str in);
