/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table says what each keyword takes and where it goes. References are followed when all else
 * is compiled: each place that is referred to is compiled once, so that cycles end.
 */
#include <stdio.h>

#include "base/encoding.h"
#include "shape/schema_internal.h"

struct target {
    struct target *next;
    struct str ref;
    const struct schema *node;
};

struct compiler {
    struct str text;
    struct arena *a;
    struct schema *refs; /* to resolve */
    struct target *targets;
    size_t n_targets;
    size_t n_nodes;
    struct str why; /* the first thing that is wrong; p NULL: nothing */
};

enum takes {
    TAKES_TYPES,
    TAKES_SCHEMA,
    TAKES_SCHEMAS,
    TAKES_ITEMS, /* a schema, or as before draft 2020 an array of them */
    TAKES_PROPERTIES,
    TAKES_NAMES,
    TAKES_VALUES,
    TAKES_VALUE,
    TAKES_NUMBER,
    TAKES_SIZE,
    TAKES_FACTOR,
    TAKES_BOOL,
    TAKES_REF,
    TAKES_PATTERNS,
};

static const struct keyword {
    const char *name;
    enum takes takes;
    size_t at; /* in the node */
} keywords[] = {
#define AT(member) offsetof(struct schema, member)
    { "type", TAKES_TYPES, 0 },
    { "properties", TAKES_PROPERTIES, 0 },
    { "required", TAKES_NAMES, 0 },
    { "additionalProperties", TAKES_SCHEMA, AT(additional) },
    { "patternProperties", TAKES_PATTERNS, 0 },
    { "items", TAKES_ITEMS, AT(items) },
    { "prefixItems", TAKES_SCHEMAS, AT(prefix) },
    { "allOf", TAKES_SCHEMAS, AT(all) },
    { "anyOf", TAKES_SCHEMAS, AT(any) },
    { "oneOf", TAKES_SCHEMAS, AT(one) },
    { "not", TAKES_SCHEMA, AT(negated) },
    { "enum", TAKES_VALUES, AT(values) },
    { "const", TAKES_VALUE, AT(constant) },
    { "$ref", TAKES_REF, AT(ref) },
    { "minimum", TAKES_NUMBER, AT(minimum) },
    { "maximum", TAKES_NUMBER, AT(maximum) },
    { "exclusiveMinimum", TAKES_NUMBER, AT(above) },
    { "exclusiveMaximum", TAKES_NUMBER, AT(below) },
    { "multipleOf", TAKES_FACTOR, AT(multiple) },
    { "minLength", TAKES_SIZE, AT(min_length) },
    { "maxLength", TAKES_SIZE, AT(max_length) },
    { "minItems", TAKES_SIZE, AT(min_items) },
    { "maxItems", TAKES_SIZE, AT(max_items) },
    { "minProperties", TAKES_SIZE, AT(min_members) },
    { "maxProperties", TAKES_SIZE, AT(max_members) },
    { "uniqueItems", TAKES_BOOL, AT(is_unique) },
#undef AT
};

static const struct schema *compile(struct compiler *c, struct json *j,
                                    const struct schema_path *at);

/* ---- failing ---- */

static void add_pointer(struct buf *out, const struct schema_path *at)
{
    enum err err;

    if (at->up) {
        add_pointer(out, at->up);
        err = at->name.p ? buf_addf(out, "/%.*s", STR_ARGS(at->name))
                         : buf_addf(out, "/%zu", at->index);
    } else {
        err = buf_add(out, at->name);
    }
    if (err)
        return; /* what is too long to say is not said */
}

static bool fail(struct compiler *c, const struct schema_path *at, const char *what)
{
    struct buf where;

    if (c->why.p)
        return false;
    buf_init(&where, 500);
    add_pointer(&where, at);
    c->why = arena_printf(c->a, "%.*s: %s", STR_ARGS(buf_str(&where)), what);
    buf_deinit(&where);
    return false;
}

static bool count_part(struct compiler *c, const struct schema_path *at)
{
    return c->n_nodes++ < SCHEMA_NODES_MAX ||
           fail(c, at, "the schema has more parts than this gateway checks (10000)");
}

static void *take(struct compiler *c, const struct schema_path *at, size_t size)
{
    void *p = c->why.p ? NULL : arena_try(c->a, size);

    if (p)
        memset(p, 0, size);
    else
        fail(c, at, "there is no memory for it now");
    return p;
}

