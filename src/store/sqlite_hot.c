/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry that was looked for and is not in the file is at hand as well, without a value. Each is
 * in `order`; besides in `changed` when the file does not have it as it is, or in `in_flight` while
 * the transaction runs that writes it. What changes in flight is changed again.
 */
#include "store/sqlite_hot.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum state { KEPT, CHANGED, IN_FLIGHT };

struct entry {
    struct list node;   /* of order */
    struct list change; /* of changed or in_flight */
    enum state state;
    struct store_key key;
    bool exists;
    int64_t expires_ms; /* on the wall clock */
    char *value;        /* owned; `n` of `cap` bytes */
    size_t n;
    size_t cap;
};

struct sqlite_hot {
    pthread_mutex_t mutex; /* of all but the copy */
    bool is_shared;
    struct map entries; /* by the bytes of their keys, which are of one space */
    struct list order;  /* the one changed longest ago first */
    struct list changed;
    struct list in_flight;
    size_t n_changed;
    int64_t since_ms; /* when the first of them changed */
    struct buf copy;  /* the store's thread's: of a value on its way into the file */
};

/* What is on its way into the file; the value is the copy. */
struct flight {
    struct store_key key;
    bool exists;
    int64_t expires_ms;
};

static struct str name_of(const struct store_key *key)
{
    return (struct str){ (const char *)key->bytes, key->n };
}

static struct entry *entry_of(const struct sqlite_hot *h, const struct store_key *key)
{
    return map_find(&h->entries, name_of(key));
}

static struct entry *change_at(struct list *node)
{
    return CONTAINER_OF(node, struct entry, change);
}

/* ---- entries, under the mutex ---- */

static void set_state(struct sqlite_hot *h, struct entry *e, enum state state)
{
    h->n_changed -= e->state == CHANGED;
    list_remove(&e->change);
    e->state = state;
    if (state == CHANGED && h->n_changed++ == 0)
        h->since_ms = clock_now_ms();
    if (state != KEPT)
        list_add_tail(state == CHANGED ? &h->changed : &h->in_flight, &e->change);
}

static void touch(struct sqlite_hot *h, struct entry *e)
{
    list_remove(&e->node);
    list_add_tail(&h->order, &e->node);
}

static void forget(struct sqlite_hot *h, struct entry *e)
{
    map_take(&h->entries, name_of(&e->key));
    list_remove(&e->node);
    set_state(h, e, KEPT);
    mem_free(e->value);
    mem_free(e);
}

static void forget_all(struct sqlite_hot *h)
{
    while (!list_is_empty(&h->order))
        forget(h, CONTAINER_OF(h->order.next, struct entry, node));
}

/* Those that the file has as they are go as soon as they are too many. */
static void make_room(struct sqlite_hot *h)
{
    while (h->entries.n >= SQLITE_HOT_MAX) {
        struct entry *e = CONTAINER_OF(h->order.next, struct entry, node);

        if (e->state != KEPT)
            return;
        forget(h, e);
    }
}

static void set_value(struct entry *e, struct str value, int64_t expires_ms)
{
    if (value.n > e->cap) {
        mem_free(e->value);
        e->value = mem_alloc(value.n);
        e->cap = value.n;
    }
    if (value.n > 0)
        memcpy(e->value, value.p, value.n);
    e->n = value.n;
    e->exists = true;
    e->expires_ms = expires_ms;
}

static struct str value_of(const struct entry *e)
{
    return (struct str){ e->value, e->n };
}

/* One that the file does not have. */
static struct entry *add(struct sqlite_hot *h, const struct store_key *key)
{
    struct entry *e;

    make_room(h);
    e = mem_new(struct entry);
    e->key = *key;
    list_add_tail(&h->order, &e->node);
    map_set(&h->entries, name_of(key), e);
    return e;
}

/* ---- an operation, under the mutex ---- */

/* With the entries of its keys, each of which is looked up once. */
struct about {
    struct sqlite_hot *hot;
    struct store_op *op;
    struct entry *entries[STORE_CLAIM_MAX];
};

