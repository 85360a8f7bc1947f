/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, as the operators' API tells them, for people. */
#pragma once

#include "base/str.h"

/* A line for each key of {"data": [...]}. */
void keys_print_all(struct str json, int64_t now_s);

/* A line for each member of a key. */
void keys_print_one(struct str key, int64_t now_s);
