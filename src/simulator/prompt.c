/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prompt comes in, in the shape of either protocol, and its answer begins. What is malformed is
 * an offence: the service bans who sends such.
 */
#include <stdio.h>

#include "base/encoding.h"
#include "base/mem.h"
#include "simulator/answer.h"
#include "simulator/call.h"

/* ---- the body ---- */

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

static bool read_text(struct sim_call *c, struct json *j, struct str name, struct str *place)
{
    struct json_value v;

    if (!json_read(j, &v) || v.type != JSON_STRING || json_text(&v, &c->r->arena, place))
        return sim_call_offend(c, "body must have strings only:", name);
    if (!place->p)
        *place = STR("");
    return true;
}

static bool read_encoded(struct sim_call *c, struct json *j)
{
    struct json_value v;

    if (!json_read(j, &v) || v.type != JSON_TRUE)
        return sim_call_offend(c, "body/encoded must be", STR("true"));
    c->is_project = true;
    return true;
}

static bool read_images(struct sim_call *c, struct json *j)
{
    struct json_value v;
    struct str url;

    if (!json_enter_array(j))
        return sim_call_offend(c, "body/imageUrls must be", STR("array"));
    while (json_next_item(j)) {
        if (!json_read(j, &v) || v.type != JSON_STRING || json_text(&v, &c->r->arena, &url) ||
            !str_starts(url, STR("https://")))
            return sim_call_offend(c, "body/imageUrls must have", STR("https URLs only"));
    }
    c->has_images = true;
    return true;
}

static bool read_members(struct sim_call *c, struct json *j)
{
    bool takes_project = c->s->settings.project != 0;
    struct str name;

    while (json_next_member(j, &name)) {
        struct str *place = place_of(c, name);
        bool is_good;

        if (takes_project && str_eq(name, STR("encoded")) && !c->is_project)
            is_good = read_encoded(c, j);
        else if (takes_project && str_eq(name, STR("imageUrls")) && !c->has_images)
            is_good = read_images(c, j);
        else if (!place || place->p)
            return sim_call_offend(c, "body must NOT have additional properties:", name);
        else
            is_good = read_text(c, j, name, place);
        if (!is_good)
            return false;
    }
    return true;
}

/* Standard base64 with padding, of text: what encodes to the same again. */
static bool decode_prompt(struct sim_call *c)
{
    struct str coded = c->prompt;
    struct buf again;
    struct buf text;
    bool is_good;

    buf_init(&text, coded.n + 1);
    buf_init(&again, coded.n + 4);
    is_good = base64_decode(&text, coded) == ERR_NONE &&
              base64_add(&again, buf_str(&text)) == ERR_NONE && str_eq(buf_str(&again), coded) &&
              utf8_is_valid(buf_str(&text));
    c->prompt = is_good ? arena_dup(&c->r->arena, buf_str(&text)) : STR("");
    buf_deinit(&text);
    buf_deinit(&again);
    if (!is_good)
        return sim_call_offend(c, "body/prompt must be", STR("UTF-8 text in base64"));
    return true;
}

/* Which protocol it is shows in its members. */
static bool check_shape(struct sim_call *c)
{
    bool is_classic = c->s->settings.classic != 0;

    if (!c->is_project && (c->has_images || (!is_classic && !c->adapter.p)))
        return sim_call_offend(c, "body must have required property", STR("'encoded'"));
    if (!c->is_project && !c->adapter.p)
        return sim_call_offend(c, "body must have required property", STR("'adapterName'"));
    if (c->adapter.p && (c->is_project || !is_classic))
        return sim_call_offend(c, "body must NOT have additional properties:", STR("adapterName"));
    return true;
}

