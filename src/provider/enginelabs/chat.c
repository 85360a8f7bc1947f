/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a call: lease, token, conversation, then the wire (wire.c), then its end. The
 * table of states is in call.h's picture; the bodies below keep the order of life.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/call.h"
#include "provider/enginelabs/failover.h"
#include "provider/enginelabs/prompt.h"

#define TO(state) (1U << (state))

static const struct {
    const char *name;
    unsigned next; /* the states that may follow */
} states[] = {
    [CALL_CLAIM] = { "claim", TO(CALL_LEASE) | TO(CALL_DONE) },
    [CALL_LEASE] = { "lease", TO(CALL_LEASE) | TO(CALL_TOKEN) | TO(CALL_DONE) },
    [CALL_PROJECT] = { "project",
                       TO(CALL_SOCKET) | TO(CALL_TOKEN) | TO(CALL_LEASE) | TO(CALL_DONE) },
    [CALL_TOKEN] = { "token", TO(CALL_PROJECT) | TO(CALL_SOCKET) | TO(CALL_POST) | TO(CALL_LEASE) |
                                  TO(CALL_DONE) },
    [CALL_SOCKET] = { "socket", TO(CALL_SOCKET) | TO(CALL_POST) | TO(CALL_TOKEN) | TO(CALL_ANSWER) |
                                    TO(CALL_PROJECT) | TO(CALL_LEASE) | TO(CALL_DONE) },
    [CALL_POST] = { "post", TO(CALL_ANSWER) | TO(CALL_TOKEN) | TO(CALL_SOCKET) | TO(CALL_FINISHED) |
                                TO(CALL_PROJECT) | TO(CALL_LEASE) | TO(CALL_DONE) },
    [CALL_ANSWER] = { "answer", TO(CALL_SOCKET) | TO(CALL_FINISHED) | TO(CALL_DONE) },
    [CALL_FINISHED] = { "finished", TO(CALL_SETTLING) | TO(CALL_DONE) },
    [CALL_SETTLING] = { "settling", TO(CALL_DONE) },
    [CALL_DONE] = { "done", 0 },
};

/* The life of a call, in order. */
static void begin(void *arg);
static void look_for_chat(struct provider_call *c);
static void on_tip_found(void *arg, bool found, const struct tip *tip, const struct fingerprint *at,
                         size_t from);
static void on_leased(void *arg, const struct notice *notice);
static void on_token(void *arg, const struct notice *notice);
static void go_on(struct provider_call *c);
static void choose_chat(struct provider_call *c);
static void make_chat(struct provider_call *c);
static void on_stored(void *arg, const struct store_result *result);
static void on_settled(void *arg);
static void retire(void *arg);

void call_set_state(struct provider_call *c, enum call_state next)
{
    BUG_ON(!(states[c->state].next & TO(next)));
    log_debug("enginelabs call", LOG_Z("from", states[c->state].name),
              LOG_Z("to", states[next].name));
    c->state = next;
}

bool call_set_phase(struct provider_call *c, enum provider_phase phase)
{
    if (phase > c->phase) {
        c->phase = phase;
        c->sink->on_phase(c->arg, phase);
    }
    return c->state != CALL_DONE;
}

static struct str copy(struct arena *a, struct str s)
{
    return s.n > 0 ? arena_dup(a, s) : s;
}

struct provider_call *call_start(struct provider_instance *p, const struct provider_request *r)
{
    struct provider_call *c = mem_new(struct provider_call);
    c->instance = p;
    c->chat = r->chat;
    c->instructions = r->instructions;
    c->sink = r->sink;
    c->arg = r->arg;
    c->state = CALL_CLAIM;
    arena_init(&c->arena);
    c->model = copy(&c->arena, r->model);
    c->key_id = copy(&c->arena, r->key_id);
    buf_init(&c->body, PROMPT_BODY_MAX);
    buf_init(&c->post_error, CALL_ERROR_BODY_MAX);
    random_uuid(c->chat_id);
    task_init(&c->later, begin, c);
    task_init(&c->retire, retire, c);
    loop_defer(p->env.loop, &c->later);
    p->calls++;
    return c;
}

