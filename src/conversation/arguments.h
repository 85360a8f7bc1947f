/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a tool call by what they say, since clients read them and write them anew: white
 * space, escapes and the spelling of numbers do not matter, nor whether a member is there that has
 * the value its property's `default` names (JSON Schema validation 9.2): some clients fill those
 * in. The order of members does: all keep it.
 */
#pragma once

#include "base/hash.h"

/* Adds them to `h`; `schema` is that of the tool's arguments, empty when it has none. False: they
 * are no JSON, and counted as text. */
bool arguments_hash(struct sha256 *h, struct str arguments, struct str schema);
