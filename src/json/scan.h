/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops that check the text of strings, 64 bytes at a time in the widest vectors that
 * the processor has. All kinds answer the same; one in portable C is in use where there is no SSE2.
 */
#pragma once

#include "base/str.h"

enum scan_kind { SCAN_BY_8, SCAN_SSE2, SCAN_AVX2 };

/* Whether it is built and the processor has what it takes. Any thread. */
bool scan_can(enum scan_kind kind);

/*
 * Walks a string from the byte behind its opening quote. Returns the closing quote, or,
 * when something is wrong, the first byte of what is wrong (never a quote) or `end`.
 * Checks UTF-8 (RFC 3629), control bytes, escapes and, unless `lone` lets them through, that
 * surrogate escapes come in pairs. *ret_escaped tells whether there was a backslash.
 */
const char *scan_string(const char *p, const char *end, bool lone, bool *ret_escaped);

/* The same by one kind, for tests and measurements; scan_can() must say that it can. */
const char *scan_string_as(enum scan_kind kind, const char *p, const char *end, bool lone,
                           bool *ret_escaped);

/* The first byte of what is no UTF-8, or `end`. */
const char *scan_utf8(const char *p, const char *end);
const char *scan_utf8_as(enum scan_kind kind, const char *p, const char *end);
