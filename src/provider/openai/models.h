/* SPDX-License-Identifier: Apache-2.0 */
/* The names of an upstream's models: those of its settings, or those it listed last.
 * Process-wide, behind a short mutex; any thread. */
#pragma once

#include "base/arena.h"

struct models;

/* `fixed` is NULL-ended and borrowed; NULL: they are discovered. */
struct models *models_new(const char *const *fixed);
void models_free(struct models *m);

/* What `old` discovered is known to `m` at once, which nobody has used yet; it is asked for again
 * as soon as it would have been there. Fixed names on either side: nothing happens. */
void models_inherit(struct models *m, struct models *old);

bool models_are_fixed(const struct models *m);

/* Copies into `a`; returns how many. */
size_t models_get(struct models *m, struct arena *a, const struct str **ret);

/* Another number, another list. */
unsigned models_turn(struct models *m);

/* Whether it is this caller's turn to ask: nobody else does, and the last answer is older than
 * `age_ms`. Then models_set() or models_failed() must follow. */
bool models_claim(struct models *m, int64_t now_ms, int64_t age_ms);

/* Takes the names out of {"data":[{"id":...}]}, or Ollama's {"models":[{"name":...}]}.
 * ERR_BAD_INPUT: there is no such list; then it counts as failed. */
MUST_USE enum err models_set(struct models *m, struct str body, int64_t now_ms);
void models_failed(struct models *m, int64_t now_ms, const char *why);

/* Nobody knows: whoever claimed it had to stop. */
void models_unclaim(struct models *m);

/* Whether the names are known; `why` (128 bytes) says why not. */
bool models_are_known(struct models *m, char *why);

/* The names in a list as above, in `a`. ERR_BAD_INPUT, ERR_NOMEM. */
MUST_USE enum err models_read(struct str body, struct arena *a, const struct str **ret,
                              size_t *ret_n);
