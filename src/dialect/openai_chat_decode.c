/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat completion's body and its parameters. Known parameters are checked even where nothing
 * reads them yet, as OpenAI does: a wrong type is a mistake that its author wants to know about.
 * But an upstream that gets the body as it came is the better judge of what it can do: what only it
 * has to understand is a doubt (chat/request.h), not a refusal. Unknown members are passed over. Of
 * two members of one name the last wins, as in JSON.parse().
 */
#include "dialect/openai_chat_decode.h"

static bool read_serial(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    d->request->tools.is_serial = v->type == JSON_FALSE;
    return true;
}

/* The newer name wins, wherever it stands. */
static bool read_old_limit(struct decoder *d, struct str param, const struct json_value *v)
{
    bool *has_new_limit = d->more;

    return *has_new_limit ? decoder_read_whole(d, param, v) : decoder_read_limit(d, param, v);
}

static bool read_limit(struct decoder *d, struct str param, const struct json_value *v)
{
    bool *has_new_limit = d->more;

    *has_new_limit = true;
    return decoder_read_limit(d, param, v);
}

static bool refuse_true(struct decoder *d, struct str param, const struct json_value *v)
{
    return v->type == JSON_FALSE ||
           decoder_refuse(d, param, "must be false: this upstream does not tell them");
}

static bool refuse_former(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json j;

    json_init_checked(&j, v->raw);
    if (json_enter_array(&j) && !json_next_item(&j))
        return true;
    return decoder_refuse(d, param, "is a former name: use tools and tool_choice");
}

static bool check_modalities(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value item;
    struct json j;

    json_init_checked(&j, v->raw);
    json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &item))
        if (!str_eq(item.raw, STR("\"text\"")))
            return decoder_refuse(d, param, "must be [\"text\"]: this upstream answers in text");
    return true;
}

static bool refuse_any(struct decoder *d, struct str param, UNUSED const struct json_value *v)
{
    return decoder_refuse(d, param, "is not known to this upstream: leave it out");
}

static const struct decoder_parameter parameters[] = {
    { "model", ALLOW_STRING, true, "a string", decoder_read_model },
    { "stream", ALLOW_BOOL, true, "a boolean", decoder_read_stream },
    { "n", ALLOW_NUMBER, false, "a whole number", decoder_read_n },
    { "stop", ALLOW_STRING | ALLOW_ARRAY, false, "a string or an array of strings",
      decoder_read_stops },
    { "temperature", ALLOW_NUMBER, false, "a number", NULL },
    { "top_p", ALLOW_NUMBER, false, "a number", NULL },
    { "presence_penalty", ALLOW_NUMBER, false, "a number", NULL },
    { "frequency_penalty", ALLOW_NUMBER, false, "a number", NULL },
    { "max_tokens", ALLOW_NUMBER, false, "a whole number", read_old_limit },
    { "max_completion_tokens", ALLOW_NUMBER, false, "a whole number", read_limit },
    { "seed", ALLOW_NUMBER, false, "a whole number", decoder_read_whole },
    { "logprobs", ALLOW_BOOL, false, "a boolean", refuse_true },
    { "top_logprobs", ALLOW_NUMBER, false, "a whole number", decoder_read_whole },
    { "logit_bias", ALLOW_OBJECT, false, "an object", decoder_refuse_bias },
    { "tool_choice", ALLOW_STRING | ALLOW_OBJECT, false, "a string or an object",
      openai_chat_tool_choice },
    { "parallel_tool_calls", ALLOW_BOOL, false, "a boolean", read_serial },
    { "functions", ALLOW_ARRAY, false, "an array", refuse_former },
    { "function_call", ALLOW_STRING | ALLOW_OBJECT, false, "a string or an object", refuse_former },
    { "response_format", ALLOW_OBJECT, false, "an object", openai_chat_format },
    { "modalities", ALLOW_ARRAY, false, "an array", check_modalities },
    { "audio", ALLOW_OBJECT, false, "an object", refuse_any },
    { "web_search_options", ALLOW_OBJECT, false, "an object", refuse_any },
    { "reasoning_effort", ALLOW_STRING, false, "a string", NULL },
    { "user", ALLOW_STRING, false, "a string", NULL },
    { "metadata", ALLOW_OBJECT, false, "an object", NULL },
    { "store", ALLOW_BOOL, false, "a boolean", NULL },
};

/* ---- the body ---- */

static bool read_member(struct decoder *d, struct str key)
{
    if (json_key_eq(key, STR("messages")))
        return openai_chat_messages(d);
    if (json_key_eq(key, STR("tools")))
        return openai_chat_tools(d);
    if (json_key_eq(key, STR("stream_options")))
        return decoder_stream_options(d);
    return decoder_parameter(d, parameters, COUNT_OF(parameters), key);
}

/* A choice among no tools is none. */
static bool judge_choice(struct decoder *d)
{
    struct chat_tools *t = &d->request->tools;

    if (t->choice <= CHAT_CHOOSE_NONE)
        return true;
    if (t->n > 0)
        return decoder_judge_named(d, STR("tool_choice.function.name"), "is none of the tools") ||
               decoder_soften(d);
    t->choice = CHAT_CHOOSE_AUTO;
    decoder_refuse(d, STR("tool_choice"), "needs tools");
    return decoder_soften(d);
}

bool openai_chat_decode(struct str body, struct arena *a, struct chat_request *ret,
                        struct failure *ret_failure)
{
    struct chat_request request = { .is_spelled = ret->is_spelled };
    struct failure failure = { 0 };
    bool has_new_limit = false;
    struct decoder d = { .arena = a,
                         .request = &request,
                         .failure = &failure,
                         .may_doubt = true,
                         .more = &has_new_limit };

    if (decoder_body(&d, body, read_member) && request.n_messages == 0)
        decoder_refuse(&d, STR("messages"), "must hold at least one message");
    if (failure.kind || !judge_choice(&d)) {
        *ret_failure = failure;
        return false;
    }
    request.raw = body;
    request.members = d.members;
    request.n_members = d.n_members;
    *ret = request;
    return true;
}
