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

struct dotenv {
    struct dotenv_entry *entries; /* in the arena, in the order of the file */
    size_t n;
    unsigned bad_line;    /* on ERR_BAD_INPUT: where */
    const char *bad_what; /* and what is wrong there; static */
};

/* Parses a whole file; slices point into `text` or the arena. ERR_BAD_INPUT at the first malformed
 * line. */
MUST_USE enum err dotenv_parse(struct str text, struct arena *a, struct dotenv *ret);

/* The last entry of that name, or NULL. */
const struct dotenv_entry *dotenv_find(const struct dotenv *env, struct str name);
