/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values as JSON Schema sees them: types, sameness, numbers, lengths. */
#include <stdio.h>

#include "base/encoding.h"
#include "shape/schema_internal.h"

/* Above it every double is a whole number. */
#define WHOLE_FROM 9007199254740992.0

static double absolute(double d)
{
    return d < 0 ? -d : d;
}

static bool is_whole(double d)
{
    return !(absolute(d) < WHOLE_FROM) || (double)(int64_t)d == d;
}

unsigned schema_types_of(const struct json_value *v)
{
    double d = 0;

    if (v->type != JSON_NUMBER)
        return 1u << v->type;
    return json_double(v, &d) || !is_whole(d) ? TYPE_NUMBER : TYPE_NUMBER | TYPE_INTEGER;
}

const char *schema_types_text(unsigned types, char out[SCHEMA_TYPES_TEXT])
{
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {
        { TYPE_OBJECT, "an object" },       { 1 << JSON_ARRAY, "an array" },
        { 1 << JSON_STRING, "a string" },   { TYPE_NUMBER, "a number" },
        { TYPE_INTEGER, "a whole number" }, { 1 << JSON_TRUE, "true or false" },
        { 1 << JSON_NULL, "null" },
    };
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (types & names[i].type)
            n += (size_t)snprintf(out + n, SCHEMA_TYPES_TEXT - n, "%s%s", n > 0 ? " or " : "",
                                  names[i].name);
    return n > 0 ? out : "any value";
}

bool schema_is_multiple(double value, double of)
{
    double times = absolute(value / of);
    double rest;

    if (!(times < WHOLE_FROM))
        return true;
    rest = times - (double)(int64_t)(times + 0.5);
    return absolute(rest) <= 1e-9 * (times + 1); /* 0.3 is a multiple of 0.1 */
}

size_t schema_length(const struct json_value *v)
{
    struct str text = str_sub(v->raw, 1, v->raw.n - 2);
    struct arena a;
    size_t n;

    if (!v->escaped)
        return utf8_count(text);
    arena_init(&a);
    n = json_text(v, &a, &text) ? text.n : utf8_count(text);
    arena_deinit(&a);
    return n;
}

/* ---- sameness ---- */

/* Reading two values costs about as much as so many bytes, however few they have. */
enum { COMPARE_WORK = 32 };

struct work {
    uint64_t *done;
    uint64_t max;
};

static bool values_equal(struct str a, struct str b, struct work *w);

static bool strings_equal(const struct json_value *a, const struct json_value *b)
{
    struct arena arena;
    struct str text;
    bool equal;

    if (!b->escaped)
        return json_key_eq(str_sub(a->raw, 1, a->raw.n - 2), str_sub(b->raw, 1, b->raw.n - 2));
    arena_init(&arena);
    equal = json_text(b, &arena, &text) == ERR_NONE &&
            json_key_eq(str_sub(a->raw, 1, a->raw.n - 2), text);
    arena_deinit(&arena);
    return equal;
}

static bool numbers_equal(const struct json_value *a, const struct json_value *b)
{
    int64_t i = 0;
    int64_t k = 0;
    double d = 0;
    double e = 0;

    if (json_int(a, &i) == ERR_NONE && json_int(b, &k) == ERR_NONE)
        return i == k;
    return json_double(a, &d) == ERR_NONE && json_double(b, &e) == ERR_NONE && d == e;
}

static bool arrays_equal(struct str a, struct str b, struct work *w)
{
    struct json_value v;
    struct json_value u;
    struct json j;
    struct json k;

    json_init(&j, a, SCHEMA_DEPTH_MAX);
    json_init(&k, b, SCHEMA_DEPTH_MAX);
    json_enter_array(&j);
    json_enter_array(&k);
    while (json_next_item(&j)) {
        if (!json_next_item(&k))
            return false;
        json_read(&j, &v);
        json_read(&k, &u);
        if (!values_equal(v.raw, u.raw, w))
            return false;
    }
    return !json_next_item(&k);
}

static struct json_value quoted(struct str key)
{
    return (struct json_value){ JSON_STRING, { key.p - 1, key.n + 2 }, true };
}

/* The member of that name, JSON_NONE when there is none. */
static struct json_value find_member(struct str object, struct str key, struct work *w)
{
    const struct json_value name = quoted(key);
    struct json_value v = { .type = JSON_NONE };
    struct str other;
    struct json j;

    *w->done += object.n;
    json_init(&j, object, SCHEMA_DEPTH_MAX);
    json_enter_object(&j);
    while (json_next_member(&j, &other)) {
        const struct json_value other_name = quoted(other);

        json_read(&j, &v);
        if (strings_equal(&name, &other_name))
            return v;
    }
    return (struct json_value){ .type = JSON_NONE };
}

static size_t count_members(struct str object)
{
    struct str key;
    struct json j;
    size_t n = 0;

    json_init(&j, object, SCHEMA_DEPTH_MAX);
    json_enter_object(&j);
    for (; json_next_member(&j, &key); n++)
        json_skip(&j);
    return n;
}

static bool objects_equal(struct str a, struct str b, struct work *w)
{
    struct json_value v;
    struct json_value u;
    struct str key;
    struct json j;

    if (count_members(a) != count_members(b))
        return false;
    json_init(&j, a, SCHEMA_DEPTH_MAX);
    json_enter_object(&j);
    while (json_next_member(&j, &key) && *w->done < w->max) {
        json_read(&j, &v);
        u = find_member(b, key, w);
        if (u.type == JSON_NONE || !values_equal(v.raw, u.raw, w))
            return false;
    }
    return true;
}

static bool values_equal(struct str a, struct str b, struct work *w)
{
    struct json_value v;
    struct json_value u;
    struct json j;
    struct json k;

    json_init(&j, a, SCHEMA_DEPTH_MAX);
    json_init(&k, b, SCHEMA_DEPTH_MAX);
    json_read(&j, &v);
    json_read(&k, &u);
    *w->done += a.n + b.n + COMPARE_WORK;
    if (v.type != u.type || *w->done > w->max)
        return false;
    switch (v.type) {
    case JSON_NUMBER:
        return numbers_equal(&v, &u);
    case JSON_STRING:
        return strings_equal(&v, &u);
    case JSON_ARRAY:
        return arrays_equal(v.raw, u.raw, w);
    case JSON_OBJECT:
        return objects_equal(v.raw, u.raw, w);
    case JSON_NONE:
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        break;
    }
    return true;
}

bool schema_equal(struct str a, struct str b, uint64_t *work, uint64_t max)
{
    struct work w = { work, max };

    return values_equal(a, b, &w);
}
