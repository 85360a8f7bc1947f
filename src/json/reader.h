/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON (RFC 8259), pulled out of bytes that lie in memory: no copies, no
 * allocation, no tree. Everything that is passed over is checked as well: grammar,
 * UTF-8, escapes (a lone surrogate escape is an error unless allowed), depth.
 *
 * The first error sticks: later calls do nothing, loops end, and json_end()
 * reports it, so callers check once:
 *
 *     json_init(&j, body, 64);
 *     if (json_enter_object(&j))
 *         while (json_next_member(&j, &key))
 *             if (str_eq(key, STR("model")))
 *                 json_read(&j, &model);
 *             else
 *                 json_skip(&j);
 *     err = json_end(&j);
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_value {
    enum json_type type; /* JSON_NONE after an error */
    struct str raw;      /* as it stands: quotes and braces included */
    bool escaped;        /* a string with at least one backslash */
};

/* A member of an object, as it stands: the key between its quotes, the value whole. */
struct json_member {
    struct str key;
    struct str value;
};

enum { JSON_DEPTH_MAX = 128 };

struct json {
    const char *start; /* of the text, for json_offset */
    const char *p;     /* next byte */
    const char *end;
    unsigned depth; /* open arrays and objects */
    unsigned depth_max;
    bool first;           /* no item of the innermost array or object was read yet */
    bool lone_surrogates; /* \uD83D without its partner is let through (upstream frames) */
    bool is_checked;      /* the text was read before */
    enum err failed;      /* ERR_BAD_INPUT or ERR_TOO_BIG (depth); sticks */
};

/* Starts on a whole text that outlives all slices taken from it. `depth_max` is how many arrays
 * and objects may stand in one another, JSON_DEPTH_MAX at most. */
void json_init(struct json *j, struct str text, unsigned depth_max);

/* Starts on a value that json_read() gave, or on a whole text of which json_end() was ERR_NONE:
 * arrays and objects in it are passed over without judging them again. */
void json_init_checked(struct json *j, struct str text);

/* The type of the value that comes next by its first byte, without consuming it. JSON_NONE,
 * which is an error, when no value can begin there. */
enum json_type json_peek(struct json *j);

/* Reads any one value; an array or object is checked and skipped over whole. */
bool json_read(struct json *j, struct json_value *ret);
bool json_skip(struct json *j);

/* True when the next value is an object (array) and the reader is now inside. False, with
 * nothing consumed and no error set, when it is something else. */
bool json_enter_object(struct json *j);
bool json_enter_array(struct json *j);

/* Next member: its key as raw text between the quotes, *not unescaped* (json_key_eq for
 * escaped ones); the value must then be read, skipped or entered. False at the closing
 * brace, which is consumed, and after an error. */
bool json_next_member(struct json *j, struct str *ret_key);

/* Next item of an array; the value must then be read, skipped or entered. */
bool json_next_item(struct json *j);

/* After the outermost value: ERR_NONE when nothing but white space follows and all was well.
 * ERR_BAD_INPUT also when an array or object was left before its end. */
MUST_USE enum err json_end(struct json *j);

/* Byte offset that was reached, for messages; after an error that of the first wrong byte. */
size_t json_offset(const struct json *j);

/* The text of a JSON_STRING: a slice of the input when nothing is escaped, else decoded into
 * the arena. ERR_BAD_INPUT when it is no string, ERR_NOMEM. With `lone_surrogates` in
 * force a half becomes U+FFFD here. For this and all below, `v` is what json_read() gave. */
MUST_USE enum err json_text(const struct json_value *v, struct arena *a, struct str *ret);

/* Hands the decoded text on in pieces of its own choice, without memory for the whole. Nothing when
 * it is no string. */
typedef void json_take_piece(void *arg, struct str piece);
void json_text_pieces(const struct json_value *v, json_take_piece *take, void *arg);

/* Appends the decoded text to `out`. ERR_BAD_INPUT when it is no string; ERR_TOO_BIG or
 * ERR_NOMEM with `out` as it was. */
MUST_USE enum err json_text_add(const struct json_value *v, struct buf *out);

/* Halves of a surrogate pair at the two ends of a string whose text comes in pieces:
 * *ret_head is the low half (0xDC00..0xDFFF) that the text begins with, *ret_tail the high
 * half (0xD800..0xDBFF) that it ends with, 0 for none. The text without them is appended to
 * `out`. Errors as for json_text_add(). */
MUST_USE enum err json_text_add_piece(const struct json_value *v, struct buf *out,
                                      uint32_t *ret_head, uint32_t *ret_tail);

/* Whether `s` is plain ASCII that stands for itself in a string: no quote, backslash or control
 * byte. */
bool json_is_plain(struct str s);

/* A whole number written without fraction or exponent, else ERR_BAD_INPUT; ERR_TOO_BIG out of
 * the range of int64_t. */
MUST_USE enum err json_int(const struct json_value *v, int64_t *ret);

/* Any number as a double (1e400 is infinite). ERR_BAD_INPUT when it is none, ERR_NOMEM. */
MUST_USE enum err json_double(const struct json_value *v, double *ret);

/* Whether a key slice longer than `name` spells it. For json_key_eq(). */
bool json_key_eq_escaped(struct str raw_key, struct str name);

/* Whether a key slice, which may hold escapes, spells `name`. An escape is longer than what it
 * stands for. */
static inline bool json_key_eq(struct str raw_key, struct str name)
{
    if (raw_key.n <= name.n)
        return str_eq(raw_key, name) && (name.n == 0 || !memchr(name.p, '\\', name.n));
    if (name.n > 0 && *raw_key.p != *name.p && *raw_key.p != '\\')
        return false;
    return json_key_eq_escaped(raw_key, name);
}

/* The first value found by following member names from an object, JSON_NONE when there is
 * none; checks the whole text. Of members with the same name the first counts. For small
 * answers of sign-in and API, not for the hot path:
 * json_find(text, &v, "response", "id", NULL). */
MUST_USE enum err json_find(struct str text, struct json_value *ret, ...) __attribute__((sentinel));
