/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a chat completion. Members come in any order, so a message and a part are
 * gathered first and judged when they are whole. A value that was not there is of type JSON_NONE.
 * Beside a doubt (decoder_soften()) a message has the parts and calls that are understood.
 */
#include "dialect/openai_chat_decode.h"

enum {
    MESSAGES_MAX = 65536, /* a loop must not be held up by a body of a million of them */
};

/* A message in the making. */
struct draft {
    size_t index; /* in `messages` */
    struct chat_message message;
    enum json_type content;
    enum json_type audio;         /* what an assistant says there cannot be read */
    enum json_type function_call; /* nor there */
    struct json_value role;
    struct json_value refusal;
    struct json_value tool_call_id;
    struct json_value reasoning;
};

/* A part in the making. */
struct part_draft {
    struct json_value type;
    struct json_value text;
    struct json_value refusal;
    struct json_value url;
};

struct call_draft {
    struct json_value id;
    struct json_value name;
    struct json_value arguments;
};

/* "messages[2]" and `rest` behind it. */
static struct str message_param(struct decoder *d, const struct draft *m, const char *rest)
{
    return decoder_at(d, STR("messages"), m->index, rest);
}

static struct str part_param(struct decoder *d, const struct draft *m, const char *rest)
{
    return arena_printf(d->arena, "messages[%zu].content[%zu]%s", m->index, m->message.n_parts,
                        rest);
}

static struct str call_param(struct decoder *d, const struct draft *m, const char *rest)
{
    return arena_printf(d->arena, "messages[%zu].tool_calls[%zu]%s", m->index,
                        m->message.n_tool_calls, rest);
}

/* The text of a string that may be long, and that nobody may need. */
static bool long_text(struct decoder *d, const struct json_value *v, struct str *ret)
{
    if (!d->request->is_spelled)
        return decoder_text(d, v, ret);
    *ret = str_sub(v->raw, 1, v->raw.n - 2);
    return true;
}

/* ---- parts of content ---- */

static void read_image_url(struct decoder *d, struct json_value *ret_url)
{
    struct str key;

    *ret_url = (struct json_value){ .type = JSON_NONE };
    if (!json_enter_object(&d->json)) {
        json_skip(&d->json);
        return;
    }
    while (json_next_member(&d->json, &key))
        if (json_key_eq(key, STR("url")))
            json_read(&d->json, ret_url);
        else
            json_skip(&d->json);
}

static void read_part_members(struct decoder *d, struct part_draft *p)
{
    struct str key;

    while (json_next_member(&d->json, &key))
        if (json_key_eq(key, STR("type")))
            json_read(&d->json, &p->type);
        else if (json_key_eq(key, STR("text")))
            json_read(&d->json, &p->text);
        else if (json_key_eq(key, STR("refusal")))
            json_read(&d->json, &p->refusal);
        else if (json_key_eq(key, STR("image_url")))
            read_image_url(d, &p->url);
        else
            json_skip(&d->json);
}

/* A part of `type` whose text is the value `v` of the member `name`. */
static bool add_part(struct decoder *d, struct draft *m, enum chat_part_type type,
                     const struct json_value *v, const char *name)
{
    struct chat_message *message = &m->message;
    struct chat_part *parts;

    if (v->type != JSON_STRING)
        return decoder_expect(d, part_param(d, m, name), v->type, ALLOW_STRING, "a string");
    parts = decoder_grow(d, message->parts, message->n_parts, sizeof(*parts));
    if (!parts)
        return false;
    message->parts = parts;
    parts[message->n_parts].type = type;
    return long_text(d, v, &parts[message->n_parts++].text);
}

static bool judge_part(struct decoder *d, struct draft *m, const struct part_draft *p)
{
    struct str type;

    if (p->type.type != JSON_STRING)
        return decoder_expect(d, part_param(d, m, ".type"), p->type.type, ALLOW_STRING, "a string");
    if (!decoder_text(d, &p->type, &type))
        return false;
    if (str_eq(type, STR("text")))
        return add_part(d, m, CHAT_PART_TEXT, &p->text, ".text");
    if (str_eq(type, STR("refusal")))
        return add_part(d, m, CHAT_PART_TEXT, &p->refusal, ".refusal");
    if (str_eq(type, STR("image_url")))
        return add_part(d, m, CHAT_PART_IMAGE, &p->url, ".image_url.url");
    return decoder_refuse_word(d, part_param(d, m, ".type"), type, "text, refusal or image_url");
}

