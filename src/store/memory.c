/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a process that keeps nothing: a map and the order in which entries were set, under
 * one mutex that is never held across a callback. An operation is done before its call returns;
 * only the answer waits, as a task of the caller's loop.
 *
 * Entries mostly share one time to live, so those that expire first were set first: each operation
 * looks at a few of the oldest. An expired entry that is still there counts as absent. The log is
 * a list of its own.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/verbs.h"

enum { SWEEP = 4, LOG_MAX = 10000 };

/* Entries that make room for each other. */
struct lane {
    struct list order; /* the one set longest ago first */
    size_t n;
    size_t bytes;
};

/* The large entries of one owner. */
struct share {
    struct list order; /* struct entry.shared, the one set longest ago first */
    int64_t bytes;
};

struct memory {
    struct store store;
    struct store *durable; /* owned; NULL: nothing survives */
    pthread_mutex_t mutex; /* of all below */
    struct map entries;    /* struct entry, by flat_key() */
    struct lane lanes[2];  /* entries of usual size, and large ones */
    size_t max_entries;    /* of each lane */
    struct map shares;     /* struct share, by owner */
    int64_t shared;        /* bytes of all shares */
    struct list log;       /* struct row, the oldest first; all spaces together */
    size_t n_log;
    uint64_t last_id;
};

struct entry {
    struct list node;
    struct list shared; /* where values may be large: of its owner's share */
    struct store_key key;
    int64_t expires_ms; /* on loop_now_ms()'s clock, which all loops share */
    size_t n;
    char value[];
};

struct row {
    struct list node;
    enum store_space space;
    uint64_t id;
    size_t n;
    char value[];
};

struct flat_key {
    unsigned char bytes[1 + STORE_KEY_MAX];
    size_t n;
};

static struct str flat_key(const struct store_key *key, struct flat_key *k)
{
    k->bytes[0] = (unsigned char)key->space;
    memcpy(k->bytes + 1, key->bytes, key->n);
    return (struct str){ (const char *)k->bytes, 1 + (size_t)key->n };
}

static struct lane *lane_of(struct memory *m, enum store_space space)
{
    return &m->lanes[store_space_is_large(space)];
}

static size_t size_of(const struct entry *e)
{
    return sizeof(*e) + e->n;
}

static struct str value_of(const struct entry *e)
{
    return (struct str){ e->value, e->n };
}

/* ---- shares, under the mutex ---- */

static void join_share(struct memory *m, struct entry *e)
{
    struct share *s = map_find(&m->shares, store_owner(&e->key));

    if (!s) {
        s = mem_new(struct share);
        list_init(&s->order);
        map_set(&m->shares, store_owner(&e->key), s);
    }
    list_add_tail(&s->order, &e->shared);
    s->bytes += store_entry_size(&e->key, e->n);
    m->shared += store_entry_size(&e->key, e->n);
}

static void leave_share(struct memory *m, struct entry *e)
{
    struct share *s = map_find(&m->shares, store_owner(&e->key));

    list_remove(&e->shared);
    s->bytes -= store_entry_size(&e->key, e->n);
    m->shared -= store_entry_size(&e->key, e->n);
    if (list_is_empty(&s->order))
        mem_free(map_take(&m->shares, store_owner(&e->key)));
}

/* ---- entries, under the mutex ---- */

/* The entry, taken out; NULL when there is none. */
static struct entry *take(struct memory *m, const struct store_key *key)
{
    struct lane *lane = lane_of(m, key->space);
    struct flat_key k;
    struct entry *e = map_take(&m->entries, flat_key(key, &k));

    if (!e)
        return NULL;
    list_remove(&e->node);
    lane->n--;
    lane->bytes -= size_of(e);
    if (store_space_is_large(key->space))
        leave_share(m, e);
    metric_add(METRIC_STORE_ENTRIES, -1);
    return e;
}

static struct entry *oldest(struct lane *lane)
{
    return list_is_empty(&lane->order) ? NULL : CONTAINER_OF(lane->order.next, struct entry, node);
}

static void drop_oldest(struct memory *m, struct lane *lane)
{
    struct entry *e = oldest(lane);

    mem_free(take(m, &e->key));
}