/* ---- what keywords take ---- */

static bool take_text(struct compiler *c, const struct json_value *v, const struct schema_path *at,
                      struct str *ret)
{
    if (v->type != JSON_STRING)
        return fail(c, at, "must be a string");
    return !json_text(v, c->a, ret) || fail(c, at, "there is no memory for it now");
}

static bool add_type(struct compiler *c, struct json *j, const struct schema_path *at,
                     struct schema *node)
{
    static const struct {
        const char *name;
        unsigned types;
    } types[] = {
        { "null", 1 << JSON_NULL },     { "boolean", 1 << JSON_TRUE | 1 << JSON_FALSE },
        { "number", TYPE_NUMBER },      { "integer", TYPE_INTEGER },
        { "string", 1 << JSON_STRING }, { "array", 1 << JSON_ARRAY },
        { "object", TYPE_OBJECT },
    };
    struct json_value v;
    struct str name;

    json_read(j, &v);
    if (!take_text(c, &v, at, &name))
        return false;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (!str_eq(name, str_of(types[i].name)))
            continue;
        node->types |= types[i].types;
        return true;
    }
    return fail(c, at, "must be null, boolean, number, integer, string, array or object");
}

static bool add_types(struct compiler *c, struct json *j, const struct schema_path *at,
                      struct schema *node)
{
    if (!json_enter_array(j))
        return add_type(c, j, at, node);
    while (json_next_item(j))
        if (!add_type(c, j, at, node))
            return false;
    return node->types != 0 || fail(c, at, "must name a type");
}

static bool add_schema(struct compiler *c, struct json *j, const struct schema_path *at,
                       const struct schema **slot)
{
    *slot = compile(c, j, at);
    return *slot != NULL;
}

static bool add_schemas(struct compiler *c, struct json *j, const struct schema_path *at,
                        struct schema_list **slot)
{
    struct schema_path item = { .up = at };

    if (!json_enter_array(j))
        return fail(c, at, "must be an array of schemas");
    for (; json_next_item(j); item.index++) {
        struct schema_list *entry = take(c, at, sizeof(*entry));

        if (!entry || !add_schema(c, j, &item, &entry->node))
            return false;
        *slot = entry;
        slot = &entry->next;
    }
    return true;
}

/* Of that name, made when there is none. */
static struct schema_property *property(struct compiler *c, const struct schema_path *at,
                                        struct schema *node, struct str name)
{
    struct schema_property **slot = &node->properties;
    struct schema_property *p;

    for (; (p = *slot) != NULL; slot = &p->next)
        if (str_eq(p->name, name))
            return p;
    if (node->n_properties == SCHEMA_PROPERTIES_MAX) {
        fail(c, at, "there are more properties than this gateway checks (1024)");
        return NULL;
    }
    p = take(c, at, sizeof(*p));
    if (!p)
        return NULL;
    p->name = name;
    p->index = node->n_properties++;
    *slot = p;
    return p;
}

static bool add_properties(struct compiler *c, struct json *j, const struct schema_path *at,
                           struct schema *node)
{
    struct str key;

    if (!json_enter_object(j))
        return fail(c, at, "must be an object of schemas");
    while (json_next_member(j, &key)) {
        const struct json_value quoted = { JSON_STRING, { key.p - 1, key.n + 2 }, true };
        const struct schema_path member = { at, key, 0 };
        struct schema_property *p;
        struct str name;

        if (!take_text(c, &quoted, &member, &name))
            return false;
        p = property(c, &member, node, name);
        if (!p || !add_schema(c, j, &member, &p->node))
            return false;
    }
    return true;
}

static bool add_names(struct compiler *c, struct json *j, const struct schema_path *at,
                      struct schema *node)
{
    if (!json_enter_array(j))
        return fail(c, at, "must be an array of names");
    while (json_next_item(j)) {
        struct schema_property *p;
        struct json_value v;
        struct str name;

        json_read(j, &v);
        if (!count_part(c, at) || !take_text(c, &v, at, &name))
            return false;
        p = property(c, at, node, name);
        if (!p)
            return false;
        p->is_required = true;
    }
    return true;
}

static bool set_number(struct compiler *c, const struct json_value *v, const struct schema_path *at,
                       enum takes takes, struct schema_number *slot)
{
    double d;

