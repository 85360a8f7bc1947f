/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates as servers write them: HTTP dates in all three forms (RFC 9110 5.6.7) and the looser
 * ones of Set-Cookie (RFC 6265 5.1.1), by the algorithm of the latter. Pure, any thread.
 */
#pragma once

#include "base/str.h"

/* Milliseconds since 1970 UTC; ERR_BAD_INPUT when a part is missing or out of range. */
MUST_USE enum err date_parse(struct str text, int64_t *ret_wall_ms);

/* The wait that a Retry-After value asks for: seconds or a date (RFC 9110 10.2.3), at most 30
 * days; 0 when there is none, it is malformed or in the past. */
int64_t date_retry_after_ms(struct str value, int64_t wall_ms);