_Static_assert((int)STORE_COUNT_MAX <= (int)STORE_CLAIM_MAX, "all keys have a place");

static size_t n_keys(const struct store_op *op)
{
    return op->n_counters > 0 ? op->n_counters : op->n_keys;
}

static const struct store_key *key_at(const struct store_op *op, size_t i)
{
    return op->n_counters > 0 ? &op->counters[i].key : &op->keys[i];
}

/* False: one is not at hand. */
static bool find_all(struct about *a, struct sqlite_hot *h, struct store_op *op)
{
    a->hot = h;
    a->op = op;
    for (size_t i = 0; i < n_keys(a->op); i++) {
        a->entries[i] = entry_of(a->hot, key_at(a->op, i));
        if (!a->entries[i])
            return false;
    }
    return true;
}

/* The entry of `key`, which is one of the operation's own. */
static struct entry *entry_at(const struct about *a, const struct store_key *key)
{
    for (size_t i = 0; i < n_keys(a->op); i++)
        if (key_at(a->op, i) == key)
            return a->entries[i];
    BUG_ON(true);
}

static enum err find(void *arg, const struct store_key *key, int64_t now_ms, struct str *ret_value)
{
    const struct entry *e = entry_at(arg, key);

    if (!e->exists || e->expires_ms <= now_ms)
        return ERR_NOT_FOUND;
    *ret_value = value_of(e);
    return ERR_NONE;
}

static enum err set(void *arg, const struct store_key *key, struct str value, int64_t expires_ms)
{
    const struct about *a = arg;
    struct entry *e = entry_at(a, key);

    set_value(e, value, expires_ms);
    touch(a->hot, e);
    set_state(a->hot, e, CHANGED);
    return ERR_NONE;
}

static enum err drop(void *arg, const struct store_key *key)
{
    const struct about *a = arg;
    struct entry *e = entry_at(a, key);

    if (!e->exists)
        return ERR_NONE;
    e->exists = false;
    touch(a->hot, e);
    set_state(a->hot, e, CHANGED);
    return ERR_NONE;
}

static enum err run(struct about *a)
{
    const struct entries entries = { .find = find, .set = set, .drop = drop, .arg = a };

    return verb_run(&entries, a->op);
}

/* ---- operations ---- */

bool sqlite_hot_is_about(const struct store_op *op)
{
    return verb_is_on_entries(op->verb) && store_op_space(op) == STORE_LIMIT;
}

bool sqlite_hot_try(struct sqlite_hot *h, struct store_op *op, enum err *ret, bool *ret_wakes)
{
    struct about about;
    bool is_done, had_none;

    pthread_mutex_lock(&h->mutex);
    had_none = h->n_changed == 0;
    is_done = !h->is_shared && find_all(&about, h, op);
    if (is_done)
        *ret = run(&about);
    *ret_wakes = had_none && h->n_changed > 0;
    pthread_mutex_unlock(&h->mutex);
    return is_done;
}

/* Unless it is there already. */
static enum err load(struct sqlite_hot *h, struct sqlite_db *db, const struct store_key *key,
                     int64_t now_ms)
{
    int64_t expires_ms = 0;
    struct str value;
    struct entry *e;
    enum err err;

    pthread_mutex_lock(&h->mutex);
    e = entry_of(h, key);
    if (e)
        touch(h, e); /* lest it makes room for the next one of this operation */
    pthread_mutex_unlock(&h->mutex);
    if (e)
        return ERR_NONE;
    err = sqlite_db_find(db, key, now_ms, &value, &expires_ms);
    if (err && err != ERR_NOT_FOUND)
        return err;
    pthread_mutex_lock(&h->mutex);
    e = add(h, key);
    if (!err)
        set_value(e, value, expires_ms);
    pthread_mutex_unlock(&h->mutex);
    return ERR_NONE;
}

enum err sqlite_hot_run(struct sqlite_hot *h, struct sqlite_db *db, struct store_op *op)
{
    struct about about;
    enum err err = ERR_NONE;

