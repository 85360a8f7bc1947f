/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_record.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/random.h"
#include "json/reader.h"

enum { ID_LETTERS = 16, DEPTH_MAX = 8 };

static const char *const units[KEY_UNITS] = { "tokens", "money" };
static const char *const periods[KEY_PERIODS] = { "day", "month", "ever" };

const char *key_unit_name(enum key_unit unit)
{
    return units[unit];
}

const char *key_period_name(enum key_period per)
{
    return periods[per];
}

/* ---- members, from JSON ---- */

/* What reads one of them. Its value was passed over whole, so that to read it again never fails. */
struct taker {
    struct key_record *k;
    struct arena *a;
    struct key_problem *problem;
    const char *name; /* of the member */
};

static bool wrong(struct taker *t, const char *format, ...) FORMAT(2, 3);
static bool wrong(struct taker *t, const char *format, ...)
{
    va_list args;

    str_to_z(str_of(t->name), t->problem->param, sizeof(t->problem->param));
    va_start(args, format);
    vsnprintf(t->problem->text, sizeof(t->problem->text), format, args);
    va_end(args);
    return false;
}

/* C0, DEL, and C1, which is two bytes in UTF-8. */
static bool has_control(struct str text)
{
    unsigned char before = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x20 || c == 0x7f || (before == 0xc2 && c < 0xa0))
            return true;
        before = c;
    }
    return false;
}

static bool take_text(struct taker *t, const struct json_value *v, size_t max, struct str *ret)
{
    struct str text;

    if (json_text(v, t->a, &text) || text.n == 0 || text.n > max)
        return wrong(t, "it must be a text of 1 to %zu bytes", max);
    if (has_control(text))
        return wrong(t, "it must not have control characters");
    if (str_trim(text).n == 0)
        return wrong(t, "it must not be blank");
    *ret = arena_dup(t->a, text);
    return true;
}

static bool take_name(struct taker *t, const struct json_value *v)
{
    if (!take_text(t, v, KEY_NAME_MAX, &t->k->name))
        return false;
    if (str_eq(t->k->name, STR("master")))
        return wrong(t, "\"master\" is the name of API_MASTER_KEY; choose another");
    return true;
}

/* null is 0. */
static bool take_number(struct taker *t, const struct json_value *v, int64_t max, int64_t *ret)
{
    *ret = 0;
    if (v->type == JSON_NULL)
        return true;
    if (json_int(v, ret) || *ret < 1 || *ret > max)
        return wrong(t, "it must be a whole number from 1 to %lld, or null", (long long)max);
    return true;
}

static bool take_expires(struct taker *t, const struct json_value *v)
{
    return take_number(t, v, KEY_EXPIRES_MAX, &t->k->expires_s);
}

static bool take_disabled(struct taker *t, const struct json_value *v)
{
    if (v->type != JSON_TRUE && v->type != JSON_FALSE)
        return wrong(t, "it must be true or false");
    t->k->disabled = v->type == JSON_TRUE;
    return true;
}

static bool take_models(struct taker *t, const struct json_value *v)
{
    struct str *models = arena_alloc(t->a, KEY_MODELS_MAX * sizeof(*models));
    struct json_value item;
    struct json j;
    size_t n = 0;

    json_init(&j, v->raw, DEPTH_MAX);
    if (v->type != JSON_NULL && !json_enter_array(&j))
        return wrong(t, "it must be a list of names, or null for all models");
    while (v->type != JSON_NULL && json_next_item(&j) && json_read(&j, &item)) {
        if (n == KEY_MODELS_MAX)
            return wrong(t, "it has more than %d names", KEY_MODELS_MAX);
        if (!take_text(t, &item, KEY_MODEL_MAX, &models[n++]))
            return false;
    }
    t->k->models = models;
    t->k->n_models = n;
    return true;
}

static bool take_requests(struct taker *t, const struct json_value *v)
{
    return take_number(t, v, KEY_LIMIT_MAX, &t->k->requests_per_minute);
}

static bool take_tokens(struct taker *t, const struct json_value *v)
{
    return take_number(t, v, KEY_LIMIT_MAX, &t->k->tokens_per_minute);
}

static bool take_parallel(struct taker *t, const struct json_value *v)
{
    return take_number(t, v, KEY_PARALLEL_MAX, &t->k->parallel_requests);
}

/* The index of a text in a table, or -1. */
static int index_of(const struct json_value *v, const char *const *names, int n, struct arena *a)
{
    struct str text;

    if (json_text(v, a, &text))
        return -1;
    for (int i = 0; i < n; i++)
        if (str_eq(text, str_of(names[i])))
            return i;
    return -1;
}