    if (json_double(v, &d))
        return fail(c, at, "must be a number");
    if (takes == TAKES_FACTOR && !(d > 0))
        return fail(c, at, "must be a number above 0");
    if (takes == TAKES_SIZE && (d < 0 || !(schema_types_of(v) & TYPE_INTEGER)))
        return fail(c, at, "must be a whole number, 0 or more");
    *slot = (struct schema_number){ d, true };
    return true;
}

/* References are parts of URLs: names in them may be percent-encoded. */
static bool decode_ref(struct compiler *c, const struct schema_path *at, struct str *ref)
{
    struct buf decoded;
    bool ok;

    if (str_find_char(*ref, '%') == SIZE_MAX)
        return true;
    buf_init(&decoded, SCHEMA_BYTES_MAX);
    ok = percent_decode(&decoded, *ref) == ERR_NONE ||
         fail(c, at, "a '%' has no two digits behind it");
    if (ok)
        *ref = arena_dup(c->a, buf_str(&decoded));
    buf_deinit(&decoded);
    return ok;
}

static bool set_ref(struct compiler *c, const struct json_value *v, const struct schema_path *at,
                    struct schema *node)
{
    bool is_listed = node->ref.p != NULL; /* a second $ref in one schema replaces the first */

    if (!take_text(c, v, at, &node->ref) || !decode_ref(c, at, &node->ref))
        return false;
    if (!str_eq(node->ref, STR("#")) && !str_starts(node->ref, STR("#/")))
        return fail(c, at, "only references into this schema (\"#/...\") can be followed");
    if (!is_listed) {
        node->next_ref = c->refs;
        c->refs = node;
    }
    return true;
}

/* What is one value, read whole. */
static bool set_value(struct compiler *c, struct json *j, const struct schema_path *at,
                      const struct keyword *k, struct schema *node)
{
    void *slot = (char *)node + k->at;
    struct json_value v;

    json_read(j, &v);
    if (k->takes == TAKES_REF)
        return set_ref(c, &v, at, node);
    if (k->takes == TAKES_BOOL) {
        *(bool *)slot = v.type == JSON_TRUE;
        return v.type == JSON_TRUE || v.type == JSON_FALSE || fail(c, at, "must be true or false");
    }
    if (k->takes != TAKES_VALUE && k->takes != TAKES_VALUES)
        return set_number(c, &v, at, k->takes, slot);
    *(struct str *)slot = v.raw;
    return k->takes == TAKES_VALUE || v.type == JSON_ARRAY || fail(c, at, "must be an array");
}

static bool add_keyword(struct compiler *c, struct json *j, const struct schema_path *at,
                        const struct keyword *k, struct schema *node)
{
    void *slot = (char *)node + k->at;

    switch (k->takes) {
    case TAKES_TYPES:
        return add_types(c, j, at, node);
    case TAKES_SCHEMA:
        return add_schema(c, j, at, slot);
    case TAKES_SCHEMAS:
        return add_schemas(c, j, at, slot);
    case TAKES_ITEMS:
        return json_peek(j) == JSON_ARRAY ? add_schemas(c, j, at, &node->prefix)
                                          : add_schema(c, j, at, slot);
    case TAKES_PROPERTIES:
        return add_properties(c, j, at, node);
    case TAKES_NAMES:
        return add_names(c, j, at, node);
    case TAKES_PATTERNS:
        node->has_patterns = true;
        return json_skip(j);
    case TAKES_VALUES:
    case TAKES_VALUE:
    case TAKES_NUMBER:
    case TAKES_SIZE:
    case TAKES_FACTOR:
    case TAKES_BOOL:
    case TAKES_REF:
        break;
    }
    return set_value(c, j, at, k, node);
}

/* ---- schemas ---- */

static const struct keyword *find_keyword(struct str key)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (json_key_eq(key, str_of(keywords[i].name)))
            return &keywords[i];
    return NULL;
}

static bool add_members(struct compiler *c, struct json *j, const struct schema_path *at,
                        struct schema *node)
{
    struct str key;

    while (json_next_member(j, &key)) {
        const struct keyword *k = find_keyword(key);
        const struct schema_path member = { at, key, 0 };

        if (!k)
            json_skip(j);
        else if (!add_keyword(c, j, &member, k, node))
            return false;
    }
    return true;
}

