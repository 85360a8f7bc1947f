/* SPDX-License-Identifier: Apache-2.0 */
/* What capture_redact.c (strings) and capture_json.c (what they stand in) share. */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "cli/capture_redact.h"
#include "cli/capture_words.h"
#include "json/reader.h"
#include "json/writer.h"

/* The last piece of a text that comes in pieces. */
struct stream {
    struct str text;
    struct str covered;
};

struct redact {
    struct arena arena;
    struct map names;     /* string -> its placeholder */
    struct map counts;    /* name -> how many strings have it */
    struct map models;    /* names of models, which may stay */
    struct map masked;    /* strings that were covered */
    struct map streams;   /* place and message -> struct stream */
    struct map forbidden; /* strings that may not be left over */
};

/* The placeholder of an id, which gets one if it has none. */
const char *redact_id(struct redact *r, struct str value);

/* Appends what stands for a text; of a piece of `stream` so that it begins with the piece before
 * it, if and only if it did. */
MUST_USE enum err redact_cover(struct redact *r, struct str text, struct buf *out);
MUST_USE enum err redact_cover_piece(struct redact *r, struct str stream, struct str text,
                                     struct buf *out);