static void sweep(struct memory *m, struct lane *lane, int64_t now_ms)
{
    for (int i = 0; i < SWEEP; i++) {
        struct entry *e = oldest(lane);

        if (!e || e->expires_ms > now_ms)
            return;
        drop_oldest(m, lane);
    }
}

/* For one of `size` bytes more; large values are few, so bytes are what they are bound by. */
static void make_room(struct memory *m, struct lane *lane, size_t size)
{
    while (lane->n >= m->max_entries ||
           (lane == &m->lanes[true] && lane->n > 0 && lane->bytes + size > STORE_MEMORY_LARGE))
        drop_oldest(m, lane);
}

static enum err find(void *arg, const struct store_key *key, int64_t now_ms, struct str *ret_value)
{
    struct memory *m = arg;
    struct flat_key k;
    struct entry *e = map_find(&m->entries, flat_key(key, &k));

    if (!e || e->expires_ms <= now_ms)
        return ERR_NOT_FOUND;
    *ret_value = value_of(e);
    return ERR_NONE;
}

static enum err set(void *arg, const struct store_key *key, struct str value, int64_t expires_ms)
{
    struct memory *m = arg;
    struct lane *lane = lane_of(m, key->space);
    bool is_large = store_space_is_large(key->space);
    size_t size = sizeof(struct entry) + value.n;
    struct entry *e = is_large ? mem_try(size) : mem_alloc(size);
    struct flat_key k;

    if (!e)
        return ERR_NOMEM;
    e->key = *key;
    e->expires_ms = expires_ms;
    e->n = value.n;
    if (value.n > 0)
        memcpy(e->value, value.p, value.n);
    mem_free(take(m, key));
    make_room(m, lane, size);
    map_set(&m->entries, flat_key(key, &k), e);
    list_add_tail(&lane->order, &e->node);
    lane->n++;
    lane->bytes += size;
    if (is_large)
        join_share(m, e);
    metric_add(METRIC_STORE_ENTRIES, 1);
    return ERR_NONE;
}

static enum err drop(void *arg, const struct store_key *key)
{
    mem_free(take(arg, key));
    return ERR_NONE;
}

static enum err used(void *arg, struct str owner, int64_t *ret_bytes)
{
    struct memory *m = arg;
    const struct share *s = owner.n > 0 ? map_find(&m->shares, owner) : NULL;

    *ret_bytes = owner.n == 0 ? m->shared : s ? s->bytes : 0;
    return ERR_NONE;
}

/* They mostly share one time to live: what was set first expires first. */
static enum err drop_first(void *arg, struct str owner)
{
    struct memory *m = arg;
    const struct share *s = owner.n > 0 ? map_find(&m->shares, owner) : NULL;
    const struct entry *e =
        s ? CONTAINER_OF(s->order.next, struct entry, shared) : oldest(&m->lanes[true]);

    if (!e)
        return ERR_NOT_FOUND;
    mem_free(take(m, &e->key));
    return ERR_NONE;
}

/* ---- the log and lists, under the mutex ---- */

static enum err run_append(struct memory *m, struct store_op *op)
{
    struct row *r = mem_alloc(sizeof(*r) + op->value.n);

    r->space = op->space;
    r->id = ++m->last_id;
    r->n = op->value.n;
    if (r->n > 0)
        memcpy(r->value, op->value.p, r->n);
    list_add_tail(&m->log, &r->node);
    if (m->n_log == LOG_MAX || m->n_log > op->max)
        mem_free(CONTAINER_OF(list_take_head(&m->log), struct row, node));
    else
        m->n_log++;
    return ERR_NONE;
}

static enum err run_read(struct memory *m, struct store_op *op)
{
    for (struct list *node = m->log.prev; node != &m->log; node = node->prev) {
        const struct row *r = CONTAINER_OF(node, struct row, node);

        if (op->n_rows == op->max)
            break;
        if (r->space == op->space && r->id < op->before_id)
            store_op_add_row(op, STR(""), r->id, (struct str){ r->value, r->n });
    }
    return ERR_NONE;
}

