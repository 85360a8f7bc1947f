/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of single messages of the answer stream, in every shape the service was seen to use. */
#pragma once

#include "simulator/settings.h"

/* A piece of text whose ends may be halves of surrogate pairs, to be written as escapes. */
struct sim_piece {
    struct str text;
    uint32_t head; /* low half before it, 0 for none */
    uint32_t tail; /* high half behind it, 0 for none */
};

enum sim_piece_kind { SIM_PIECE_CHAT, SIM_PIECE_THINKING };

/* Each appends one whole message. */
MUST_USE enum err sim_shape_piece(struct buf *out, const struct sim_settings *s,
                                  enum sim_piece_kind kind, const char *id,
                                  const struct sim_piece *piece);
MUST_USE enum err sim_shape_state(struct buf *out, bool in_progress, bool cancelled,
                                  const char *task_id);
MUST_USE enum err sim_shape_echo(struct buf *out, const struct sim_settings *s, const char *id,
                                 struct str prompt);
MUST_USE enum err sim_shape_label(struct buf *out, struct str prompt);

/* The `n`-th kind of agent activity: tool runs, todo lists, ... */
MUST_USE enum err sim_shape_activity(struct buf *out, const struct sim_settings *s, const char *id,
                                     size_t n);

struct sim_history_message {
    char id[64];
    bool is_user;
    struct str content;
};
MUST_USE enum err sim_shape_history(struct buf *out, enum sim_history how,
                                    const struct sim_history_message *messages, size_t n);

/*
 * Cuts the next piece off *rest: so many words, or bytes, as the settings say. With
 * split_surrogates a character above U+FFFF ends it in the middle; *carry is then the low half
 * that the next piece begins with, 0 at first. False when nothing is left.
 */
bool sim_shape_cut(const struct sim_settings *s, struct str *rest, uint32_t *carry,
                   struct sim_piece *ret);
