/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request that is passed on unread takes in tokens: as its answer tells, read in passing,
 * else by an estimate of its text. Pure, and of fixed size however much passes.
 *
 * An answer tells it in the member `usage` of its object, or of the object of one of its events,
 * each on a line of its own; the last one counts. Where bytes are cut changes nothing.
 */
#pragma once

#include "base/arena.h"
#include "chat/event.h"

enum {
    USAGE_TAP_MAX = 2048,      /* bytes of such a member; a longer one tells nothing */
    USAGE_TEXT_MAX = 64 << 10, /* of a body: the estimate is made of its beginning */
};

/* All zero, it takes nothing in. */
struct usage_tap {
    bool is_on;
    bool is_events;
    unsigned depth; /* open objects and arrays */
    bool is_object; /* the outermost */
    bool in_string;
    bool is_escaped; /* the next byte of a string belongs to an escape */
    bool is_key;     /* of the outermost object: the next string, or this one */
    uint8_t n_key;   /* bytes of the last one, 255 at most, ... */
    char key[5];     /* ... and how it begins */
    bool is_taking;  /* bytes belong to the member */
    size_t n;
    char text[USAGE_TAP_MAX];
    bool has_usage;
    struct chat_usage usage; /* of the last that was told */
};

/* By the headers of an answer; one that is coded, or is neither JSON nor events, is not read. */
void usage_tap_start(struct usage_tap *t, struct str content_type, struct str content_encoding);

/* The next bytes of the answer. */
void usage_tap_feed(struct usage_tap *t, struct str bytes);

/* An estimate for the texts and tokens in the beginning of a JSON body, by the names that OpenAI,
 * and servers that rank, give them; 0 for any other type. Texts with escapes are decoded in `a`. */
int64_t usage_of_text(struct str content_type, struct str start, struct arena *a);
