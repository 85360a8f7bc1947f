/* SPDX-License-Identifier: Apache-2.0 */
/* Names live in an arena that a new list replaces as a whole. */
#include "provider/openai/models.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "json/reader.h"

enum { MODELS_MAX = 10000, NAME_MAX_BYTES = 512, WHY_MAX = 128 };

struct models {
    const char *const *fixed; /* NULL: discovered */
    pthread_mutex_t lock;
    struct arena arena;      /* of the names */
    const struct str *names; /* in the arena */
    size_t n;
    unsigned turn;    /* counts lists that came */
    bool is_known;    /* a list came */
    bool is_asking;   /* somebody does */
    bool has_asked;   /* somebody did */
    int64_t asked_ms; /* when the last answer came */
    char why[WHY_MAX];
};

static void lock(struct models *m)
{
    BUG_ON(pthread_mutex_lock(&m->lock));
}

static void unlock(struct models *m)
{
    BUG_ON(pthread_mutex_unlock(&m->lock));
}

struct models *models_new(const char *const *fixed)
{
    struct models *m = mem_new(struct models);

    m->fixed = fixed;
    arena_init(&m->arena);
    BUG_ON(pthread_mutex_init(&m->lock, NULL));
    snprintf(m->why, sizeof(m->why), "its models were not asked for yet");
    return m;
}

