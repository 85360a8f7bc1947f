/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the file of the embedded store is, and whether it is ours. It is looked at without a lock
 * and without a change, so that a name that was mistyped costs nobody a file. For the files of
 * store/.
 */
#pragma once

#include "store/backend.h"

enum { SQLITE_PATH_MAX = 4096 };

/* In the header of each of our files ("El2a"), see sqlite.org/pragma.html#pragma_application_id. */
#define SQLITE_PLACE_ID 0x456C3261

/* Why a file cannot be used: for whoever starts the gateway, and for /readyz. */
struct sqlite_why {
    char text[STORE_WHY_MAX];        /* which file, and what to do */
    char problem[STORE_PROBLEM_MAX]; /* what to do */
};

struct sqlite_place {
    char path[SQLITE_PATH_MAX]; /* the real one: all names of a file have one lock */
    bool is_empty;              /* nothing is in it yet */
};

/* Resolves `path`; a file that is not there is made, empty (mode 0600). ERR_BAD_INPUT: it cannot be
 * the store's, and is left alone. ERR_IO: it cannot be made, which may pass. */
MUST_USE enum err sqlite_place_find(const char *path, struct sqlite_place *ret,
                                    struct sqlite_why *ret_why);

/* ERR_IO for an errno that may pass (no room, no permission to write, a failing disk), else
 * ERR_BAD_INPUT; `problem` is written for the former. */
MUST_USE enum err sqlite_place_judge(int number, struct sqlite_why *why);
