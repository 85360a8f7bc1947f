/* SPDX-License-Identifier: Apache-2.0 */
/* What tests steer and watch the simulator with: GET / and everything under /__sim/. */
#include <stdio.h>

#include "base/mem.h"
#include "http/url.h"
#include "simulator/call.h"

enum { STATE_MAX = 1048576, LOG_MAX = 268435456 };

static void reply(struct sim_call *c, struct json_writer *w, struct buf *text)
{
    if (json_w_end(w))
        sim_call_reply(c, 500, STR("{\"message\":\"the answer is too long\"}"));
    else
        sim_call_reply(c, 200, buf_str(text));
    buf_deinit(text);
}

static void reply_wrong(struct sim_call *c, const char *what)
{
    sim_call_reply(c, 400, sim_error_body(c, 400, NULL, what));
}

const char *simulator_about(void)
{
    return "the EngineLabs upstream simulator of enginelabs-2api: sign-in, API and WebSocket on "
           "this port. GET /__sim/state shows its accounts and cookies, GET /__sim/log what it "
           "saw, POST /__sim/faults what goes wrong; docs/internals/simulator.md says more";
}

void sim_run_about(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, STATE_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "name", STR("enginelabs-simulator"));
    json_w_member_str(&w, "about", str_of(simulator_about()));
    json_w_object_end(&w);
    reply(c, &w, &text);
}

/* ---- log ---- */

void sim_write_log(const struct simulator *s, struct str kind, uint64_t since,
                   struct json_writer *w)
{
    sim_journal_write(s->journal, kind, since, w);
}

void sim_run_log(struct sim_call *c)
{
    char kind[32] = "";
    char since_text[32] = "";
    uint64_t since = 0;
    struct json_writer w;
    struct buf text;

    (void)url_query_get(c->r->head.query, "kind", kind, sizeof(kind));
    if (url_query_get(c->r->head.query, "since", since_text, sizeof(since_text)) &&
        str_to_u64(str_of(since_text), UINT64_MAX, &since)) {
        reply_wrong(c, "since takes the number of an entry");
        return;
    }
    buf_init(&text, LOG_MAX);
    json_w_init(&w, &text);
    sim_write_log(c->s, str_of(kind), since, &w);
    reply(c, &w, &text);
}

void sim_run_log_clear(struct sim_call *c)
{
    sim_journal_clear(c->s->journal);
    sim_call_reply(c, 204, STR(""));
}

/* ---- state ---- */

static void write_account(const struct simulator *s, unsigned i, struct json_writer *w)
{
    const struct sim_account *a = &s->accounts[i];
    struct buf cookie;

    buf_init(&cookie, SIMULATOR_COOKIE_MAX);
    json_w_object(w);
    if (buf_add(&cookie, STR("__client=")) == ERR_NONE &&
        sim_identity_cookie(s->seed, i, a->generation, &cookie) == ERR_NONE)
        json_w_member_str(w, "cookie", buf_str(&cookie));
    json_w_member_str(w, "user", str_of(a->identity.user));
    json_w_member_str(w, "session", str_of(a->identity.session));
    json_w_member_str(w, "organization", str_of(a->identity.organization));
    json_w_member_int(w, "rotations", a->generation);
    json_w_member_int(w, "tokens", a->token_replies);
    json_w_member_int(w, "tasks", a->tasks);
    json_w_member_int(w, "used", a->used);
    json_w_member_int(w, "offences", a->offences);
    json_w_member_bool(w, "banned", a->is_banned);
    json_w_object_end(w);
    buf_deinit(&cookie);
}

void sim_write_state(const struct simulator *s, struct json_writer *w)
{
    json_w_object(w);
    json_w_member_int(w, "sockets", (int64_t)s->n_sockets);
    json_w_member_int(w, "tasks", (int64_t)s->n_tasks);
    json_w_member_int(w, "chats", (int64_t)s->chats.n);
    json_w_member_int(w, "tokens", s->tokens);
    json_w_member_int(w, "connections", (int64_t)http_server_connections(s->server));
    json_w_key(w, "accounts");
    json_w_array(w);
    for (int i = 0; i < s->settings.accounts; i++)
        write_account(s, (unsigned)i, w);
    json_w_array_end(w);
    json_w_key(w, "settings");
    json_w_object(w);
    json_w_member_str(w, "origin", str_of(s->origin));
    json_w_member_str(w, "adapters", str_of(s->adapters));
    sim_options_write(&sim_setting_options, &s->settings, w);
    json_w_object_end(w);
    json_w_key(w, "faults");
    sim_faults_write(&s->faults, w);
    json_w_object_end(w);
}

void sim_run_state(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, LOG_MAX);
    json_w_init(&w, &text);
    sim_write_state(c->s, &w);
    reply(c, &w, &text);
}

/* ---- faults and settings ---- */

void sim_run_faults_list(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, LOG_MAX);
    json_w_init(&w, &text);
    sim_faults_write(&c->s->faults, &w);
    reply(c, &w, &text);
}

void sim_run_faults(struct sim_call *c)
{
    char what[SIM_WHAT_MAX] = "";

    if (sim_faults_add_json(&c->s->faults, c->r->body, what))
        reply_wrong(c, what);
    else
        sim_call_reply(c, 204, STR(""));
}

void sim_run_faults_clear(struct sim_call *c)
{
    sim_faults_deinit(&c->s->faults);
    sim_call_reply(c, 204, STR(""));
}

void sim_run_settings(struct sim_call *c)
{
    char what[SIM_WHAT_MAX] = "";

    if (sim_scenario_apply(c->s, c->r->body, what))
        reply_wrong(c, what);
    else
        sim_call_reply(c, 204, STR(""));
}

/* Tests begin from here: what is answered afterwards is of the new state. */
void sim_run_reset(struct sim_call *c)
{
    sim_reset(c->s);
    sim_call_reply(c, 204, STR(""));
}
