/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value is read once for each schema that it must fit, in place: a copy of the reader is a place
 * to begin from. Alternatives are tried without a word; when none fits, the one of the value's type
 * is gone through again aloud. Every byte read counts as work, which is bounded, because
 * alternatives in one another, references and unique items can ask for any amount of it.
 */
#include "base/encoding.h"
#include "shape/schema_internal.h"

/* Trying a schema costs about as much as reading so many bytes. */
enum { CHECK_WORK = 64 };

enum { WORK_MAX = 32 * 1024 * 1024, NESTING_MAX = 4 * SCHEMA_DEPTH_MAX, GOT_MAX = 60 };

struct check {
    struct buf *why; /* NULL: nothing is said */
    unsigned lines;
    unsigned nesting; /* schemas in one another */
    uint64_t work;
    bool is_undecided;
};

static bool check(struct check *c, const struct schema *s, struct json *j,
                  const struct schema_path *at);

/* ---- saying what is wrong ---- */

static void say(struct check *c, const char *format, ...) FORMAT(2, 3);

static void say(struct check *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (c->why && buf_vaddf(c->why, format, args))
        c->why = NULL; /* it is full: what was said must do */
    va_end(args);
}

static void say_path(struct check *c, const struct schema_path *at)
{
    if (!at->up) {
        say(c, "$");
        return;
    }
    say_path(c, at->up);
    if (at->name.p)
        say(c, ".%.*s", STR_ARGS(at->name));
    else
        say(c, "[%zu]", at->index);
}

/* Begins a line; false when enough was said. */
static bool begin_line(struct check *c, const struct schema_path *at)
{
    if (!c->why || c->lines++ >= SCHEMA_LINES_MAX)
        return false;
    say(c, "- ");
    say_path(c, at);
    say(c, ": ");
    return true;
}

/* At most `max` bytes of it, whole characters. */
static void say_cut(struct check *c, struct str s, size_t max)
{
    size_t n = s.n < max ? s.n : max;

    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    say(c, "%.*s%s", (int)n, s.p, n < s.n ? "..." : "");
}

static void say_got(struct check *c, const struct json_value *v)
{
    say(c, ", got ");
    if (v->type == JSON_OBJECT || v->type == JSON_ARRAY)
        say(c, v->type == JSON_OBJECT ? "an object" : "an array");
    else
        say_cut(c, v->raw, GOT_MAX);
    say(c, "\n");
}

/* "expected <what> <number>, got ..."; always false. */
static bool misfit(struct check *c, const struct schema_path *at, const char *what,
                   const struct schema_number *bound, const struct json_value *v)
{
    if (begin_line(c, at)) {
        say(c, "expected %s", what);
        if (bound)
            say(c, " %.15g", bound->value);
        say_got(c, v);
    }
    return false;
}

/* ---- any value ---- */

static bool check_type(struct check *c, const struct schema *s, const struct json_value *v,
                       const struct schema_path *at)
{
    char text[SCHEMA_TYPES_TEXT];

    if (s->is_never) {
        if (begin_line(c, at))
            say(c, "nothing is allowed here; leave it out\n");
        return false;
    }
    if (s->types == 0 || (s->types & schema_types_of(v)))
        return true;
    return misfit(c, at, schema_types_text(s->types, text), NULL, v);
}

static bool is_one_of(struct check *c, struct str values, struct str value)
{
    struct json_value v;
    struct json j;

    json_init(&j, values, SCHEMA_DEPTH_MAX);
    json_enter_array(&j);
    while (json_next_item(&j)) {
        json_read(&j, &v);
        if (schema_equal(v.raw, value, &c->work, WORK_MAX))
            return true;
    }
    return false;
}

static bool check_values(struct check *c, const struct schema *s, const struct json_value *v,
                         const struct schema_path *at)
{
    if (s->constant.p && !schema_equal(s->constant, v->raw, &c->work, WORK_MAX)) {
        if (begin_line(c, at)) {
            say(c, "expected ");
            say_cut(c, s->constant, 4 * GOT_MAX);
            say_got(c, v);
        }
        return false;
    }
    if (!s->values.p || is_one_of(c, s->values, v->raw))
        return true;
    if (begin_line(c, at)) {
        say(c, "expected one of ");
        say_cut(c, s->values, 8 * GOT_MAX);
        say_got(c, v);
    }
    return false;
}

/* ---- numbers and strings ---- */

static bool check_number(struct check *c, const struct schema *s, const struct json_value *v,
                         const struct schema_path *at)
{
    double d = 0;

    if (json_double(v, &d))
        return true;
    if (s->minimum.is_set && d < s->minimum.value)
        return misfit(c, at, "a number not below", &s->minimum, v);
    if (s->maximum.is_set && d > s->maximum.value)
        return misfit(c, at, "a number not above", &s->maximum, v);
    if (s->above.is_set && d <= s->above.value)
        return misfit(c, at, "a number above", &s->above, v);
    if (s->below.is_set && d >= s->below.value)
        return misfit(c, at, "a number below", &s->below, v);
    if (s->multiple.is_set && !schema_is_multiple(d, s->multiple.value))
        return misfit(c, at, "a multiple of", &s->multiple, v);
    return true;
}

