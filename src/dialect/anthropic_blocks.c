/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and their blocks. One message here may become several: each result of a tool is one of
 * its own, and all of them stand in front of what else the user says, since that is where upstreams
 * of other formats look for them. Images of results go to the user's part.
 */
#include "dialect/anthropic_decode.h"

enum { MESSAGES_MAX = 65536 };

/* A message in the making. */
struct draft {
    struct str param; /* "messages[2].content" */
    size_t block;     /* which of its content is read; the rest of a param */
    struct chat_message message;
    bool has_results;
};

static struct str block_param(struct decoder *d, const struct draft *m, const char *rest)
{
    return decoder_at(d, m->param, m->block, rest);
}

static bool push(struct decoder *d, const struct chat_message *message)
{
    struct chat_request *r = d->request;
    struct chat_message *list;

    if (r->n_messages == MESSAGES_MAX)
        return decoder_refuse(d, STR("messages"), "has more than 65536 items");
    list = decoder_grow(d, r->messages, r->n_messages, sizeof(*list));
    if (!list)
        return false;
    r->messages = list;
    list[r->n_messages++] = *message;
    return true;
}

static bool add_part(struct decoder *d, struct chat_message *m, enum chat_part_type type,
                     struct str text)
{
    struct chat_part *parts = decoder_grow(d, m->parts, m->n_parts, sizeof(*parts));

    if (!parts)
        return false;
    m->parts = parts;
    parts[m->n_parts++] = (struct chat_part){ type, text };
    return true;
}

/* ---- blocks ---- */

/* The members of all blocks that are known. */
struct block {
    struct json_value type;
    struct json_value text;
    struct json_value source;
    struct json_value thinking;
    struct json_value id;
    struct json_value name;
    struct json_value input;
    struct json_value tool_use_id;
    struct json_value content;
    struct json_value is_error;
};

static void read_block(const struct json_value *v, struct block *ret)
{
    const struct decoder_member members[] = {
        { "type", &ret->type },       { "text", &ret->text },
        { "source", &ret->source },   { "thinking", &ret->thinking },
        { "id", &ret->id },           { "name", &ret->name },
        { "input", &ret->input },     { "tool_use_id", &ret->tool_use_id },
        { "content", &ret->content }, { "is_error", &ret->is_error },
    };

    *ret = (struct block){ 0 };
    decoder_members(v, members, COUNT_OF(members));
}

/* A block of content is expected to be an object with a type. */
static bool begin_block(struct decoder *d, struct str param, const struct json_value *v,
                        struct block *ret, struct str *ret_type)
{
    if (!decoder_expect(d, param, v->type, ALLOW_OBJECT, "an object"))
        return false;
    read_block(v, ret);
    return decoder_string_at(d, param, ".type", &ret->type, true, ret_type);
}

static bool add_text(struct decoder *d, struct str param, const struct json_value *text,
                     struct chat_message *m)
{
    struct str s;

    return decoder_string_at(d, param, ".text", text, true, &s) &&
           add_part(d, m, CHAT_PART_TEXT, s);
}

struct source {
    struct json_value type;
    struct json_value media_type;
    struct json_value data;
    struct json_value url;
};

static bool read_source(struct decoder *d, struct str param, const struct json_value *v,
                        struct source *ret, struct str *ret_type)
{
    const struct decoder_member members[] = { { "type", &ret->type },
                                              { "media_type", &ret->media_type },
                                              { "data", &ret->data },
                                              { "url", &ret->url } };

    *ret = (struct source){ 0 };
    if (!decoder_expect(d, param, v->type, ALLOW_OBJECT, "an object"))
        return false;
    decoder_members(v, members, COUNT_OF(members));
    return decoder_string_at(d, param, ".type", &ret->type, true, ret_type);
}

/* "data:image/png;base64,..." */
static bool data_url(struct decoder *d, struct str param, const struct source *s, struct str *ret)
{
    static const char begin[] = "data:";
    static const char middle[] = ";base64,";
    struct str type, data;
    char *p;

    if (!decoder_string_at(d, param, ".media_type", &s->media_type, true, &type) ||
        !decoder_string_at(d, param, ".data", &s->data, true, &data))
        return false;
    ret->n = strlen(begin) + type.n + strlen(middle) + data.n;
    p = decoder_room(d, ret->n);
    if (!p)
        return false;
    ret->p = p;
    memcpy(p, begin, strlen(begin));
    p += strlen(begin);
    if (type.n > 0)
        memcpy(p, type.p, type.n);
    p += type.n;
    memcpy(p, middle, strlen(middle));
    if (data.n > 0)
        memcpy(p + strlen(middle), data.p, data.n);
    return true;
}

static bool add_image(struct decoder *d, struct str param, const struct json_value *v,
                      struct chat_message *m)
{
    struct str at = arena_printf(d->arena, "%.*s.source", STR_ARGS(param));
    struct str type, url = STR("");
    struct source s;
    bool is_good;

