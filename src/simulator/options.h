/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named numbers in a struct: one table says which name stands where and what it may be, and
 * JSON, command lines and printouts all go through it. Pure.
 */
#pragma once

#include "base/arena.h"
#include "json/reader.h"
#include "json/writer.h"

enum sim_option_type { SIM_OPTION_INT, SIM_OPTION_BOOL, SIM_OPTION_WORD };

struct sim_option {
    const char *name;
    enum sim_option_type type;
    size_t offset; /* of an int in the struct */
    int min;       /* SIM_OPTION_INT: smallest and largest value */
    int max;
    const char *words; /* SIM_OPTION_WORD: "first|second"; the value is the word's place */
};

struct sim_options {
    const struct sim_option *table; /* static */
    size_t n;
};

enum { SIM_WHAT_MAX = 256 };

/* Formats into `what` (SIM_WHAT_MAX bytes), cut to fit; returns ERR_BAD_INPUT. */
enum err sim_complain(char *what, const char *format, ...) FORMAT(2, 3);

/* Sets the option called `name` from text: digits (with '-'), true/false, or one of the words.
 * ERR_NOT_FOUND: there is none, `what` untouched. ERR_BAD_INPUT: `what` says what it takes. */
MUST_USE enum err sim_option_set(const struct sim_options *options, void *object, struct str name,
                                 struct str value, char *what);

/* A JSON value as the text that sim_option_set takes: strings decoded, the rest as it stands. */
MUST_USE enum err sim_option_text(const struct json_value *v, struct arena *a, struct str *ret);

/* Writes all of them as members of the object that is open. */
void sim_options_write(const struct sim_options *options, const void *object,
                       struct json_writer *w);

/* Cuts the first word off *line (blanks around it dropped); empty at the end. A word that begins
 * with a double quote, or has one behind its '=', goes on to the closing quote. */
struct str sim_next_word(struct str *line);
