/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds where a value ends whose text was checked before: nothing is judged a second time. Each
 * has a twin in portable C (block.h) that answers the same.
 */
#pragma once

#include "base/str.h"

/* Behind the bracket that closes the array or object which opens at `p`; `end` when none does. */
const char *skip_nested(const char *p, const char *end);
const char *skip_nested_by_1(const char *p, const char *end);
