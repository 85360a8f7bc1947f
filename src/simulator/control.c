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
    char refresh[SIM_REFRESH_MAX];
    struct buf cookie;

    buf_init(&cookie, SIMULATOR_COOKIE_MAX);
    json_w_object(w);
    if (buf_add(&cookie, STR("__client=")) == ERR_NONE &&
        sim_identity_cookie(s->seed, i, a->generation, &cookie) == ERR_NONE)
        json_w_member_str(w, "cookie", buf_str(&cookie));
    sim_identity_refresh(s->seed, i, a->refreshes, refresh);
    json_w_member_str(w, "refresh_token", str_of(refresh));
    json_w_member_str(w, "user", str_of(a->identity.user));
    json_w_member_str(w, "session", str_of(a->identity.session));
    json_w_member_str(w, "organization", str_of(a->identity.organization));
    if (a->preferred[0])
        json_w_member_str(w, "preferred_model", str_of(a->preferred));
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
    json_w_member_int(w, "chats", (int64_t)(s->chats.n - s->chats.n_gone));
    json_w_member_int(w, "gone", (int64_t)s->chats.n_gone);
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
    json_w_member_str(w, "models", str_of(s->models));
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

/* ---- chats that are gone ---- */

static void lose_all(struct simulator *s)
{
    struct list *next;

    for (struct list *node = s->chats.list.next; node != &s->chats.list; node = next) {
        struct sim_chat *chat = CONTAINER_OF(node, struct sim_chat, node);

        next = node->next;
        if (chat->n_prompts > 0 || chat->workspace[0])
            sim_chat_lose(s, chat, SIM_GONE_LOST);
    }
}

/* {"chats":["id", ...]}; none is changed after a mistake. */
static bool read_ids(struct sim_call *c, struct str **ret, size_t *ret_n)
{
    struct json_value v;
    struct json j;
    size_t n = 0;

    *ret = arena_alloc(&c->r->arena, (c->r->body.n / SIM_CHAT_ID_LEN + 1) * sizeof(**ret));
    if (json_find(c->r->body, &v, "chats", NULL) || v.type != JSON_ARRAY)
        return false;
    json_init(&j, v.raw, 2);
    if (!json_enter_array(&j))
        return false;
    while (json_next_item(&j)) {
        if (!json_read(&j, &v) || json_text(&v, &c->r->arena, &(*ret)[n]) ||
            !sim_chat_id_is_valid((*ret)[n]))
            return false;
        n++;
    }
    *ret_n = n;
    return !j.failed;
}

/* The service forgets chats, all or those named; it may never have known them. */
void sim_run_lose(struct sim_call *c)
{
    struct simulator *s = c->s;
    struct str *ids;
    size_t n;

    if (c->r->body.n == 0) {
        lose_all(s);
    } else if (!read_ids(c, &ids, &n)) {
        reply_wrong(c, "the body takes {\"chats\":[\"UUID\", ...]}, or nothing for all");
        return;
    } else {
        for (size_t i = 0; i < n; i++) {
            struct sim_chat *chat = sim_chats_find(&s->chats, ids[i]);

            sim_chat_lose(s, chat ? chat : sim_chats_add(&s->chats, ids[i], 0), SIM_GONE_LOST);
        }
    }
    sim_call_reply(c, 204, STR(""));
}

/* Tests begin from here: what is answered afterwards is of the new state. */
void sim_run_reset(struct sim_call *c)
{
    sim_reset(c->s);
    sim_call_reply(c, 204, STR(""));
}
