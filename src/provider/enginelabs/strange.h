/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that nobody knows: the service documents nothing and changes, and a log line that says
 * what came is what the next version is made from. Type and shape are told, never what they hold:
 * names of members that look like names, and the types of their values.
 */
#pragma once

#include "base/str.h"

enum { STRANGE_TYPE_MAX = 64, STRANGE_NAME_MAX = 32, STRANGE_MAX = 512, STRANGE_KINDS = 32 };

/* `{type "x": id string, chat {content number}}`: two levels, eight members each. Returns `out`. */
char *strange_describe(struct str json, char out[STRANGE_MAX]);

/* Whether this description is the first of its kind in the process; of more than STRANGE_KINDS none
 * is. Any thread. */
bool strange_is_new(const char *description);

/* Logs the description of what is new. */
void strange_note(struct str json);
