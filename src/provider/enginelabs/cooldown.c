/* SPDX-License-Identifier: Apache-2.0 */
/* An entry stays after its time, so that the next time is known to be one more in a row. */
#include "provider/enginelabs/cooldown.h"

#include "base/mem.h"
#include "base/random.h"

struct cooldown {
    struct list node;
    int64_t until_ms;
    unsigned in_a_row; /* without an answer between */
    struct notice why;
    size_t n;     /* of `model` */
    char model[]; /* empty: all models */
};

void cooldowns_init(struct cooldowns *c)
{
    list_init(&c->list);
    c->n = 0;
}

static void drop(struct cooldowns *c, struct cooldown *entry)
{
    list_remove(&entry->node);
    mem_free(entry);
    c->n--;
}

void cooldowns_clear(struct cooldowns *c)
{
    while (!list_is_empty(&c->list))
        drop(c, CONTAINER_OF(c->list.next, struct cooldown, node));
}

void cooldowns_deinit(struct cooldowns *c)
{
    cooldowns_clear(c);
}

static struct str model_of(const struct cooldown *entry)
{
    return (struct str){ entry->model, entry->n };
}

static struct cooldown *find(const struct cooldowns *c, struct str model)
{
    LIST_EACH (node, &c->list) {
        struct cooldown *entry = CONTAINER_OF(node, struct cooldown, node);

        if (str_eq(model_of(entry), model))
            return entry;
    }
    return NULL;
}

static struct cooldown *find_or_add(struct cooldowns *c, struct str model)
{
    struct cooldown *entry = find(c, model);

    if (!entry && c->n >= COOLDOWNS_MAX) {
        model = STR("");
        entry = find(c, model);
    }
    if (entry)
        return entry;
    entry = mem_alloc(sizeof(*entry) + model.n);
    if (model.n > 0)
        memcpy(entry->model, model.p, model.n);
    entry->n = model.n;
    list_add_tail(&c->list, &entry->node);
    c->n++;
    return entry;
}

static int64_t grown(unsigned in_a_row)
{
    int64_t ms = COOLDOWN_FIRST_MS;

    while (in_a_row-- > 0 && ms < COOLDOWN_GROWN_MAX_MS)
        ms *= 2;
    return ms < COOLDOWN_GROWN_MAX_MS ? ms : COOLDOWN_GROWN_MAX_MS;
}

/* Up to a tenth more. */
static int64_t with_jitter(int64_t ms)
{
    return ms + (int64_t)(random_u64() % (uint64_t)(ms / 10 + 1));
}

static int64_t begin(struct cooldowns *c, struct str model, const struct notice *why,
                     int64_t now_ms, int64_t ms)
{
    struct cooldown *entry = find_or_add(c, model);

    if (entry->until_ms > now_ms + ms)
        ms = entry->until_ms - now_ms; /* several answers at once say the same */
    entry->until_ms = now_ms + ms;
    entry->why = *why;
    return ms;
}

int64_t cooldown_begin(struct cooldowns *c, struct str model, const struct notice *why,
                       int64_t now_ms)
{
    struct cooldown *entry = find_or_add(c, model);
    int64_t ms = why->retry_after_ms;

    if (entry->until_ms <= now_ms)
        entry->in_a_row++; /* one that runs already was noticed */
    if (ms <= 0)
        ms = grown(entry->in_a_row > 0 ? entry->in_a_row - 1 : 0);
    if (ms > COOLDOWN_ASKED_MAX_MS)
        ms = COOLDOWN_ASKED_MAX_MS;
    return begin(c, model, why, now_ms, with_jitter(ms));
}

int64_t cooldown_for(struct cooldowns *c, struct str model, const struct notice *why,
                     int64_t now_ms, int64_t ms)
{
    return begin(c, model, why, now_ms, with_jitter(ms));
}

int64_t cooldown_left(const struct cooldowns *c, struct str model, int64_t now_ms,
                      struct notice *ret_why)
{
    int64_t left = 0;

    LIST_EACH (node, &c->list) {
        const struct cooldown *entry = CONTAINER_OF(node, struct cooldown, node);

        if ((entry->n > 0 && !str_eq(model_of(entry), model)) || entry->until_ms - now_ms <= left)
            continue;
        left = entry->until_ms - now_ms;
        if (ret_why)
            *ret_why = entry->why;
        if (ret_why)
            ret_why->retry_after_ms = left;
    }
    return left;
}

static void forgive(struct cooldowns *c, struct cooldown *entry, int64_t now_ms)
{
    if (entry && entry->until_ms <= now_ms)
        drop(c, entry);
    else if (entry)
        entry->in_a_row = 0; /* another one may have been refused since this answer began */
}

void cooldown_served(struct cooldowns *c, struct str model, int64_t now_ms)
{
    forgive(c, find(c, model), now_ms);
    forgive(c, find(c, STR("")), now_ms);
}

void cooldowns_each(const struct cooldowns *c, int64_t now_ms,
                    void (*each)(void *arg, struct str model, int64_t left_ms,
                                 const struct notice *why),
                    void *arg)
{
    LIST_EACH (node, &c->list) {
        const struct cooldown *entry = CONTAINER_OF(node, struct cooldown, node);

        if (entry->until_ms > now_ms)
            each(arg, model_of(entry), entry->until_ms - now_ms, &entry->why);
    }
}
