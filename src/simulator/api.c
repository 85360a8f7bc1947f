/* SPDX-License-Identifier: Apache-2.0 */
/* The API: prompts, models, quota, deleting. Strict, as the service bans who is not. */
#include <stdio.h>

#include "base/encoding.h"
#include "base/mem.h"
#include "simulator/answer.h"
#include "simulator/call.h"

enum { BODY_MAX = 65536 };

/* ---- who is it ---- */

static struct sim_account *account_of_user(struct simulator *s, const char *user)
{
    for (int i = 0; i < s->settings.accounts; i++)
        if (strcmp(s->accounts[i].identity.user, user) == 0)
            return &s->accounts[i];
    return NULL;
}

static bool check_token(struct sim_call *c)
{
    struct str header = http_value(&c->r->head, "authorization");
    struct sim_claims claims;

    if (!str_starts(header, STR("Bearer ")))
        return sim_call_refuse(c, 401, NULL, "No Authorization was found in request.headers");
    if (sim_token_read(c->s->seed, str_from(header, 7), &claims))
        return sim_call_refuse(c, 401, NULL, "Authorization token is invalid");
    c->entry.token = claims.number;
    c->account = account_of_user(c->s, claims.user);
    if (!c->account)
        return sim_call_refuse(c, 401, NULL, "Authorization token is of no account");
    if (claims.expires_s <= sim_now_s(c->s))
        return sim_call_refuse(c, 401, NULL, "Authorization token expired");
    if (c->account->is_banned)
        return sim_call_refuse(c, 403, NULL, "Account suspended");
    return true;
}

bool sim_check_bearer(struct sim_call *c)
{
    return check_token(c) && sim_check_origin(c, NULL);
}

/* ---- a prompt comes in ---- */

/* The service remembers who sends what it does not understand. */
static bool offend(struct sim_call *c, const char *what, struct str name)
{
    struct sim_account *a = c->account;

    a->offences++;
    if (c->s->settings.ban_after > 0 && a->offences >= c->s->settings.ban_after)
        a->is_banned = true;
    return sim_call_refuse(c, 500, NULL, "%s %.*s", what, STR_ARGS(name));
}

static struct str *place_of(struct sim_call *c, struct str name)
{
    if (str_eq(name, STR("prompt")))
        return &c->prompt;
    if (str_eq(name, STR("chatHistoryId")))
        return &c->chat;
    if (str_eq(name, STR("adapterName")))
        return &c->adapter;
    return NULL;
}

static bool read_members(struct sim_call *c, struct json *j)
{
    struct str name;

    while (json_next_member(j, &name)) {
        struct str *place = place_of(c, name);
        struct json_value v;

        if (!place || place->p)
            return offend(c, "body must NOT have additional properties:", name);
        if (!json_read(j, &v) || v.type != JSON_STRING || json_text(&v, &c->r->arena, place))
            return offend(c, "body must have strings only:", name);
        if (!place->p)
            *place = STR("");
    }
    return true;
}

static bool check_body(struct sim_call *c)
{
    struct json j;

    json_init(&j, c->r->body, 8);
    if (!json_enter_object(&j))
        return offend(c, "body must be", STR("object"));
    if (!read_members(c, &j))
        return false;
    if (json_end(&j))
        return offend(c, "body must be", STR("valid JSON"));
    if (!c->prompt.p)
        return offend(c, "body must have required property", STR("'prompt'"));
    if (!c->chat.p)
        return offend(c, "body must have required property", STR("'chatHistoryId'"));
    if (!c->adapter.p)
        return offend(c, "body must have required property", STR("'adapterName'"));
    if (c->prompt.n == 0)
        return offend(c, "body/prompt must NOT have fewer than", STR("1 characters"));
    if (!sim_chat_id_is_valid(c->chat))
        return offend(c, "body/chatHistoryId must match format \"uuid\":", c->chat);
    return true;
}

static bool adapter_is_known(const struct simulator *s, struct str name)
{
    struct str list = str_of(s->adapters);
    struct str item;

    while (str_next_item(&list, &item))
        if (str_eq(item, name))
            return true;
    return false;
}

static bool check_headers(struct sim_call *c)
{
    struct str type = http_value(&c->r->head, "content-type");
    int max = c->s->settings.max_message_bytes;

    if (!check_token(c) || !sim_check_origin(c, NULL))
        return false;
    if (max > 0 && c->r->body.n > (size_t)max)
        return sim_call_refuse(c, 413, NULL, "Message too large");
    if (!str_eq_nocase(str_trim(str_cut(type, ';', &(struct str){ NULL, 0 })),
                       STR("application/json")))
        return sim_call_refuse(c, 415, NULL, "Unsupported Media Type: %.*s", STR_ARGS(type));
    return true;
}

