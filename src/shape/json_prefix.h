/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether text that comes in pieces may still become one JSON value, byte by byte, with a few
 * bytes of state: what passes is a prefix of JSON as json/reader.h reads it, and nothing else is.
 * The text is valid UTF-8.
 */
#pragma once

#include "base/str.h"

enum { JSON_PREFIX_DEPTH = 64 };

struct json_prefix {
    uint64_t objects; /* bit d: at depth d an object is open, not an array */
    unsigned depth;
    uint8_t state;
    bool is_key;      /* the string at hand names a member */
    bool is_too_deep; /* broken by one array or object more than JSON_PREFIX_DEPTH */
    uint8_t digits;   /* of a \u escape, still to come */
    uint16_t unit;    /* of that escape, so far */
    bool want_low;    /* it must be the second half of a pair */
    const char *word; /* rest of true, false or null */
};

enum json_progress {
    JSON_OPEN,  /* more may come */
    JSON_WHOLE, /* the array or object is closed; a number, string or word may end here */
    JSON_BROKEN /* it can be no JSON any more */
};

/* An all-zero prefix is empty. Returns how many bytes were taken: all while it is open; up to the
 * closing byte of the outermost array or object; up to the byte that breaks it. */
size_t json_prefix_add(struct json_prefix *p, struct str text, enum json_progress *ret);
