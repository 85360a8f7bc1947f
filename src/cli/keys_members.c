/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keys_members.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keys/key_record.h"
#include "json/reader.h"
#include "json/writer.h"

enum { WHY_SIZE = 256 };

#define MILLION 1000000
#define MONEY_MAX (INT64_C(1) << 33) /* whole units; in millionths exact in any JSON reader */

struct members {
    struct json_writer json;
    int64_t budgets[KEY_UNITS][KEY_PERIODS]; /* 0: none */
    bool has_budgets;                        /* one was named */
    int64_t now_s;
    char *why;
};

static bool wrong(struct members *m, const char *name, const char *what)
{
    snprintf(m->why, WHY_SIZE, "%s: %s", name, what);
    return false;
}

static bool is_none(struct str value)
{
    return str_eq(value, STR("none"));
}

/* ---- values ---- */

static bool take_number(struct members *m, const char *name, struct str value)
{
    uint64_t number = 0;

    if (!is_none(value) && (str_to_u64(value, KEY_LIMIT_MAX, &number) || number == 0))
        return wrong(m, name, "a whole number above 0, or none");
    json_w_key(&m->json, name);
    if (number)
        json_w_int(&m->json, (int64_t)number);
    else
        json_w_null(&m->json);
    return true;
}

static bool take_text(struct members *m, const char *name, struct str value)
{
    json_w_member_str(&m->json, name, value);
    return true;
}

static bool take_flag(struct members *m, const char *name, struct str value)
{
    bool is_true = str_eq(value, STR("true"));

    if (!is_true && !str_eq(value, STR("false")))
        return wrong(m, name, "true or false");
    json_w_member_bool(&m->json, name, is_true);
    return true;
}

/* "a,b"; none: all models. */
static bool take_list(struct members *m, const char *name, struct str value)
{
    json_w_key(&m->json, name);
    json_w_array(&m->json);
    while (value.n > 0 && !is_none(value)) {
        struct str item = str_trim(str_cut(value, ',', &value));

        if (item.n > 0)
            json_w_str(&m->json, item);
    }
    json_w_array_end(&m->json);
    return true;
}

/* "2026-12-31": the end of that day. */
static bool read_day(struct str value, int64_t *ret_s)
{
    struct tm tm = { .tm_year = 0 };
    char text[16];
    const char *end;
    int day;

    if (value.n != 10)
        return false;
    str_to_z(value, text, sizeof(text));
    end = strptime(text, "%Y-%m-%d", &tm);
    if (!end || *end)
        return false;
    day = tm.tm_mday;
    *ret_s = (int64_t)timegm(&tm) + 24 * 3600;
    return tm.tm_mday == day; /* else the month is shorter */
}

/* "30d", "12h" from now. */
static bool read_span(struct str value, int64_t now_s, int64_t *ret_s)
{
    char unit = value.n > 0 ? value.p[value.n - 1] : '\0';
    uint64_t number;

    if ((unit != 'd' && unit != 'h') ||
        str_to_u64(str_sub(value, 0, value.n - 1), 100000, &number) || number == 0)
        return false;
    *ret_s = now_s + (int64_t)number * (unit == 'd' ? 24 * 3600 : 3600);
    return true;
}

static bool take_time(struct members *m, const char *name, struct str value)
{
    int64_t at_s = 0;

    if (!is_none(value) && !read_day(value, &at_s) && !read_span(value, m->now_s, &at_s))
        return wrong(m, name,
                     "a day (2026-12-31: until its end, UTC), a time from now (30d, 12h), or none");
    json_w_key(&m->json, name);
    if (at_s)
        json_w_int(&m->json, at_s);
    else
        json_w_null(&m->json);
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct members *m, const char *name, struct str value);
} simple[] = {
    { "name", take_text },
    { "models", take_list },
    { "expires", take_time },
    { "disabled", take_flag },
    { "requests_per_minute", take_number },
    { "tokens_per_minute", take_number },
    { "parallel_requests", take_number },
};

/* ---- budgets ---- */

/* "tokens_per_day", "money_ever": which budget; false: none. */
static bool find_budget(struct str name, int *ret_unit, int *ret_per)
{
    char want[32];

    for (int unit = 0; unit < KEY_UNITS; unit++)
        for (int per = 0; per < KEY_PERIODS; per++) {
            snprintf(want, sizeof(want), "%s_%s%s", key_unit_name((enum key_unit)unit),
                     per == KEY_EVER ? "" : "per_", key_period_name((enum key_period)per));
            if (str_eq(name, str_of(want))) {
                *ret_unit = unit;
                *ret_per = per;
                return true;
            }
        }
    return false;
}