void models_free(struct models *m)
{
    if (!m)
        return;
    arena_deinit(&m->arena);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

void models_inherit(struct models *m, struct models *old)
{
    struct str *names;

    if (m->fixed || old->fixed)
        return;
    lock(old);
    if (old->is_known) {
        names = arena_alloc(&m->arena, (old->n + 1) * sizeof(*names));
        for (size_t i = 0; i < old->n; i++)
            names[i] = arena_dup(&m->arena, old->names[i]);
        m->names = names;
        m->n = old->n;
        m->is_known = true;
        m->has_asked = true;
        m->asked_ms = old->asked_ms;
    }
    unlock(old);
}

bool models_are_fixed(const struct models *m)
{
    return m->fixed != NULL;
}

static size_t get_fixed(const struct models *m, struct arena *a, const struct str **ret)
{
    struct str *names;
    size_t n = 0;

    while (m->fixed[n])
        n++;
    names = arena_alloc(a, (n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = str_of(m->fixed[i]);
    *ret = names;
    return n;
}

size_t models_get(struct models *m, struct arena *a, const struct str **ret)
{
    struct str *names;
    size_t n;

    if (m->fixed)
        return get_fixed(m, a, ret);
    lock(m);
    n = m->n;
    names = arena_alloc(a, (n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = arena_dup(a, m->names[i]);
    unlock(m);
    *ret = names;
    return n;
}

bool models_claim(struct models *m, int64_t now_ms, int64_t age_ms)
{
    bool is_ours;

    lock(m);
    is_ours = !m->is_asking && (!m->has_asked || now_ms - m->asked_ms >= age_ms);
    m->is_asking = m->is_asking || is_ours;
    unlock(m);
    return is_ours;
}

void models_unclaim(struct models *m)
{
    lock(m);
    m->is_asking = false;
    unlock(m);
}

/* Under the lock. */
static void answered(struct models *m, int64_t now_ms)
{
    m->is_asking = false;
    m->has_asked = true;
    m->asked_ms = now_ms;
}

void models_failed(struct models *m, int64_t now_ms, const char *why)
{
    lock(m);
    answered(m, now_ms);
    str_to_z(str_of(why), m->why, sizeof(m->why));
    unlock(m);
}

enum err models_set(struct models *m, struct str body, int64_t now_ms)
{
    const struct str *names;
    struct arena a;
    enum err err;
    size_t n;

    arena_init(&a);
    err = models_read(body, &a, &names, &n);
    if (err) {
        arena_deinit(&a);
        models_failed(m, now_ms, "GET /models gave no list of models");
        return err;
    }
    lock(m);
    answered(m, now_ms);
    m->is_known = true;
    m->turn++;
    struct arena old = m->arena;
    m->arena = a;
    m->names = names;
    m->n = n;
    unlock(m);
    arena_deinit(&old);
    return ERR_NONE;
}

unsigned models_turn(struct models *m)
{
    unsigned turn;

    lock(m);
    turn = m->turn;
    unlock(m);
    return turn;
}

bool models_are_known(struct models *m, char *why)
{
    bool is_known;

    lock(m);
    is_known = m->fixed || m->is_known;
    if (!is_known)
        str_to_z(str_of(m->why), why, WHY_MAX);
    unlock(m);
    return is_known;
}

/* ---- the list ---- */

/* Half a surrogate pair can be in no request. */
static bool is_whole_text(const struct json_value *v)
{
    struct json j;

    json_init(&j, v->raw, JSON_DEPTH_MAX);
    return json_skip(&j);
}

/* What one item is called; empty when it is nothing that could be asked for. */
static enum err read_name(struct json *j, struct arena *a, struct str *ret)
{
    struct json_value name = { .type = JSON_NONE };
    struct json_value v;
    struct str key;
    enum err err;

    *ret = (struct str){ "", 0 };
    if (!json_enter_object(j)) {
        json_skip(j);
        return ERR_NONE;
    }
    while (json_next_member(j, &key) && json_read(j, &v))
        if (json_key_eq(key, STR("id")) ||
            (json_key_eq(key, STR("name")) && name.type != JSON_STRING))
            name = v;
    if (j->failed || name.type != JSON_STRING || name.raw.n > NAME_MAX_BYTES ||
        !is_whole_text(&name))
        return ERR_NONE;
    err = json_text(&name, a, ret);
    if (!err && ret->n > 0)
        *ret = arena_dup(a, *ret);
    return err;
}

/* At most MODELS_MAX. */
static size_t count_items(struct str list)
{
    struct json j;
    size_t n = 0;

    json_init(&j, list, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    if (json_enter_array(&j))
        while (n < MODELS_MAX && json_next_item(&j)) {
            json_skip(&j);
            n++;
        }
    return n;
}

static enum err read_list(struct str list, struct arena *a, const struct str **ret, size_t *ret_n)
{
    size_t room = count_items(list);
    struct str *names = arena_alloc(a, (room + 1) * sizeof(*names));
    struct json j;
    size_t n = 0;
    enum err err = ERR_NONE;

    json_init(&j, list, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    if (!json_enter_array(&j))
        return ERR_BAD_INPUT;
    while (!err && json_next_item(&j)) {
        struct str name;

        err = read_name(&j, a, &name);
        if (!err && name.n > 0 && n < room)
            names[n++] = name;
    }
    *ret = names;
    *ret_n = n;
    return err ? err : json_end(&j);
}

/* OpenAI's list counts before Ollama's. */
static enum err find_list(struct str body, struct json_value *ret)
{
    struct json_value models = { .type = JSON_NONE };
    struct str key;
    struct json j;

    *ret = models;
    json_init(&j, body, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    if (!json_enter_object(&j))
        return ERR_BAD_INPUT;
    while (json_next_member(&j, &key))
        if (ret->type == JSON_NONE && json_key_eq(key, STR("data")))
            json_read(&j, ret);
        else if (models.type == JSON_NONE && json_key_eq(key, STR("models")))
            json_read(&j, &models);
        else
            json_skip(&j);
    if (ret->type != JSON_ARRAY)
        *ret = models;
    return json_end(&j) || ret->type != JSON_ARRAY ? ERR_BAD_INPUT : ERR_NONE;
}

enum err models_read(struct str body, struct arena *a, const struct str **ret, size_t *ret_n)
{
    struct json_value list;
    enum err err = find_list(body, &list);

    return err ? err : read_list(list.raw, a, ret, ret_n);
}