/* The schema that comes next; NULL when something is wrong with it. */
static const struct schema *compile(struct compiler *c, struct json *j,
                                    const struct schema_path *at)
{
    struct schema *node;
    struct json_value v;

    node = count_part(c, at) ? take(c, at, sizeof(*node)) : NULL;
    if (!node)
        return NULL;
    if (json_enter_object(j))
        return add_members(c, j, at, node) ? node : NULL;
    json_read(j, &v);
    node->is_never = v.type == JSON_FALSE;
    if (v.type != JSON_TRUE && v.type != JSON_FALSE)
        fail(c, at, "must be a schema: an object, true or false");
    return c->why.p ? NULL : node;
}

/* ---- references ---- */

/* A step of a JSON pointer (RFC 6901) is a name with "~1" for '/' and "~0" for '~'. */
static bool step_is(struct str step, struct str raw_key, struct arena *a)
{
    char *name;
    size_t n = 0;

    if (str_find_char(step, '~') == SIZE_MAX)
        return json_key_eq(raw_key, step);
    name = arena_try(a, step.n);
    for (size_t i = 0; name && i < step.n; i++) {
        char c = step.p[i];

        if (c == '~' && i + 1 < step.n)
            c = step.p[++i] == '1' ? '/' : '~';
        name[n++] = c;
    }
    return name && json_key_eq(raw_key, (struct str){ name, n });
}

/* Goes to the value that the step names. */
static bool take_step(struct json *j, struct str step, struct arena *a)
{
    uint64_t index;
    struct str key;

    if (json_enter_object(j)) {
        while (json_next_member(j, &key)) {
            if (step_is(step, key, a))
                return true;
            json_skip(j);
        }
        return false;
    }
    if (str_to_u64(step, SCHEMA_NODES_MAX, &index) || !json_enter_array(j))
        return false;
    while (json_next_item(j)) {
        if (index-- == 0)
            return true;
        json_skip(j);
    }
    return false;
}

static const struct schema *compile_target(struct compiler *c, struct str ref)
{
    const struct schema_path at = { .name = ref };
    struct str rest = str_from(ref, 2);
    struct json j;

    json_init(&j, c->text, SCHEMA_DEPTH_MAX);
    while (rest.p && ref.n > 1) {
        struct str step = str_cut(rest, '/', &rest);

        if (!take_step(&j, step, c->a)) {
            fail(c, &at, "a $ref leads there, where nothing is");
            return NULL;
        }
    }
    return compile(c, &j, &at);
}

static const struct schema *find_target(struct compiler *c, struct str ref)
{
    const struct schema_path at = { .name = ref };
    struct target *t = c->targets;

    while (t && !str_eq(t->ref, ref))
        t = t->next;
    if (t)
        return t->node;
    if (c->n_targets++ == SCHEMA_REFS_MAX)
        fail(c, &at, "there are more different $ref than this gateway follows (256)");
    t = take(c, &at, sizeof(*t));
    if (!t)
        return NULL;
    *t = (struct target){ c->targets, ref, compile_target(c, ref) };
    c->targets = t;
    return t->node;
}

static void resolve_refs(struct compiler *c)
{
    while (c->refs && !c->why.p) {
        struct schema *node = c->refs;

        c->refs = node->next_ref;
        node->target = find_target(c, node->ref);
    }
}

static bool is_json(struct compiler *c)
{
    const struct schema_path at = { .name = STR("#") };
    char text[100];
    struct json j;
    enum err err;

    if (c->text.n > SCHEMA_BYTES_MAX)
        return fail(c, &at, "the schema is longer than this gateway checks (256 KiB)");
    json_init(&j, c->text, SCHEMA_DEPTH_MAX);
    json_skip(&j);
    err = json_end(&j);
    if (err == ERR_TOO_BIG)
        return fail(c, &at, "the schema is nested deeper than this gateway checks (64)");
    snprintf(text, sizeof(text), "the schema is no JSON (byte %zu)", json_offset(&j));
    return !err || fail(c, &at, text);
}

bool schema_compile(struct str text, struct arena *a, const struct schema **ret,
                    struct str *ret_why)
{
    struct compiler c = { .text = text, .a = a };
    const struct schema_path at = { .name = STR("#") };
    struct json j;

    if (is_json(&c)) {
        json_init(&j, text, SCHEMA_DEPTH_MAX);
        *ret = compile(&c, &j, &at);
        resolve_refs(&c);
    }
    *ret_why = c.why;
    return !c.why.p;
}
