/* SPDX-License-Identifier: Apache-2.0 */
/* What happened in each of the last 60 minutes, of the whole process. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { MINUTES = 60 };

/* Requests that ended in it. */
struct minute {
    int64_t at_s; /* when it began, since 1970 */
    int64_t requests;
    int64_t failed;
    int64_t prompt_tokens;
    int64_t completion_tokens;
    int64_t first_tokens;   /* of how many requests a first token came */
    int64_t first_token_ms; /* sum of how long those took */
};

struct minutes;

struct minutes *minutes_new(void);

/* NULL is fine. */
void minutes_free(struct minutes *m);

/* Adds all of `what` but its time to the minute of `wall_ms`. */
void minutes_add(struct minutes *m, int64_t wall_ms, const struct minute *what);

/* The last MINUTES of them, oldest first; the last one is that of `wall_ms`. */
void minutes_read(struct minutes *m, int64_t wall_ms, struct minute ret[MINUTES]);
