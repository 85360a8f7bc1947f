/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route_book.h"

#include <pthread.h>

#include "base/mem.h"

struct route_book {
    const struct settings *settings;
    const struct upstream *upstreams;
    size_t n;
    pthread_mutex_t lock;      /* guards all below, and the counts of tables */
    struct route_table *table; /* the newest; holds one reference */
};

static unsigned turn_of(const struct upstream *u)
{
    return u->provider->models_turn ? u->provider->models_turn(u->shared) : 0;
}

/* The names of one upstream, for the routes. */
static struct routes_models names_of(struct route_table *t, size_t upstream)
{
    struct str *names = arena_alloc(&t->arena, (t->lists[upstream].n + 1) * sizeof(*names));

    for (size_t i = 0; i < t->lists[upstream].n; i++)
        names[i] = t->lists[upstream].at[i].name;
    return (struct routes_models){ names, t->lists[upstream].n };
}

static struct route_table *make_table(const struct route_book *b)
{
    struct route_table *t = mem_new(struct route_table);
    struct routes_models *names;

    t->refs = 1;
    arena_init(&t->arena);
    names = arena_alloc(&t->arena, b->n * sizeof(*names));
    t->lists = arena_alloc(&t->arena, b->n * sizeof(*t->lists));
    for (size_t i = 0; i < b->n; i++) {
        const struct upstream *u = &b->upstreams[i];

        t->lists[i].turn = turn_of(u); /* before: a list that comes now is looked at once more */
        if (u->provider->models)
            t->lists[i].n = u->provider->models(u->shared, &t->arena, &t->lists[i].at);
        names[i] = names_of(t, i);
    }
    t->routes = routes_new(b->settings, names);
    return t;
}

/* Under the lock, or when nobody else has it. */
static void drop(struct route_table *t)
{
    if (--t->refs > 0)
        return;
    routes_free(t->routes);
    arena_deinit(&t->arena);
    mem_free(t);
}

struct route_book *route_book_new(const struct settings *settings, const struct upstream *upstreams,
                                  size_t n)
{
    struct route_book *b = mem_new(struct route_book);

    b->settings = settings;
    b->upstreams = upstreams;
    b->n = n;
    BUG_ON(pthread_mutex_init(&b->lock, NULL));
    b->table = make_table(b);
    return b;
}

void route_book_free(struct route_book *b)
{
    if (!b)
        return;
    BUG_ON(b->table->refs != 1);
    drop(b->table);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

static bool is_outdated(const struct route_book *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->table->lists[i].turn != turn_of(&b->upstreams[i]))
            return true;
    return false;
}

struct route_table *route_book_ref(struct route_book *b)
{
    struct route_table *t;

    BUG_ON(pthread_mutex_lock(&b->lock));
    if (is_outdated(b)) {
        t = make_table(b);
        drop(b->table);
        b->table = t;
    }
    t = b->table;
    t->refs++;
    BUG_ON(pthread_mutex_unlock(&b->lock));
    return t;
}

void route_book_unref(struct route_book *b, struct route_table *t)
{
    BUG_ON(pthread_mutex_lock(&b->lock));
    drop(t);
    BUG_ON(pthread_mutex_unlock(&b->lock));
}

const struct provider_model *route_table_model(const struct route_table *t, size_t upstream,
                                               struct str name)
{
    for (size_t i = 0; i < t->lists[upstream].n; i++)
        if (str_eq(t->lists[upstream].at[i].name, name))
            return &t->lists[upstream].at[i];
    return NULL;
}