/* {"unit":"tokens","per":"month","limit":1000000}; "used" is what the API told. */
static bool take_budget(struct taker *t, const struct json_value *v, struct key_budget *ret)
{
    struct json_value unit = { 0 }, per = { 0 }, limit = { 0 }, part;
    struct json j;
    struct str key;
    int u, p;

    json_init(&j, v->raw, DEPTH_MAX);
    if (!json_enter_object(&j))
        return wrong(t, "a budget is an object with unit, per and limit");
    while (json_next_member(&j, &key) && json_read(&j, &part))
        if (json_key_eq(key, STR("unit")))
            unit = part;
        else if (json_key_eq(key, STR("per")))
            per = part;
        else if (json_key_eq(key, STR("limit")))
            limit = part;
        else if (!json_key_eq(key, STR("used")))
            return wrong(t, "a budget has unit, per and limit, and no other member");
    u = index_of(&unit, units, KEY_UNITS, t->a);
    p = index_of(&per, periods, KEY_PERIODS, t->a);
    if (u < 0 || p < 0)
        return wrong(t, "a budget's unit is tokens or money, and per is day, month or ever");
    if (json_int(&limit, &ret->limit) || ret->limit < 1 || ret->limit > KEY_LIMIT_MAX)
        return wrong(t, "a budget's limit is a whole number above 0; of money, in millionths");
    ret->unit = (enum key_unit)u;
    ret->per = (enum key_period)p;
    return true;
}

static bool take_budgets(struct taker *t, const struct json_value *v)
{
    struct key_record *k = t->k;
    struct json_value item;
    struct json j;

    k->n_budgets = 0;
    if (v->type == JSON_NULL)
        return true;
    json_init(&j, v->raw, DEPTH_MAX);
    if (!json_enter_array(&j))
        return wrong(t, "it must be a list of budgets, or null");
    while (json_next_item(&j) && json_read(&j, &item)) {
        struct key_budget b = { 0 };

        if (!take_budget(t, &item, &b))
            return false;
        for (size_t i = 0; i < k->n_budgets; i++)
            if (k->budgets[i].unit == b.unit && k->budgets[i].per == b.per)
                return wrong(t, "two budgets have the same unit and the same period");
        k->budgets[k->n_budgets++] = b;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct taker *t, const struct json_value *v);
} members[] = {
    { "name", take_name },
    { "expires", take_expires },
    { "disabled", take_disabled },
    { "models", take_models },
    { "requests_per_minute", take_requests },
    { "tokens_per_minute", take_tokens },
    { "parallel_requests", take_parallel },
    { "budgets", take_budgets },
};

static bool take_member(struct taker *t, struct str key, const struct json_value *v)
{
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (json_key_eq(key, str_of(members[i].name))) {
            t->name = members[i].name;
            return members[i].take(t, v);
        }
    snprintf(t->problem->param, sizeof(t->problem->param), "%.*s", STR_ARGS(str_sub(key, 0, 60)));
    snprintf(t->problem->text, sizeof(t->problem->text), "there is no such member");
    return false;
}

bool key_record_edit(struct key_record *ret, struct str json, struct arena *a,
                     struct key_problem *problem)
{
    struct taker t = { ret, a, problem, "" };
    struct json_value v;
    struct str key;
    struct json j;

    json_init(&j, json, DEPTH_MAX);
    if (!json_enter_object(&j))
        return wrong(&t, "the body must be a JSON object");
    while (json_next_member(&j, &key) && json_read(&j, &v))
        if (!take_member(&t, key, &v))
            return false;
    t.name = "";
    return json_end(&j) == ERR_NONE || wrong(&t, "the body is no JSON");
}

/* ---- life ---- */

void key_record_rotate(struct key_record *k, char text[KEY_TEXT_LEN + 1])
{
    key_text_new(text);
    key_text_hash(str_of(text), k->hash);
    str_to_z(str_from(str_of(text), KEY_TEXT_LEN - KEY_HINT_LEN), k->hint, sizeof(k->hint));
}

bool key_record_new(struct key_record *ret, struct str json, int64_t now_s, struct arena *a,
                    char text[KEY_TEXT_LEN + 1], struct key_problem *problem)
{
    char *id = arena_alloc(a, RANDOM_ID_MAX);

    *ret = (struct key_record){ .created_s = now_s };
    if (!key_record_edit(ret, json, a, problem))
        return false;
    if (!ret->name.n) {
        *problem = (struct key_problem){ "name", "it is missing" };
        return false;
    }
    random_id("key_", ID_LETTERS, id);
    ret->id = str_of(id);
    key_record_rotate(ret, text);
    return true;
}

