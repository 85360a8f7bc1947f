/* SPDX-License-Identifier: Apache-2.0 */
/* A tag is one line, and strict: what differs in a byte is text. */
#include "shape/tool_tag.h"

enum state {
    BEGIN,
    BRACKET, /* behind '<' */
    NAME,    /* within "tool_call" */
    BEHIND,  /* behind it */
    SUFFIX,  /* behind '-' */
    DIGITS,
    SPACE, /* an attribute may come */
    ATTRIBUTE,
    EQUALS, /* behind '=' */
    VALUE,
    ESCAPE,
    QUOTED, /* behind a value */
    DONE,
    NOT,
};

static const char tool_call[] = "tool_call";

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_attribute_name(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

/* A whole tag? One without a name is none, one with an escape in it neither. */
static enum state end(const struct tool_tag *t)
{
    struct str name = tool_tag_name(t);

    if (t->is_end)
        return DONE;
    return name.n > 0 && str_find_char(name, '\\') == SIZE_MAX ? DONE : NOT;
}

static enum state behind_name(struct tool_tag *t, char c)
{
    if (c == '>')
        return end(t);
    return c == ' ' && !t->is_end ? SPACE : NOT;
}

static enum state in_name(struct tool_tag *t, char c)
{
    size_t at = t->n - 1 - (t->is_end ? 2 : 1);

    if (c != tool_call[at])
        return NOT;
    return at + 2 == sizeof(tool_call) ? BEHIND : NAME;
}

static enum state bracket(struct tool_tag *t, char c)
{
    t->is_end = c == '/';
    if (!(t->takes & (t->is_end ? TAG_CLOSING : TAG_OPENING)))
        return NOT;
    return t->is_end ? NAME : in_name(t, c);
}

/* Behind a value: keeps it when it is the name. */
static enum state end_value(struct tool_tag *t)
{
    struct str name = str_sub((struct str){ t->text, t->n }, t->attribute, 6);

    if (str_eq(name, STR("name=\""))) {
        t->name = t->attribute + name.n;
        t->name_n = t->n - 1 - t->name;
    }
    return QUOTED;
}

static enum state space(struct tool_tag *t, char c)
{
    t->attribute = t->n - 1;
    if (is_attribute_name(c))
        return ATTRIBUTE;
    return c == ' ' ? SPACE : c == '>' ? end(t) : NOT;
}

static enum state value(struct tool_tag *t, char c)
{
    if (c == '"')
        return end_value(t);
    return (unsigned char)c < 0x20 ? NOT : c == '\\' ? ESCAPE : VALUE;
}

static enum state begin(struct tool_tag *t UNUSED, char c)
{
    return c == '<' ? BRACKET : NOT;
}

static enum state behind(struct tool_tag *t, char c)
{
    return c == '-' ? SUFFIX : behind_name(t, c);
}

static enum state suffix(struct tool_tag *t UNUSED, char c)
{
    return is_digit(c) ? DIGITS : NOT;
}

static enum state digits(struct tool_tag *t, char c)
{
    return is_digit(c) ? DIGITS : behind_name(t, c);
}

static enum state attribute(struct tool_tag *t UNUSED, char c)
{
    if (is_attribute_name(c))
        return ATTRIBUTE;
    return c == '=' ? EQUALS : NOT;
}

static enum state equals(struct tool_tag *t UNUSED, char c)
{
    return c == '"' ? VALUE : NOT;
}

static enum state escape(struct tool_tag *t UNUSED, char c)
{
    return (unsigned char)c < 0x20 ? NOT : VALUE;
}

static enum state ended(struct tool_tag *t UNUSED, char c UNUSED)
{
    return NOT;
}

static enum state (*const steps[])(struct tool_tag *t, char c) = {
    [BEGIN] = begin,   [BRACKET] = bracket, [NAME] = in_name,  [BEHIND] = behind,
    [SUFFIX] = suffix, [DIGITS] = digits,   [SPACE] = space,   [ATTRIBUTE] = attribute,
    [EQUALS] = equals, [VALUE] = value,     [ESCAPE] = escape, [QUOTED] = behind_name,
    [DONE] = ended,    [NOT] = ended,
};

enum tool_tag_step tool_tag_add(struct tool_tag *t, char c, unsigned takes)
{
    t->text[t->n++] = c;
    t->takes = takes;
    t->state = (uint8_t)steps[t->state](t, c);
    if (t->state == DONE)
        return TAG_DONE;
    return t->state == NOT || t->n == TOOL_TAG_MAX ? TAG_NOT : TAG_MORE;
}
