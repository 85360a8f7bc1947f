/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/upstreams.h"

#include <string.h>

#include "base/mem.h"
#include "cli/digest.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/openai/openai.h"

/* One upstream. Lists of several settings share it where those say the same of it. */
struct part {
    atomic_uint refs;
    struct arena arena; /* owns the configs; they borrow from the settings */
    struct cli_settings *settings;
    struct upstream upstream;
    unsigned char digest[SHA256_LEN];
    struct part *heir; /* held: it counts the leases that are still out here */
};

struct cli_upstreams {
    size_t n;
    struct part **parts;
    struct upstream list[];
};

/* ---- settings that live as long as something borrows from them ---- */

struct cli_settings *cli_settings_ref(struct cli_settings *s)
{
    if (s)
        atomic_fetch_add(&s->refs, 1);
    return s;
}

void cli_settings_unref(struct cli_settings *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    settings_deinit(&s->settings);
    mem_free(s);
}

/* ---- enginelabs: one config an account ---- */

static void add_name(const char **list, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(list[i], name) == 0)
            return;
    list[(*n)++] = name;
}

static size_t count(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static void add_targets(const char **list, size_t *n, const struct settings *s,
                        const struct upstream_settings *u, const struct route_settings *route)
{
    for (size_t i = 0; i < route->n_targets; i++) {
        const struct target_settings *t = &route->targets[i];

        if (&s->upstreams[t->upstream] == u && !strchr(t->model, '*'))
            add_name(list, n, t->model);
    }
}

/* Names that may be sent though the service does not list them: those of the upstream or of
 * KNOWN_MODELS, and what routes lead to. With routes, DEFAULT_MODEL is one of their names. What
 * KNOWN_MODELS is when it is not set are names of protocol classic alone. */
static const char *const *models_of(struct arena *a, const struct settings *s,
                                    const struct upstream_settings *u)
{
    const char *const *from =
        u->models || u->protocol == UPSTREAM_PROJECT ? u->models : s->known_models;
    size_t most = 1 + count(from) + s->n_routes * ROUTE_TARGETS_MAX; /* 1: DEFAULT_MODEL */
    const char **list = arena_alloc(a, (most + 1) * sizeof(*list));
    size_t n = 0;

    if (!from && s->has_default_model && !s->has_routes)
        add_name(list, &n, s->default_model);
    for (size_t i = 0; from && from[i]; i++)
        if (u->models || !s->has_routes || strcmp(from[i], s->default_model) != 0)
            add_name(list, &n, from[i]);
    for (size_t i = 0; i < s->n_routes; i++)
        add_targets(list, &n, s, u, &s->routes[i]);
    list[n] = NULL;
    return list;
}

static struct enginelabs_config account_config(const struct settings *s,
                                               const struct upstream_settings *u,
                                               const struct account_settings *account,
                                               const char *const *models)
{
    static const enum enginelabs_delete deletes[] = {
        [UPSTREAM_DELETE_NEVER] = DELETE_NEVER,
        [UPSTREAM_DELETE_AFTER_TTL] = DELETE_AFTER_TTL,
        [UPSTREAM_DELETE_AT_END] = DELETE_AT_END,
    };

    return (struct enginelabs_config){
        .name = u->name,
        .account = account->name,
        .api = u->api_url,
        .clerk = u->clerk_url,
        .origin = u->origin,
        .cookie = account->cookie,
        .cookie_file = account->cookie_file,
        .session_id = account->session_id,
        .organization_id = account->organization_id,
        .content = u->content,
        .protocol = u->protocol == UPSTREAM_PROJECT ? PROTOCOL_PROJECT : PROTOCOL_CLASSIC,
        .delete_chats = deletes[u->delete_chats],
        .max_prompt_chars = u->max_prompt_chars,
        .max_prompt_bytes = u->max_prompt_bytes,
        .trim_overflow = u->overflow == UPSTREAM_OVERFLOW_TRIM,
        .max_parallel = (unsigned)account->max_parallel,
        .max_parallel_is_set = account->has_max_parallel,
        .models = models,
        .default_model = s->has_routes ? NULL : s->default_model,
    };
}

static void *new_enginelabs(struct arena *a, const struct settings *s,
                            const struct upstream_settings *u, const char *const *models,
                            const struct part *old)
{
    struct enginelabs_config *configs = arena_alloc(a, u->n_accounts * sizeof(*configs));

    for (size_t i = 0; i < u->n_accounts; i++)
        configs[i] = account_config(s, u, &u->accounts[i], models);
    return enginelabs_new(configs, u->n_accounts, old ? old->upstream.shared : NULL);
}

/* ---- openai, and the native way ---- */

/* Whether it may be asked for models that no list of its own has. */
static bool is_named(const struct settings *s, const struct upstream_settings *u)
{
    for (size_t i = 0; i < s->n_routes; i++)
        for (size_t k = 0; k < s->routes[i].n_targets; k++)
            if (&s->upstreams[s->routes[i].targets[k].upstream] == u)
                return true;
    return u->takes_any_model;
}

static void *new_openai(struct arena *a, const struct settings *s,
                        const struct upstream_settings *u, const struct part *old)
{
    struct openai_config *c = arena_new(a, struct openai_config);
    struct openai_header *headers = arena_alloc(a, (u->n_headers + 1) * sizeof(*headers));

    for (size_t i = 0; i < u->n_headers; i++)
        headers[i] = (struct openai_header){ u->headers[i].name, u->headers[i].value };
    *c = (struct openai_config){ .name = u->name,
                                 .base = u->base_url,
                                 .api_keys = u->api_keys,
                                 .n_api_keys = u->n_api_keys,
                                 .headers = headers,
                                 .n_headers = u->n_headers,
                                 .models = u->models,
                                 .is_named = is_named(s, u) };
    return openai_new(c, old ? old->upstream.shared : NULL);
}

static void *new_native(struct arena *a, const struct settings *s,
                        const struct upstream_settings *u, const struct part *old)
{
    struct openai_config *c = arena_new(a, struct openai_config);
    const char **files = arena_alloc(a, (u->n_accounts + 1) * sizeof(*files));

    for (size_t i = 0; i < u->n_accounts; i++)
        files[i] = u->accounts[i].credentials_file;
    *c = (struct openai_config){ .name = u->name,
                                 .base = u->api_url,
                                 .credentials_files = files,
                                 .n_credentials_files = u->n_accounts,
                                 .is_native = true,
                                 .models = u->models,
                                 .is_named = is_named(s, u) };
    return openai_new(c, old ? old->upstream.shared : NULL);
}

/* ---- one ---- */

static struct upstream new_upstream(struct arena *a, const struct settings *s,
                                    const struct upstream_settings *u, const char *const *models,
                                    const struct part *old)
{
    if (u->provider == UPSTREAM_OPENAI)
        return (struct upstream){ u->name, &provider_openai, new_openai(a, s, u, old) };
    if (u->protocol == UPSTREAM_NATIVE)
        return (struct upstream){ u->name, &provider_openai, new_native(a, s, u, old) };
    return (struct upstream){ u->name, &provider_enginelabs, new_enginelabs(a, s, u, models, old) };
}

static void part_unref(struct part *p)
{
    while (p && atomic_fetch_sub(&p->refs, 1) == 1) {
        struct part *heir = p->heir;

        if (p->upstream.provider == &provider_openai)
            openai_free(p->upstream.shared);
        else
            enginelabs_free(p->upstream.shared);
        arena_deinit(&p->arena);
        cli_settings_unref(p->settings);
        mem_free(p);
        p = heir;
    }
}

static struct part *find_part(const struct cli_upstreams *u, const char *name)
{
    for (size_t i = 0; u && i < u->n; i++)
        if (strcmp(u->list[i].name, name) == 0)
            return u->parts[i];
    return NULL;
}

static const struct provider_ops *provider_of(const struct upstream_settings *u)
{
    return u->provider == UPSTREAM_OPENAI || u->protocol == UPSTREAM_NATIVE ? &provider_openai
                                                                            : &provider_enginelabs;
}

/* What is handed down goes from one to the next of a provider. */
static struct part *predecessor(struct part *old, const struct upstream_settings *u)
{
    return old && old->upstream.provider == provider_of(u) ? old : NULL;
}

static struct part *make_part(struct cli_settings *keeper, const struct settings *s,
                              const struct upstream_settings *u,
                              const struct cli_upstreams *previous)
{
    struct part *old = find_part(previous, u->name);
    struct part *p = mem_new(struct part);
    const char *const *models;

    arena_init(&p->arena);
    models = u->provider == UPSTREAM_OPENAI ? NULL : models_of(&p->arena, s, u);
    digest_upstream(s, u, models, p->digest);
    if (old && memcmp(old->digest, p->digest, sizeof(p->digest)) == 0) {
        arena_deinit(&p->arena);
        mem_free(p);
        atomic_fetch_add(&old->refs, 1);
        return old;
    }
    atomic_init(&p->refs, 1);
    p->settings = cli_settings_ref(keeper);
    old = predecessor(old, u);
    p->upstream = new_upstream(&p->arena, s, u, models, old);
    if (old) {
        old->heir = p;
        atomic_fetch_add(&p->refs, 1);
    }
    return p;
}

/* ---- all of them ---- */

struct cli_upstreams *cli_upstreams_new(struct cli_settings *keeper, const struct settings *s,
                                        const struct cli_upstreams *previous)
{
    struct cli_upstreams *u = mem_alloc(sizeof(*u) + s->n_upstreams * sizeof(u->list[0]));

    u->parts = mem_alloc_array(s->n_upstreams, sizeof(struct part *));
    for (u->n = 0; u->n < s->n_upstreams; u->n++) {
        u->parts[u->n] = make_part(keeper, s, &s->upstreams[u->n], previous);
        u->list[u->n] = u->parts[u->n]->upstream;
    }
    return u;
}

void cli_upstreams_free(struct cli_upstreams *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < u->n; i++)
        part_unref(u->parts[i]);
    mem_free(u->parts);
    mem_free(u);
}

void *cli_upstreams_hold(struct cli_upstreams *u, size_t i)
{
    atomic_fetch_add(&u->parts[i]->refs, 1);
    return u->parts[i];
}

void cli_upstreams_drop(void *held)
{
    part_unref(held);
}

const struct upstream *cli_upstreams_list(const struct cli_upstreams *u, size_t *ret_n)
{
    *ret_n = u->n;
    return u->list;
}
