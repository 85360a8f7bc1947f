/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message's fields say about where it ends and what comes after (RFC 9112 6 and 9,
 * RFC 9110 7.2). Private to the head parser: it notes each field once and decides at the end.
 */
#pragma once

#include "http/message.h"

/* Zeroed, then filled by framing_note(). */
struct framing {
    bool is_response; /* set by the parser */
    bool has_length;
    bool is_chunked;
    bool has_close;      /* Connection: close */
    bool has_keep_alive; /* Connection: keep-alive */
    bool has_upgrade;    /* Connection: upgrade */
    bool names_protocol; /* an Upgrade header */
    bool expects_continue;
    unsigned n_hosts;
    uint64_t length;
    struct str host;
};

/* Takes note of one field. ERR_BAD_INPUT with *why. */
MUST_USE enum err framing_note(struct framing *f, const struct http_header *x,
                               struct http_refusal *why);

/* Sets host, keep_alive, upgrade, expect_continue, framing and content_length of `h`, whose line is
 * parsed. ERR_BAD_INPUT with *why. */
MUST_USE enum err framing_of_request(const struct framing *f, struct http_head *h,
                                     struct http_refusal *why);
MUST_USE enum err framing_of_response(const struct framing *f, enum http_method asked,
                                      struct http_head *h, struct http_refusal *why);
