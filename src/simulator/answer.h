/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulator says: the text of an answer and of its reasoning. Deterministic, pure. */
#pragma once

#include "simulator/command.h"

enum { SIM_ANSWER_MAX = 16777216 };

/* Appends the answer to `wish`. `prompts` are those of the chat so far, the current one last (at
 * least one). ERR_TOO_BIG above the buffers' bound. */
MUST_USE enum err sim_answer_write(const struct sim_wish *wish, const struct str *prompts,
                                   size_t n_prompts, struct buf *text, struct buf *thinking);

/* Appends `n` bytes of the text of !bytes: x = x * 1664525 + 1013904223 (mod 2^32), beginning with
 * the seed; each step gives character x >> 26 of
 * "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n0123456789". */
MUST_USE enum err sim_answer_bytes(struct buf *out, size_t n, uint32_t seed);

/* Appends `n` words of latin. */
MUST_USE enum err sim_answer_lorem(struct buf *out, size_t n);