void key_record_copy(struct key_record *to, const struct key_record *from, struct arena *a)
{
    struct str *models = arena_alloc(a, from->n_models * sizeof(*models) + 1);

    *to = *from;
    to->id = arena_dup(a, from->id);
    to->name = arena_dup(a, from->name);
    for (size_t i = 0; i < from->n_models; i++)
        models[i] = arena_dup(a, from->models[i]);
    to->models = models;
}

/* ---- the store's JSON ---- */

static void write_limit(struct json_writer *j, const char *name, int64_t limit)
{
    json_w_key(j, name);
    if (limit > 0)
        json_w_int(j, limit);
    else
        json_w_null(j);
}

void key_record_write_members(const struct key_record *k, struct json_writer *j)
{
    json_w_member_str(j, "name", k->name);
    write_limit(j, "expires", k->expires_s);
    json_w_member_bool(j, "disabled", k->disabled);
    json_w_key(j, "models");
    json_w_array(j);
    for (size_t i = 0; i < k->n_models; i++)
        json_w_str(j, k->models[i]);
    json_w_array_end(j);
    write_limit(j, "requests_per_minute", k->requests_per_minute);
    write_limit(j, "tokens_per_minute", k->tokens_per_minute);
    write_limit(j, "parallel_requests", k->parallel_requests);
}

enum err key_record_write(const struct key_record *k, struct buf *out)
{
    char hash[2 * SHA256_LEN + 1];
    struct json_writer j;

    hex_encode(k->hash, SHA256_LEN, hash);
    json_w_init(&j, out);
    json_w_object(&j);
    key_record_write_members(k, &j);
    json_w_key(&j, "budgets");
    json_w_array(&j);
    for (size_t i = 0; i < k->n_budgets; i++) {
        json_w_object(&j);
        json_w_member_str(&j, "unit", str_of(units[k->budgets[i].unit]));
        json_w_member_str(&j, "per", str_of(periods[k->budgets[i].per]));
        json_w_member_int(&j, "limit", k->budgets[i].limit);
        json_w_object_end(&j);
    }
    json_w_array_end(&j);
    json_w_member_str(&j, "sha256", str_of(hash));
    json_w_member_str(&j, "hint", str_of(k->hint));
    json_w_member_int(&j, "created", k->created_s);
    json_w_object_end(&j);
    return json_w_end(&j);
}

/* Those that only the program sets; the others are left to key_record_edit(). */
static bool take_own(struct key_record *k, struct str key, const struct json_value *v,
                     struct arena *a)
{
    struct str text;

    if (str_eq(key, STR("created")))
        return json_int(v, &k->created_s) == ERR_NONE;
    if (json_text(v, a, &text))
        return false;
    if (str_eq(key, STR("hint")))
        str_to_z(str_sub(text, 0, KEY_HINT_LEN), k->hint, sizeof(k->hint));
    return str_eq(key, STR("hint")) ||
           (text.n == (size_t)2 * SHA256_LEN && hex_decode(text, k->hash) == ERR_NONE);
}

static bool is_own(struct str key)
{
    return str_eq(key, STR("created")) || str_eq(key, STR("hint")) || str_eq(key, STR("sha256"));
}

enum err key_record_read(struct str id, struct str json, struct arena *a, struct key_record *ret)
{
    struct key_problem problem;
    struct taker t = { ret, a, &problem, "" };
    struct json_value v;
    struct str key;
    struct json j;
    bool has_hash = false;

    *ret = (struct key_record){ .id = arena_dup(a, id) };
    json_init(&j, json, DEPTH_MAX);
    if (!json_enter_object(&j))
        return ERR_BAD_INPUT;
    while (json_next_member(&j, &key) && json_read(&j, &v)) {
        if (is_own(key) ? !take_own(ret, key, &v, a) : !take_member(&t, key, &v))
            return ERR_BAD_INPUT;
        has_hash = has_hash || str_eq(key, STR("sha256"));
    }
    return json_end(&j) || !has_hash || !ret->name.n ? ERR_BAD_INPUT : ERR_NONE;
}

/* ---- what it may ---- */

bool key_record_allows(const struct key_record *k, struct str model)
{
    for (size_t i = 0; i < k->n_models; i++) {
        struct str m = k->models[i];

        if (m.p[m.n - 1] == '*' ? str_starts(model, str_sub(m, 0, m.n - 1)) : str_eq(m, model))
            return true;
    }
    return k->n_models == 0;
}

bool key_record_is_limited(const struct key_record *k)
{
    return k->requests_per_minute || k->tokens_per_minute || k->parallel_requests || k->n_budgets;
}
