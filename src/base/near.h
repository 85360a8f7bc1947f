/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The known name that a mistyped one was meant to be. Pure; any thread.
 */
#pragma once

#include "base/str.h"

/* Names longer than this are near to none. */
enum { NEAR_MAX = 48 };

struct near {
    struct str word;  /* borrowed */
    const char *best; /* of those that were tried; NULL: none is near */
    unsigned limit;   /* what the next one must be nearer than */
};

/* How many letters to add, leave out, change or swap with the next make one of the other, in any
 * case. More than NEAR_MAX when one is longer than that. */
unsigned near_distance(struct str a, struct str b);

/* Whether one letter (of a word of eight or more: two) makes the word of a known name: for each
 * known name near_try(), which is borrowed; then `best` is the nearest, the first of several. */
void near_init(struct near *n, struct str word);
void near_try(struct near *n, const char *name);

/* The question, or nothing, for a format with "%s%s%s". */
#define NEAR_ARGS(n) \
    (n)->best ? "; did you mean " : "", (n)->best ? (n)->best : "", (n)->best ? "?" : ""
