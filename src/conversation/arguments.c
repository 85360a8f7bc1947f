/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation/arguments.h"

#include <stdio.h>

#include "base/encoding.h"
#include "json/escape.h"
#include "json/reader.h"

static bool is_json(struct str s)
{
    struct json j;

    json_init(&j, s, JSON_DEPTH_MAX);
    return json_skip(&j) && json_end(&j) == ERR_NONE;
}

/* The text of the escape at `p`, a backslash; behind it in *p. */
static size_t decode_escape(const char **p, const char *end, char out[4])
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char *at = *p + 1;
    const char *known = strchr(from, *at);
    int32_t high = *at == 'u' ? escape_unit(*p, end) : -1;
    int32_t low;

    *p += high < 0 ? 2 : ESCAPE_UNIT;
    if (high < 0) {
        out[0] = known ? to[known - from] : *at;
        return 1;
    }
    if (high < 0xD800 || high > 0xDBFF)
        return utf8_put((uint32_t)high, out);
    low = escape_unit(*p, end); /* it was checked that they come in pairs */
    *p += ESCAPE_UNIT;
    return utf8_put(0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00), out);
}

/* The string whose text begins at `p`; returns where it ends. */
static const char *add_string(struct sha256 *h, const char *p, const char *end)
{
    struct sha256 text;
    char digest[SHA256_LEN];

    sha256_init(&text);
    while (*p != '"') {
        const char *from = p;

        while (*p != '"' && *p != '\\')
            p++;
        sha256_add(&text, (struct str){ from, (size_t)(p - from) });
        if (*p == '\\') {
            char decoded[4];
            size_t n = decode_escape(&p, end, decoded);

            sha256_add(&text, (struct str){ decoded, n });
        }
    }
    sha256_end(&text, (unsigned char *)digest);
    sha256_add(h, STR("\""));
    sha256_add(h, (struct str){ digest, sizeof(digest) });
    return p + 1;
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* As a double, since that is what clients make of it. */
static const char *add_json_number(struct sha256 *h, const char *p, const char *end)
{
    struct json_value v = { .type = JSON_NUMBER, .raw = { p, 0 } };
    char text[32];
    double d;

    while (p < end && is_of_number(*p))
        p++;
    v.raw.n = (size_t)(p - v.raw.p);
    if (json_double(&v, &d)) {
        sha256_add(h, v.raw);
        return p;
    }
    snprintf(text, sizeof(text), "%.17g", d == 0 ? 0 : d);
    sha256_add(h, str_of(text));
    return p;
}

/* Hashes valid JSON by what it says: white space, escapes and the spelling of numbers do not
 * matter, since clients read arguments and write them anew. The order of members does: all keep it.
 */
static void add_json(struct sha256 *h, struct str s)
{
    const char *p = s.p;
    const char *end = s.p + s.n;

    while (p < end) {
        if (*p == '"') {
            p = add_string(h, p + 1, end);
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            p = add_json_number(h, p, end);
        } else {
            if (!str_is_space(*p))
                sha256_add(h, (struct str){ p, 1 });
            p++;
        }
    }
}

/* ---- defaults ---- */

static bool enter_text(struct json *j, struct str text)
{
    json_init(j, text, JSON_DEPTH_MAX);
    return json_enter_object(j);
}

/* The value of a member of an object. Of members with one name the first counts. */
static bool find_member(struct str object, struct str raw_key, struct str *ret)
{
    struct json j;
    struct json_value v;
    struct str key;

    if (!enter_text(&j, object))
        return false;
    while (json_next_member(&j, &key)) {
        if (!json_read(&j, &v))
            return false;
        if (str_eq(key, raw_key)) {
            *ret = v.raw;
            return true;
        }
    }
    return false;
}

static void digest_of(struct str json, unsigned char digest[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    add_json(&h, json);
    sha256_end(&h, digest);
}

/* Whether `value` is what the schema's property of that name has when it is left out. */
static bool is_default(struct str properties, struct str raw_key, struct str value)
{
    unsigned char is[SHA256_LEN], left_out[SHA256_LEN];
    struct str property, preset;

    if (!find_member(properties, raw_key, &property) ||
        !find_member(property, STR("default"), &preset))
        return false;
    digest_of(value, is);
    digest_of(preset, left_out);
    return memcmp(is, left_out, sizeof(is)) == 0;
}

static bool spend(struct arguments_tools *t, size_t work)
{
    bool is_enough = t->left >= work;

    t->left = is_enough ? t->left - work : 0;
    return is_enough;
}

/* The properties of the tool's arguments; empty when none of them has a default. */
static struct str properties_of(struct arguments_tools *t, struct str name)
{
    struct str schema = STR(""), properties = STR("");

    if (!t->tools || !spend(t, t->tools->n * sizeof(name)))
        return properties;
    for (size_t i = 0; i < t->tools->n && !schema.n; i++)
        if (str_eq(t->tools->list[i].name, name))
            schema = t->tools->list[i].parameters;
    if (schema.n && spend(t, schema.n) && str_find(schema, STR("\"default\"")) != SIZE_MAX &&
        find_member(schema, STR("properties"), &properties))
        return properties;
    return STR("");
}

static void add_members(struct sha256 *h, struct json *j, struct str properties,
                        struct arguments_tools *t)
{
    struct json_value v;
    struct str key;

    while (json_next_member(j, &key) && json_read(j, &v)) {
        if (properties.n && spend(t, properties.n) && is_default(properties, key, v.raw))
            continue;
        add_string(h, key.p, key.p + key.n);
        add_json(h, v.raw);
    }
}

bool arguments_hash(struct sha256 *h, const struct chat_tool_call *call, struct arguments_tools *t)
{
    struct json j;

    if (!is_json(call->arguments)) {
        sha256_add(h, str_trim(call->arguments));
        return false;
    }
    if (!enter_text(&j, call->arguments)) {
        add_json(h, call->arguments);
        return true;
    }
    sha256_add(h, STR("{"));
    add_members(h, &j, properties_of(t, call->name), t);
    sha256_add(h, STR("}"));
    return true;
}
