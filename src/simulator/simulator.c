/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a simulator: made from a seed and a scenario, served, reset, freed. */
#include "simulator/simulator.h"

#include <unistd.h>

#include "base/mem.h"
#include "net/listener.h"
#include "simulator/call.h"
#include "simulator/play.h"

_Static_assert((int)SIM_WHAT_MAX <= (int)SIMULATOR_WHAT_MAX, "messages fit into the caller's room");

static const char usual_adapters[] = "ClaudeSonnet4_5,ClaudeOpus4_5,GPT5,GPT5_4,Gemini3Pro";

enum { CONNECTIONS_MAX = 40000 };

/* ---- states ---- */

static void set_defaults(struct simulator *s)
{
    sim_settings_default(&s->settings);
    str_to_z(STR("https://cto.new"), s->origin, sizeof(s->origin));
    str_to_z(str_of(usual_adapters), s->adapters, sizeof(s->adapters));
    s->models[0] = '\0';
    s->api_keys[0] = '\0';
    s->random = (uint32_t)s->seed;
    s->tokens = 0;
    s->projects = 0;
    for (unsigned i = 0; i < SIMULATOR_ACCOUNTS_MAX; i++) {
        s->accounts[i] = (struct sim_account){ .generation = 0 };
        sim_identity_make(s->seed, i, &s->accounts[i].identity);
    }
    sim_teams_make(s);
}

int sim_team_leader(const struct simulator *s, int account)
{
    return account - account % s->settings.team_size;
}

void sim_teams_make(struct simulator *s)
{
    struct sim_identity leader;

    for (int i = 0; i < SIMULATOR_ACCOUNTS_MAX; i++) {
        sim_identity_make(s->seed, (unsigned)sim_team_leader(s, i), &leader);
        str_to_z(str_of(leader.organization), s->accounts[i].identity.organization, SIM_ID_MAX);
    }
}

static enum err read_scenario(struct simulator *s, char *what)
{
    return s->scenario.n > 0 ? sim_scenario_apply(s, s->scenario, what) : ERR_NONE;
}

/* Sockets first: the last one of a chat without prompts takes the chat along. */
static void end_all(struct simulator *s)
{
    while (!list_is_empty(&s->sockets))
        sim_socket_drop(CONTAINER_OF(s->sockets.next, struct sim_socket, node), true);
    while (!list_is_empty(&s->chats.list))
        sim_chat_end(s, CONTAINER_OF(s->chats.list.next, struct sim_chat, node));
    sim_park_end(s);
    sim_play_end(s);
    sim_capture_replace(s, NULL);
    sim_files_deinit(&s->files);
    sim_faults_deinit(&s->faults);
}

void sim_reset(struct simulator *s)
{
    char what[SIM_WHAT_MAX];

    end_all(s);
    sim_journal_clear(s->journal);
    set_defaults(s);
    /* It was read once without an error. */
    BUG_ON(read_scenario(s, what) != ERR_NONE);
}

/* ---- life ---- */

static void free_simulator(void *arg)
{
    struct simulator *s = arg;

    mem_free((void *)(uintptr_t)s->scenario.p);
    mem_free(s);
}

static void start_server(struct simulator *s)
{
    struct http_server_limits limits;

    http_server_limits_default(&limits);
    limits.max_connections = CONNECTIONS_MAX;
    s->server = http_server_new(s->loop, &sim_service, s, &limits);
}

enum err simulator_new(struct loop *l, const struct simulator_params *params,
                       struct simulator **ret, char *ret_what)
{
    struct simulator *s = mem_new(struct simulator);
    struct str scenario = params->scenario;
    enum err err;

    s->loop = l;
    s->seed = params->seed;
    s->fd = -1;
    list_init(&s->sockets);
    list_init(&s->parked);
    list_init(&s->plays);
    sim_faults_init(&s->faults);
    sim_chats_init(&s->chats);
    sim_files_init(&s->files);
    sim_script_cache_init(&s->scripts);
    task_init(&s->retire, free_simulator, s);
    set_defaults(s);
    s->journal = sim_journal_new((size_t)s->settings.log_entries);
    if (scenario.n > 0) {
        char *copy = mem_alloc(scenario.n);

        memcpy(copy, scenario.p, scenario.n);
        s->scenario = (struct str){ copy, scenario.n };
    }
    start_server(s);
    err = read_scenario(s, ret_what);
    if (err) {
        simulator_free(s);
        return err;
    }
    *ret = s;
    return ERR_NONE;
}

void simulator_free(struct simulator *s)
{
    if (!s)
        return;
    listener_free(s->listener);
    if (s->fd >= 0)
        close(s->fd);
    http_server_free(s->server);
    end_all(s);
    sim_chats_deinit(&s->chats);
    sim_script_cache_deinit(&s->scripts);
    sim_journal_free(s->journal);
    loop_retire(s->loop, &s->retire);
}

/* ---- connections ---- */

static void note_accept(struct simulator *s, const struct sim_fault *f)
{
    struct sim_entry e = { .kind = "accept",
                           .time_ms = loop_wall_ms(s->loop),
                           .account = -1,
                           .close_code = -1,
                           .turn = -1,
                           .token = -1,
                           .cookie = -1,
                           .key = -1,
                           .bytes = -1,
                           .messages = -1,
                           .fault = sim_fault_name((enum sim_kind)f->kind) };

    sim_journal_add(s->journal, &e);
}

void simulator_accept(struct simulator *s, struct conn *c)
{
    static const struct sim_asker asker = { .account = -1 };
    const struct sim_fault *f = sim_faults_take(&s->faults, SIM_AT_ACCEPT, &asker);

    if (!f) {
        http_server_accept(s->server, c);
        return;
    }
    note_accept(s, f);
    if (f->kind == SIM_HANG)
        sim_park(s, c);
    else
        conn_close(c, f->kind == SIM_RESET);
}

static void on_accept(void *arg, struct conn *c)
{
    simulator_accept(arg, c);
}

enum err simulator_listen(struct simulator *s, struct endpoint *at, char *ret_what)
{
    enum err err;

    BUG_ON(s->fd >= 0);
    err = listen_open(at, &s->fd, ret_what);
    if (err) {
        s->fd = -1;
        return err;
    }
    s->listener = listener_new(s->loop, s->fd, on_accept, s);
    return ERR_NONE;
}

/* ---- from outside ---- */

enum err simulator_cookie(uint64_t seed, unsigned account, struct buf *out)
{
    enum err err = buf_add(out, STR("__client="));

    return err ? err : sim_identity_cookie(seed, account, 0, out);
}

enum err simulator_add_faults(struct simulator *s, struct str json, char *ret_what)
{
    return sim_faults_add_json(&s->faults, json, ret_what);
}

enum err simulator_set(struct simulator *s, struct str json, char *ret_what)
{
    return sim_scenario_apply(s, json, ret_what);
}

enum err simulator_write_log(const struct simulator *s, struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    sim_write_log(s, STR(""), 0, &w);
    return json_w_end(&w);
}

enum err simulator_write_state(const struct simulator *s, struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    sim_write_state(s, &w);
    return json_w_end(&w);
}
