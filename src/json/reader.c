/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of JSON, once: skipping a whole array or object walks it through the
 * same functions that callers use. Recursion is as deep as depth_max allows.
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
static bool fail(struct json *j, enum err err)
{
    if (!j->failed)
        j->failed = err;
    j->end = j->p;
    return false;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Stands on the next byte that is no white space; NUL, which is never right, at the end. */
static inline char next_byte(struct json *j)
{
    for (; j->p < j->end; j->p++)
        if ((unsigned char)*j->p > ' ' || !str_is_space(*j->p))
            return *j->p;
    return '\0';
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

enum json_type json_peek(struct json *j)
{
    enum json_type type = types[(unsigned char)next_byte(j)];

    if (type == JSON_NONE)
        fail(j, ERR_BAD_INPUT);
    return type;
}

/* Passes a `size` bytes long word of which the first byte is known. */
static bool pass_word(struct json *j, const char *word, size_t size)
{
    if ((size_t)(j->end - j->p) < size || memcmp(j->p, word, size) != 0)
        return fail(j, ERR_BAD_INPUT);
    j->p += size;
    return true;
}

/* Passes one digit or more. */
static bool pass_digits(struct json *j)
{
    const char *p = j->p;

    while (p < j->end && is_digit(*p))
        p++;
    if (p == j->p)
        return fail(j, ERR_BAD_INPUT);
    j->p = p;
    return true;
}

/* RFC 8259 6. What may follow a number is for the caller's next step to judge. */
static bool pass_number(struct json *j)
{
    if (*j->p == '-')
        j->p++;
    if (j->p < j->end && *j->p == '0')
        j->p++;
    else if (!pass_digits(j))
        return false;
    if (j->p < j->end && *j->p == '.') {
        j->p++;
        if (!pass_digits(j))
            return false;
    }
    if (j->p < j->end && (*j->p == 'e' || *j->p == 'E')) {
        j->p++;
        if (j->p < j->end && (*j->p == '+' || *j->p == '-'))
            j->p++;
        return pass_digits(j);
    }
    return true;
}

/* Passes the string at whose opening quote the reader stands. */
static inline bool pass_string(struct json *j, bool *ret_escaped)
{
    j->p = scan_string(j->p + 1, j->end, j->lone_surrogates, ret_escaped);
    if (j->p == j->end || *j->p != '"')
        return fail(j, ERR_BAD_INPUT);
    j->p++;
    return true;
}

/* Goes into the array or object at whose opening byte the reader stands. */
static bool enter(struct json *j)
{
    if (j->depth == j->depth_max)
        return fail(j, ERR_TOO_BIG);
    j->depth++;
    j->p++;
    j->first = true;
    return true;
}

static bool leave(struct json *j)
{
    j->depth--;
    j->p++;
    j->first = false;
    return false;
}

static bool pass_value(struct json *j, enum json_type type, bool *ret_escaped);

static bool pass_checked(struct json *j)
{
    j->p = skip_nested(j->p, j->end);
    return true;
}

static bool pass_array(struct json *j)
{
    bool escaped;

    if (j->is_checked)
        return pass_checked(j);
    if (!enter(j))
        return false;
    while (json_next_item(j))
        pass_value(j, json_peek(j), &escaped);
    return !j->failed;
}

static bool pass_object(struct json *j)
{
    bool escaped;
    struct str key;

    if (j->is_checked)
        return pass_checked(j);
    if (!enter(j))
        return false;
    while (json_next_member(j, &key))
        pass_value(j, json_peek(j), &escaped);
    return !j->failed;
}

/* Passes the value of that type which begins at the next byte. */
static bool pass_value(struct json *j, enum json_type type, bool *ret_escaped)
{
    j->first = false;
    switch (type) {
    case JSON_STRING:
        return pass_string(j, ret_escaped);
    case JSON_NUMBER:
        return pass_number(j);
    case JSON_ARRAY:
        return pass_array(j);
    case JSON_OBJECT:
        return pass_object(j);
    case JSON_NULL:
        return pass_word(j, "null", 4);
    case JSON_FALSE:
        return pass_word(j, "false", 5);
    case JSON_TRUE:
        return pass_word(j, "true", 4);
    case JSON_NONE:
        break;
    }
    return false;
}

bool json_read(struct json *j, struct json_value *ret)
{
    enum json_type type = json_peek(j);
    const char *start = j->p;
    bool escaped = false;

    *ret = (struct json_value){ .type = JSON_NONE };
    if (!pass_value(j, type, &escaped))
        return false;
    *ret = (struct json_value){ type, { start, (size_t)(j->p - start) }, escaped };
    return true;
}

bool json_skip(struct json *j)
{
    bool escaped;

    return pass_value(j, json_peek(j), &escaped);
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

    if (c == closing)
        return leave(j);
    if (j->first && c != '\0') {
        j->first = false;
        return true;
    }
    if (c != ',')
        return fail(j, ERR_BAD_INPUT);
    j->p++;
    return true;
}

bool json_next_member(struct json *j, struct str *ret_key)
{
    const char *start;
    bool escaped;

    if (!next(j, '}'))
        return false;
    if (next_byte(j) != '"')
        return fail(j, ERR_BAD_INPUT);
    start = j->p + 1;
    if (!pass_string(j, &escaped))
        return false;
    *ret_key = (struct str){ start, (size_t)(j->p - 1 - start) };
    if (next_byte(j) != ':')
        return fail(j, ERR_BAD_INPUT);
    j->p++;
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
        fail(j, ERR_BAD_INPUT);
    return j->failed;
}

size_t json_offset(const struct json *j)
{
    return (size_t)(j->p - j->start);
}
