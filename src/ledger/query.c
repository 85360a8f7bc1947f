/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/query.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "json/writer.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct {
    const char *name;
    unsigned flag;
} groups[] = {
    { "day", LEDGER_BY_DAY },
    { "key", LEDGER_BY_KEY },
    { "model", LEDGER_BY_MODEL },
    { "upstream", LEDGER_BY_UPSTREAM },
};

/* ---- what is asked ---- */

void ledger_query_init(struct ledger_query *q, int64_t wall_ms)
{
    *q = (struct ledger_query){ .by = LEDGER_BY_DAY };
    ledger_day(wall_ms - (LEDGER_DAYS - 1) * DAY_MS, q->from);
    ledger_day(wall_ms, q->to);
}

static const char *set_by(struct ledger_query *q, struct str value)
{
    q->by = 0;
    while (value.n > 0) {
        struct str word = str_cut(value, ',', &value);
        unsigned flag = 0;

        for (size_t i = 0; i < COUNT_OF(groups); i++)
            if (str_eq(str_trim(word), str_of(groups[i].name)))
                flag = groups[i].flag;
        if (!flag)
            return "expected day, key, model or upstream, or several with commas between";
        q->by |= flag;
    }
    return q->by ? NULL : "expected day, key, model or upstream";
}

static const char *set_day(char day[LEDGER_DAY_LEN + 1], struct str value)
{
    if (!ledger_is_day(value))
        return "expected a day such as 2026-11-26";
    str_to_z(value, day, LEDGER_DAY_LEN + 1);
    return NULL;
}

static const char *set_name(char name[LEDGER_NAME_MAX + 1], struct str value)
{
    if (value.n > LEDGER_NAME_MAX)
        return "at most 200 bytes";
    str_to_z(value, name, LEDGER_NAME_MAX + 1);
    return NULL;
}

const char *ledger_query_set(struct ledger_query *q, const char *name, struct str value)
{
    if (strcmp(name, "from") == 0)
        return set_day(q->from, value);
    if (strcmp(name, "to") == 0)
        return set_day(q->to, value);
    if (strcmp(name, "by") == 0)
        return set_by(q, value);
    return set_name(strcmp(name, "key") == 0 ? q->key : q->model, value);
}

const char *ledger_query_check(const struct ledger_query *q)
{
    return strcmp(q->from, q->to) > 0 ? "from is behind to" : NULL;
}

/* ---- the answer ---- */

/* One line of it; the texts are in the arena, empty where they are not asked for. */
struct group {
    struct ledger_of of;
    int64_t numbers[LEDGER_NUMBERS];
};

struct asking {
    struct ledger_query query;
    struct arena arena;
    struct map by_name; /* struct group */
    struct group **list;
    size_t n;
    struct group total;
    bool is_full;
    void (*done)(void *arg, enum err err, struct str json);
    void *arg;
};

static struct str if_asked(const struct asking *a, unsigned flag, struct str text)
{
    return a->query.by & flag ? text : STR("");
}

static struct group *group_of(struct asking *a, const struct ledger_of *of)
{
    const struct ledger_of shown = { if_asked(a, LEDGER_BY_DAY, of->day),
                                     if_asked(a, LEDGER_BY_KEY, of->key),
                                     if_asked(a, LEDGER_BY_MODEL, of->model),
                                     if_asked(a, LEDGER_BY_UPSTREAM, of->upstream) };
    struct store_key name;
    struct group *g;

    ledger_sum_key(&name, &shown);
    g = map_find(&a->by_name, (struct str){ (const char *)name.bytes, name.n });
    if (g || a->n == LEDGER_GROUPS_MAX)
        return g;
    g = arena_new(&a->arena, struct group);
    g->of = (struct ledger_of){ arena_dup(&a->arena, shown.day), arena_dup(&a->arena, shown.key),
                                arena_dup(&a->arena, shown.model),
                                arena_dup(&a->arena, shown.upstream) };
    map_set(&a->by_name, (struct str){ (const char *)name.bytes, name.n }, g);
    a->list[a->n++] = g;
    return g;
}

static bool is_wanted(struct str text, const char *wanted)
{
    char out[LEDGER_PART_MAX];

    return !wanted[0] || str_eq(text, ledger_part(str_of(wanted), out));
}

