/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three maps: whole names, stars by what stands in front of them, and for each upstream with a
 * fixed list its names, which a star must not lead past.
 */
#include "gateway/routes.h"

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

enum { NO_STAR = -1 };

struct route {
    const struct route_settings *settings;
    int star; /* bytes in front of it; NO_STAR: the name is whole */
};

struct routes {
    const struct settings *settings;
    struct arena arena;
    struct map names;  /* names, aliases, models -> struct route */
    struct map stars;  /* "local/" -> struct route */
    struct map *fixed; /* by upstream: its fixed list; of no entries where any name will do */
    struct route *any; /* to the first upstream that takes any name; or NULL */
    struct routes_entry *entries;
    size_t n_entries;
    size_t max_entries;
};

/* ---- making it ---- */

static struct route *new_route(struct routes *r, const struct route_settings *settings)
{
    struct route *route = arena_new(&r->arena, struct route);
    struct str name = str_of(settings->name);

    route->settings = settings;
    route->star = NO_STAR;
    if (str_ends(name, STR("*")))
        route->star = (int)name.n - 1;
    return route;
}

/* A route of one target that no settings name. */
static struct route *new_plain(struct routes *r, size_t upstream, const char *name)
{
    struct route_settings *settings = arena_new(&r->arena, struct route_settings);
    struct target_settings *target = arena_new(&r->arena, struct target_settings);

    *target = (struct target_settings){
        .upstream = upstream, .model = name, .weight = 1, .shape = r->settings->shape
    };
    *settings = (struct route_settings){ .name = name, .targets = target, .n_targets = 1 };
    return new_route(r, settings);
}

static const char *upstream_name(const struct routes *r, const struct route *route)
{
    return r->settings->upstreams[route->settings->targets[0].upstream].name;
}

static void add_name(struct routes *r, const char *name, struct route *route)
{
    if (r->n_entries == r->max_entries) {
        r->max_entries = r->max_entries ? 2 * r->max_entries : 16;
        r->entries = mem_grow_array(r->entries, r->max_entries, sizeof(*r->entries));
    }
    r->entries[r->n_entries++] =
        (struct routes_entry){ name, upstream_name(r, route), route->settings->targets };
    map_set(&r->names, str_of(name), route);
}

static void add_section(struct routes *r)
{
    for (size_t i = 0; i < r->settings->n_routes; i++) {
        const struct route_settings *settings = &r->settings->routes[i];
        struct route *route = new_route(r, settings);

        if (route->star == NO_STAR)
            add_name(r, settings->name, route);
        else
            map_set(&r->stars, (struct str){ settings->name, (size_t)route->star }, route);
        for (size_t k = 0; settings->aliases && settings->aliases[k]; k++)
            add_name(r, settings->aliases[k], route);
    }
}

/* What an upstream says is not trusted to be a name. */
static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return false;
    return name.n > 0 && name.n <= MODEL_NAME_MAX && !str_ends(name, STR("*"));
}

static void add_model(struct routes *r, size_t upstream, struct str name)
{
    if (!is_name(name) || map_find(&r->names, name))
        return;
    const char *copy = arena_dup(&r->arena, name).p;
    add_name(r, copy, new_plain(r, upstream, copy));
}

static void add_list(struct routes *r, size_t upstream, const char *const *list)
{
    for (; list && *list; list++)
        add_model(r, upstream, str_of(*list));
}

static void add_upstream(struct routes *r, size_t i, const struct routes_models *discovered)
{
    const struct settings *s = r->settings;
    const struct upstream_settings *u = &s->upstreams[i];
    bool has_said = discovered && discovered[i].n > 0;

    if (u->models)
        add_list(r, i, u->models);
    else if (!has_said && u->provider == UPSTREAM_ENGINELABS)
        add_list(r, i, s->known_models);
    for (size_t k = 0; !u->models && has_said && k < discovered[i].n && k < ROUTES_MODELS_MAX; k++)
        add_model(r, i, discovered[i].names[k]);
    /* Whoever sets DEFAULT_MODEL means it, also where the service does not list it. */
    if (!s->has_upstreams && s->has_default_model)
        add_model(r, i, str_of(s->default_model));
}

static void note_fixed(struct routes *r, size_t i)
{
    const struct upstream_settings *u = &r->settings->upstreams[i];

    map_init(&r->fixed[i]);
    for (size_t k = 0; u->models && !u->takes_any_model && u->models[k]; k++)
        map_set(&r->fixed[i], str_of(u->models[k]), r);
    if (u->takes_any_model && !r->any)
        r->any = new_plain(r, i, "*");
}

struct routes *routes_new(const struct settings *settings, const struct routes_models *discovered)
{
    struct routes *r = mem_new(struct routes);

