/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a tool call by what they say, since clients read them and write them anew: white
 * space, escapes and the spelling of numbers do not matter, nor whether a member is there that has
 * the value its property's `default` names (JSON Schema validation 9.2): some clients fill those
 * in. The order of members does: all keep it.
 */
#pragma once

#include "base/hash.h"
#include "chat/request.h"

/* Where defaults are looked up. Work is bounded for a whole history: what is beyond counts as it
 * stands, which costs a conversation its chat at worst. */
struct arguments_tools {
    const struct chat_tools *tools; /* NULL: none */
    size_t left;                    /* bytes of schemas that may still be read; ARGUMENTS_WORK */
};

enum { ARGUMENTS_WORK = 4 << 20 };

/* Adds a call's arguments to `h`. False: they are no JSON, and counted as text. */
bool arguments_hash(struct sha256 *h, const struct chat_tool_call *call, struct arguments_tools *t);
