/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items become messages: calls go to the assistant's message that stands before them, thoughts to
 * the one behind them. Results of tools are texts; images in them go to a user's message behind.
 */
#include "dialect/openai_responses_decode.h"

enum { MESSAGES_MAX = 65536 };

/* The members of all items that are known. */
struct item {
    struct json_value type;
    struct json_value role;
    struct json_value content;
    struct json_value summary;
    struct json_value call_id;
    struct json_value name;
    struct json_value arguments; /* function_call */
    struct json_value input;     /* custom_tool_call */
    struct json_value output;
};

static struct str param_of(struct decoder *d, size_t i, const char *rest)
{
    return decoder_at(d, STR("input"), i, rest);
}

static struct chat_message *push(struct decoder *d, enum chat_role role)
{
    struct chat_request *r = d->request;
    struct chat_message *list;

    if (r->n_messages == MESSAGES_MAX) {
        decoder_refuse(d, STR("input"), "has more than 65536 items");
        return NULL;
    }
    list = decoder_grow(d, r->messages, r->n_messages, sizeof(*list));
    if (!list)
        return NULL;
    r->messages = list;
    list[r->n_messages] = (struct chat_message){ .role = role };
    return &list[r->n_messages++];
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

/* ---- content ---- */

struct part {
    struct json_value type;
    struct json_value text;
    struct json_value refusal;
    struct json_value image_url;
};

static bool judge_part(struct decoder *d, struct str param, const struct part *p,
                       struct chat_message *texts, struct chat_message *images)
{
    struct str at_type = arena_join(d->arena, STRS(param, STR(".type")));
    struct str type, text;

    if (!decoder_string(d, at_type, &p->type, true, &type))
        return false;
    if (str_eq(type, STR("input_text")) || str_eq(type, STR("output_text")) ||
        str_eq(type, STR("text")))
        return decoder_string_at(d, param, ".text", &p->text, true, &text) &&
               add_part(d, texts, CHAT_PART_TEXT, text);
    if (str_eq(type, STR("refusal")))
        return decoder_string_at(d, param, ".refusal", &p->refusal, true, &text) &&
               add_part(d, texts, CHAT_PART_TEXT, text);
    if (str_eq(type, STR("input_image")))
        return decoder_string_at(d, param, ".image_url", &p->image_url, true, &text) &&
               add_part(d, images, CHAT_PART_IMAGE, text);
    return decoder_refuse_word(d, at_type, type, "input_text, output_text, refusal or input_image");
}

static bool read_part(struct decoder *d, struct str param, const struct json_value *v,
                      struct chat_message *texts, struct chat_message *images)
{
    struct part p = { 0 };
    const struct decoder_member members[] = { { "type", &p.type },
                                              { "text", &p.text },
                                              { "refusal", &p.refusal },
                                              { "image_url", &p.image_url } };

    if (!decoder_expect(d, param, v->type, ALLOW_OBJECT, "an object"))
        return false;
    decoder_members(v, members, COUNT_OF(members));
    return judge_part(d, param, &p, texts, images);
}

/* A text, or parts. */
static bool read_content(struct decoder *d, struct str param, const struct json_value *v,
                         struct chat_message *texts, struct chat_message *images)
{
    struct json_value item;
    struct str text;
    struct json j;