static bool check_referer(struct sim_call *c)
{
    struct str referer = http_value(&c->r->head, "referer");
    struct str want = arena_printf(&c->r->arena, "%s/%.*s", c->s->origin, STR_ARGS(c->chat));

    if (str_eq(referer, want))
        return true;
    return sim_call_refuse(c, 403, NULL, "Referer is \"%.*s\", not \"%.*s\"", STR_ARGS(referer),
                           STR_ARGS(want));
}

/* As the service counts: JavaScript's length. */
static bool check_length(struct sim_call *c)
{
    int max = c->s->settings.max_message_chars;

    if (max == 0 || utf8_count_utf16(c->prompt) <= (size_t)max)
        return true;
    return sim_call_refuse(c, 413, NULL, "Message too large: more than %d characters", max);
}

static bool reply_not_found(struct sim_call *c)
{
    sim_call_reply(c, 404, sim_error_body(c, 404, NULL, NULL));
    return false;
}

static bool check_limits(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;
    const struct sim_chat *chat = sim_chats_find(&c->s->chats, c->chat);

    if (chat && &c->s->accounts[chat->account] != c->account)
        return sim_call_refuse(c, 404, NULL, "Chat history not found");
    if (chat && chat->gone)
        return reply_not_found(c); /* which the client cannot know */
    if (chat && chat->task)
        return sim_call_refuse(c, 409, NULL, "A task is running in this chat");
    if (s->task_limit > 0 && c->account->tasks >= s->task_limit)
        return sim_call_refuse(c, 429, NULL, "%d tasks are running already", c->account->tasks);
    if (s->enforce_limit && c->account->used >= s->daily_limit)
        return sim_call_refuse(c, 429, NULL, "You have reached your daily limit of %d messages",
                               s->daily_limit);
    return true;
}

static void arm(struct sim_call *c)
{
    struct sim_wish *wish = c->wish;

    c->origin = sim_prompt_origin(c->prompt);
    if (sim_faults_know(&c->s->faults, c->origin))
        return;
    for (size_t i = 0; i < wish->n_faults && !wish->is_wrong; i++)
        if (sim_faults_add_line(&c->s->faults, wish->faults[i], c->origin, wish->what))
            wish->is_wrong = true;
}

bool sim_check_post(struct sim_call *c)
{
    if (!check_headers(c) || !check_body(c) || !check_length(c) || !check_referer(c))
        return false;
    if (!adapter_is_known(c->s, c->adapter))
        return offend(c, "body/adapterName must be equal to one of the allowed values, not",
                      c->adapter);
    if (!check_limits(c))
        return false;
    c->wish = arena_new(&c->r->arena, struct sim_wish);
    sim_wish_parse(c->prompt, &c->s->settings, c->wish);
    arm(c);
    return true;
}

/* ---- ... and is answered ---- */

static enum err make_script(struct sim_call *c, const struct sim_chat *chat,
                            struct sim_script **ret)
{
    const struct sim_asker asker = { .prompt = c->prompt, .origin = c->origin };
    const struct sim_fault *faults[SIM_FRAME_FAULTS_MAX];
    unsigned long long origin = c->origin;
    struct sim_order order = { .settings = &c->wish->settings, .prompt = c->prompt };
    char message_id[48];
    char task_id[48];
    struct buf thinking;
    struct buf text;
    enum err err;

    (void)snprintf(message_id, sizeof(message_id), "msg_%016llx_%zu", origin, chat->n_prompts);
    (void)snprintf(task_id, sizeof(task_id), "task_%016llx_%zu", origin, chat->n_prompts);
    buf_init(&text, SIM_ANSWER_MAX);
    buf_init(&thinking, SIM_ANSWER_MAX);
    err = sim_answer_write(c->wish, chat->prompts, chat->n_prompts, &text, &thinking);
    order.faults = faults;
    order.n_faults =
        sim_faults_take_all(&c->s->faults, SIM_AT_FRAMES, &asker, faults, SIM_FRAME_FAULTS_MAX);
    order.text = buf_str(&text);
    order.thinking = buf_str(&thinking);
    order.message_id = message_id;
    order.task_id = task_id;
    if (!err)
        err = sim_script_cache_get(&c->s->scripts, &order, ret);
    if (order.n_faults > 0 && !c->entry.fault)
        c->entry.fault = sim_fault_name((enum sim_kind)faults[0]->kind);
    buf_deinit(&text);
    buf_deinit(&thinking);
    return err;
}

