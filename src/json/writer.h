/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text appended to a buffer: escapes, and commas between items. It writes
 * what it is told; that braces pair up is the caller's business (and a BUG_ON).
 * The first failure of the buffer sticks; json_w_end() reports it.
 */
#pragma once

#include "base/buf.h"

struct json_writer {
    struct buf *out; /* borrowed */
    unsigned depth;  /* open arrays and objects */
    bool need_comma; /* before the next item */
    enum err failed; /* ERR_TOO_BIG or ERR_NOMEM; sticks */
};

void json_w_init(struct json_writer *w, struct buf *out);
void json_w_object(struct json_writer *w);
void json_w_object_end(struct json_writer *w);
void json_w_array(struct json_writer *w);
void json_w_array_end(struct json_writer *w);

/* A member's name; the value must follow. `name` is plain ASCII without quotes. */
void json_w_key(struct json_writer *w, const char *name);

/* Valid UTF-8 as a string; invalid bytes become U+FFFD, so that the output is always JSON. */
void json_w_str(struct json_writer *w, struct str s);
void json_w_int(struct json_writer *w, int64_t i);
void json_w_bool(struct json_writer *w, bool b);
void json_w_null(struct json_writer *w);

/* A piece of JSON that is known to be one whole value. */
void json_w_raw(struct json_writer *w, struct str json);

/* key and value at once */
void json_w_member_str(struct json_writer *w, const char *name, struct str s);
void json_w_member_int(struct json_writer *w, const char *name, int64_t i);
void json_w_member_bool(struct json_writer *w, const char *name, bool b);

/* After a failure `out` ends somewhere in the middle. */
MUST_USE enum err json_w_end(struct json_writer *w);

/* Appends the escaped text of `s` without quotes, as json_w_str() does: the hot path of
 * streams. ERR_TOO_BIG or ERR_NOMEM with `out` as it was. */
MUST_USE enum err json_escape_add(struct buf *out, struct str s);

/* The same with `before` in front and `behind` behind it, as they are. */
MUST_USE enum err json_escape_add_between(struct buf *out, struct str before, struct str s,
                                          struct str behind);
