/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first bytes of a message: enough to tell a message that comes again from another one under
 * the same id, kept as a digest so that no text is stored. Pure.
 */
#pragma once

#include "base/str.h"

enum { HEAD_MAX = 32, HEAD_TEXT_SIZE = 2 + 16 + 1 };

/* All-zero: nothing came yet. */
struct head {
    size_t n;
    char bytes[HEAD_MAX];
};

/* What there is; lives as long as `h` does. */
static inline struct str head_str(const struct head *h)
{
    return (struct str){ h->bytes, h->n };
}

/* The next text of a message. */
void head_add(struct head *h, struct str text);

/* The next piece as the upstream sent it: more text, or all of the text so far. */
void head_add_piece(struct head *h, struct str piece);

/* How many bytes there are and their digest, as text. Returns `out`. */
char *head_write(const struct head *h, char out[HEAD_TEXT_SIZE]);

/* Whether a message that begins like this may be the one that head_write() described: so far it is
 * no longer and no other. False for what is no such text. */
bool head_may_be(const struct head *h, struct str described);
