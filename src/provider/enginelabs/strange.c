/* SPDX-License-Identifier: Apache-2.0 */
/* Describes what is not known; see strange.h. Kinds are remembered by a hash of their description.
 */
#include "provider/enginelabs/strange.h"

#include <stdatomic.h>

#include "base/log.h"
#include "json/reader.h"

enum { MEMBERS_MAX = 8, LEVELS = 2, DEPTH_MAX = 64 };

static _Atomic uint64_t kinds[STRANGE_KINDS]; /* 0: free */

/* What does not fit is left out. */
struct text {
    char *out;
    size_t n;
};

static void add(struct text *t, struct str s)
{
    s = str_sub(s, 0, STRANGE_MAX - 1 - t->n);
    if (s.n > 0)
        memcpy(t->out + t->n, s.p, s.n);
    t->n += s.n;
    t->out[t->n] = '\0';
}

static bool is_sane(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!is_first && c >= '0' && c <= '9');
}

/* A name stands as it is, all else as "?": it may be somebody's words. */
static void add_name(struct text *t, struct str name)
{
    bool is_name = name.n > 0 && name.n <= STRANGE_NAME_MAX;

    for (size_t i = 0; is_name && i < name.n; i++)
        is_name = is_sane(name.p[i], i == 0);
    add(t, is_name ? name : STR("?"));
}

/* The value of "type", cut, with "?" for what belongs to no such word. */
static void add_type(struct text *t, const struct json_value *type)
{
    struct str word = str_sub(type->raw, 1, type->raw.n - 2);

    add(t, STR("type \""));
    word = str_sub(word, 0, STRANGE_TYPE_MAX);
    for (size_t i = 0; i < word.n; i++) {
        struct str c = str_sub(word, i, 1);

        add(t, is_sane(*c.p, false) || *c.p == '-' || *c.p == '.' || *c.p == ':' ? c : STR("?"));
    }
    add(t, STR("\""));
}

static void add_object(struct text *t, struct str json, unsigned levels);

static void add_value(struct text *t, const struct json_value *v, unsigned levels)
{
    static const char *const names[] = {
        [JSON_NONE] = "nothing", [JSON_NULL] = "null",     [JSON_FALSE] = "boolean",
        [JSON_TRUE] = "boolean", [JSON_NUMBER] = "number", [JSON_STRING] = "string",
        [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };

    if (v->type == JSON_OBJECT && levels > 0)
        add_object(t, v->raw, levels);
    else
        add(t, str_of(names[v->type]));
}

static void add_member(struct text *t, struct str name, const struct json_value *v, unsigned levels)
{
    if (str_eq(name, STR("type")) && v->type == JSON_STRING) {
        add_type(t, v);
        return;
    }
    add_name(t, name);
    add(t, STR(" "));
    add_value(t, v, levels - 1);
}

static void add_object(struct text *t, struct str json, unsigned levels)
{
    struct json_value v;
    struct json j;
    struct str name;
    size_t n = 0;

    json_init(&j, json, DEPTH_MAX);
    j.lone_surrogates = true;
    if (!json_enter_object(&j)) {
        add(t, STR("no JSON object"));
        return;
    }
    add(t, STR("{"));
    for (; json_next_member(&j, &name); n++) {
        if (!json_read(&j, &v))
            break;
        if (n < MEMBERS_MAX)
            add(t, n > 0 ? STR(", ") : STR(""));
        if (n < MEMBERS_MAX)
            add_member(t, name, &v, levels);
    }
    add(t, n > MEMBERS_MAX ? STR(", ...}") : STR("}"));
    if (json_end(&j))
        add(t, STR(" and no more JSON"));
}

char *strange_describe(struct str json, char out[STRANGE_MAX])
{
    struct text t = { .out = out };

    out[0] = '\0';
    add_object(&t, json, LEVELS);
    return out;
}

/* FNV-1a, 64 bits; never 0. */
static uint64_t hash_of(const char *s)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3U;
    return h ? h : 1;
}

bool strange_is_new(const char *description)
{
    uint64_t kind = hash_of(description);

    for (size_t i = 0; i < STRANGE_KINDS; i++) {
        uint64_t there = 0;

        if (atomic_compare_exchange_strong(&kinds[i], &there, kind))
            return true;
        if (there == kind)
            return false;
    }
    return false;
}

void strange_note(struct str json)
{
    char what[STRANGE_MAX];

    if (log_is_on(LOG_INFO) && strange_is_new(strange_describe(json, what)))
        log_info("the upstream sent a message of a kind that is not known; it is passed over",
                 LOG_Z("what", what));
}
