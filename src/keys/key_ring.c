/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_ring.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/timer.h"

enum { RETRY_MS = 1000 };

struct key_ring {
    pthread_mutex_t mutex; /* of the next three */
    struct key_table *table;
    uint64_t published; /* number of the load that it came of */
    struct map uses;    /* struct use, by id */
    atomic_uint_fast64_t loads;
    atomic_int_fast64_t due_ms; /* clock_now_ms(): when somebody should read again */
};

/* When a key was used last. */
struct use {
    int64_t last_s;
};

/* ---- tables ---- */

static struct key_table *table_new(void)
{
    struct key_table *t = mem_new(struct key_table);

    arena_init(&t->arena);
    map_init(&t->by_hash);
    map_init(&t->by_id);
    t->records = mem_alloc_array(KEY_RING_MAX, sizeof(struct key_record *));
    atomic_store(&t->refs, 1);
    return t;
}

void key_table_unref(struct key_table *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) > 1)
        return;
    map_deinit(&t->by_hash);
    map_deinit(&t->by_id);
    mem_free(t->records);
    arena_deinit(&t->arena);
    mem_free(t);
}

static struct str hash_of(const unsigned char hash[SHA256_LEN])
{
    return (struct str){ (const char *)hash, SHA256_LEN };
}

/* What cannot be read is left out: it opens nothing. */
static void add(struct key_table *t, const struct store_row *row)
{
    struct key_record *k = arena_new(&t->arena, struct key_record);

    if (t->n == KEY_RING_MAX || key_record_read(row->key, row->value, &t->arena, k))
        return;
    map_set(&t->by_hash, hash_of(k->hash), k);
    map_set(&t->by_id, k->id, k);
    t->records[t->n++] = k;
}

const struct key_record *key_table_find(const struct key_table *t,
                                        const unsigned char hash[SHA256_LEN])
{
    return map_find(&t->by_hash, hash_of(hash));
}

const struct key_record *key_table_find_id(const struct key_table *t, struct str id)
{
    return map_find(&t->by_id, id);
}

/* ---- the ring ---- */

struct key_ring *key_ring_new(void)
{
    struct key_ring *r = mem_new(struct key_ring);

    BUG_ON(pthread_mutex_init(&r->mutex, NULL) != 0);
    map_init(&r->uses);
    return r;
}

void key_ring_free(struct key_ring *r)
{
    size_t cursor = 0;
    struct use *use;
    struct str id;

    if (!r)
        return;
    while ((use = map_next(&r->uses, &cursor, &id)))
        mem_free(use);
    map_deinit(&r->uses);
    key_table_unref(r->table);
    pthread_mutex_destroy(&r->mutex);
    mem_free(r);
}

struct key_table *key_ring_ref(struct key_ring *r)
{
    struct key_table *t;

    pthread_mutex_lock(&r->mutex);
    t = r->table;
    if (t)
        atomic_fetch_add(&t->refs, 1);
    pthread_mutex_unlock(&r->mutex);
    return t;
}

void key_ring_note_use(struct key_ring *r, struct str id, int64_t now_s)
{
    struct use *use;

    pthread_mutex_lock(&r->mutex);
    use = map_find(&r->uses, id);
    if (!use) {
        use = mem_new(struct use);
        map_set(&r->uses, id, use);
    }
    use->last_s = now_s;
    pthread_mutex_unlock(&r->mutex);
}

int64_t key_ring_last_use(struct key_ring *r, struct str id)
{
    const struct use *use;
    int64_t last_s;

    pthread_mutex_lock(&r->mutex);
    use = map_find(&r->uses, id);
    last_s = use ? use->last_s : 0;
    pthread_mutex_unlock(&r->mutex);
    return last_s;
}

/* What began to be read later is newer. */
static void publish(struct key_ring *r, struct key_table *t, uint64_t load)
{
    struct key_table *old = t;

    pthread_mutex_lock(&r->mutex);
    if (load > r->published) {
        old = r->table;
        r->table = t;
        r->published = load;
    }
    pthread_mutex_unlock(&r->mutex);
    key_table_unref(old);
}

/* ---- reading ---- */

struct load {
    struct key_ring *ring;
    struct store_port *port;
    struct key_table *table;
    uint64_t number;
    void (*done)(void *arg, enum err err);
    void *arg;
};

static void end_load(struct load *l, enum err err)
{
    if (err)
        key_table_unref(l->table);
    else
        publish(l->ring, l->table, l->number);
    if (l->done)
        l->done(l->arg, err);
    mem_free(l);
}

static void on_rows(void *arg, const struct store_result *result);

/* Nobody's request waits for it. */
static void ask(struct load *l, struct str after)
{
    store_wait_longer(store_list(l->port, STORE_KEY, after, STORE_ROWS_MAX, on_rows, l));
}

static void on_rows(void *arg, const struct store_result *result)
{
    struct load *l = arg;
    const struct store_row *last;
    enum err err = result->err;

    if (!err && result->n_rows > 0 && store_port_is_closing(l->port))
        err = ERR_CLOSED;
    if (err || result->n_rows == 0) {
        end_load(l, err);
        return;
    }
    for (size_t i = 0; i < result->n_rows; i++)
        add(l->table, &result->rows[i]);
    last = &result->rows[result->n_rows - 1];
    ask(l, last->key);
}

void key_ring_load(struct key_ring *r, struct store_port *p, void (*done)(void *arg, enum err err),
                   void *arg)
{
    struct load *l = mem_new(struct load);

    *l = (struct load){ r, p, table_new(), atomic_fetch_add(&r->loads, 1) + 1, done, arg };
    ask(l, STR(""));
}

/* ---- watching ---- */

struct key_watch {
    struct key_ring *ring;
    struct loop *loop;
    struct store_port *port;
    struct timer timer;
    bool is_loading;
    bool is_closed;
};

static void look(void *arg);

static void look_again(struct key_watch *w, enum err err)
{
    if (err || store_is_shared(store_of(w->port)))
        timer_arm(w->loop, &w->timer, err ? RETRY_MS : KEY_RING_PERIOD_MS, look, w);
}

static void on_loaded(void *arg, enum err err)
{
    struct key_watch *w = arg;

    w->is_loading = false;
    if (err)
        atomic_store(&w->ring->due_ms, clock_now_ms() + RETRY_MS);
    if (w->is_closed)
        mem_free(w);
    else
        look_again(w, err);
}

static void look(void *arg)
{
    struct key_watch *w = arg;
    int64_t now = clock_now_ms();
    int64_t due = atomic_load(&w->ring->due_ms);

    if (now < due ||
        !atomic_compare_exchange_strong(&w->ring->due_ms, &due, now + KEY_RING_PERIOD_MS)) {
        timer_arm(w->loop, &w->timer, KEY_RING_PERIOD_MS, look, w);
        return;
    }
    w->is_loading = true;
    key_ring_load(w->ring, w->port, on_loaded, w);
}

struct key_watch *key_watch_open(struct key_ring *r, struct loop *l, struct store_port *p)
{
    struct key_watch *w = mem_new(struct key_watch);

    *w = (struct key_watch){ .ring = r, .loop = l, .port = p };
    look(w);
    return w;
}

void key_watch_close(struct key_watch *w)
{
    if (!w)
        return;
    timer_disarm(&w->timer);
    w->is_closed = true;
    if (!w->is_loading)
        mem_free(w);
}
