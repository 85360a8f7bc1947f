/* SPDX-License-Identifier: Apache-2.0 */
/* One state for each place in the grammar of RFC 8259. */
#include "shape/json_prefix.h"

enum state {
    VALUE,      /* a value must come */
    FIRST_ITEM, /* or the end of an empty array */
    FIRST_KEY,  /* a key, or the end of an empty object */
    KEY,
    COLON,
    AFTER, /* a value: comma or end; white space alone behind the outermost */
    STRING,
    ESCAPE,
    UNIT,  /* digits of \u */
    LOW,   /* the backslash of a pair's second half */
    LOW_U, /* and its u */
    WORD,
    MINUS,
    ZERO,
    DIGITS,
    POINT,
    FRACTION,
    EXPONENT,
    SIGN,
    POWER,
    BROKEN,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum state open_one(struct json_prefix *p, bool is_object)
{
    p->is_too_deep = p->depth == JSON_PREFIX_DEPTH;
    if (p->is_too_deep)
        return BROKEN;
    p->objects = (p->objects & ~(1ULL << p->depth)) | (uint64_t)is_object << p->depth;
    p->depth++;
    return is_object ? FIRST_KEY : FIRST_ITEM;
}

static bool in_object(const struct json_prefix *p)
{
    return p->depth > 0 && (p->objects >> (p->depth - 1) & 1);
}

static enum state close_one(struct json_prefix *p, char c)
{
    if (p->depth == 0 || c != (in_object(p) ? '}' : ']'))
        return BROKEN;
    p->depth--;
    return AFTER;
}

static enum state begin_value(struct json_prefix *p, char c)
{
    p->is_key = false;
    switch (c) {
    case '{':
    case '[':
        return open_one(p, c == '{');
    case '"':
        return STRING;
    case '-':
        return MINUS;
    case '0':
        return ZERO;
    case 't':
        p->word = &"true"[1];
        return WORD;
    case 'f':
        p->word = &"false"[1];
        return WORD;
    case 'n':
        p->word = &"null"[1];
        return WORD;
    default:
        return is_digit(c) ? DIGITS : BROKEN;
    }
}

static enum state after_value(struct json_prefix *p, char c)
{
    if (str_is_space(c))
        return AFTER;
    if (c != ',' || p->depth == 0)
        return close_one(p, c);
    return in_object(p) ? KEY : VALUE;
}

/* ---- one function for each state ---- */

static enum state value(struct json_prefix *p, char c)
{
    return str_is_space(c) ? VALUE : begin_value(p, c);
}

static enum state first_item(struct json_prefix *p, char c)
{
    if (str_is_space(c))
        return FIRST_ITEM;
    return c == ']' ? close_one(p, c) : begin_value(p, c);
}

static enum state key(struct json_prefix *p, char c)
{
    if (str_is_space(c))
        return (enum state)p->state;
    if (c == '}' && p->state == FIRST_KEY)
        return close_one(p, c);
    p->is_key = true;
    return c == '"' ? STRING : BROKEN;
}

static enum state colon(struct json_prefix *p UNUSED, char c)
{
    if (str_is_space(c))
        return COLON;
    return c == ':' ? VALUE : BROKEN;
}

static enum state escape(struct json_prefix *p, char c)
{
    if (c == 'u') {
        p->digits = 4;
        p->unit = 0;
        return UNIT;
    }
    return c != '\0' && strchr("\"\\/bfnrt", c) ? STRING : BROKEN;
}

static enum state end_unit(struct json_prefix *p)
{
    bool is_low = (p->unit & 0xFC00) == 0xDC00;
    bool wanted = p->want_low;

    p->want_low = (p->unit & 0xFC00) == 0xD800;
    if (is_low != wanted)
        return BROKEN;
    return p->want_low ? LOW : STRING;
}

static enum state unit(struct json_prefix *p, char c)
{
    unsigned digit;

    if (is_digit(c))
        digit = (unsigned)(c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        digit = (unsigned)((c | 0x20) - 'a' + 10);
    else
        return BROKEN;
    p->unit = (uint16_t)((unsigned)p->unit << 4 | digit);
    return --p->digits > 0 ? UNIT : end_unit(p);
}

static enum state string(struct json_prefix *p, char c)
{
    if (c == '"')
        return p->is_key ? COLON : AFTER;
    if (c == '\\')
        return ESCAPE;
    return (unsigned char)c < 0x20 ? BROKEN : STRING;
}

static enum state low(struct json_prefix *p UNUSED, char c)
{
    return c == '\\' ? LOW_U : BROKEN;
}

static enum state low_u(struct json_prefix *p, char c)
{
    return c == 'u' ? escape(p, c) : BROKEN;
}

static enum state word(struct json_prefix *p, char c)
{
    if (c != *p->word)
        return BROKEN;
    return *++p->word ? WORD : AFTER;
}

static enum state minus(struct json_prefix *p UNUSED, char c)
{
    if (c == '0')
        return ZERO;
    return is_digit(c) ? DIGITS : BROKEN;
}

/* A number that may end: what follows decides. */
static enum state digits(struct json_prefix *p, char c)
{
    enum state here = (enum state)p->state;

    if (is_digit(c) && here != ZERO)
        return here;
    if (c == '.' && (here == ZERO || here == DIGITS))
        return POINT;
    if ((c | 0x20) == 'e' && here != POWER)
        return EXPONENT;
    return after_value(p, c);
}

static enum state point(struct json_prefix *p UNUSED, char c)
{
    return is_digit(c) ? FRACTION : BROKEN;
}

static enum state exponent(struct json_prefix *p, char c)
{
    if ((c == '+' || c == '-') && p->state == EXPONENT)
        return SIGN;
    return is_digit(c) ? POWER : BROKEN;
}

static enum state broken(struct json_prefix *p UNUSED, char c UNUSED)
{
    return BROKEN;
}

static enum state (*const steps[])(struct json_prefix *p, char c) = {
    [VALUE] = value,   [FIRST_ITEM] = first_item, [FIRST_KEY] = key,
    [KEY] = key,       [COLON] = colon,           [AFTER] = after_value,
    [STRING] = string, [ESCAPE] = escape,         [UNIT] = unit,
    [LOW] = low,       [LOW_U] = low_u,           [WORD] = word,
    [MINUS] = minus,   [ZERO] = digits,           [DIGITS] = digits,
    [POINT] = point,   [FRACTION] = digits,       [EXPONENT] = exponent,
    [SIGN] = exponent, [POWER] = digits,          [BROKEN] = broken,
};

static bool may_end(const struct json_prefix *p)
{
    enum state s = (enum state)p->state;

    return p->depth == 0 && (s == AFTER || s == ZERO || s == DIGITS || s == FRACTION || s == POWER);
}

size_t json_prefix_add(struct json_prefix *p, struct str text, enum json_progress *ret)
{
    size_t i = 0;

    while (i < text.n) {
        bool was_open = p->depth > 0;

        p->state = (uint8_t)steps[p->state](p, text.p[i]);
        if (p->state == BROKEN) {
            *ret = JSON_BROKEN;
            return i;
        }
        i++;
        if (was_open && p->depth == 0)
            break;
    }
    *ret = may_end(p) ? JSON_WHOLE : JSON_OPEN;
    return i;
}
