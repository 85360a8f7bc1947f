/* SPDX-License-Identifier: Apache-2.0 */
/* Named numbers in a struct; see options.h. */
#include "simulator/options.h"

#include <stdarg.h>
#include <stdio.h>

enum err sim_complain(char *what, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, SIM_WHAT_MAX, format, args);
    va_end(args);
    return ERR_BAD_INPUT;
}

static const struct sim_option *find(const struct sim_options *options, struct str name)
{
    for (size_t i = 0; i < options->n; i++)
        if (str_eq(name, str_of(options->table[i].name)))
            return &options->table[i];
    return NULL;
}

static enum err parse_int(const struct sim_option *o, struct str value, int *ret, char *what)
{
    bool is_negative = value.n > 0 && value.p[0] == '-';
    uint64_t digits;
    int64_t number;

    if (str_to_u64(str_from(value, is_negative), INT32_MAX, &digits))
        return sim_complain(what, "%s takes a number, not \"%.*s\"", o->name, STR_ARGS(value));
    number = is_negative ? -(int64_t)digits : (int64_t)digits;
    if (number < o->min || number > o->max)
        return sim_complain(what, "%s takes %d to %d, not %.*s", o->name, o->min, o->max,
                            STR_ARGS(value));
    *ret = (int)number;
    return ERR_NONE;
}

static enum err parse_bool(const struct sim_option *o, struct str value, int *ret, char *what)
{
    bool is_true = str_eq(value, STR("true")) || str_eq(value, STR("1"));

    if (!is_true && !str_eq(value, STR("false")) && !str_eq(value, STR("0")))
        return sim_complain(what, "%s takes true or false, not \"%.*s\"", o->name, STR_ARGS(value));
    *ret = is_true;
    return ERR_NONE;
}

static enum err parse_word(const struct sim_option *o, struct str value, int *ret, char *what)
{
    struct str rest = str_of(o->words);

    for (int i = 0; rest.n > 0; i++) {
        if (str_eq(str_cut(rest, '|', &rest), value)) {
            *ret = i;
            return ERR_NONE;
        }
    }
    return sim_complain(what, "%s takes one of %s, not \"%.*s\"", o->name, o->words,
                        STR_ARGS(value));
}

static int *slot(const struct sim_option *o, void *object)
{
    return (int *)(void *)((char *)object + o->offset);
}

enum err sim_option_set(const struct sim_options *options, void *object, struct str name,
                        struct str value, char *what)
{
    const struct sim_option *o = find(options, name);

    if (!o)
        return ERR_NOT_FOUND;
    switch (o->type) {
    case SIM_OPTION_INT:
        return parse_int(o, value, slot(o, object), what);
    case SIM_OPTION_BOOL:
        return parse_bool(o, value, slot(o, object), what);
    case SIM_OPTION_WORD:
        return parse_word(o, value, slot(o, object), what);
    }
    return ERR_NOT_FOUND;
}

enum err sim_option_text(const struct json_value *v, struct arena *a, struct str *ret)
{
    if (v->type == JSON_STRING)
        return json_text(v, a, ret);
    *ret = v->raw;
    return ERR_NONE;
}

static struct str word_at(const struct sim_option *o, int place)
{
    struct str rest = str_of(o->words);
    struct str word = str_cut(rest, '|', &rest);

    for (int i = 0; i < place; i++)
        word = str_cut(rest, '|', &rest);
    return word;
}

void sim_options_write(const struct sim_options *options, const void *object, struct json_writer *w)
{
    for (size_t i = 0; i < options->n; i++) {
        const struct sim_option *o = &options->table[i];
        int value;

        memcpy(&value, (const char *)object + o->offset, sizeof(value));
        switch (o->type) {
        case SIM_OPTION_INT:
            json_w_member_int(w, o->name, value);
            break;
        case SIM_OPTION_BOOL:
            json_w_member_bool(w, o->name, value != 0);
            break;
        case SIM_OPTION_WORD:
            json_w_member_str(w, o->name, word_at(o, value));
            break;
        }
    }
}

struct str sim_next_word(struct str *line)
{
    struct str rest = str_trim(*line);
    bool is_quoted = false;
    size_t n = 0;

    while (n < rest.n && (is_quoted || (rest.p[n] != ' ' && rest.p[n] != '\t'))) {
        if (rest.p[n] == '"')
            is_quoted = !is_quoted;
        else if (rest.p[n] == '\\' && is_quoted && n + 1 < rest.n)
            n++;
        n++;
    }
    *line = str_trim(str_from(rest, n));
    return str_sub(rest, 0, n);
}
