/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data (RFC 7578), strict: what a real server might repair is refused. Private to
 * this room. */
#pragma once

#include "http/message.h"

enum { SIM_PARTS_MAX = 64 };

struct sim_part {
    struct str name;
    struct str filename; /* p NULL: none was given */
    struct str content;
};

struct sim_form {
    struct sim_part parts[SIM_PARTS_MAX];
    size_t n;
};

/* Slices point into `body` and the head. ERR_BAD_INPUT: *ret_why says what is wrong. */
MUST_USE enum err sim_form_read(const struct http_head *head, struct str body, struct sim_form *ret,
                                const char **ret_why);

/* The first part of that name, or NULL. */
const struct sim_part *sim_form_find(const struct sim_form *f, const char *name);