static void start_task(struct sim_call *c, struct sim_chat *chat)
{
    struct simulator *s = c->s;
    struct sim_script *script;
    enum err err = make_script(c, chat, &script);

    c->entry.turn = (int)chat->n_prompts;
    if (err) {
        sim_chat_add_answer(&s->chats, chat, STR(""), "msg_none");
        (void)sim_call_refuse(c, 500, NULL, "the simulator's answer is %s", err_text(err));
        return;
    }
    c->account->used++;
    sim_task_start(s, chat, script, &c->wish->settings);
    sim_call_reply(c, s->settings.reply_status,
                   s->settings.reply_json ? STR("{\"status\":\"accepted\"}") : STR(""));
}

void sim_run_post(struct sim_call *c)
{
    struct simulator *s = c->s;
    struct sim_chat *chat = sim_chats_find(&s->chats, c->chat);

    if (!chat)
        chat = sim_chats_add(&s->chats, c->chat, (int)(c->account - s->accounts));
    if (chat->gone)
        (void)reply_not_found(c);
    else if (chat->task)
        (void)sim_call_refuse(c, 409, NULL, "A task is running in this chat");
    else if (sim_chat_add_prompt(&s->chats, chat, c->prompt))
        (void)sim_call_refuse(c, 500, NULL, "the simulator is out of memory");
    else
        start_task(c, chat);
}

void sim_run_delete(struct sim_call *c)
{
    struct simulator *s = c->s;
    struct sim_chat *chat = sim_chats_find(&s->chats, c->param);

    c->chat = c->param;
    if (!chat || &s->accounts[chat->account] != c->account || chat->n_prompts == 0) {
        (void)reply_not_found(c);
        return;
    }
    sim_chat_lose(s, chat, SIM_GONE_DELETED);
    sim_call_reply(c, 204, STR(""));
}

/* ---- models and quota ---- */

static void write_adapter(struct json_writer *w, struct str name, bool enabled)
{
    bool is_claude = str_starts(name, STR("Claude"));
    char key[128];

    str_to_z(name, key, sizeof(key));
    for (char *p = key; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    json_w_object(w);
    json_w_member_str(w, "key", str_of(key));
    json_w_member_str(w, "model", str_of(key));
    json_w_member_str(w, "engineAgentKey", name);
    json_w_member_str(w, "provider", is_claude ? STR("anthropic") : STR("openai"));
    json_w_member_int(w, "minimumTier", 0);
    json_w_member_bool(w, "enabled", enabled);
    json_w_member_int(w, "usageMultiplier", 1);
    json_w_member_bool(w, "supportsImages", true);
    json_w_object_end(w);
}

void sim_run_adapters(struct sim_call *c)
{
    struct str list = str_of(c->s->adapters);
    struct json_writer w;
    struct buf text;
    struct str name;

    buf_init(&text, BODY_MAX * 16);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_key(&w, "chatAdapters");
    json_w_array(&w);
    while (str_next_item(&list, &name))
        write_adapter(&w, name, true);
    write_adapter(&w, STR("Retired1"), false);
    json_w_array_end(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

static void write_billing(struct json_writer *w, const struct sim_account *a, int limit)
{
    json_w_member_str(w, "tier", STR("free"));
    json_w_member_int(w, "dailyUsage", a->used);
    json_w_member_int(w, "dailyLimit", limit);
    json_w_member_int(w, "weeklyUsage", a->used);
    json_w_member_int(w, "weeklyLimit", 3 * (int64_t)limit);
    json_w_member_bool(w, "hasReachedLimit", a->used >= limit);
    json_w_key(w, "limitReached");
    if (a->used < limit) {
        json_w_null(w);
        return;
    }
    json_w_object(w);
    json_w_member_str(w, "type", STR("daily"));
    json_w_object_end(w);
}

void sim_run_billing(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    if (s->billing_old) {
        json_w_member_int(&w, "taskCreditsLimit", s->daily_limit);
        json_w_member_int(&w, "taskCreditsUsage", c->account->used);
        json_w_member_int(&w, "taskConcurrencyLimit", s->task_limit > 0 ? s->task_limit : 2);
        json_w_member_int(&w, "taskConcurrencyUsage", c->account->tasks);
    } else {
        write_billing(&w, c->account, s->daily_limit);
    }
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}