    r->settings = settings;
    arena_init(&r->arena);
    map_init(&r->names);
    map_init(&r->stars);
    r->fixed = mem_alloc_array(settings->n_upstreams, sizeof(*r->fixed));
    for (size_t i = 0; i < settings->n_upstreams; i++)
        note_fixed(r, i);
    if (settings->has_routes)
        add_section(r);
    for (size_t i = 0; !settings->has_routes && i < settings->n_upstreams; i++)
        add_upstream(r, i, discovered);
    return r;
}

void routes_free(struct routes *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->settings->n_upstreams; i++)
        map_deinit(&r->fixed[i]);
    mem_free(r->fixed);
    mem_free(r->entries);
    map_deinit(&r->stars);
    map_deinit(&r->names);
    arena_deinit(&r->arena);
    mem_free(r);
}

/* ---- finding ---- */

static struct str or_default(const struct routes *r, struct str name)
{
    return name.n ? name : str_of(r->settings->default_model);
}

/* The model at one target; an empty slice: that target cannot have it. */
static struct str model_at(const struct routes *r, const struct route *route,
                           const struct target_settings *target, struct str name)
{
    const struct map *fixed = &r->fixed[target->upstream];

    if (route->star == NO_STAR || strcmp(target->model, "*") != 0)
        return str_of(target->model);
    struct str rest = str_from(name, (size_t)route->star);
    return fixed->n && !map_find(fixed, rest) ? STR("") : rest;
}

static bool serves(const struct routes *r, const struct route *route, struct str name)
{
    for (size_t i = 0; route && i < route->settings->n_targets; i++)
        if (model_at(r, route, &route->settings->targets[i], name).n)
            return true;
    return false;
}

/* Stars stand behind a slash, or alone, and for at least one byte. */
static const struct route *find_star(const struct routes *r, struct str name)
{
    for (size_t n = name.n; r->stars.n && n-- > 0;) {
        const struct route *route = NULL;

        if (n == 0 || name.p[n - 1] == '/')
            route = map_find(&r->stars, str_sub(name, 0, n));
        if (serves(r, route, name))
            return route;
    }
    return NULL;
}

const struct route *routes_find(const struct routes *r, struct str name)
{
    const struct route *route;

    name = or_default(r, name);
    if (name.n > MODEL_NAME_MAX)
        return NULL;
    route = map_find(&r->names, name);
    if (!route)
        route = find_star(r, name);
    return route ? route : r->any;
}

/* ---- ordering ---- */

static uint64_t stable_hash(struct str key_id, struct str message)
{
    unsigned char digest[SHA256_LEN];
    struct sha256 h;
    uint64_t value = 0;

    sha256_init(&h);
    sha256_add(&h, key_id);
    sha256_add(&h, (struct str){ "", 1 }); /* no key's name has a NUL */
    sha256_add(&h, message);
    sha256_end(&h, digest);
    for (size_t i = 0; i < sizeof(value); i++)
        value = value << 8 | digest[i];
    return value;
}

static size_t choose(const struct route_step *steps, size_t n, uint64_t hash)
{
    uint64_t total = 0;
    size_t i = 0;

    for (size_t k = 0; k < n; k++)
        total += steps[k].target->weight;
    BUG_ON(total == 0);
    for (hash %= total; hash >= steps[i].target->weight; i++)
        hash -= steps[i].target->weight;
    return i;
}

static void move_to_front(struct route_step *steps, size_t i)
{
    struct route_step first = steps[i];

    memmove(steps + 1, steps, i * sizeof(*steps));
    steps[0] = first;
}

bool routes_read_message(const struct route *route)
{
    return route->settings->strategy == ROUTE_WEIGHTED;
}

size_t routes_order(const struct routes *r, const struct route *route, struct str name,
                    struct str key_id, struct str first_user_message,
                    struct route_step ret[ROUTE_TARGETS_MAX])
{
    size_t n = 0;

    name = or_default(r, name);
    for (size_t i = 0; i < route->settings->n_targets; i++) {
        const struct target_settings *target = &route->settings->targets[i];
        struct str model = model_at(r, route, target, name);

        if (model.n)
            ret[n++] = (struct route_step){ target, model };
    }
    BUG_ON(n == 0);
    if (routes_read_message(route))
        move_to_front(ret, choose(ret, n, stable_hash(key_id, first_user_message)));
    return n;
}

struct str route_known_name(const struct route *route)
{
    return route->star == NO_STAR ? str_of(route->settings->name) : STR("");
}

const char *route_name(const struct route *route)
{
    return route->settings->name;
}

bool routes_entry_at(const struct routes *r, size_t i, struct routes_entry *ret)
{
    if (i >= r->n_entries)
        return false;
    *ret = r->entries[i];
    return true;
}