static struct prompt_target target_of(const struct provider_call *c)
{
    return (struct prompt_target){ .config = c->instance->config,
                                   .chat_id = str_of(c->chat_id),
                                   .model = str_of(c->sent_model),
                                   .instructions = c->instructions };
}

/* The service bans who asks for a model that it does not know. */
bool call_name_model(struct provider_call *c)
{
    struct failure f;

    if (catalog_resolve(c->instance->upstream->catalog, c->instance->config->protocol, c->model,
                        c->sent_model))
        return true;
    failure_set(&f, &c->arena, FAILURE_MODEL_NOT_FOUND,
                "Upstream \"%s\" has no model \"%.*s\". GET /v1/models lists those that it has; "
                "KNOWN_MODELS, or `models` of the upstream, name more.",
                c->instance->config->name, STR_ARGS(str_sub(c->model, 0, 200)));
    f.param = STR("model");
    call_finish(c, &f);
    return false;
}

/* Once it is known that the prompt may go out: hashing a long history is work. */
static bool name_history(struct provider_call *c)
{
    struct fingerprint_scope scope = { .key_id = c->key_id,
                                       .upstream = str_of(c->instance->config->name),
                                       .model = c->model,
                                       .instructions = c->instructions };

    c->chain = arena_try(&c->arena, c->chat->n_messages * sizeof(*c->chain));
    if (!c->chain) {
        call_fail(c, FAILURE_OVERLOADED,
                  "There is no memory for this history of %zu messages now. Try again later, or "
                  "raise MEMORY_LIMIT.",
                  c->chat->n_messages);
        return false;
    }
    fingerprint_chain(&scope, c->chat, c->chain);
    return true;
}

/* "gpt_5" is how protocol `project` calls "GPT5". Settings may have that name, and nothing tells
 * before the service named its own. */
static bool may_be_other_name(const struct provider_call *c)
{
    return c->sent_model[0] >= 'a' && c->sent_model[0] <= 'z' &&
           !catalog_was_tried(c->instance->upstream->catalog);
}

static void begin(void *arg)
{
    struct provider_call *c = arg;
    struct prompt_target to;
    struct failure f;

    if (c->instance->config->protocol != PROTOCOL_PROJECT && !call_name_model(c))
        return;
    to = target_of(c);
    if (!prompt_check(&to, c->chat, &c->arena, &c->body, &c->checked_from, &c->trimmed, &f)) {
        call_finish(c, &f);
        return;
    }
    if (may_be_other_name(c)) {
        c->sent_model[0] = '\0';
        c->is_rewritten = true;
    }
    if (!name_history(c))
        return;
    c->sink->on_phase(c->arg, PHASE_QUEUED);
    if (c->state == CALL_DONE)
        return;
    look_for_chat(c);
}

static void look_for_chat(struct provider_call *c)
{
    const struct provider_env *env = &c->instance->env;

    c->claim = tip_claim_start(env->store, c->chat, c->chain, on_tip_found, c);
    if (!c->claim)
        call_lease(c);
}

static void on_tip_found(void *arg, bool found, const struct tip *tip, const struct fingerprint *at,
                         size_t from)
{
    struct provider_call *c = arg;

    c->claim = NULL;
    if (found) {
        c->has_claim = true;
        c->tip = *tip;
        c->tip_at = *at;
        c->tip_from = from;
    }
    call_lease(c);
}

/* The chat that the conversation stands at is of one account: others begin a new one. */
void call_lease(struct provider_call *c)
{
    const struct roster *roster = c->instance->upstream->roster;
    const struct roster_wish wish = { .model = c->model,
                                      .own =
                                          c->has_claim ? roster_find(roster, c->tip.account) : -1,
                                      .failed = c->failed,
                                      .is_again = c->last.kind != FAILURE_NONE };
    struct notice notice;

    call_set_state(c, CALL_LEASE);
    switch (roster_lease(c->instance->roster, &wish, &c->place, on_leased, c, &notice)) {
    case ROSTER_LEASED:
        on_leased(c, NULL);
        break;
    case ROSTER_WAITS:
        call_set_phase(c, PHASE_QUEUED);
        break;
    case ROSTER_REFUSED:
        call_no_account(c, &notice);
        break;
    }
}

