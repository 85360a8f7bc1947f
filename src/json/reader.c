/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of JSON. pass_*() take where a thing begins and give what is behind it, or NULL:
 * the place stays in a register all the way through a nested value, and is written into the
 * reader where a caller takes over. Recursion is as deep as depth_max allows.
 *
 * After an error the text ends where the reader stands, so that each later call
 * meets the end and fails without asking for the error first.
 */
#include "json/reader.h"

#include "json/scan.h"
#include "json/skip.h"

/* What a value's first byte says about it. */
static const unsigned char types[256] = {
    ['n'] = JSON_NULL,   ['f'] = JSON_FALSE,  ['t'] = JSON_TRUE,   ['"'] = JSON_STRING,
    ['['] = JSON_ARRAY,  ['{'] = JSON_OBJECT, ['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER,
    ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER, ['4'] = JSON_NUMBER,
    ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER,
    ['9'] = JSON_NUMBER,
};

/* The first error stays. */
static __attribute__((cold, noinline)) const char *fail(struct json *j, const char *p, enum err err)
{
    if (!j->failed)
        j->failed = err;
    j->p = j->end = p;
    return NULL;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline const char *pass_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && str_is_space(*p))
        p++;
    return p;
}

/* NUL, which is never right, at the end. */
static inline char byte_at(const char *p, const char *end)
{
    return p < end ? *p : '\0';
}

void json_init(struct json *j, struct str text, unsigned depth_max)
{
    const char *start = text.p ? text.p : "";

    *j = (struct json){ .start = start,
                        .p = start,
                        .end = start + text.n,
                        .depth_max = depth_max < JSON_DEPTH_MAX ? depth_max : JSON_DEPTH_MAX,
                        .first = true };
}

void json_init_checked(struct json *j, struct str text)
{
    json_init(j, text, JSON_DEPTH_MAX);
    j->lone_surrogates = true;
    j->is_checked = true;
}

/* A `size` bytes long word of which the first byte is known. */
static const char *pass_word(struct json *j, const char *p, const char *word, size_t size)
{
    if ((size_t)(j->end - p) < size || memcmp(p, word, size) != 0)
        return fail(j, p, ERR_BAD_INPUT);
    return p + size;
}

/* One digit or more. */
static const char *pass_digits(struct json *j, const char *p)
{
    const char *start = p;

    while (p < j->end && is_digit(*p))
        p++;
    return p > start ? p : fail(j, p, ERR_BAD_INPUT);
}

/* RFC 8259 6. What may follow a number is for the next step to judge. */
static const char *pass_number(struct json *j, const char *p)
{
    const char *end = j->end;

    p += *p == '-';
    p = byte_at(p, end) == '0' ? p + 1 : pass_digits(j, p);
    if (p && byte_at(p, end) == '.')
        p = pass_digits(j, p + 1);
    if (p && (byte_at(p, end) | 0x20) == 'e') {
        p++;
        p += byte_at(p, end) == '+' || byte_at(p, end) == '-';
        p = pass_digits(j, p);
    }
    return p;
}

/* From its opening quote. */
static inline const char *pass_string(struct json *j, const char *p, bool *ret_escaped)
{
    p = scan_string(p + 1, j->end, j->lone_surrogates, ret_escaped);
    if (byte_at(p, j->end) != '"')
        return fail(j, p, ERR_BAD_INPUT);
    return p + 1;
}

/* From the first byte of the key to that of the value or to white space in front of it. */
static inline const char *pass_key(struct json *j, const char *p, struct str *ret_key)
{
    const char *start = p + 1;
    bool escaped;

    if (byte_at(p, j->end) != '"')
        return fail(j, p, ERR_BAD_INPUT);
    p = pass_string(j, p, &escaped);
    if (!p)
        return NULL;
    *ret_key = (struct str){ start, (size_t)(p - 1 - start) };
    p = pass_space(p, j->end);
    return byte_at(p, j->end) == ':' ? p + 1 : fail(j, p, ERR_BAD_INPUT);
}

static const char *pass_value(struct json *j, const char *p, unsigned depth, bool *ret_escaped);