static void on_sum(void *arg, const struct ledger_of *of, const int64_t numbers[LEDGER_NUMBERS])
{
    struct asking *a = arg;
    struct group *g;

    if (!is_wanted(of->key, a->query.key) || !is_wanted(of->model, a->query.model))
        return;
    g = group_of(a, of);
    a->is_full = a->is_full || !g;
    for (size_t i = 0; i < LEDGER_NUMBERS && g; i++) {
        g->numbers[i] += numbers[i];
        a->total.numbers[i] += numbers[i];
    }
}

static int compare(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_texts(const void *a, const void *b)
{
    const struct ledger_of *x = &(*(struct group *const *)a)->of;
    const struct ledger_of *y = &(*(struct group *const *)b)->of;
    int order = compare(x->day, y->day);

    if (!order)
        order = compare(x->key, y->key);
    if (!order)
        order = compare(x->model, y->model);
    return order ? order : compare(x->upstream, y->upstream);
}

static void write_numbers(struct json_writer *j, const int64_t numbers[LEDGER_NUMBERS])
{
    static const char *const names[LEDGER_NUMBERS] = {
        [LEDGER_REQUESTS] = "requests",
        [LEDGER_FAILED] = "failed",
        [LEDGER_CANCELED] = "canceled",
        [LEDGER_PROMPT] = "prompt_tokens",
        [LEDGER_COMPLETION] = "completion_tokens",
        [LEDGER_REASONING] = "reasoning_tokens",
        [LEDGER_CACHED] = "cached_tokens",
        [LEDGER_ESTIMATED] = "estimated",
        [LEDGER_COST] = "cost_micros",
        [LEDGER_DURATION_MS] = "duration_ms",
        [LEDGER_FIRST_TOKENS] = "first_tokens",
        [LEDGER_FIRST_TOKEN_MS] = "first_token_ms",
    };

    for (size_t i = 0; i < LEDGER_NUMBERS; i++)
        json_w_member_int(j, names[i], numbers[i]);
}

static void write_group(const struct asking *a, struct json_writer *j, const struct group *g)
{
    const struct str texts[] = { g->of.day, g->of.key, g->of.model, g->of.upstream };

    json_w_object(j);
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        if (a->query.by & groups[i].flag)
            json_w_member_str(j, groups[i].name, texts[i]);
    write_numbers(j, g->numbers);
    json_w_object_end(j);
}

static enum err write_answer(struct asking *a, struct buf *out)
{
    struct json_writer j;

    qsort(a->list, a->n, sizeof(struct group *), by_texts);
    json_w_init(&j, out);
    json_w_object(&j);
    json_w_member_str(&j, "from", str_of(a->query.from));
    json_w_member_str(&j, "to", str_of(a->query.to));
    json_w_key(&j, "by");
    json_w_array(&j);
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        if (a->query.by & groups[i].flag)
            json_w_str(&j, str_of(groups[i].name));
    json_w_array_end(&j);
    json_w_key(&j, "data");
    json_w_array(&j);
    for (size_t i = 0; i < a->n; i++)
        write_group(a, &j, a->list[i]);
    json_w_array_end(&j);
    json_w_key(&j, "total");
    json_w_object(&j);
    write_numbers(&j, a->total.numbers);
    json_w_object_end(&j);
    json_w_object_end(&j);
    return json_w_end(&j);
}

static void on_sums(void *arg, enum err err)
{
    struct asking *a = arg;
    struct buf out;

    buf_init(&out, 64 << 20);
    if (!err && a->is_full)
        err = ERR_LIMIT;
    if (!err)
        err = write_answer(a, &out);
    a->done(a->arg, err, buf_str(&out));
    buf_deinit(&out);
    map_deinit(&a->by_name);
    mem_free(a->list);
    arena_deinit(&a->arena);
    mem_free(a);
}

void ledger_ask(struct store_port *p, const struct ledger_query *q,
                void (*done)(void *arg, enum err err, struct str json), void *arg)
{
    struct asking *a = mem_new(struct asking);

    *a = (struct asking){ .query = *q, .done = done, .arg = arg };
    arena_init(&a->arena);
    map_init(&a->by_name);
    a->list = mem_alloc_array(LEDGER_GROUPS_MAX, sizeof(struct group *));
    ledger_read_sums(p, str_of(q->from), str_of(q->to), on_sum, on_sums, a);
}