/* "2.50" in millionths. */
static bool read_money(struct str value, int64_t *ret)
{
    struct str part;
    struct str whole = str_cut(value, '.', &part);
    uint64_t units, micros = 0;

    if (str_to_u64(whole, MONEY_MAX, &units) || part.n > 6)
        return false;
    if (part.p && (part.n == 0 || str_to_u64(part, MILLION, &micros)))
        return false;
    for (size_t i = part.n; i < 6; i++)
        micros *= 10;
    *ret = (int64_t)(units * MILLION + micros);
    return *ret > 0;
}

static bool read_tokens(struct str value, int64_t *ret)
{
    uint64_t number;

    if (str_to_u64(value, KEY_LIMIT_MAX, &number) || number == 0)
        return false;
    *ret = (int64_t)number;
    return true;
}

static bool take_budget(struct members *m, const char *name, int unit, int per, struct str value)
{
    int64_t limit = 0;

    if (unit == KEY_MONEY && !is_none(value) && !read_money(value, &limit))
        return wrong(m, name, "an amount above 0 (2.50), or none");
    if (unit == KEY_TOKENS && !is_none(value) && !read_tokens(value, &limit))
        return wrong(m, name, "a whole number above 0, or none");
    m->budgets[unit][per] = limit;
    m->has_budgets = true;
    return true;
}

static int index_of(const struct json_value *v, const char *(*name)(int), int n)
{
    for (int i = 0; i < n; i++)
        if (v->raw.n == strlen(name(i)) + 2 &&
            str_eq(str_sub(v->raw, 1, v->raw.n - 2), str_of(name(i))))
            return i;
    return -1;
}

static const char *unit_at(int i)
{
    return key_unit_name((enum key_unit)i);
}

static const char *period_at(int i)
{
    return key_period_name((enum key_period)i);
}

/* Those that the key has. */
static void read_budgets(struct members *m, struct str key)
{
    struct json_value list, item, unit, per, limit;
    struct json j;

    if (key.n == 0 || json_find(key, &list, "budgets", NULL) || list.type != JSON_ARRAY)
        return;
    json_init(&j, list.raw, JSON_DEPTH_MAX);
    json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &item)) {
        int u, p;

        if (json_find(item.raw, &unit, "unit", NULL) || json_find(item.raw, &per, "per", NULL) ||
            json_find(item.raw, &limit, "limit", NULL))
            continue;
        u = index_of(&unit, unit_at, KEY_UNITS);
        p = index_of(&per, period_at, KEY_PERIODS);
        if (u >= 0 && p >= 0 && json_int(&limit, &m->budgets[u][p]))
            m->budgets[u][p] = 0;
    }
}

static void write_budgets(struct members *m)
{
    json_w_key(&m->json, "budgets");
    json_w_array(&m->json);
    for (int unit = 0; unit < KEY_UNITS; unit++)
        for (int per = 0; per < KEY_PERIODS; per++) {
            if (m->budgets[unit][per] == 0)
                continue;
            json_w_object(&m->json);
            json_w_member_str(&m->json, "unit", str_of(unit_at(unit)));
            json_w_member_str(&m->json, "per", str_of(period_at(per)));
            json_w_member_int(&m->json, "limit", m->budgets[unit][per]);
            json_w_object_end(&m->json);
        }
    json_w_array_end(&m->json);
}

/* ---- words ---- */

static bool take_word(struct members *m, const char *word)
{
    struct str value;
    struct str name = str_cut(str_of(word), '=', &value);
    int unit, per;

    if (!value.p)
        return wrong(m, word, "it must be MEMBER=VALUE");
    for (size_t i = 0; i < COUNT_OF(simple); i++)
        if (str_eq(name, str_of(simple[i].name)))
            return simple[i].take(m, simple[i].name, str_trim(value));
    if (find_budget(name, &unit, &per))
        return take_budget(m, word, unit, per, str_trim(value));
    return wrong(m, word, "a key has no such member; see \"enginelabs-2api help keys\"");
}

bool keys_members_write(char *const *words, const char *name, struct str key, int64_t now_s,
                        struct buf *out, char *ret_why)
{
    struct members m = { .now_s = now_s, .why = ret_why };

    json_w_init(&m.json, out);
    json_w_object(&m.json);
    if (name)
        json_w_member_str(&m.json, "name", str_of(name));
    read_budgets(&m, key);
    for (size_t i = 0; words[i]; i++)
        if (!take_word(&m, words[i]))
            return false;
    if (m.has_budgets)
        write_budgets(&m);
    json_w_object_end(&m.json);
    if (!json_w_end(&m.json))
        return true;
    snprintf(ret_why, WHY_SIZE, "too much is said of it");
    return false;
}
