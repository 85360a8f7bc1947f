/* SPDX-License-Identifier: Apache-2.0 */
/* A list is made before the lock is taken and freed after it is given back. */
#include "provider/enginelabs/catalog.h"

#include <pthread.h>

#include "base/mem.h"

enum { ASK_MS = 600000, ASK_AGAIN_MS = 60000 };

struct catalog {
    struct catalog_list *configured; /* owned; holds one reference of its own */
    pthread_mutex_t lock;            /* guards all below, and `refs` of each list */
    struct catalog_list *list;       /* holds one reference */
    bool is_asked;                   /* at asked_ms */
    int64_t asked_ms;
    bool is_tried;       /* once at least, to the end */
    struct list waiting; /* until it is */
};

static void lock(struct catalog *c)
{
    BUG_ON(pthread_mutex_lock(&c->lock));
}

static void unlock(struct catalog *c)
{
    BUG_ON(pthread_mutex_unlock(&c->lock));
}

static void free_list(struct catalog_list *list)
{
    mem_free(list->models);
    mem_free(list);
}

/* One that nobody holds yet. */
static struct catalog_list *new_list(const struct adapter *models, size_t n, bool is_configured)
{
    struct catalog_list *list = mem_new(struct catalog_list);

    list->is_configured = is_configured;
    list->n = n;
    list->models = n > 0 ? mem_alloc_array(n, sizeof(*models)) : NULL;
    if (n > 0)
        memcpy(list->models, models, n * sizeof(*models));
    return list;
}

/* A name that is too long is left out: it would be another one. */
static struct catalog_list *list_of_settings(const char *const *names)
{
    struct adapter *models = mem_alloc_array(ADAPTERS_MAX, sizeof(*models));
    struct catalog_list *list;
    size_t n = 0;

    for (size_t i = 0; names && names[i] && n < ADAPTERS_MAX; i++) {
        struct adapter a = { .minimum_tier = -1, .is_enabled = true };

        if (!names[i][0] || strlen(names[i]) >= ADAPTER_NAME_MAX)
            continue;
        str_to_z(str_of(names[i]), a.key, sizeof(a.key));
        str_to_z(str_of(names[i]), a.agent_key, sizeof(a.agent_key));
        models[n++] = a;
    }
    list = new_list(models, n, true);
    mem_free(models);
    return list;
}

struct catalog *catalog_new(const char *const *models)
{
    struct catalog *c = mem_new(struct catalog);

    BUG_ON(pthread_mutex_init(&c->lock, NULL));
    c->configured = list_of_settings(models);
    c->list = c->configured;
    c->configured->refs = 2;
    list_init(&c->waiting);
    return c;
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    catalog_unref(c, c->list);
    BUG_ON(c->configured->refs != 1);
    catalog_unref(c, c->configured);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

struct catalog_list *catalog_ref(struct catalog *c)
{
    struct catalog_list *list;

    lock(c);
    list = c->list;
    list->refs++;
    unlock(c);
    return list;
}

void catalog_unref(struct catalog *c, struct catalog_list *list)
{
    bool is_last;

    lock(c);
    BUG_ON(list->refs == 0);
    is_last = --list->refs == 0;
    unlock(c);
    if (is_last)
        free_list(list);
}

bool catalog_is_due(struct catalog *c, int64_t now_ms)
{
    bool is_due;

    lock(c);
    is_due =
        !c->is_asked || now_ms - c->asked_ms >= (c->list->is_configured ? ASK_AGAIN_MS : ASK_MS);
    if (is_due) {
        c->is_asked = true;
        c->asked_ms = now_ms;
    }
    unlock(c);
    return is_due;
}

bool catalog_was_tried(struct catalog *c)
{
    bool is_tried;

    lock(c);
    is_tried = c->is_tried;
    unlock(c);
    return is_tried;
}

bool catalog_is_tried(struct catalog *c, struct wait *w, struct loop *l, on_wake *wake, void *arg)
{
    bool is_tried;

    lock(c);
    is_tried = c->is_tried;
    if (!is_tried)
        wait_begin(w, &c->waiting, l, wake, arg);
    unlock(c);
    return is_tried;
}

void catalog_leave(struct catalog *c, struct wait *w)
{
    lock(c);
    wait_leave(w);
    unlock(c);
}

void catalog_not_told(struct catalog *c)
{
    lock(c);
    c->is_tried = true;
    while (wait_call_first(&c->waiting, NULL))
        ;
    unlock(c);
}

void catalog_forget(struct catalog *c)
{
    lock(c);
    c->is_asked = false;
    unlock(c);
}

static void replace(struct catalog *c, struct catalog_list *list)
{
    struct catalog_list *old;

    list->refs = 1;
    lock(c);
    old = c->list;
    c->list = list;
    unlock(c);
    catalog_unref(c, old);
}

void catalog_inherit(struct catalog *c, struct catalog *old)
{
    struct catalog_list *list = catalog_ref(old);

    if (!list->is_configured) {
        replace(c, new_list(list->models, list->n, false));
        lock(old);
        c->is_asked = old->is_asked;
        c->asked_ms = old->asked_ms;
        unlock(old);
        c->is_tried = true;
    }
    catalog_unref(old, list);
}

enum err catalog_take(struct catalog *c, struct str body)
{
    struct adapter *models = mem_alloc_array(ADAPTERS_MAX, sizeof(*models));
    size_t n = 0;
    enum err err = adapters_read(body, models, &n);

    if (!err && n == 0)
        err = ERR_NOT_FOUND;
    if (!err)
        replace(c, new_list(models, n, false));
    mem_free(models);
    catalog_not_told(c); /* or was: nobody waits any more */
    return err;
}

/* engineAgentKeys first: of two models one's key may be the other's engineAgentKey. */
const struct adapter *catalog_find(const struct catalog_list *list, struct str name)
{
    static const enum enginelabs_protocol order[] = { PROTOCOL_CLASSIC, PROTOCOL_PROJECT };

    for (size_t k = 0; name.n > 0 && k < COUNT_OF(order); k++)
        for (size_t i = 0; i < list->n; i++)
            if (str_eq(adapter_name(&list->models[i], order[k]), name))
                return &list->models[i];
    return NULL;
}

bool catalog_resolve(struct catalog *c, enum enginelabs_protocol protocol, struct str name,
                     char *out)
{
    struct catalog_list *list = catalog_ref(c);
    const struct adapter *a = catalog_find(list, name);
    bool is_found;

    if (!a)
        a = catalog_find(c->configured, name);
    is_found = a && a->is_enabled && adapter_name(a, protocol).n > 0;
    if (is_found)
        str_to_z(adapter_name(a, protocol), out, ADAPTER_NAME_MAX);
    catalog_unref(c, list);
    return is_found;
}