    for (size_t i = 0; i < n_keys(op) && !err; i++)
        err = load(h, db, key_at(op, i), op->now_ms);
    if (err)
        return err;
    pthread_mutex_lock(&h->mutex);
    BUG_ON(!find_all(&about, h, op));
    err = run(&about);
    pthread_mutex_unlock(&h->mutex);
    return err;
}

/* ---- writing ---- */

int64_t sqlite_hot_due_ms(struct sqlite_hot *h)
{
    int64_t due = INT64_MAX;

    pthread_mutex_lock(&h->mutex);
    if (h->n_changed >= SQLITE_HOT_CHANGED || (h->is_shared && h->entries.n > 0))
        due = 0;
    else if (h->n_changed > 0)
        due = h->since_ms + SQLITE_HOT_EVERY_MS;
    pthread_mutex_unlock(&h->mutex);
    return due;
}

/* The next one that changed, now in flight. False: there is none. */
static bool take_off(struct sqlite_hot *h, struct flight *f, enum err *ret)
{
    bool has_one;

    pthread_mutex_lock(&h->mutex);
    has_one = h->n_changed > 0;
    if (has_one) {
        struct entry *e = change_at(h->changed.next);

        *f = (struct flight){ e->key, e->exists, e->expires_ms };
        buf_clear(&h->copy);
        *ret = e->exists ? buf_add(&h->copy, value_of(e)) : ERR_NONE;
        set_state(h, e, IN_FLIGHT);
    }
    pthread_mutex_unlock(&h->mutex);
    return has_one;
}

static size_t count_changed(struct sqlite_hot *h)
{
    size_t n;

    pthread_mutex_lock(&h->mutex);
    n = h->n_changed;
    pthread_mutex_unlock(&h->mutex);
    return n;
}

/* As many as there are now: what changes meanwhile waits for the next time. */
enum err sqlite_hot_write(struct sqlite_hot *h, struct sqlite_db *db)
{
    enum err err = ERR_NONE;
    struct flight f;

    for (size_t left = count_changed(h); left > 0 && !err && take_off(h, &f, &err); left--) {
        if (!err)
            err = f.exists ? sqlite_db_set(db, &f.key, buf_str(&h->copy), f.expires_ms)
                           : sqlite_db_drop(db, &f.key);
    }
    return err;
}

void sqlite_hot_written(struct sqlite_hot *h, bool is_kept)
{
    pthread_mutex_lock(&h->mutex);
    while (!list_is_empty(&h->in_flight))
        set_state(h, change_at(h->in_flight.next), is_kept ? KEPT : CHANGED);
    if (h->is_shared && h->n_changed == 0)
        forget_all(h);
    pthread_mutex_unlock(&h->mutex);
}

/* ---- two processes ---- */

void sqlite_hot_share(struct sqlite_hot *h, bool is_shared)
{
    pthread_mutex_lock(&h->mutex);
    h->is_shared = is_shared;
    pthread_mutex_unlock(&h->mutex);
}

bool sqlite_hot_is_away(struct sqlite_hot *h)
{
    bool is_away;

    pthread_mutex_lock(&h->mutex);
    is_away = h->is_shared && h->entries.n == 0;
    pthread_mutex_unlock(&h->mutex);
    return is_away;
}

/* ---- from start to end ---- */

struct sqlite_hot *sqlite_hot_new(void)
{
    struct sqlite_hot *h = mem_new(struct sqlite_hot);

    BUG_ON(pthread_mutex_init(&h->mutex, NULL));
    map_init(&h->entries);
    list_init(&h->order);
    list_init(&h->changed);
    list_init(&h->in_flight);
    buf_init(&h->copy, STORE_VALUE_MAX);
    return h;
}

void sqlite_hot_free(struct sqlite_hot *h)
{
    forget_all(h);
    map_deinit(&h->entries);
    buf_deinit(&h->copy);
    pthread_mutex_destroy(&h->mutex);
    mem_free(h);
}
