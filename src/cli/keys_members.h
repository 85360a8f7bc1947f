/* SPDX-License-Identifier: Apache-2.0 */
/* What people write of a key behind `keys add` and `keys edit`, as the operators' API takes it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"

/* Writes a JSON object of `words`: MEMBER=VALUE each, by the names of the YAML file; "none" takes a
 * limit away. `name` (NULL: none) is one more member. `key` (empty: there is none yet) is the key
 * as the API tells it: its budgets stay, but for those that are named. False: `ret_why` (256 bytes)
 * says which word is wrong. */
MUST_USE bool keys_members_write(char *const *words, const char *name, struct str key,
                                 int64_t now_s, struct buf *out, char *ret_why);
