/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer of scan.c that rushes over blocks of which all bytes are certainly fine, for each
 * kind of vectors. It stops in front of the first thing that wants a look, never inside an escape
 * or a character; maybe too early, never too late. Only scan.c calls it, and only what the
 * processor can do.
 */
#pragma once

#include "base/str.h"

/* Over plain text and two-byte escapes. *escaped becomes true when there was a backslash. */
const char *scan_pass_string_sse2(const char *p, const char *end, bool *escaped);
const char *scan_pass_string_avx2(const char *p, const char *end, bool *escaped);

/* Over UTF-8. */
const char *scan_pass_utf8_sse2(const char *p, const char *end);
const char *scan_pass_utf8_avx2(const char *p, const char *end);
