/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tool calls of one choice, made of the pieces that a provider gives. Upstreams differ in how
 * they cut them: an id with every piece, none at all, an index that is always 0. What comes out has
 * one form: calls are numbered in the order in which they began; id and name come with a call's
 * first piece and only there; a call without an id gets one.
 */
#pragma once

#include "base/buf.h"
#include "chat/event.h"
#include "chat/request.h"

enum { TOOL_CALLS_MAX = 1024 }; /* a choice */

struct tool_calls {
    struct tool_call_draft *list; /* owned */
    size_t n;
    size_t cap;
    size_t max;      /* bytes of arguments that are kept a call; 0: none are */
    struct str seed; /* ids that are made up begin with it */
};

/* `seed`, such as the answer's id and the choice's number, outlives it. */
void tool_calls_init(struct tool_calls *t, struct str seed, size_t max);
void tool_calls_deinit(struct tool_calls *t);

/* Takes a piece; *ret is the same in the one form and lives until the next. ERR_TOO_BIG: more than
 * TOOL_CALLS_MAX calls, or more arguments than `max`. ERR_BAD_INPUT: a call begins without a name.
 * ERR_NOMEM. */
MUST_USE enum err tool_calls_add(struct tool_calls *t, const struct chat_tool_piece *piece,
                                 struct chat_tool_piece *ret);

/* The calls so far: t->n of them, in `a`, with slices of `t`. */
const struct chat_tool_call *tool_calls_list(const struct tool_calls *t, struct arena *a);