static void on_leased(void *arg, const struct notice *notice)
{
    struct provider_call *c = arg;

    if (notice) {
        call_no_account(c, notice);
        return;
    }
    c->config = roster_config(c->instance->roster, c->place.account);
    c->port = roster_account(c->instance->roster, c->place.account);
    call_set_state(c, CALL_TOKEN);
    upkeep_used(c->instance->upkeep, c->place.account);
    if (c->sink->on_attempt)
        c->sink->on_attempt(c->arg, str_of(c->config->account));
    if (c->state != CALL_DONE && call_set_phase(c, PHASE_CONNECTING))
        call_ask_token(c);
}

void call_ask_token(struct provider_call *c)
{
    struct notice notice;

    secret_deinit(&c->token.jwt); /* whose it is stays known: a drain may need it */
    switch (account_token(c->port, &c->token, &notice, &c->wait, on_token, c)) {
    case ACCOUNT_READY:
        go_on(c);
        break;
    case ACCOUNT_WAITS:
        break;
    case ACCOUNT_FAILED:
        call_not_signed_in(c, &notice);
        break;
    }
}

static void on_token(void *arg, const struct notice *notice)
{
    struct provider_call *c = arg;

    if (notice)
        call_not_signed_in(c, notice);
    else
        call_ask_token(c);
}

/* With a token: to the step that the call stood at, which is a later one after a renewal. */
static void go_on(struct provider_call *c)
{
    if (!c->is_prepared)
        choose_chat(c);
    else if (!c->is_accepted && (c->is_socket_open || c->is_post_first))
        wire_send_prompt(c);
    else
        wire_open_socket(c);
}

bool call_renew_token(struct provider_call *c)
{
    if (c->is_token_renewed)
        return false;
    c->is_token_renewed = true;
    if (!c->is_accepted)
        c->is_task_over = true; /* whatever was sent was refused */
    account_token_refused(c->port, &c->token);
    wire_take_back_turn(c);
    call_set_state(c, CALL_TOKEN);
    call_ask_token(c);
    return true;
}

/* The chat has certainly not seen the prompt: the next turn may find it. */
static void put_back(struct provider_call *c)
{
    const struct provider_env *env = &c->instance->env;

    if (c->has_claim)
        tip_set(env->store, &c->tip_at, &c->tip, env->conversation_ttl_ms, NULL, NULL);
    c->has_claim = false;
}

/* A tip of the other protocol, from before the settings changed, names no chat of this one. */
static bool read_tip(struct provider_call *c)
{
    if (c->config->protocol == PROTOCOL_PROJECT)
        return call_project_read_tip(c);
    if (!project_id_is_sane(str_of(c->tip.chat)))
        return false;
    str_to_z(str_of(c->tip.chat), c->chat_id, sizeof(c->chat_id));
    return true;
}

static void choose_chat(struct provider_call *c)
{
    bool is_own = c->has_claim && strcmp(c->tip.account, c->config->account) == 0;

    if (c->ids_by != c->config)
        call_project_drop(c);
    c->is_known_chat = is_own && read_tip(c);
    if (!c->is_known_chat)
        put_back(c);
    make_chat(c);
}

static void make_chat(struct provider_call *c)
{
    if (c->config->protocol == PROTOCOL_PROJECT) {
        call_project_start(c);
        return;
    }
    if (!c->sent_model[0])
        call_set_state(c, CALL_PROJECT);
    if (call_has_name(c))
        call_prepare(c);
}

void call_prepare(struct provider_call *c)
{
    size_t from = c->is_known_chat ? c->tip_from : 0;
    /* What the check wrote is good for the chat that was new then. */
    bool is_written = !c->is_known_chat && from == c->checked_from && !c->is_rewritten &&
                      c->config->protocol == PROTOCOL_CLASSIC;
    struct prompt_target to = target_of(c);
    struct failure f;

    if (!is_written && !prompt_write(&to, c->chat, from, &c->arena, &c->body, &c->trimmed, &f)) {
        call_finish(c, &f);
        return;
    }
    c->is_prepared = c->is_rewritten = true;
    c->is_task_over = false;
    upkeep_turn(c->instance->upkeep, c->place.account, str_of(c->chat_id));
    if (c->sink->on_prompt)
        c->sink->on_prompt(c->arg, str_of(c->chat_id), c->trimmed);
    wire_open_socket(c);
}

