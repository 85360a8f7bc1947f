/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short texts out of small JSON answers: ids, codes, numbers as they stand. What is absent, of
 * another type, too long or holds control characters is simply not there. Pure, any thread.
 */
#pragma once

#include "json/reader.h"

enum { FIELD_ID_MAX = 128 };

/* The text of a non-empty string into `out` (capacity `cap`, NUL behind); false: `out` is "". */
bool field_text(const struct json_value *v, char *out, size_t cap);

/* The member `name` of an object's text, the same way. */
bool field_member(struct str object, const char *name, char *out, size_t cap);

/* A member that is a number or a string, as it stands. */
bool field_member_scalar(struct str object, const char *name, char *out, size_t cap);
