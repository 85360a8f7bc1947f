/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a process that keeps nothing: a map and the order in which entries were set, under
 * one mutex that is never held across a callback. An operation is done before its call returns;
 * only the answer waits, as a task of the caller's loop.
 *
 * Entries mostly share one time to live, so those that expire first were set first: each put
 * looks at a few of the oldest. An expired entry that is still there counts as absent.
 */
#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/store.h"

enum { SWEEP = 4 };

struct memory {
    struct store store;
    pthread_mutex_t mutex; /* of all below */
    struct map entries;    /* struct entry, by flat_key() */
    struct list order;     /* the one set longest ago first */
    size_t max_entries;
};

struct entry {
    struct list node;
    struct store_key key;
    int64_t expires_ms; /* on loop_now_ms()'s clock, which all loops share */
    size_t n;
    char value[];
};

struct store_op {
    struct task task;
    on_store *done;
    void *arg;
    struct entry *entry; /* owned; NULL: nothing was claimed */
    struct store_result result;
};

static struct memory *memory_of(struct store *s)
{
    return CONTAINER_OF(s, struct memory, store);
}

struct flat_key {
    unsigned char bytes[1 + STORE_KEY_MAX];
    size_t n;
};

static struct flat_key flat_key(const struct store_key *key)
{
    struct flat_key k = { .n = 1 + (size_t)key->n };

    BUG_ON(key->n > STORE_KEY_MAX);
    k.bytes[0] = (unsigned char)key->space;
    memcpy(k.bytes + 1, key->bytes, key->n);
    return k;
}

static struct str flat_key_str(const struct flat_key *k)
{
    return (struct str){ (const char *)k->bytes, k->n };
}

/* The entry, taken out; NULL when there is none. */
static struct entry *take(struct memory *m, const struct store_key *key)
{
    struct flat_key k = flat_key(key);
    struct entry *e = map_take(&m->entries, flat_key_str(&k));

    if (!e)
        return NULL;
    list_remove(&e->node);
    metric_add(METRIC_STORE_ENTRIES, -1);
    return e;
}

static struct entry *oldest(struct memory *m)
{
    return list_is_empty(&m->order) ? NULL : CONTAINER_OF(m->order.next, struct entry, node);
}

static void drop_oldest(struct memory *m)
{
    struct entry *e = oldest(m);

    mem_free(take(m, &e->key));
}

static void sweep(struct memory *m, int64_t now_ms)
{
    for (int i = 0; i < SWEEP; i++) {
        struct entry *e = oldest(m);

        if (!e || e->expires_ms > now_ms)
            return;
        drop_oldest(m);
    }
}

static void insert(struct memory *m, struct entry *e)
{
    struct flat_key k = flat_key(&e->key);

    mem_free(take(m, &e->key));
    while (m->entries.n >= m->max_entries)
        drop_oldest(m);
    map_set(&m->entries, flat_key_str(&k), e);
    list_add_tail(&m->order, &e->node);
    metric_add(METRIC_STORE_ENTRIES, 1);
}

static void run_op(void *arg)
{
    struct store_op *op = arg;

    op->done(op->arg, &op->result);
    mem_free(op->entry);
    mem_free(op);
}

static struct store_op *answer_later(struct loop *l, on_store *done, void *arg)
{
    struct store_op *op = mem_new(struct store_op);

    task_init(&op->task, run_op, op);
    op->done = done;
    op->arg = arg;
    loop_defer(l, &op->task);
    return op;
}

static struct store_op *memory_put(struct store *s, struct loop *l, const struct store_key *key,
                                   struct str value, int64_t ttl_ms, on_store *done, void *arg)
{
    struct memory *m = memory_of(s);
    struct entry *e;

    BUG_ON(value.n > STORE_VALUE_MAX);
    e = mem_alloc(sizeof(*e) + value.n);
    e->key = *key;
    e->expires_ms = loop_now_ms(l) + ttl_ms;
    e->n = value.n;
    if (value.n > 0)
        memcpy(e->value, value.p, value.n);

    pthread_mutex_lock(&m->mutex);
    sweep(m, loop_now_ms(l));
    insert(m, e);
    pthread_mutex_unlock(&m->mutex);
    return done ? answer_later(l, done, arg) : NULL;
}

/* The first of the keys that has an entry; *ret_index says which. */
static struct entry *take_first(struct memory *m, const struct store_key *keys, size_t n,
                                int64_t now_ms, size_t *ret_index)
{
    for (size_t i = 0; i < n; i++) {
        struct entry *e = take(m, &keys[i]);

        if (e && e->expires_ms > now_ms) {
            *ret_index = i;
            return e;
        }
        mem_free(e);
    }
    return NULL;
}

static struct store_op *memory_claim_first(struct store *s, struct loop *l,
                                           const struct store_key *keys, size_t n, on_store *done,
                                           void *arg)
{
    struct store_op *op = answer_later(l, done, arg);
    struct memory *m = memory_of(s);

    BUG_ON(n > STORE_CLAIM_MAX);
    pthread_mutex_lock(&m->mutex);
    op->entry = take_first(m, keys, n, loop_now_ms(l), &op->result.index);
    pthread_mutex_unlock(&m->mutex);
    if (op->entry)
        op->result.value = (struct str){ op->entry->value, op->entry->n };
    else
        op->result.err = ERR_NOT_FOUND;
    return op;
}

static void memory_forget(struct store_op *op)
{
    task_cancel(&op->task);
    mem_free(op->entry);
    mem_free(op);
}

static void memory_close(struct store *s)
{
    struct memory *m = memory_of(s);

    while (oldest(m))
        drop_oldest(m);
    map_deinit(&m->entries);
    pthread_mutex_destroy(&m->mutex);
    mem_free(m);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .put = memory_put,
    .claim_first = memory_claim_first,
    .forget = memory_forget,
    .close = memory_close,
};

struct store *store_memory_new(size_t max_entries)
{
    struct memory *m = mem_new(struct memory);

    BUG_ON(max_entries == 0);
    m->store.ops = &memory_ops;
    BUG_ON(pthread_mutex_init(&m->mutex, NULL) != 0);
    map_init(&m->entries);
    list_init(&m->order);
    m->max_entries = max_entries;
    return &m->store;
}