static bool check_size(struct check *c, size_t size, const struct schema_number *min,
                       const struct schema_number *max, const char *unit,
                       const struct schema_path *at)
{
    bool is_short = min->is_set && (double)size < min->value;

    if (!is_short && !(max->is_set && (double)size > max->value))
        return true;
    if (begin_line(c, at))
        say(c, "expected %s %.15g %s, got %zu\n", is_short ? "at least" : "at most",
            is_short ? min->value : max->value, unit, size);
    return false;
}

static bool check_string(struct check *c, const struct schema *s, const struct json_value *v,
                         const struct schema_path *at)
{
    if (!s->min_length.is_set && !s->max_length.is_set)
        return true;
    return check_size(c, schema_length(v), &s->min_length, &s->max_length, "characters", at);
}

/* ---- arrays ---- */

static bool check_unique(struct check *c, struct str array, const struct schema_path *at)
{
    struct json_value v;
    struct json_value u;
    struct json j;

    json_init(&j, array, SCHEMA_DEPTH_MAX);
    json_enter_array(&j);
    for (size_t i = 0; json_next_item(&j); i++) {
        json_read(&j, &v);
        struct json k = j;

        for (size_t n = i + 1; json_next_item(&k) && c->work <= WORK_MAX; n++) {
            json_read(&k, &u);
            if (!schema_equal(v.raw, u.raw, &c->work, WORK_MAX))
                continue;
            if (begin_line(c, at))
                say(c, "items must differ, but items %zu and %zu are the same\n", i, n);
            return false;
        }
    }
    return true;
}

static bool check_array(struct check *c, const struct schema *s, const struct json_value *v,
                        struct json j, const struct schema_path *at)
{
    const struct schema_list *prefix = s->prefix;
    struct schema_path item = { .up = at };
    bool ok = true;

    json_enter_array(&j);
    for (; json_next_item(&j); item.index++) {
        const struct schema *fits = prefix ? prefix->node : s->items;

        prefix = prefix ? prefix->next : NULL;
        if (!fits)
            json_skip(&j);
        else if (!check(c, fits, &j, &item))
            ok = false;
    }
    if (!check_size(c, item.index, &s->min_items, &s->max_items, "items", at))
        ok = false;
    return (!s->is_unique || check_unique(c, v->raw, at)) && ok;
}

/* ---- objects ---- */

static bool say_not_allowed(struct check *c, const struct schema *s, const struct schema_path *at)
{
    const char *before = "; allowed are ";

    if (!begin_line(c, at))
        return false;
    say(c, "this property is not allowed");
    for (const struct schema_property *p = s->properties; p && p->index < 20; p = p->next) {
        say(c, "%s\"%.*s\"", before, STR_ARGS(p->name));
        before = ", ";
    }
    say(c, "\n");
    return false;
}

static bool say_missing(struct check *c, const struct schema_property *p,
                        const struct schema_path *at)
{
    char text[SCHEMA_TYPES_TEXT];

    if (begin_line(c, at))
        say(c, "the property \"%.*s\" (%s) is missing\n", STR_ARGS(p->name),
            schema_types_text(p->node ? p->node->types : 0, text));
    return false;
}

static const struct schema_property *find_property(struct check *c, const struct schema *s,
                                                   struct str key)
{
    const struct schema_property *p = s->properties;

    while (p && !json_key_eq(key, p->name)) {
        c->work++;
        p = p->next;
    }
    return p;
}

static bool check_member(struct check *c, const struct schema *s, struct json *j,
                         const struct schema_property *p, const struct schema_path *at)
{
    if (p && p->node)
        return check(c, p->node, j, at);
    if (!s->additional || s->has_patterns)
        return json_skip(j);
    if (!s->additional->is_never)
        return check(c, s->additional, j, at);
    json_skip(j);
    return say_not_allowed(c, s, at);
}

static bool check_object(struct check *c, const struct schema *s, struct json j,
                         const struct schema_path *at)
{
    uint64_t seen[SCHEMA_PROPERTIES_MAX / 64] = { 0 };
    size_t n = 0;
    bool ok = true;
    struct str key;

    json_enter_object(&j);
    for (; json_next_member(&j, &key); n++) {
        const struct schema_property *p = find_property(c, s, key);
        const struct schema_path member = { at, key, 0 };

        if (p)
            seen[p->index / 64] |= 1ULL << p->index % 64;
        if (!check_member(c, s, &j, p, &member))
            ok = false;
    }
    for (const struct schema_property *p = s->properties; p; p = p->next)
        if (p->is_required && !(seen[p->index / 64] >> p->index % 64 & 1))
            ok = say_missing(c, p, at);
    return check_size(c, n, &s->min_members, &s->max_members, "properties", at) && ok;
}

