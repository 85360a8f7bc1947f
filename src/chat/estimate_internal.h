/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the estimate of a text is made of: symbols, runs of like symbols, and what these cost.
 * A symbol is a byte: a character of ASCII as it is, of any other what it counts as.
 */
#pragma once

#include "chat/estimate.h"

enum kind {
    NOTHING,
    SPACE,
    LINE_END,
    DIGIT,
    MARK, /* punctuation and symbols */
    PICTURE,
    /* Letters, one kind a script. */
    LATIN,
    GREEK,
    CYRILLIC,
    HEBREW,
    ARABIC,
    INDIC,
    HANGUL,
    KANA,
    HAN,
    OTHER,
};

enum {
    MILLI = 1000,
    STEP = 50,          /* of the table, in 1/1000 */
    ALLOWANCE = 1110,   /* what pairs may add up to before a second token is likely */
    CAPITAL = 108,      /* a letter of a word in capitals */
    MARKS_IN_TOKEN = 2, /* of punctuation */
    MARK_MORE = 250,    /* each mark beyond these */
    MARKS_MAX = 4000,   /* rules and frames repeat one mark */
    DIGITS_IN_TOKEN = 3,
};

/* Symbols of what is beyond ASCII: scripts and pictures by their kind. */
enum {
    SYMBOL_MARK = 0x01, /* any mark, which all cost the same */
    SYMBOL_SCRIPT = 0x80,
    SYMBOL_ACCENTED = 0xFB, /* a Latin letter; its low bits number the table's row */
};

/* Of symbols. */
extern const uint8_t estimate_kinds[256];

/* The row of a letter, its low five bits; that of START is for the first letter of a word. */
enum { ROWS = 32, START = 0 };

/* How much of a token more a word costs for each pair of letters in it: row, the first letter;
 * column, the second. 'c' is nothing, each step 1/20. */
extern const signed char estimate_pairs[ROWS][ROWS];

/* What a lone mark adds to the word that it begins. */
uint64_t estimate_mark_cost(unsigned char mark);

/* A run of `n` characters of a script, or pictures. */
uint64_t estimate_script_cost(enum kind kind, uint64_t n);

enum { ESTIMATE_BLOCK = 64 }; /* symbols looked at at once */

/* Goes on behind the open run, which begins at `p` and has nothing yet, with as many whole runs as
 * blocks have; where it returns the next one is open so. Only where there is SSE2. */
const unsigned char *estimate_blocks(struct token_estimate *e, const unsigned char *p,
                                     const unsigned char *end);