static bool read_part(struct decoder *d, struct draft *m)
{
    struct part_draft p = { 0 };
    enum json_type type = json_peek(&d->json);

    if (!json_enter_object(&d->json)) {
        decoder_expect(d, part_param(d, m, ""), type, ALLOW_OBJECT, "an object");
        return decoder_soften(d) && json_skip(&d->json);
    }
    read_part_members(d, &p);
    return d->json.failed || judge_part(d, m, &p) || decoder_soften(d);
}

static bool read_content(struct decoder *d, struct draft *m)
{
    struct json_value v;

    m->message.n_parts = 0;
    m->content = json_peek(&d->json);
    if (json_enter_array(&d->json)) {
        while (json_next_item(&d->json))
            if (!read_part(d, m))
                return false;
        return true;
    }
    json_read(&d->json, &v);
    return v.type != JSON_STRING || add_part(d, m, CHAT_PART_TEXT, &v, "");
}

/* ---- tool calls ---- */

static void read_function(struct decoder *d, struct call_draft *c)
{
    struct str key;

    if (!json_enter_object(&d->json)) {
        json_skip(&d->json);
        return;
    }
    while (json_next_member(&d->json, &key))
        if (json_key_eq(key, STR("name")))
            json_read(&d->json, &c->name);
        else if (json_key_eq(key, STR("arguments")))
            json_read(&d->json, &c->arguments);
        else
            json_skip(&d->json);
}

static void read_call_members(struct decoder *d, struct call_draft *c)
{
    struct str key;

    while (json_next_member(&d->json, &key))
        if (json_key_eq(key, STR("id")))
            json_read(&d->json, &c->id);
        else if (json_key_eq(key, STR("function")))
            read_function(d, c);
        else
            json_skip(&d->json);
}

static bool is_string(struct decoder *d, const struct draft *m, const struct json_value *v,
                      const char *name)
{
    return v->type == JSON_STRING ||
           decoder_expect(d, call_param(d, m, name), v->type, ALLOW_STRING, "a string");
}

static bool judge_call(struct decoder *d, struct draft *m, const struct call_draft *c)
{
    struct chat_message *message = &m->message;
    struct chat_tool_call *calls =
        decoder_grow(d, message->tool_calls, message->n_tool_calls, sizeof(*calls));
    struct chat_tool_call *call;

    if (!calls)
        return false;
    message->tool_calls = calls;
    call = &calls[message->n_tool_calls];
    if (!is_string(d, m, &c->id, ".id") || !decoder_text(d, &c->id, &call->id) ||
        !is_string(d, m, &c->name, ".function.name") || !decoder_text(d, &c->name, &call->name) ||
        !is_string(d, m, &c->arguments, ".function.arguments") ||
        !long_text(d, &c->arguments, &call->arguments))
        return false;
    message->n_tool_calls++;
    return true;
}

static bool read_tool_call(struct decoder *d, struct draft *m)
{
    struct call_draft c = { 0 };
    enum json_type type = json_peek(&d->json);

    if (!json_enter_object(&d->json)) {
        decoder_expect(d, call_param(d, m, ""), type, ALLOW_OBJECT, "an object");
        return decoder_soften(d) && json_skip(&d->json);
    }
    read_call_members(d, &c);
    return d->json.failed || judge_call(d, m, &c) || decoder_soften(d);
}

static bool read_tool_calls(struct decoder *d, struct draft *m)
{
    enum json_type type = json_peek(&d->json);

    m->message.n_tool_calls = 0;
    if (json_enter_array(&d->json)) {
        while (json_next_item(&d->json))
            if (!read_tool_call(d, m))
                return false;
        return true;
    }
    if (!decoder_expect(d, message_param(d, m, ".tool_calls"), type, ALLOW_ARRAY | ALLOW_NULL,
                        "an array") &&
        !decoder_soften(d))
        return false;
    json_skip(&d->json);
    return true;
}

/* ---- messages ---- */

/* The type of a value that is not read further. */
static enum json_type skip_typed(struct decoder *d)
{
    enum json_type type = json_peek(&d->json);

    json_skip(&d->json);
    return type;
}