    if (v->type == JSON_STRING)
        return decoder_text(d, v, &text) && add_part(d, texts, CHAT_PART_TEXT, text);
    if (!decoder_expect(d, param, v->type, ALLOW_STRING | ALLOW_ARRAY,
                        "a string or an array of parts"))
        return false;
    json_init_checked(&j, v->raw);
    json_enter_array(&j);
    for (size_t i = 0; json_next_item(&j) && json_read(&j, &item); i++)
        if (!read_part(d, decoder_at(d, param, i, ""), &item, texts, images))
            return false;
    return true;
}

/* ---- items ---- */

static void take_reasoning(struct decoder *d, struct chat_message *m)
{
    struct responses_draft *draft = d->more;

    if (m->role == CHAT_ASSISTANT && draft->reasoning.n > 0)
        m->reasoning = draft->reasoning;
    draft->reasoning = STR("");
}

static bool read_message(struct decoder *d, size_t i, const struct item *item)
{
    struct str param = param_of(d, i, ".role");
    struct chat_message *m;
    struct str word;

    if (!decoder_string(d, param, &item->role, true, &word))
        return false;
    for (int role = CHAT_SYSTEM; role < CHAT_TOOL; role++) {
        if (!str_eq(word, str_of(chat_role_name((enum chat_role)role))))
            continue;
        m = push(d, (enum chat_role)role);
        if (m)
            take_reasoning(d, m);
        return m && read_content(d, param_of(d, i, ".content"), &item->content, m, m);
    }
    return decoder_refuse_word(d, param, word, "system, developer, user or assistant");
}

static bool read_arguments(struct decoder *d, size_t i, const struct item *item, bool is_custom,
                           struct str *ret)
{
    if (is_custom)
        return responses_custom_arguments(d, param_of(d, i, ".input"), &item->input, ret);
    return decoder_string(d, param_of(d, i, ".arguments"), &item->arguments, true, ret);
}

static bool read_call(struct decoder *d, size_t i, const struct item *item, bool is_custom)
{
    struct chat_request *r = d->request;
    struct chat_message *m = r->n_messages ? &r->messages[r->n_messages - 1] : NULL;
    struct chat_tool_call call;
    struct chat_tool_call *calls;

    if (!m || m->role != CHAT_ASSISTANT)
        m = push(d, CHAT_ASSISTANT);
    if (!m || !decoder_string(d, param_of(d, i, ".call_id"), &item->call_id, true, &call.id) ||
        !decoder_string(d, param_of(d, i, ".name"), &item->name, true, &call.name) ||
        !read_arguments(d, i, item, is_custom, &call.arguments))
        return false;
    take_reasoning(d, m);
    calls = decoder_grow(d, m->tool_calls, m->n_tool_calls, sizeof(*calls));
    if (!calls)
        return false;
    m->tool_calls = calls;
    calls[m->n_tool_calls++] = call;
    return true;
}

static bool read_output(struct decoder *d, size_t i, const struct item *item)
{
    struct chat_message images = { .role = CHAT_USER };
    struct chat_message *m = push(d, CHAT_TOOL);

    if (!m ||
        !decoder_string(d, param_of(d, i, ".call_id"), &item->call_id, true, &m->tool_call_id) ||
        !read_content(d, param_of(d, i, ".output"), &item->output, m, &images))
        return false;
    if (images.n_parts == 0)
        return true;
    m = push(d, CHAT_USER);
    if (m)
        *m = images;
    return m != NULL;
}

/* Texts of a list of parts, of whatever type. */
static bool join_texts(struct decoder *d, const struct json_value *list, struct buf *out)
{
    struct json_value part;
    struct json j;

    if (list->type != JSON_ARRAY)
        return true;
    json_init_checked(&j, list->raw);
    json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &part)) {
        struct json_value text = { 0 };
        const struct decoder_member members[] = { { "text", &text } };

        decoder_members(&part, members, COUNT_OF(members));
        if (text.type == JSON_STRING && json_text_add(&text, out))
            return decoder_no_memory(d);
    }
    return true;
}

static bool read_reasoning(struct decoder *d, const struct item *item)
{
    struct responses_draft *draft = d->more;
    struct buf all;
    bool is_good;
    char *p = NULL;

    buf_init(&all, item->content.raw.n + item->summary.raw.n);
    is_good =
        join_texts(d, item->content.type == JSON_ARRAY ? &item->content : &item->summary, &all);
    if (is_good && all.n > 0) {
        p = decoder_room(d, all.n);
        is_good = p != NULL;
    }
    if (p) {
        memcpy(p, all.p, all.n);
        draft->reasoning = (struct str){ p, all.n };
    }
    buf_deinit(&all);
    return is_good;
}

static bool judge_item(struct decoder *d, size_t i, const struct item *item)
{
    struct str type;

    if (!decoder_string(d, param_of(d, i, ".type"), &item->type, false, &type))
        return false;
    if (type.n == 0 || str_eq(type, STR("message")))
        return read_message(d, i, item);
    if (str_eq(type, STR("function_call")) || str_eq(type, STR("custom_tool_call")))
        return read_call(d, i, item, str_eq(type, STR("custom_tool_call")));
    if (str_eq(type, STR("function_call_output")) || str_eq(type, STR("custom_tool_call_output")))
        return read_output(d, i, item);
    if (str_eq(type, STR("reasoning")))
        return read_reasoning(d, item);
    return decoder_refuse_word(d, param_of(d, i, ".type"), type,
                               "message, function_call, function_call_output, custom_tool_call, "
                               "custom_tool_call_output or reasoning");
}

static bool read_item(struct decoder *d, size_t i, const struct json_value *v)
{
    struct item item = { 0 };
    const struct decoder_member members[] = {
        { "type", &item.type },       { "role", &item.role },
        { "content", &item.content }, { "summary", &item.summary },
        { "call_id", &item.call_id }, { "name", &item.name },
        { "output", &item.output },   { "arguments", &item.arguments },
        { "input", &item.input },
    };

    if (!decoder_expect(d, param_of(d, i, ""), v->type, ALLOW_OBJECT, "an object"))
        return false;
    decoder_members(v, members, COUNT_OF(members));
    return judge_item(d, i, &item);
}

bool responses_items(struct decoder *d, const struct json_value *array)
{
    struct json_value item;
    struct json j;

    json_init_checked(&j, array->raw);
    json_enter_array(&j);
    for (size_t i = 0; json_next_item(&j) && json_read(&j, &item); i++)
        if (!read_item(d, i, &item))
            return false;
    return true;
}

bool responses_input(struct decoder *d, struct str param, const struct json_value *v)
{
    struct responses_draft *draft = d->more;

    d->request->n_messages = draft->n_past;
    d->request->asked = v->raw;
    draft->reasoning = STR("");
    if (v->type == JSON_STRING) {
        struct chat_message *m = push(d, CHAT_USER);

        return m && read_content(d, param, v, m, m);
    }
    return responses_items(d, v);
}