static int compare(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static struct str key_of(const struct entry *e)
{
    return (struct str){ (const char *)e->key.bytes, e->key.n };
}

static int by_key(const void *a, const void *b)
{
    return compare(key_of(*(struct entry *const *)a), key_of(*(struct entry *const *)b));
}

/* All entries of the space behind `after_key`, owned; few things are listed, and seldom. */
static struct entry **collect(struct memory *m, const struct store_op *op, size_t *ret_n)
{
    struct entry **all = mem_alloc_array(m->entries.n + 1, sizeof(struct entry *));
    size_t cursor = 0, n = 0;
    struct entry *e;
    struct str key;

    while ((e = map_next(&m->entries, &cursor, &key)))
        if (e->key.space == op->space && e->expires_ms > op->now_ms &&
            compare(key_of(e), op->after_key) > 0)
            all[n++] = e;
    qsort(all, n, sizeof(struct entry *), by_key);
    *ret_n = n;
    return all;
}

static enum err run_list(struct memory *m, struct store_op *op)
{
    size_t n;
    struct entry **all = collect(m, op, &n);

    for (size_t i = 0; i < n && op->n_rows < op->max; i++)
        store_op_add_row(op, key_of(all[i]), 0, value_of(all[i]));
    mem_free(all);
    return ERR_NONE;
}

/* ---- the store ---- */

static enum err run_verb(struct memory *m, struct store_op *op)
{
    const struct entries entries = { find, set, drop, used, drop_first, m };

    if (op->verb == STORE_APPEND)
        return run_append(m, op);
    if (op->verb == STORE_READ)
        return run_read(m, op);
    if (op->verb == STORE_LIST)
        return run_list(m, op);
    sweep(m, &m->lanes[false], op->now_ms);
    sweep(m, &m->lanes[true], op->now_ms);
    return verb_run(&entries, op);
}

static void run(struct store *s, void *port, struct store_op *op)
{
    struct memory *m = CONTAINER_OF(s, struct memory, store);
    enum err err;

    if (m->durable && store_space_is_durable(store_op_space(op))) {
        m->durable->backend->run(m->durable, port, op);
        return;
    }

    pthread_mutex_lock(&m->mutex);
    err = run_verb(m, op);
    pthread_mutex_unlock(&m->mutex);
    store_answer_here(op, err);
}

static void close_memory(struct store *s)
{
    struct memory *m = CONTAINER_OF(s, struct memory, store);
    struct list *node;

    for (size_t i = 0; i < COUNT_OF(m->lanes); i++)
        while (oldest(&m->lanes[i]))
            drop_oldest(m, &m->lanes[i]);
    while ((node = list_take_head(&m->log)))
        mem_free(CONTAINER_OF(node, struct row, node));
    map_deinit(&m->entries);
    map_deinit(&m->shares);
    store_close(m->durable);
    store_deinit(&m->store);
    pthread_mutex_destroy(&m->mutex);
    mem_free(m);
}

/* What is in memory stays behind; the cookies go on. */
static int lock_of(struct store *s)
{
    struct memory *m = CONTAINER_OF(s, struct memory, store);

    return m->durable ? store_lock(m->durable) : -1;
}

static void give(struct store *s, bool is_given)
{
    struct memory *m = CONTAINER_OF(s, struct memory, store);

    if (m->durable)
        store_give(m->durable, is_given);
}

static const struct store_backend backend = {
    .name = "memory",
    .run = run,
    .close = close_memory,
    .lock = lock_of,
    .give = give,
};

struct store *store_memory_new(size_t max_entries)
{
    struct memory *m = mem_new(struct memory);

    BUG_ON(max_entries == 0);
    store_init(&m->store, &backend);
    BUG_ON(pthread_mutex_init(&m->mutex, NULL) != 0);
    map_init(&m->entries);
    map_init(&m->shares);
    for (size_t i = 0; i < COUNT_OF(m->lanes); i++)
        list_init(&m->lanes[i].order);
    list_init(&m->log);
    m->max_entries = max_entries;
    return &m->store;
}

static void on_durable_changed(void *arg, const char *problem)
{
    store_set_problem(arg, problem);
}

void store_memory_keep(struct store *memory, struct store *durable)
{
    struct memory *m = CONTAINER_OF(memory, struct memory, store);

    BUG_ON(m->durable || durable->backend->port_open); /* it has no ports of its own here */
    m->durable = durable;
    memory->deadline_ms = durable->deadline_ms;
    store_watch(durable, on_durable_changed, memory);
}
