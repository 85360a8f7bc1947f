/* SPDX-License-Identifier: Apache-2.0 */
/* One line at a time; a quoted value may span lines, as a pasted key does. */
#include "gateway/dotenv.h"

enum { ENTRIES_MAX = 1000 };

struct reader {
    struct str left; /* text not yet read */
    unsigned line;   /* of its first byte */
    struct arena *arena;
    const char *what; /* the last complaint */
};

static bool is_name_char(char c, bool first)
{
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

    return letter || (!first && ((c >= '0' && c <= '9') || c == '.'));
}

static void skip_blanks(struct str *s)
{
    while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = str_from(*s, 1);
}

static struct str take_name(struct str *s)
{
    size_t n = 0;

    while (n < s->n && is_name_char(s->p[n], n == 0))
        n++;
    struct str name = str_sub(*s, 0, n);
    *s = str_from(*s, n);
    return name;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

/* Offset of the closing quote, or SIZE_MAX. */
static size_t find_close(struct str s, char quote)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote)
            return i;
        if (s.p[i] == '\\' && quote == '"')
            i++;
    }
    return SIZE_MAX;
}

/* After the opening quote; consumes the closing one. */
static bool take_quoted(struct reader *r, char quote, struct str *ret)
{
    size_t close = find_close(r->left, quote);
    char *out;
    size_t n = 0;

    if (close == SIZE_MAX) {
        r->what = "a quoted value is not closed; put the same quote behind it";
        return false;
    }
    out = arena_alloc(r->arena, close + 1);
    for (size_t i = 0; i < close; i++) {
        char c = r->left.p[i];

        r->line += c == '\n';
        if (c == '\\' && quote == '"') {
            c = unescape(r->left.p[++i]);
            r->line += c == '\n' && r->left.p[i] == '\n';
        }
        out[n++] = c;
    }
    *ret = (struct str){ out, n };
    r->left = str_from(r->left, close + 1);
    return true;
}

/* Up to the end of the line or a comment behind white space. */
static struct str take_plain(struct reader *r)
{
    struct str line = str_cut(r->left, '\n', &(struct str){ NULL, 0 });
    size_t n = 0;

    while (n < line.n &&
           !(line.p[n] == '#' && (n == 0 || line.p[n - 1] == ' ' || line.p[n - 1] == '\t')))
        n++;
    r->left = str_from(r->left, n);
    return str_trim(str_sub(line, 0, n));
}

/* What follows a value: nothing but blanks and a comment. */
static bool end_line(struct reader *r, unsigned first_line)
{
    struct str rest;
    struct str line = str_trim(str_cut(r->left, '\n', &rest));

    if (line.n && line.p[0] != '#') {
        r->what = r->line == first_line ? "there is more behind the closing quote"
                                        : "a quoted value ends on a later line with more behind "
                                          "it; is a quote missing?";
        return false;
    }
    r->left = rest;
    r->line++;
    return true;
}

static bool take_entry(struct reader *r, struct dotenv_entry *ret)
{
    if (str_starts(r->left, STR("export ")) || str_starts(r->left, STR("export\t")))
        r->left = str_from(r->left, 7);
    skip_blanks(&r->left);
    ret->line = r->line;
    ret->name = take_name(&r->left);
    skip_blanks(&r->left);
    if (!ret->name.n || !r->left.n || r->left.p[0] != '=') {
        r->what = "expected NAME=VALUE";
        return false;
    }
    r->left = str_from(r->left, 1);
    skip_blanks(&r->left);
    if (r->left.n && (r->left.p[0] == '"' || r->left.p[0] == '\'')) {
        char quote = r->left.p[0];

        r->left = str_from(r->left, 1);
        if (!take_quoted(r, quote, &ret->value))
            return false;
    } else {
        ret->value = take_plain(r);
    }
    return end_line(r, ret->line);
}

/* An empty line or a comment. */
static bool skip_line(struct reader *r)
{
    struct str rest;
    struct str line = str_trim(str_cut(r->left, '\n', &rest));

    if (line.n && line.p[0] != '#')
        return false;
    r->left = rest;
    r->line++;
    return true;
}

/* What an open quote swallowed may hold settings of its own, so the next line is the next. */
static void take_problem(struct reader *r, struct str at, const struct dotenv_entry *entry,
                         struct dotenv *env)
{
    env->problems[env->n_problems++] = (struct dotenv_problem){ entry->line, entry->name, r->what };
    r->left = at;
    r->line = entry->line + 1;
    str_cut(at, '\n', &r->left);
}

enum err dotenv_parse(struct str text, struct arena *a, struct dotenv *ret)
{
    struct reader r = { .left = text, .line = 1, .arena = a };
    struct dotenv env = { .entries = arena_alloc(a, ENTRIES_MAX * sizeof(struct dotenv_entry)) };

    if (str_starts(text, STR("\xef\xbb\xbf")))
        r.left = str_from(text, 3);
    while (r.left.n && env.n_problems < DOTENV_PROBLEMS_MAX) {
        struct dotenv_entry entry = { .line = r.line };
        struct str at = r.left;

        if (skip_line(&r))
            continue;
        skip_blanks(&r.left);
        if (env.n == ENTRIES_MAX)
            break;
        if (take_entry(&r, &entry))
            env.entries[env.n++] = entry;
        else
            take_problem(&r, at, &entry, &env);
    }
    if (env.n_problems == DOTENV_PROBLEMS_MAX)
        env.problems[DOTENV_PROBLEMS_MAX - 1].what = "malformed, as 19 lines before; the rest is "
                                                     "not looked at";
    else if (r.left.n)
        env.problems[env.n_problems++] =
            (struct dotenv_problem){ r.line, { NULL, 0 }, "more than 1000 settings" };
    *ret = env;
    return env.n_problems ? ERR_BAD_INPUT : ERR_NONE;
}

const struct dotenv_entry *dotenv_find(const struct dotenv *env, struct str name)
{
    for (size_t i = env->n; i > 0; i--)
        if (str_eq(env->entries[i - 1].name, name))
            return &env->entries[i - 1];
    return NULL;
}
