/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops that check the text of strings, 64 bytes at a time. Each has a twin
 * in portable C (block.h) that answers the same; it is in use where there is no SSE2.
 */
#pragma once

#include "base/str.h"

/*
 * Walks a string from the byte behind its opening quote. Returns the closing quote, or,
 * when something is wrong, the first byte of what is wrong (never a quote) or `end`.
 * Checks UTF-8 (RFC 3629), control bytes, escapes and, unless `lone` lets them through, that
 * surrogate escapes come in pairs. *ret_escaped tells whether there was a backslash.
 */
const char *scan_string(const char *p, const char *end, bool lone, bool *ret_escaped);
const char *scan_string_by_8(const char *p, const char *end, bool lone, bool *ret_escaped);

/* The first byte of what is no UTF-8, or `end`. */
const char *scan_utf8(const char *p, const char *end);
const char *scan_utf8_by_8(const char *p, const char *end);
