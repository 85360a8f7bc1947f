/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the keys in the store, for the operators' API and the commands. Each is a compare and
 * set, tried again when somebody else was first; then the ring is read anew. */
#pragma once

#include "keys/key_ring.h"

enum key_change_kind { KEY_ADD, KEY_EDIT, KEY_ROTATE, KEY_REVOKE };

/* Lives during the callback. */
struct key_changed {
    enum err err; /* ERR_BAD_INPUT: `problem`; ERR_NOT_FOUND: no such id; else the store's */
    const struct key_problem *problem;
    const struct key_record *record; /* as it is now; of a revoked one, as it was */
    const char *text;                /* of a new key, or its new one; else NULL. Wiped afterwards */
};

typedef void on_key_changed(void *arg, const struct key_changed *changed);

/* Calls done(arg, ...) once, on the port's loop. `id`: all but add; `json`: add, edit, as
 * key_record_edit() takes it. Both are copied. A port that closes meanwhile ends it: ERR_CLOSED, or
 * ERR_NONE when it was done already. */
void key_change(struct key_ring *r, struct store_port *p, enum key_change_kind kind, struct str id,
                struct str json, int64_t now_s, on_key_changed *done, void *arg);
