/* SPDX-License-Identifier: Apache-2.0 */
/* A counter is an entry whose value is the start of its window and its sum. */
#include "store/verbs.h"

enum { DROP_MAX = 4096 }; /* entries that go for one */

static enum err run_get(const struct entries *e, struct store_op *op)
{
    struct str value;
    enum err err = e->find(e->arg, op->keys, op->now_ms, &value);

    if (!err)
        store_op_set_value(op, value);
    return err;
}

/* A value that is gone at once is not written at all. */
static enum err set(const struct entries *e, const struct store_op *op)
{
    if (op->ttl_ms <= 0)
        return e->drop(e->arg, op->keys);
    return e->set(e->arg, op->keys, op->value, store_expiry(op->now_ms, op->ttl_ms));
}

static enum err make_room(const struct entries *e, const struct store_op *op, struct str owner,
                          int64_t room)
{
    int64_t left = room - store_entry_size(op->keys, op->value.n);
    int64_t used;

    for (int i = 0; i < DROP_MAX; i++) {
        enum err err = e->used(e->arg, owner, &used);

        if (err || used <= left)
            return err;
        err = e->drop_first(e->arg, owner);
        if (err)
            return err;
    }
    return ERR_LIMIT;
}

static enum err make_all_room(const struct entries *e, const struct store_op *op)
{
    enum err err;

    if (op->room == INT64_MAX)
        return ERR_NONE;
    err = make_room(e, op, store_owner(op->keys), store_owner_room(op->room));
    return err ? err : make_room(e, op, STR(""), op->room);
}

static enum err run_put(const struct entries *e, struct store_op *op)
{
    enum err err = ERR_NONE;

    if (store_space_is_large(op->keys->space)) {
        err = e->drop(e->arg, op->keys);
        if (!err && op->ttl_ms > 0)
            err = make_all_room(e, op);
    }
    return err ? err : set(e, op);
}

static enum err run_claim(const struct entries *e, struct store_op *op)
{
    struct str value;

    for (op->index = 0; op->index < op->n_keys; op->index++) {
        const struct store_key *key = &op->keys[op->index];
        enum err err = e->find(e->arg, key, op->now_ms, &value);

        if (err == ERR_NOT_FOUND)
            continue;
        if (err)
            return err;
        store_op_set_value(op, value);
        return e->drop(e->arg, key);
    }
    return ERR_NOT_FOUND;
}

static enum err run_swap(const struct entries *e, struct store_op *op)
{
    struct str value = STR("");
    enum err err = e->find(e->arg, op->keys, op->now_ms, &value);
    bool found = !err;

    if (err && err != ERR_NOT_FOUND)
        return err;
    if (op->expects_none ? found : !found || !str_eq(value, op->expected)) {
        op->found = found;
        store_op_set_value(op, value);
        return ERR_CONFLICT;
    }
    return op->deletes ? e->drop(e->arg, op->keys) : set(e, op);
}

struct sum {
    int64_t start_ms; /* of the window, on the wall clock */
    int64_t sum;
};

static enum err find_sum(const struct entries *e, const struct store_op *op,
                         const struct store_counter *c, struct sum *ret)
{
    struct str value;
    struct sum kept;
    enum err err = e->find(e->arg, &c->key, op->now_ms, &value);

    *ret = (struct sum){ .start_ms = store_window_start(c, op->now_wall_ms) };
    if (err)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    if (value.n != sizeof(kept))
        return ERR_NONE;
    memcpy(&kept, value.p, sizeof(kept));
    if (kept.start_ms == ret->start_ms)
        *ret = kept;
    return ERR_NONE;
}

static enum err write_sum(const struct entries *e, const struct store_op *op,
                          const struct store_counter *c, const struct sum *s)
{
    int64_t end_ms = store_window_end(c, s->start_ms);
    int64_t expires_ms = end_ms == INT64_MAX ? INT64_MAX : op->now_ms + (end_ms - op->now_wall_ms);

    return e->set(e->arg, &c->key, (struct str){ (const char *)s, sizeof(*s) }, expires_ms);
}

static enum err run_count(const struct entries *e, struct store_op *op)
{
    struct sum sums[STORE_COUNT_MAX];
    enum err refused = ERR_NONE;
    enum err err;

    for (size_t i = 0; i < op->n_counters; i++) {
        const struct store_counter *c = &op->counters[i];

        err = find_sum(e, op, c, &sums[i]);
        if (err)
            return err;
        op->sums[i] = sums[i].sum;
        if (!refused && c->amount > 0 && store_sum(sums[i].sum, c->amount) > c->limit) {
            op->index = i;
            refused = ERR_LIMIT;
        }
    }
    for (size_t i = 0; i < op->n_counters && !refused; i++) {
        sums[i].sum = op->sums[i] = store_sum(sums[i].sum, op->counters[i].amount);
        err = write_sum(e, op, &op->counters[i], &sums[i]);
        if (err)
            return err;
    }
    return refused;
}

static enum err (*const verbs[])(const struct entries *, struct store_op *) = {
    [STORE_GET] = run_get,   [STORE_PUT] = run_put,     [STORE_CLAIM] = run_claim,
    [STORE_SWAP] = run_swap, [STORE_COUNT] = run_count,
};

bool verb_is_on_entries(enum store_verb verb)
{
    return (size_t)verb < COUNT_OF(verbs);
}

enum err verb_run(const struct entries *e, struct store_op *op)
{
    BUG_ON(!verb_is_on_entries(op->verb));
    return verbs[op->verb](e, op);
}
