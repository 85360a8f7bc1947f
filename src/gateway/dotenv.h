/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .env file: NAME=VALUE lines as python-dotenv and docker compose read them. "export ",
 * comments, single quotes (taken as they are) and double quotes (\n, \t, \", \\, \$) are
 * understood; nothing is substituted.
 */
#pragma once

#include "base/arena.h"

struct dotenv_entry {
    struct str name;
    struct str value;
    unsigned line; /* from 1 */
};

/* A line, or the first of several that belong together, that is no setting. */
struct dotenv_problem {
    unsigned line;
    struct str name;  /* of the setting that it seems to be; empty if unknown */
    const char *what; /* what is wrong there; static */
};

enum { DOTENV_PROBLEMS_MAX = 20 };

struct dotenv {
    struct dotenv_entry *entries; /* in the arena, in the order of the file */
    size_t n;
    struct dotenv_problem problems[DOTENV_PROBLEMS_MAX];
    size_t n_problems;
};

/* Parses a whole file; slices point into `text` or the arena. ERR_BAD_INPUT when a line is
 * malformed: `ret` then has the other lines, and the problems up to the last that was looked at. */
MUST_USE enum err dotenv_parse(struct str text, struct arena *a, struct dotenv *ret);

/* The last entry of that name, or NULL. */
const struct dotenv_entry *dotenv_find(const struct dotenv *env, struct str name);
