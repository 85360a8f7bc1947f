/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 messages (RFC 9112), both directions, strict: a head is parsed once
 * all of it is there, a body is decoded piece by piece. Pure: bytes in, slices out.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum { HTTP_HEADERS_MAX = 100 };

struct http_header {
    struct str name;  /* as sent; compare with str_eq_nocase */
    struct str value; /* trimmed */
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER
};

/* How the end of a body is known. */
enum http_framing { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

/* Slices point into the text that was parsed. */
struct http_head {
    enum http_method method; /* requests */
    struct str method_text;
    struct str target; /* as sent: "/v1/models?x=1" */
    struct str
        path; /* before '?'; of the absolute form too; "*" for OPTIONS *; empty for CONNECT */
    struct str query; /* after '?', empty if none */
    int status;       /* responses */
    struct str reason;
    int minor_version; /* 0 or 1 */
    struct str
        host; /* requests: the one Host, or the authority of the absolute form; p NULL: none */
    bool keep_alive; /* what version and Connection say */
    bool upgrade;    /* Connection: upgrade with an Upgrade header */
    bool expect_continue;
    enum http_framing framing;
    uint64_t content_length; /* with HTTP_BODY_LENGTH */
    size_t n_headers;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/* Why a head was refused, for the status and the message. */
struct http_refusal {
    int status;       /* 400, 414, 431, 501, 505 */
    const char *what; /* "two different Content-Length headers"; static */
};

/*
 * Parses one head at the start of `in`. ERR_AGAIN: not all there yet (*scanned remembers how far
 * the search for its end went: 0 at first, pass it again with more bytes; a parsed head sets it
 * back to 0). ERR_BAD_INPUT, ERR_TOO_BIG (too many headers): see *why, and *ret holds what was
 * understood so far. On ERR_NONE *ret_used is the head's length with the empty line. One empty
 * line before a request is passed over. What can only be no HTTP is refused before its end came.
 *
 * Refused, among others (RFC 9112): Content-Length beside Transfer-Encoding, differing or malformed
 * Content-Length, a transfer coding other than exactly "chunked", HTTP/1.0 with Transfer-Encoding,
 * bare CR, bare LF, NUL or control bytes, space before the colon or in a name, obs-fold, missing,
 * second or malformed Host in 1.1, a target with bytes outside visible ASCII.
 */
MUST_USE enum err http_parse_request(struct str in, size_t *scanned, struct http_head *ret,
                                     size_t *ret_used, struct http_refusal *why);

/* The same for a response; `method` is what was asked (HEAD changes the framing; CONNECT is not
 * spoken here). 1xx, 204, 304 have no body. An empty or absent reason phrase is fine. why->status
 * is what a server would say and means nothing here. */
MUST_USE enum err http_parse_response(struct str in, enum http_method method, size_t *scanned,
                                      struct http_head *ret, size_t *ret_used,
                                      struct http_refusal *why);

/* First header of that name, or NULL. */
const struct http_header *http_find(const struct http_head *h, const char *name);

/* Its value, or an empty slice (p NULL) when absent. */
struct str http_value(const struct http_head *h, const char *name);

/* Whether a comma-separated list such as Connection holds `token`, without case. */
bool http_list_has(struct str list, const char *token);

/* Decodes a body. After the end it consumes nothing. */
struct http_body {
    enum http_framing framing;
    uint64_t left;  /* bytes of the body, or of the current chunk */
    uint8_t state;  /* of the chunked decoder */
    uint8_t digits; /* of the chunk size being read; at most 16 */
    bool done;
    uint32_t extra; /* bytes of chunk extensions and trailers so far; bounded by 16 KiB */
};

void http_body_init(struct http_body *b, const struct http_head *h);

/* Takes the next run of body bytes out of *in (advanced past what was read): *ret_piece is empty
 * when more input is needed or the body is done. ERR_BAD_INPUT on broken chunk syntax, ERR_TOO_BIG
 * on a size of 2^63 or more, or of more than 16 digits, or endless extensions; the same error ever
 * after. Trailers are checked and dropped. */
MUST_USE enum err http_body_next(struct http_body *b, struct str *in, struct str *ret_piece);

/* The connection ended: ERR_NONE when that is a proper end of this body, else ERR_CLOSED. */
MUST_USE enum err http_body_eof(struct http_body *b);

/* Standard phrase of a status, "" for unknown ones. */
const char *http_reason(int status);
const char *http_method_name(enum http_method m);

/* Whether `value` may be sent as a header value (visible ASCII, space, tab, bytes above 0x7f), and
 * `name` as a name. */
bool http_value_is_safe(struct str value);
bool http_name_is_safe(struct str name);
