/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops that write text as the inside of a JSON string and back (RFC 8259 7),
 * 16 bytes at a time. Each has a twin in portable C (block.h) that does the same.
 */
#pragma once

#include "base/str.h"

/* Bytes behind what was written that may be overwritten with anything. */
enum { ESCAPE_SLACK = 16 * 6 + 16 };

/* Length of a \u escape. */
enum { ESCAPE_UNIT = 6 };

/* The code unit of the \u escape at `p`; -1 when no whole one stands there. */
int32_t escape_unit(const char *p, const char *end);

/*
 * Decodes up to the next \u escape, which the caller must decode, or `end`; returns where it
 * stopped. What is decoded was checked by scan_string(). An escape that begins in front
 * of `end` is decoded whole. *out moves behind the text, which is never longer than it was.
 */
const char *escape_decode(const char *p, const char *end, char **out);
const char *escape_decode_by_8(const char *p, const char *end, char **out);

/* Encodes up to `end`, but stops where the text reaches `limit`, which it may do by ESCAPE_SLACK
 * bytes; returns where it stopped. */
const char *escape_encode(const char *p, const char *end, char **out, const char *limit);
const char *escape_encode_by_8(const char *p, const char *end, char **out, const char *limit);
