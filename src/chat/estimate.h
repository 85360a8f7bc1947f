/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Estimates how many tokens a BPE tokenizer (o200k) would make of a text, for upstreams that
 * do not count: within 15 % on prose, code and Chinese (tests/e2e measures it). Incremental, a few
 * bytes of state; where the text is cut does not matter.
 */
#pragma once

#include "base/str.h"

/* One run of like characters is open; what came before it is settled. */
struct token_estimate {
    uint64_t milli_tokens; /* settled so far, in 1/1000 */
    uint64_t run;          /* characters of the open run */
    int64_t surprise;   /* of a Latin word: what its pairs of letters add up to, in 1/20 tokens */
    uint32_t utf8_char; /* bits so far of a character that is not whole yet */
    uint8_t utf8_left;  /* continuation bytes it misses */
    uint8_t kind;       /* of the open run */
    uint8_t before;     /* kind of the run before it */
    uint8_t letter;     /* of a Latin word: its last letter */
    uint8_t mark;       /* first byte of the open run when it is punctuation, else the last such */
    uint8_t block;      /* of the last character beyond ASCII, in a table */
    uint32_t capitals;  /* of a Latin word, up to its first small letter */
};

/* An all-zero estimate is empty. `text` is UTF-8. */
void token_estimate_add(struct token_estimate *e, struct str text);

/* Tokens of all text so far; at least 1 for any text. */
int64_t token_estimate_total(const struct token_estimate *e);