enum err call_stream_target(const struct provider_call *c, struct buf *out)
{
    const struct token *t = &c->token;

    if (c->config->protocol == PROTOCOL_PROJECT)
        return api_project_stream_target(out, str_of(c->chat_id), str_of(t->user_id),
                                         str_of(t->organization_id), str_of(c->ids.workspace));
    return api_stream_target(out, str_of(c->chat_id), str_of(t->user_id));
}

void call_start_new_chat(struct provider_call *c)
{
    call_project_leave(c);
    wire_close(c);
    wire_drop_frames(c);
    c->has_claim = false;
    c->is_prepared = c->is_known_chat = false;
    c->is_task_over = true; /* it has not begun */
    c->is_post_first = false;
    c->is_socket_retried = false;
    c->ids = (struct project_ids){ .chat = "" };
    random_uuid(c->chat_id);
    make_chat(c);
}

static void drain(struct provider_call *c)
{
    struct buf target;

    buf_init(&target, CALL_TARGET_MAX);
    BUG_ON(call_stream_target(c, &target)); /* ids are bounded when they are taken */
    drain_start(c->instance, &c->place,
                &(struct drain_task){ .target = buf_str(&target),
                                      .chat = str_of(c->chat_id),
                                      .is_accepted = c->phase >= PHASE_ACCEPTED });
    buf_deinit(&target);
}

/* The client left, or was told of a failure, while the task may run: its lease counts on. */
static void leave_account(struct provider_call *c)
{
    bool is_out = c->place.is_leased && c->phase >= PHASE_SENT && c->is_prepared && !c->is_whole;
    bool may_run = is_out && !c->is_task_over;

    if (may_run && roster_is_limited(c->instance->roster, c->place.account)) {
        drain(c); /* and then its chat ends */
    } else {
        if (is_out)
            upkeep_end(c->instance->upkeep, c->place.account, str_of(c->chat_id));
        roster_leave(c->instance->roster, &c->place);
    }
    c->port = NULL;
}

/* It was made for this call, and no prompt has gone to it. */
static bool is_project_unused(const struct provider_call *c)
{
    return !c->is_known_chat && !(c->phase >= PHASE_SENT && c->is_prepared);
}

/* Gives back all that is held but memory. */
static void let_go(struct provider_call *c)
{
    task_cancel(&c->later);
    timer_disarm(&c->pause);
    if (c->port)
        account_token_leave(c->port, &c->wait);
    if (c->claim)
        tip_claim_cancel(c->claim, c->instance->env.conversation_ttl_ms);
    c->claim = NULL;
    if (c->phase < PHASE_SENT)
        put_back(c);
    call_project_leave(c);
    if (is_project_unused(c))
        call_project_drop(c);
    wire_close(c);
    leave_account(c);
}

void call_step_back(struct provider_call *c)
{
    bool is_unsent = c->phase < PHASE_SENT;

    account_token_leave(c->port, &c->wait);
    call_project_leave(c);
    if (!is_unsent && is_project_unused(c))
        call_project_drop(c);
    wire_close(c);
    wire_drop_frames(c);
    leave_account(c); /* with the token: it names whose stream to watch */
    token_deinit(&c->token);
    if (!is_unsent) /* it may be in the chat, which is good for nothing then */
        c->has_claim = false;
    if (!is_unsent || c->is_known_chat) /* else the project that was made will do */
        c->ids = (struct project_ids){ .chat = "" };
    random_uuid(c->chat_id);
    c->is_rewritten = true;
    c->is_prepared = c->is_known_chat = c->is_token_renewed = false;
    c->is_post_first = c->is_socket_retried = c->is_post_retried = c->is_task_over = false;
    c->phase = PHASE_QUEUED;
}

static bool is_over(const struct provider_call *c)
{
    return c->state == CALL_FINISHED || c->state == CALL_SETTLING || c->state == CALL_DONE;
}