static bool check_body(struct sim_call *c)
{
    struct json j;

    json_init(&j, c->r->body, 8);
    if (!json_enter_object(&j))
        return sim_call_offend(c, "body must be", STR("object"));
    if (!read_members(c, &j))
        return false;
    if (json_end(&j))
        return sim_call_offend(c, "body must be", STR("valid JSON"));
    if (!c->prompt.p)
        return sim_call_offend(c, "body must have required property", STR("'prompt'"));
    if (!c->chat.p)
        return sim_call_offend(c, "body must have required property", STR("'chatHistoryId'"));
    if (!check_shape(c))
        return false;
    if (c->prompt.n == 0)
        return sim_call_offend(c, "body/prompt must NOT have fewer than", STR("1 characters"));
    if (!sim_chat_id_is_valid(c->chat))
        return sim_call_offend(c, "body/chatHistoryId must match format \"uuid\":", c->chat);
    c->entry.protocol = c->is_project ? "project" : "classic";
    return !c->is_project || decode_prompt(c);
}

/* ---- checks ---- */

static bool check_headers(struct sim_call *c)
{
    int max = c->s->settings.max_message_bytes;

    if (!sim_check_bearer(c))
        return false;
    if (max > 0 && c->r->body.n > (size_t)max)
        return sim_call_refuse(c, 413, NULL, "Message too large");
    return sim_check_json(c);
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

static bool check_chat(struct sim_call *c)
{
    const struct sim_chat *chat = sim_chats_find(&c->s->chats, c->chat);

    if (chat && &c->s->accounts[chat->account] != c->account)
        return sim_call_refuse(c, 404, NULL, "Chat history not found");
    if (chat && chat->gone)
        return sim_call_reply_not_found(c); /* which the client cannot know */
    if (c->is_project && (!chat || !chat->workspace[0]))
        return sim_call_refuse(c, 404, NULL, "Chat history not found: no project has that id");
    if (!c->is_project && chat && chat->workspace[0])
        return sim_call_refuse(c, 400, NULL, "A project's chat takes no adapterName");
    if (c->is_project && !chat->has_offers)
        return sim_call_refuse(c, 400, NULL, "No offers were asked for in this chat");
    if (chat && chat->task)
        return sim_call_refuse(c, 409, NULL, "A task is running in this chat");
    return true;
}

static bool check_limits(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;

    if (s->task_limit > 0 && c->account->tasks >= s->task_limit)
        return sim_call_refuse(c, 429, NULL, "%d tasks are running already", c->account->tasks);
    if (s->enforce_limit && c->account->used >= s->daily_limit)
        return sim_call_refuse(c, 429, NULL, "You have reached your daily limit of %d messages",
                               s->daily_limit);
    return true;
}

void sim_call_wish(struct sim_call *c)
{
    struct sim_wish *wish = arena_new(&c->r->arena, struct sim_wish);

    c->wish = wish;
    sim_wish_parse(c->prompt, &c->s->settings, wish);
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
    if (c->is_project)
        c->adapter = sim_team_model(c);
    else if (!sim_adapter_is_known(c->s, c->adapter))
        return sim_call_offend(c,
                               "body/adapterName must be equal to one of the allowed values, "
                               "not",
                               c->adapter);
    if (!check_chat(c) || !check_limits(c))
        return false;
    sim_call_wish(c);
    if (c->wish->n_tools > 0 || c->wish->n_raws > 0)
        c->wish->is_wrong =
            sim_complain(c->wish->what, "!tool and !raw are for completions") == ERR_BAD_INPUT;
    return true;
}

/* ---- the answer begins ---- */

static enum err make_script(struct sim_call *c, const struct sim_chat *chat,
                            struct sim_script **ret)
{
    const struct sim_asker asker = { .prompt = c->prompt,
                                     .origin = c->origin,
                                     .account = sim_call_account(c) };
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
    c->wish->model = c->adapter;
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

    if (!chat && c->is_project) {
        (void)sim_call_reply_not_found(c);
        return;
    }
    if (!chat)
        chat = sim_chats_add(&s->chats, c->chat, (int)(c->account - s->accounts));
    if (c->is_project) /* who answers is settled now, and not when the request came */
        c->adapter = sim_team_model(c);
    if (chat->gone)
        (void)sim_call_reply_not_found(c);
    else if (chat->task)
        (void)sim_call_refuse(c, 409, NULL, "A task is running in this chat");
    else if (sim_chat_add_prompt(&s->chats, chat, c->prompt))
        (void)sim_call_refuse(c, 500, NULL, "the simulator is out of memory");
    else
        start_task(c, chat);
}
