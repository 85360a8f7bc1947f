/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios: what a file or POST /__sim/settings says. Everything is read into copies first, so
 * that a mistake changes nothing.
 */
#include "base/mem.h"
#include "simulator/internal.h"

enum { DEPTH = 64 };

struct draft {
    struct sim_settings settings;
    char origin[SIM_ORIGIN_MAX];
    char adapters[SIM_ADAPTERS_MAX];
    char models[SIM_ADAPTERS_MAX];
    char api_keys[SIM_ADAPTERS_MAX];
    struct sim_faults faults;
    uint64_t seed;
    struct sim_capture *capture; /* owned; NULL: none was given */
};

/* A string that fits into `room` bytes. */
static enum err read_string(char *room, size_t cap, struct json *j, struct str name, char *what)
{
    struct json_value v;

    json_read(j, &v);
    if (v.type != JSON_STRING || v.escaped || v.raw.n - 2 >= cap)
        return sim_complain(what, "%.*s takes a string without escapes", STR_ARGS(name));
    str_to_z(str_sub(v.raw, 1, v.raw.n - 2), room, cap);
    return ERR_NONE;
}

static enum err add_name(struct buf *list, const struct json_value *v)
{
    if (v->type != JSON_STRING || v->escaped || str_find_char(v->raw, ',') != SIZE_MAX)
        return ERR_BAD_INPUT;
    if (list->n > 0 && buf_add_char(list, ','))
        return ERR_TOO_BIG;
    return buf_add(list, str_sub(v->raw, 1, v->raw.n - 2));
}

static enum err read_names(char room[SIM_ADAPTERS_MAX], struct json *j, struct str name, char *what)
{
    struct json_value v;
    struct buf list;
    bool is_list = json_enter_array(j);
    enum err err = is_list ? ERR_NONE : ERR_BAD_INPUT;

    buf_init(&list, SIM_ADAPTERS_MAX - 1);
    while (!err && json_next_item(j)) {
        json_read(j, &v);
        err = add_name(&list, &v);
    }
    str_to_z(buf_str(&list), room, SIM_ADAPTERS_MAX);
    buf_deinit(&list);
    return err ? sim_complain(what, "%.*s takes an array of names without commas", STR_ARGS(name))
               : ERR_NONE;
}

static enum err read_member(struct draft *d, struct json *j, struct str name, char *what)
{
    enum err err;

    if (str_eq(name, STR("faults")))
        return sim_faults_read(&d->faults, j, what);
    if (str_eq(name, STR("capture"))) {
        sim_capture_free(TAKE(d->capture));
        return sim_capture_read(j, d->seed, &d->capture, what);
    }
    if (str_eq(name, STR("origin")))
        return read_string(d->origin, sizeof(d->origin), j, name, what);
    if (str_eq(name, STR("adapters")))
        return read_names(d->adapters, j, name, what);
    if (str_eq(name, STR("models")))
        return read_names(d->models, j, name, what);
    if (str_eq(name, STR("api_keys")))
        return read_string(d->api_keys, sizeof(d->api_keys), j, name, what);
    err = sim_settings_member(&d->settings, j, name, what);
    if (err == ERR_NOT_FOUND)
        return sim_complain(what, "there is no setting \"%.*s\"", STR_ARGS(name));
    return err;
}

static enum err read_all(struct draft *d, struct json *j, char *what)
{
    struct str name;

    if (json_peek(j) == JSON_ARRAY)
        return sim_faults_read(&d->faults, j, what);
    if (!json_enter_object(j))
        return sim_complain(what, "a scenario is an object, or an array of faults");
    while (json_next_member(j, &name))
        if (read_member(d, j, name, what))
            return ERR_BAD_INPUT;
    return ERR_NONE;
}

static void take_over(struct simulator *s, struct draft *d)
{
    if (d->capture)
        sim_capture_replace(s, TAKE(d->capture));
    s->settings = d->settings;
    memcpy(s->origin, d->origin, sizeof(s->origin));
    memcpy(s->adapters, d->adapters, sizeof(s->adapters));
    memcpy(s->models, d->models, sizeof(s->models));
    memcpy(s->api_keys, d->api_keys, sizeof(s->api_keys));
    sim_teams_make(s);
    sim_journal_resize(s->journal, (size_t)s->settings.log_entries);
}

enum err sim_scenario_apply(struct simulator *s, struct str json, char *what)
{
    struct draft *d = mem_new(struct draft);
    struct json j;
    enum err err;

    d->seed = s->seed;
    d->settings = s->settings;
    memcpy(d->origin, s->origin, sizeof(d->origin));
    memcpy(d->adapters, s->adapters, sizeof(d->adapters));
    memcpy(d->models, s->models, sizeof(d->models));
    memcpy(d->api_keys, s->api_keys, sizeof(d->api_keys));
    sim_faults_init(&d->faults);
    json_init(&j, json, DEPTH);
    err = read_all(d, &j, what);
    if (!err && json_end(&j))
        err = sim_complain(what, "malformed JSON at byte %zu", json_offset(&j));
    if (!err)
        err = sim_faults_move(&s->faults, &d->faults, what);
    if (!err)
        take_over(s, d);
    sim_faults_deinit(&d->faults);
    sim_capture_free(d->capture);
    mem_free(d);
    return err;
}