    if (!read_source(d, at, v, &s, &type))
        return false;
    if (str_eq(type, STR("base64")))
        is_good = data_url(d, at, &s, &url);
    else if (str_eq(type, STR("url")))
        is_good = decoder_string_at(d, at, ".url", &s.url, true, &url);
    else
        return decoder_refuse_word(d, arena_printf(d->arena, "%.*s.type", STR_ARGS(at)), type,
                                   "base64 or url");
    return is_good && add_part(d, m, CHAT_PART_IMAGE, url);
}

/* Of documents only those that are text. */
static bool add_document(struct decoder *d, struct str param, const struct json_value *v,
                         struct chat_message *m)
{
    struct str at = arena_printf(d->arena, "%.*s.source", STR_ARGS(param));
    struct str type, text;
    struct source s;

    if (!read_source(d, at, v, &s, &type))
        return false;
    if (!str_eq(type, STR("text")))
        return decoder_refuse_word(d, arena_printf(d->arena, "%.*s.type", STR_ARGS(at)), type,
                                   "text");
    return decoder_string_at(d, at, ".data", &s.data, true, &text) &&
           add_part(d, m, CHAT_PART_TEXT, text);
}

/* ---- results of tools ---- */

static bool add_result_block(struct decoder *d, struct str param, const struct json_value *v,
                             struct chat_message *result, struct chat_message *user)
{
    struct block b;
    struct str type;

    if (!begin_block(d, param, v, &b, &type))
        return false;
    if (str_eq(type, STR("text")))
        return add_text(d, param, &b.text, result);
    if (str_eq(type, STR("document")))
        return add_document(d, param, &b.source, result);
    if (str_eq(type, STR("image")))
        return add_image(d, param, &b.source, user);
    return decoder_refuse_word(d, arena_printf(d->arena, "%.*s.type", STR_ARGS(param)), type,
                               "text, image or document");
}

static bool add_result_content(struct decoder *d, struct draft *m, const struct json_value *v,
                               struct chat_message *result)
{
    struct str param = block_param(d, m, ".content");
    struct json_value item;
    struct str text;
    struct json j;

    if (v->type <= JSON_NULL)
        return true;
    if (v->type == JSON_STRING)
        return decoder_text(d, v, &text) && add_part(d, result, CHAT_PART_TEXT, text);
    if (!decoder_expect(d, param, v->type, ALLOW_ARRAY, "a string or an array of blocks"))
        return false;
    json_init_checked(&j, v->raw);
    json_enter_array(&j);
    for (size_t i = 0; json_next_item(&j) && json_read(&j, &item); i++)
        if (!add_result_block(d, decoder_at(d, param, i, ""), &item, result, &m->message))
            return false;
    return true;
}

static bool add_result(struct decoder *d, struct draft *m, const struct block *b)
{
    struct chat_message result = { .role = CHAT_TOOL };

    m->has_results = true;
    if (!decoder_string(d, block_param(d, m, ".tool_use_id"), &b->tool_use_id, true,
                        &result.tool_call_id))
        return false;
    if (b->is_error.type == JSON_TRUE && !add_part(d, &result, CHAT_PART_TEXT, STR("Error: ")))
        return false;
    return add_result_content(d, m, &b->content, &result) && push(d, &result);
}

/* ---- what the two sides say ---- */

static bool read_user_block(struct decoder *d, struct draft *m, const struct json_value *v)
{
    struct str param = block_param(d, m, "");
    struct block b;
    struct str type;

    if (!begin_block(d, param, v, &b, &type))
        return false;
    if (str_eq(type, STR("text")))
        return add_text(d, param, &b.text, &m->message);
    if (str_eq(type, STR("tool_result")) && m->message.role == CHAT_USER)
        return add_result(d, m, &b);
    if (str_eq(type, STR("image")))
        return add_image(d, param, &b.source, &m->message);
    if (str_eq(type, STR("document")))
        return add_document(d, param, &b.source, &m->message);
    return decoder_refuse_word(d, block_param(d, m, ".type"), type,
                               "text, image, document or tool_result");
}

static bool add_tool_use(struct decoder *d, struct draft *m, const struct block *b)
{
    struct chat_message *message = &m->message;
    struct chat_tool_call call = { .arguments = STR("{}") };
    struct chat_tool_call *calls;

    if (!decoder_string(d, block_param(d, m, ".id"), &b->id, true, &call.id) ||
        !decoder_string(d, block_param(d, m, ".name"), &b->name, true, &call.name) ||
        !decoder_expect(d, block_param(d, m, ".input"), b->input.type, ALLOW_OBJECT, "an object"))
        return false;
    call.arguments = b->input.raw;
    calls = decoder_grow(d, message->tool_calls, message->n_tool_calls, sizeof(*calls));
    if (!calls)
        return false;
    message->tool_calls = calls;
    calls[message->n_tool_calls++] = call;
    return true;
}

