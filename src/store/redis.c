/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store that replicas share: each worker's port has a connection of its own to one Redis or
 * Valkey server. What the ports know about it meets here, for whoever asks whether it is ready.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "store/redis_internal.h"

/* A long name is cut rather than what is said of it. */
void redis_why(const struct redis *r, const char *what, char *ret_why)
{
    int room = REDIS_WHY_MAX - (int)sizeof("Redis at  ") - (int)strlen(what);

    snprintf(ret_why, REDIS_WHY_MAX, "Redis at %.*s %s", room > 16 ? room : 16, r->name, what);
}

/* Under the mutex, so that what is told last is what holds. Until there is something to tell, what
 * was said at first does: a connection that takes its time is no failure. */
static void tell(struct redis *r)
{
    if (r->n_troubled > 0)
        store_set_problem(&r->store, r->why);
    else if (r->was_open)
        store_set_problem(&r->store, NULL);
}

void redis_note(struct redis *r, bool *is_troubled, const char *problem)
{
    pthread_mutex_lock(&r->mutex);
    if (*is_troubled)
        r->n_troubled--;
    *is_troubled = problem != NULL;
    if (*is_troubled) {
        r->n_troubled++;
        snprintf(r->why, sizeof(r->why), "%s", problem);
    }
    tell(r);
    pthread_mutex_unlock(&r->mutex);
}

void redis_note_open(struct redis *r)
{
    pthread_mutex_lock(&r->mutex);
    r->was_open = true;
    tell(r);
    pthread_mutex_unlock(&r->mutex);
}

static void close_redis(struct store *s)
{
    struct redis *r = CONTAINER_OF(s, struct redis, store);

    metric_leave_out(METRIC_STORE_ENTRIES, false);
    secret_deinit(&r->password);
    pthread_mutex_destroy(&r->mutex);
    store_deinit(&r->store);
    mem_free(r);
}

static const struct store_backend backend = {
    .name = "redis",
    .is_shared = true,
    .deadline_ms = STORE_DEADLINE_MS,
    .port_open = redis_port_open,
    .port_close = redis_port_close,
    .run = redis_port_run,
    .close = close_redis,
};

struct store *store_redis_new(const struct store_redis_params *params)
{
    struct redis *r = mem_new(struct redis);
    struct str user = str_of(params->user);
    struct str prefix = str_of(params->key_prefix ? params->key_prefix : "enginelabs-2api");
    char why[REDIS_WHY_MAX];

    BUG_ON(user.n > STORE_USER_MAX || prefix.n > STORE_PREFIX_MAX);
    BUG_ON(params->at.tls && !params->trust);
    BUG_ON(pthread_mutex_init(&r->mutex, NULL) != 0);
    store_init(&r->store, &backend);
    r->at = params->at;
    endpoint_text(&r->at, r->name);
    str_to_z(user, r->user, sizeof(r->user));
    if (params->password)
        secret_set(&r->password, secret_reveal(params->password));
    r->db = params->db;
    str_to_z(prefix, r->prefix, sizeof(r->prefix));
    r->trust = params->trust;
    metric_leave_out(METRIC_STORE_ENTRIES, true); /* others add to them, and what expires goes */
    redis_why(r, "is not connected yet", why);
    store_begin_with(&r->store, why);
    return &r->store;
}
