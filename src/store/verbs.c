/* SPDX-License-Identifier: Apache-2.0 */
/* A counter is an entry whose value is its sum as text. */
#include "store/verbs.h"

#include <stdio.h>

enum { DROP_MAX = 4096 }; /* entries that go for one */

#define STORE_EXACT (INT64_C(1) << 53) /* what every store can count to */

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

static enum err find_sum(const struct entries *e, const struct store_op *op,
                         const struct store_key *key, int64_t *ret)
{
    struct str value;
    enum err err = e->find(e->arg, key, op->now_ms, &value);

    *ret = err ? 0 : store_take_number(&value);
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

static enum err write_sum(const struct entries *e, const struct store_op *op,
                          const struct store_counter *c, int64_t sum)
{
    char digits[STR_U64_MAX];

    return e->set(e->arg, &c->key, str_of_u64((uint64_t)sum, digits),
                  store_expiry(op->now_ms, c->ttl_ms));
}

static enum err run_count(const struct entries *e, struct store_op *op)
{
    enum err refused = ERR_NONE;
    enum err err;

    for (size_t i = 0; i < op->n_counters; i++) {
        const struct store_counter *c = &op->counters[i];

        err = find_sum(e, op, &c->key, &op->sums[i]);
        if (err)
            return err;
        if (!refused && c->amount > 0 && store_sum(op->sums[i], c->amount) > c->limit) {
            op->index = i;
            refused = ERR_LIMIT;
        }
    }
    for (size_t i = 0; i < op->n_counters && !refused; i++) {
        op->sums[i] = store_sum(op->sums[i], op->counters[i].amount);
        err = write_sum(e, op, &op->counters[i], op->sums[i]);
        if (err)
            return err;
    }
    return refused;
}

static enum err tally_one(const struct entries *e, const struct store_op *op,
                          const struct store_tally *t)
{
    char text[STORE_TALLY_NUMBERS * 20];
    struct str old;
    size_t n = 0;
    enum err err = e->find(e->arg, &t->key, op->now_ms, &old);

    if (err == ERR_NOT_FOUND)
        old = STR("");
    else if (err)
        return err;
    for (size_t i = 0; i < STORE_TALLY_NUMBERS; i++) {
        int64_t sum = store_sum(store_take_number(&old), t->numbers[i]);

        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld", i ? " " : "",
                              (long long)(sum < STORE_EXACT ? sum : STORE_EXACT));
    }
    return e->set(e->arg, &t->key, (struct str){ text, n }, store_expiry(op->now_ms, op->ttl_ms));
}

/* Leaves the mark, if there is one; *ret_is_known: it is there. */
static enum err leave_mark(const struct entries *e, const struct store_op *op, bool *ret_is_known)
{
    struct store_counter mark = { .ttl_ms = STORE_MARK_MS };
    int64_t last;
    enum err err;

    *ret_is_known = false;
    if (op->n_keys == 0)
        return ERR_NONE;
    mark.key = *op->keys;
    err = find_sum(e, op, &mark.key, &last);
    *ret_is_known = !err && last >= op->limit;
    return err || *ret_is_known ? err : write_sum(e, op, &mark, op->limit);
}

static enum err run_tally(const struct entries *e, struct store_op *op)
{
    bool is_known;
    enum err err = leave_mark(e, op, &is_known);

    if (err || is_known)
        return err;
    for (size_t i = 0; i < op->n_tallies && !err; i++)
        err = tally_one(e, op, &op->tallies[i]);
    return err;
}

/* The value is a list of them, in any order. */
struct holder {
    uint64_t id;
    int64_t expires_ms;
};

/* Those that live, without the one that asks. */
static size_t other_holders(const struct store_op *op, struct str value,
                            struct holder others[STORE_HOLDERS_MAX + 1], int64_t *ret_last_ms,
                            bool *ret_stays)
{
    struct holder h;
    size_t n = 0;

    *ret_last_ms = 0;
    *ret_stays = false;
    for (; value.n >= sizeof(h) && n < STORE_HOLDERS_MAX; value = str_from(value, sizeof(h))) {
        memcpy(&h, value.p, sizeof(h));
        if (h.expires_ms <= op->now_ms)
            continue;
        *ret_stays = *ret_stays || h.id == op->holder;
        if (h.id == op->holder)
            continue;
        others[n++] = h;
        if (h.expires_ms > *ret_last_ms)
            *ret_last_ms = h.expires_ms;
    }
    return n;
}

static enum err run_hold(const struct entries *e, struct store_op *op)
{
    struct holder holders[STORE_HOLDERS_MAX + 1];
    struct holder me = { op->holder, store_expiry(op->now_ms, op->ttl_ms) };
    struct str value = STR("");
    int64_t last_ms;
    bool stays;
    enum err err = e->find(e->arg, op->keys, op->now_ms, &value);
    size_t n;

    if (err && err != ERR_NOT_FOUND)
        return err;
    n = other_holders(op, value, holders, &last_ms, &stays);
    op->sums[0] = (int64_t)n;
    if (op->ttl_ms > 0 && !stays && (int64_t)n >= op->limit)
        return ERR_LIMIT;
    if (op->ttl_ms > 0)
        holders[n++] = me;
    op->sums[0] = (int64_t)n;
    if (n == 0)
        return e->drop(e->arg, op->keys);
    if (op->ttl_ms > 0 && me.expires_ms > last_ms)
        last_ms = me.expires_ms;
    return e->set(e->arg, op->keys, (struct str){ (const char *)holders, n * sizeof(*holders) },
                  last_ms);
}

static enum err (*const verbs[])(const struct entries *, struct store_op *) = {
    [STORE_GET] = run_get,   [STORE_PUT] = run_put,     [STORE_CLAIM] = run_claim,
    [STORE_SWAP] = run_swap, [STORE_COUNT] = run_count, [STORE_TALLY] = run_tally,
    [STORE_HOLD] = run_hold,
};

const char *verb_name(enum store_verb verb)
{
    static const char *const names[] = {
        [STORE_GET] = "get",   [STORE_PUT] = "put",       [STORE_CLAIM] = "claim",
        [STORE_SWAP] = "swap", [STORE_COUNT] = "count",   [STORE_TALLY] = "tally",
        [STORE_HOLD] = "hold", [STORE_APPEND] = "append", [STORE_READ] = "read",
        [STORE_LIST] = "list",
    };
    _Static_assert(COUNT_OF(names) == STORE_LIST + 1, "each has a name");

    return names[verb];
}

bool verb_is_on_entries(enum store_verb verb)
{
    return (size_t)verb < COUNT_OF(verbs);
}

enum err verb_run(const struct entries *e, struct store_op *op)
{
    BUG_ON(!verb_is_on_entries(op->verb));
    return verbs[op->verb](e, op);
}
