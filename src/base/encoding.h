/* SPDX-License-Identifier: Apache-2.0 */
/* Text encodings: base64 and base64url (RFC 4648), hex, percent (RFC 3986), UTF-8 (RFC 3629). */
#pragma once

#include "base/buf.h"

/* Appends standard base64 with padding. */
MUST_USE enum err base64_add(struct buf *out, struct str bytes);

/* Appends the bytes of base64 or base64url, padding optional but right when there is some;
 * ERR_BAD_INPUT on any other byte. Spare bits at the end are ignored, as browsers do. */
MUST_USE enum err base64_decode(struct buf *out, struct str text);

/* 2n lower-case digits and a NUL. */
void hex_encode(const void *bytes, size_t n, char *out);

/* The other way: text.n / 2 bytes. ERR_BAD_INPUT: it is no hex. */
MUST_USE enum err hex_decode(struct str text, unsigned char *out);

/* Appends with all but unreserved characters percent-encoded. */
MUST_USE enum err percent_add(struct buf *out, struct str s);

/* Appends the bytes that `s` stands for; ERR_BAD_INPUT on a '%' without two digits, with `out` as
 * it was. */
MUST_USE enum err percent_decode(struct buf *out, struct str s);

/* Whether all of `s` is well-formed UTF-8 (no surrogates, no overlong forms). */
bool utf8_is_valid(struct str s);

/* Length of the well-formed sequence that `s` begins with, 1 to 4; 0 when there is none. */
size_t utf8_sequence(struct str s);

/* How many code points `s` has, and how many UTF-16 units (JavaScript's length). `s` is valid
 * UTF-8. */
size_t utf8_count(struct str s);
size_t utf8_count_utf16(struct str s);

/* Writes code point `c` (below 0x110000, no surrogate); returns 1 to 4. */
size_t utf8_put(uint32_t c, char out[4]);
