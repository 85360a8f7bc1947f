/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of HTTP (RFC 9110 5, RFC 3986): one table says what each byte may be part of, and a
 * run is the longest stretch of one class. Private to the parsers of this room. Pure, any thread.
 */
#pragma once

#include "base/str.h"

enum syntax_class {
    SYNTAX_TOKEN = 1,  /* tchar: names, methods, codings */
    SYNTAX_VALUE = 2,  /* visible ASCII, obs-text, space, tab */
    SYNTAX_TARGET = 4, /* visible ASCII but '#': a fragment is never sent */
    SYNTAX_HOST = 8,   /* reg-name without '%' and ',' */
    SYNTAX_DIGIT = 16,
    SYNTAX_HEX = 32
};

extern const unsigned char syntax_classes[256];

static inline bool syntax_is(char c, enum syntax_class class)
{
    return (syntax_classes[(unsigned char)c] & class) != 0;
}

/* The first byte of [p, end) that is not of `class`, or end. */
const char *syntax_run(const char *p, const char *end, enum syntax_class class);

/* The same for SYNTAX_VALUE, 16 bytes at a time. */
const char *syntax_value_run(const char *p, const char *end);

/* Space and tab (OWS). */
static inline bool syntax_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* At least one tchar and nothing else. */
bool syntax_is_token(struct str s);

/* 0 to 15, or -1. */
int syntax_hex_value(char c);

/*
 * uri-host [":" port] (RFC 9110 7.2): a name, an IPv4 address or a bracketed IPv6 address, then at
 * most 65535. Not empty, no user information. `ret_port` is what follows the colon: empty when
 * there is nothing, p NULL without a colon.
 */
bool syntax_is_authority(struct str s, struct str *ret_port);