static bool read_member(struct decoder *d, struct draft *m, struct str key)
{
    if (json_key_eq(key, STR("content")))
        return read_content(d, m);
    if (json_key_eq(key, STR("tool_calls")))
        return read_tool_calls(d, m);
    if (json_key_eq(key, STR("role")))
        json_read(&d->json, &m->role);
    else if (json_key_eq(key, STR("refusal")))
        json_read(&d->json, &m->refusal);
    else if (json_key_eq(key, STR("tool_call_id")))
        json_read(&d->json, &m->tool_call_id);
    else if (json_key_eq(key, STR("audio")))
        m->audio = skip_typed(d);
    else if (json_key_eq(key, STR("function_call")))
        m->function_call = skip_typed(d);
    else if (json_key_eq(key, STR("reasoning_content")))
        json_read(&d->json, &m->reasoning);
    else
        json_skip(&d->json);
    return true;
}

static bool judge_role(struct decoder *d, struct draft *m)
{
    struct str name;

    if (!decoder_text(d, &m->role, &name))
        return false;
    for (int role = CHAT_SYSTEM; role <= CHAT_TOOL; role++) {
        m->message.role = (enum chat_role)role;
        if (str_eq(name, str_of(chat_role_name(m->message.role))))
            return true;
    }
    m->message.role = CHAT_USER;
    return decoder_refuse_word(d, message_param(d, m, ".role"), name,
                               "system, developer, user, assistant or tool");
}

/* An assistant without content: it refused, called tools, or said nothing at all, which client
 * libraries write in many ways. False when it said something that cannot be read here. */
static bool judge_silence(struct decoder *d, struct draft *m)
{
    if (m->refusal.type > JSON_NULL)
        return m->refusal.type == JSON_STRING && add_part(d, m, CHAT_PART_TEXT, &m->refusal, "");
    return m->message.n_tool_calls > 0 || (m->audio <= JSON_NULL && m->function_call <= JSON_NULL);
}

static bool judge_content(struct decoder *d, struct draft *m)
{
    if (m->message.role == CHAT_ASSISTANT && m->content <= JSON_NULL && judge_silence(d, m))
        return true;
    return m->content == JSON_STRING || m->content == JSON_ARRAY ||
           decoder_expect(d, message_param(d, m, ".content"), m->content,
                          ALLOW_STRING | ALLOW_ARRAY, "a string or an array of parts");
}

static bool judge_tool_call_id(struct decoder *d, struct draft *m)
{
    if (m->message.role != CHAT_TOOL)
        return true;
    if (m->tool_call_id.type == JSON_STRING)
        return decoder_text(d, &m->tool_call_id, &m->message.tool_call_id);
    return decoder_expect(d, message_param(d, m, ".tool_call_id"), m->tool_call_id.type,
                          ALLOW_STRING, "a string");
}

static bool judge(struct decoder *d, struct draft *m)
{
    bool is_sound;

    if (m->role.type != JSON_STRING)
        return decoder_expect(d, message_param(d, m, ".role"), m->role.type, ALLOW_STRING,
                              "a string");
    is_sound = judge_role(d, m) && judge_content(d, m) && judge_tool_call_id(d, m);
    if (!is_sound && !decoder_soften(d))
        return false;
    if (m->message.role != CHAT_ASSISTANT)
        m->message.n_tool_calls = 0;
    else if (m->reasoning.type == JSON_STRING)
        return decoder_text(d, &m->reasoning, &m->message.reasoning);
    return true;
}

static bool read_message(struct decoder *d)
{
    struct chat_request *r = d->request;
    struct draft m = { .index = r->n_messages };
    enum json_type type = json_peek(&d->json);
    struct chat_message *messages;
    struct str key;

    if (!json_enter_object(&d->json))
        return decoder_expect(d, message_param(d, &m, ""), type, ALLOW_OBJECT, "an object");
    while (json_next_member(&d->json, &key))
        if (!read_member(d, &m, key))
            return false;
    if (d->json.failed)
        return true;
    messages = judge(d, &m) ? decoder_grow(d, r->messages, r->n_messages, sizeof(m.message)) : NULL;
    if (!messages)
        return false;
    r->messages = messages;
    r->messages[r->n_messages++] = m.message;
    return true;
}

bool openai_chat_messages(struct decoder *d)
{
    enum json_type type = json_peek(&d->json);

    d->request->n_messages = 0;
    if (!json_enter_array(&d->json))
        return decoder_expect(d, STR("messages"), type, ALLOW_ARRAY, "an array of messages");
    while (json_next_item(&d->json)) {
        if (d->request->n_messages == MESSAGES_MAX)
            return decoder_refuse(d, STR("messages"), "has more than 65536 items");
        if (!read_message(d))
            return false;
    }
    return true;
}