/* ---- schemas of schemas ---- */

/* Whether it fits, without a word. */
static bool try(struct check *c, const struct schema *s, struct json j,
                const struct schema_path *at)
{
    struct buf *why = c->why;
    bool ok;

    c->why = NULL;
    ok = check(c, s, &j, at);
    c->why = why;
    return ok;
}

/* Says what is wrong by the first of the alternatives that is for the value's type. */
static bool say_none(struct check *c, const struct schema_list *list, struct json j,
                     const struct json_value *v, const struct schema_path *at)
{
    unsigned types = schema_types_of(v);
    unsigned expected = 0;
    char text[SCHEMA_TYPES_TEXT];

    if (!c->why || c->lines >= SCHEMA_LINES_MAX)
        return false;
    for (; list; list = list->next) {
        const struct schema *s = list->node->target ? list->node->target : list->node;

        expected |= s->types;
        if (s->types == 0 || (s->types & types))
            return check(c, list->node, &j, at);
    }
    return misfit(c, at, schema_types_text(expected, text), NULL, v);
}

static bool check_lists(struct check *c, const struct schema *s, struct json j,
                        const struct json_value *v, const struct schema_path *at)
{
    const struct schema_list *any = s->any;
    size_t fits = 0;
    bool ok = true;

    for (const struct schema_list *l = s->all; l; l = l->next) {
        struct json copy = j;

        ok = check(c, l->node, &copy, at) && ok;
    }
    while (any && !try(c, any->node, j, at))
        any = any->next;
    if (s->any && !any)
        ok = say_none(c, s->any, j, v, at);
    for (const struct schema_list *l = s->one; l; l = l->next)
        fits += try(c, l->node, j, at);
    if (s->one && fits == 0)
        ok = say_none(c, s->one, j, v, at);
    if (fits > 1 && begin_line(c, at))
        say(c, "it fits %zu of the alternatives, and must fit exactly one\n", fits);
    return ok && fits < 2;
}

static bool check_schemas(struct check *c, const struct schema *s, struct json j,
                          const struct json_value *v, const struct schema_path *at)
{
    struct json copy = j;
    bool ok = !s->target || check(c, s->target, &copy, at);

    ok = check_lists(c, s, j, v, at) && ok;
    if (!s->negated || !try(c, s->negated, j, at))
        return ok;
    if (begin_line(c, at))
        say(c, "this value is one that the schema rules out\n");
    return false;
}

static bool check_content(struct check *c, const struct schema *s, struct json j,
                          const struct json_value *v, const struct schema_path *at)
{
    switch (v->type) {
    case JSON_NUMBER:
        return check_number(c, s, v, at);
    case JSON_STRING:
        return check_string(c, s, v, at);
    case JSON_ARRAY:
        return check_array(c, s, v, j, at);
    case JSON_OBJECT:
        return check_object(c, s, j, at);
    case JSON_NONE:
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        break;
    }
    return true;
}

/* Reads the next value, whether or not it fits. */
static bool check(struct check *c, const struct schema *s, struct json *j,
                  const struct schema_path *at)
{
    const struct json start = *j;
    struct json_value v;
    bool ok;

    json_read(j, &v);
    c->work += v.raw.n + CHECK_WORK;
    if (c->work > WORK_MAX || c->nesting >= NESTING_MAX) {
        c->is_undecided = true;
        return true;
    }
    c->nesting++;
    ok = check_type(c, s, &v, at);
    ok = ok && check_values(c, s, &v, at);
    ok = ok && check_content(c, s, start, &v, at);
    ok = check_schemas(c, s, start, &v, at) && ok;
    c->nesting--;
    return ok;
}

enum schema_verdict schema_check(const struct schema *s, struct str value, struct buf *why)
{
    struct check c = { .why = why };
    const struct schema_path at = { 0 };
    struct json j;
    bool ok;

    json_init(&j, value, SCHEMA_DEPTH_MAX);
    json_skip(&j);
    if (json_end(&j)) {
        say(&c, "- it is no valid JSON: byte %zu of %zu is wrong, or something is missing there\n",
            json_offset(&j), value.n);
        return SCHEMA_MISFIT;
    }
    json_init(&j, value, SCHEMA_DEPTH_MAX);
    ok = check(&c, s, &j, &at);
    if (c.is_undecided || c.work > WORK_MAX)
        return SCHEMA_UNDECIDED;
    return ok ? SCHEMA_FITS : SCHEMA_MISFIT;
}

bool schema_may_begin(const struct schema *s, enum json_type type)
{
    return s->types == 0 || (s->types & 1u << type);
}
