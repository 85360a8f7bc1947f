/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a gateway's answers, for commands that print them. What is not there, or of another
 * type, is empty, 0 or false. */
#pragma once

#include "json/reader.h"

struct str member_text(struct str object, const char *name, struct arena *a);
int64_t member_number(struct str object, const char *name);
bool member_is_true(struct str object, const char *name);