static bool add_thinking(struct decoder *d, struct draft *m, const struct block *b)
{
    struct str *all = &m->message.reasoning;
    struct str text;
    char *p;

    if (!decoder_string(d, block_param(d, m, ".thinking"), &b->thinking, true, &text))
        return false;
    if (all->n == 0 || text.n == 0) {
        *all = all->n == 0 ? text : *all;
        return true;
    }
    p = decoder_room(d, all->n + text.n);
    if (!p)
        return false;
    memcpy(p, all->p, all->n);
    memcpy(p + all->n, text.p, text.n);
    *all = (struct str){ p, all->n + text.n };
    return true;
}

static bool read_assistant_block(struct decoder *d, struct draft *m, const struct json_value *v)
{
    struct str param = block_param(d, m, "");
    struct block b;
    struct str type;

    if (!begin_block(d, param, v, &b, &type))
        return false;
    if (str_eq(type, STR("text")))
        return add_text(d, param, &b.text, &m->message);
    if (str_eq(type, STR("tool_use")))
        return add_tool_use(d, m, &b);
    if (str_eq(type, STR("thinking")))
        return add_thinking(d, m, &b);
    if (str_eq(type, STR("redacted_thinking")))
        return true;
    return decoder_refuse_word(d, block_param(d, m, ".type"), type, "text, tool_use or thinking");
}

static bool read_blocks(struct decoder *d, struct draft *m, const struct json_value *v)
{
    struct json_value item;
    struct json j;

    json_init_checked(&j, v->raw);
    json_enter_array(&j);
    for (m->block = 0; json_next_item(&j) && json_read(&j, &item); m->block++)
        if (!(m->message.role == CHAT_ASSISTANT ? read_assistant_block(d, m, &item)
                                                : read_user_block(d, m, &item)))
            return false;
    return true;
}

/* Results of tools alone leave nothing for the user to say. */
static bool read_content(struct decoder *d, struct draft *m, const struct json_value *v)
{
    struct str text;

    if (v->type == JSON_STRING) {
        if (!decoder_text(d, v, &text) || !add_part(d, &m->message, CHAT_PART_TEXT, text))
            return false;
    } else if (!decoder_expect(d, m->param, v->type, ALLOW_STRING | ALLOW_ARRAY,
                               "a string or an array of blocks") ||
               !read_blocks(d, m, v)) {
        return false;
    }
    return (m->has_results && m->message.n_parts == 0) || push(d, &m->message);
}

static bool read_role(struct decoder *d, size_t i, const struct json_value *v, enum chat_role *ret)
{
    struct str param = decoder_at(d, STR("messages"), i, ".role");
    struct str word;

    if (!decoder_string(d, param, v, true, &word))
        return false;
    *ret = CHAT_USER;
    if (str_eq(word, STR("user")))
        return true;
    *ret = CHAT_ASSISTANT;
    if (str_eq(word, STR("assistant")))
        return true;
    *ret = CHAT_SYSTEM;
    return str_eq(word, STR("system")) ||
           decoder_refuse_word(d, param, word, "user, assistant or system");
}

static bool read_message(struct decoder *d, size_t i, const struct json_value *v)
{
    struct json_value role = { 0 }, content = { 0 };
    const struct decoder_member members[] = { { "role", &role }, { "content", &content } };
    struct draft m = { .param = decoder_at(d, STR("messages"), i, ".content") };

    if (!decoder_expect(d, decoder_at(d, STR("messages"), i, ""), v->type, ALLOW_OBJECT,
                        "an object"))
        return false;
    decoder_members(v, members, COUNT_OF(members));
    return read_role(d, i, &role, &m.message.role) && read_content(d, &m, &content);
}

bool anthropic_messages(struct decoder *d)
{
    enum json_type type = json_peek(&d->json);
    struct json_value item;

    d->request->n_messages = 0;
    if (!json_enter_array(&d->json))
        return decoder_expect(d, STR("messages"), type, ALLOW_ARRAY, "an array of messages");
    for (size_t i = 0; json_next_item(&d->json) && json_read(&d->json, &item); i++)
        if (!read_message(d, i, &item))
            return false;
    return true;
}

bool anthropic_system(struct decoder *d, const struct json_value *v)
{
    struct draft m = { .param = STR("system"), .message = { .role = CHAT_SYSTEM } };
    struct chat_request *r = d->request;
    size_t before = r->n_messages;
    struct chat_message system;

    if (v->type <= JSON_NULL)
        return true;
    if (!read_content(d, &m, v))
        return false;
    system = r->messages[before];
    memmove(r->messages + 1, r->messages, before * sizeof(*r->messages));
    r->messages[0] = system;
    return true;
}