/* An array or object, `depth` of which are open around it, from its opening byte. */
static const char *pass_nested(struct json *j, const char *p, unsigned depth, char closing)
{
    struct str key;
    bool escaped;

    if (j->is_checked)
        return skip_nested(p, j->end);
    if (depth == j->depth_max)
        return fail(j, p, ERR_TOO_BIG);
    p = pass_space(p + 1, j->end);
    if (byte_at(p, j->end) == closing)
        return p + 1;
    for (;;) {
        p = closing == '}' ? pass_key(j, p, &key) : p;
        p = p ? pass_value(j, pass_space(p, j->end), depth + 1, &escaped) : NULL;
        if (!p)
            return NULL;
        p = pass_space(p, j->end);
        if (byte_at(p, j->end) == closing)
            return p + 1;
        if (byte_at(p, j->end) != ',')
            return fail(j, p, ERR_BAD_INPUT);
        p = pass_space(p + 1, j->end);
    }
}

/* Any value, from its first byte. */
static const char *pass_value(struct json *j, const char *p, unsigned depth, bool *ret_escaped)
{
    switch ((enum json_type)types[(unsigned char)byte_at(p, j->end)]) {
    case JSON_STRING:
        return pass_string(j, p, ret_escaped);
    case JSON_NUMBER:
        return pass_number(j, p);
    case JSON_ARRAY:
        return pass_nested(j, p, depth, ']');
    case JSON_OBJECT:
        return pass_nested(j, p, depth, '}');
    case JSON_NULL:
        return pass_word(j, p, "null", 4);
    case JSON_FALSE:
        return pass_word(j, p, "false", 5);
    case JSON_TRUE:
        return pass_word(j, p, "true", 4);
    case JSON_NONE:
        break;
    }
    return fail(j, p, ERR_BAD_INPUT);
}

/* Stands on the next byte that is no white space, and returns it. */
static inline char next_byte(struct json *j)
{
    j->p = pass_space(j->p, j->end);
    return byte_at(j->p, j->end);
}

enum json_type json_peek(struct json *j)
{
    enum json_type type = types[(unsigned char)next_byte(j)];

    if (type == JSON_NONE)
        fail(j, j->p, ERR_BAD_INPUT);
    return type;
}

bool json_read(struct json *j, struct json_value *ret)
{
    const char *start = pass_space(j->p, j->end);
    enum json_type type = types[(unsigned char)byte_at(start, j->end)];
    bool escaped = false;
    const char *p = pass_value(j, start, j->depth, &escaped);

    *ret = (struct json_value){ .type = JSON_NONE };
    if (!p)
        return false;
    *ret = (struct json_value){ type, { start, (size_t)(p - start) }, escaped };
    j->p = p;
    j->first = false;
    return true;
}

bool json_skip(struct json *j)
{
    bool escaped;
    const char *p = pass_value(j, pass_space(j->p, j->end), j->depth, &escaped);

    if (!p)
        return false;
    j->p = p;
    j->first = false;
    return true;
}

/* Goes into the array or object at whose opening byte the reader stands. */
static bool enter(struct json *j)
{
    if (j->depth == j->depth_max) {
        fail(j, j->p, ERR_TOO_BIG);
        return false;
    }
    j->depth++;
    j->p++;
    j->first = true;
    return true;
}

bool json_enter_object(struct json *j)
{
    return json_peek(j) == JSON_OBJECT && enter(j);
}

bool json_enter_array(struct json *j)
{
    return json_peek(j) == JSON_ARRAY && enter(j);
}

/* Stands on the next item of the innermost array or object; false behind its `closing` byte. */
static inline bool next(struct json *j, char closing)
{
    char c = next_byte(j);

    if (c == closing) {
        j->depth--;
        j->p++;
        j->first = false;
        return false;
    }
    if (j->first && c != '\0') {
        j->first = false;
        return true;
    }
    if (c != ',') {
        fail(j, j->p, ERR_BAD_INPUT);
        return false;
    }
    j->p++;
    return true;
}

bool json_next_member(struct json *j, struct str *ret_key)
{
    const char *p;

    if (!next(j, '}'))
        return false;
    p = pass_key(j, pass_space(j->p, j->end), ret_key);
    if (!p)
        return false;
    j->p = p;
    return true;
}

bool json_next_item(struct json *j)
{
    return next(j, ']');
}

enum err json_end(struct json *j)
{
    next_byte(j);
    if (j->p != j->end || j->depth || j->first)
        fail(j, j->p, ERR_BAD_INPUT);
    return j->failed;
}

size_t json_offset(const struct json *j)
{
    return (size_t)(j->p - j->start);
}