void call_finish(struct provider_call *c, const struct failure *failure)
{
    struct failure f;

    if (is_over(c))
        return;
    c->is_whole = !failure;
    c->is_task_over = c->is_task_over || c->is_whole;
    if (!failure)
        roster_served(c->instance->roster, c->place.account, c->model);
    let_go(c);
    if (!failure) {
        call_set_state(c, CALL_FINISHED);
        c->sink->on_event(c->arg,
                          &(struct chat_event){ .type = CHAT_FINISH, .finish = CHAT_FINISH_STOP });
        return;
    }
    f = *failure;
    f.prompt_accepted = c->phase >= PHASE_ACCEPTED;
    call_set_state(c, CALL_DONE);
    c->sink->on_event(c->arg, &(struct chat_event){ .type = CHAT_ERROR, .failure = &f });
}

void call_fail(struct provider_call *c, enum failure_kind kind, const char *format, ...)
{
    char message[NOTICE_MESSAGE_MAX];
    struct failure f;
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    failure_set(&f, &c->arena, kind, "%s", message);
    call_finish(c, &f);
}

void call_pause(struct provider_call *c)
{
    if (!c->is_paused && c->is_socket_open)
        websocket_pause(c->socket);
    c->is_paused = true;
}

void call_resume(struct provider_call *c)
{
    if (c->is_paused && c->is_socket_open)
        websocket_resume(c->socket);
    c->is_paused = false;
}

/* The next turn is found by the history with this answer behind it. False: it cannot be. */
static bool store_tip(struct provider_call *c, const struct fingerprint_said *answer)
{
    const struct provider_env *env = &c->instance->env;
    struct fingerprint at;
    struct tip tip = { 0 };

    fingerprint_answer(&c->chain[c->chat->n_messages - 1], answer, &at);
    str_to_z(str_of(c->config->account), tip.account, sizeof(tip.account));
    if (c->config->protocol == PROTOCOL_PROJECT && !call_project_write_tip(c, tip.chat))
        return false;
    if (c->config->protocol == PROTOCOL_CLASSIC)
        str_to_z(str_of(c->chat_id), tip.chat, sizeof(tip.chat));
    tip.past_n = frames_write_past(c->frames, tip.past, sizeof(tip.past));
    c->settle_op = tip_set(env->store, &at, &tip, env->conversation_ttl_ms, on_stored, c);
    return true;
}

void call_settle(struct provider_call *c, enum provider_verdict verdict,
                 const struct fingerprint_said *answer, void (*settled)(void *arg))
{
    size_t account = (size_t)roster_find(c->instance->upstream->roster, c->config->account);

    call_set_state(c, CALL_SETTLING);
    c->settled = settled;
    if (verdict == SETTLE_EXACT && c->config->delete_chats != DELETE_AT_END &&
        store_tip(c, answer)) {
        upkeep_turn(c->instance->upkeep, account, str_of(c->chat_id));
        return;
    }
    upkeep_end(c->instance->upkeep, account, str_of(c->chat_id));
    task_init(&c->later, on_settled, c);
    loop_defer(c->instance->env.loop, &c->later);
}

/* A tip that could not be stored only makes the next turn start a new chat. */
static void on_stored(void *arg, const struct store_result *result)
{
    struct provider_call *c = arg;

    if (result->err)
        log_debug("tip not stored", LOG_Z("error", err_name(result->err)));
    c->settle_op = NULL;
    on_settled(c);
}

static void on_settled(void *arg)
{
    struct provider_call *c = arg;
    void (*settled)(void *) = c->settled;
    void *settled_arg = c->arg;

    call_release(c);
    settled(settled_arg);
}

void call_release(struct provider_call *c)
{
    struct provider_instance *p = c->instance;

    if (c->settle_op)
        store_forget(c->settle_op);
    c->settle_op = NULL;
    if (c->state != CALL_DONE) {
        let_go(c);
        call_set_state(c, CALL_DONE);
    }
    p->calls--;
    loop_retire(p->env.loop, &c->retire);
}

static void retire(void *arg)
{
    struct provider_call *c = arg;

    wire_drop_frames(c);
    token_deinit(&c->token);
    buf_deinit(&c->body);
    buf_deinit(&c->post_error);
    arena_deinit(&c->arena);
    mem_free(c);
}
