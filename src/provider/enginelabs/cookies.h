/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookies of one account's sign-in: what the user supplied, then what the service rotated.
 * All of them go to the one service, so domain and path are not kept (RFC 6265 is a browser's
 * business). Pure; one thread at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "http/message.h"

enum { COOKIES_MAX = 64, COOKIES_MAX_BYTES = 16384 };

struct cookie {
    size_t name_n;      /* length of the name at the start of `pair` */
    struct secret pair; /* "name=value" */
};

/* An all-zero jar is empty. */
struct cookies {
    struct cookie items[COOKIES_MAX];
    size_t n;
    size_t bytes; /* of all pairs */
};

/* Replaces the jar's content by a browser's Cookie header value (with or without "Cookie:" in
 * front), or by __client alone when the text is only its value. ERR_BAD_INPUT: no cookie in it, or
 * bytes that no header may hold. ERR_TOO_BIG: beyond the bounds above. On an error the jar is
 * empty. */
MUST_USE enum err cookies_load(struct cookies *c, struct str text);

/* Takes every Set-Cookie of a reply: new and rotated values replace, expired ones go, but not at
 * the word of a reply that is no success: that would end the sign-in by mistake. What is malformed
 * or beyond the bounds is passed over. True when something changed. */
bool cookies_merge(struct cookies *c, const struct http_head *head, int64_t wall_ms);

/* Appends a Cookie header's value; nothing for an empty jar. */
MUST_USE enum err cookies_write(const struct cookies *c, struct buf *out);

/* Replaces `to` by a copy of `from`. */
void cookies_copy(struct cookies *to, const struct cookies *from);

/* Wipes; the jar is empty and usable. */
void cookies_deinit(struct cookies *c);
