/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of errors: the API's, the sign-in service's, OpenAI's and OAuth's. */
#include "simulator/call.h"

static const struct {
    int status;
    const char *clerk_code;
    const char *clerk_message;
    const char *api_message;
} errors[] = {
    { 400, "form_param_format_invalid", "is invalid", "Bad Request" },
    { 401, "signed_out", "Signed out", "jwt expired" },
    { 402, "payment_required", "Payment required", "Upgrade your plan to continue" },
    { 403, "authorization_invalid", "Unauthorized request", "Your plan does not include this" },
    { 404, "resource_not_found", "Resource not found", "Chat history not found" },
    { 413, "request_too_large", "Request too large", "Message too large" },
    { 422, "form_param_unknown", "is not a valid parameter", "Unprocessable Entity" },
    { 429, "too_many_requests", "Too many requests. Please try again in a bit.",
      "You have reached your daily limit of 300 messages" },
    { 500, "internal_clerk_error", "Oops, an unexpected error occurred", "Internal Server Error" },
    { 502, "bad_gateway", "Bad gateway", "Bad Gateway" },
    { 503, "service_unavailable", "Service unavailable", "Service Unavailable" },
};

enum style { STYLE_API, STYLE_CLERK, STYLE_OPENAI, STYLE_OAUTH };

static enum style style_of(const struct sim_call *c)
{
    switch (c->route ? (int)c->route->where : (int)SIM_WHERE_COUNT) {
    case SIM_AT_CLIENT:
    case SIM_AT_TOKEN:
        return STYLE_CLERK;
    case SIM_AT_OAUTH:
        return STYLE_OAUTH;
    case SIM_AT_COMPLETIONS:
    case SIM_AT_MODELS:
    case SIM_AT_EMBEDDINGS:
    case SIM_AT_AUDIO:
    case SIM_AT_FILES:
        return STYLE_OPENAI;
    default:
        return STYLE_API;
    }
}

static void write_clerk_error(struct json_writer *w, const char *code, const char *message)
{
    json_w_object(w);
    json_w_key(w, "errors");
    json_w_array(w);
    json_w_object(w);
    json_w_member_str(w, "message", str_of(message));
    json_w_member_str(w, "long_message", str_of(message));
    json_w_member_str(w, "code", str_of(code));
    json_w_object_end(w);
    json_w_array_end(w);
    json_w_member_str(w, "clerk_trace_id", STR("5150000000000000000000000000beef"));
    json_w_object_end(w);
}

static void write_api_error(struct json_writer *w, int status, const char *message)
{
    json_w_object(w);
    json_w_member_int(w, "statusCode", status);
    json_w_member_str(w, "error", str_of(http_reason(status)));
    json_w_member_str(w, "message", str_of(message));
    json_w_object_end(w);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return "authentication_error";
    case 402:
        return "insufficient_quota";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static void write_openai_error(struct json_writer *w, int status, const char *code,
                               const char *message)
{
    json_w_object(w);
    json_w_key(w, "error");
    json_w_object(w);
    json_w_member_str(w, "message", str_of(message));
    json_w_member_str(w, "type", str_of(type_of(status)));
    json_w_key(w, "param");
    json_w_null(w);
    json_w_key(w, "code");
    if (code)
        json_w_str(w, str_of(code));
    else
        json_w_null(w);
    json_w_object_end(w);
    json_w_object_end(w);
}

/* RFC 6749 5.2 */
static void write_oauth_error(struct json_writer *w, const char *code, const char *message)
{
    json_w_object(w);
    json_w_member_str(w, "error", str_of(code));
    json_w_member_str(w, "error_description", str_of(message));
    json_w_object_end(w);
}

static void write_error(struct json_writer *w, enum style style, int status, const char *code,
                        const char *message)
{
    switch (style) {
    case STYLE_CLERK:
        write_clerk_error(w, code, message);
        break;
    case STYLE_OPENAI:
        write_openai_error(w, status, code, message);
        break;
    case STYLE_OAUTH:
        write_oauth_error(w, code ? code : "invalid_grant", message);
        break;
    case STYLE_API:
        write_api_error(w, status, message);
        break;
    }
}

struct str sim_error_body(struct sim_call *c, int status, const char *code, const char *message)
{
    struct json_writer w;
    struct buf text;
    struct str body;
    enum style style = style_of(c);
    size_t i = 0;

    while (i < COUNT_OF(errors) - 1 && errors[i].status < status)
        i++;
    buf_init(&text, 4096);
    json_w_init(&w, &text);
    if (style == STYLE_CLERK)
        write_error(&w, style, status, code ? code : errors[i].clerk_code,
                    message ? message : errors[i].clerk_message);
    else
        write_error(&w, style, status, code, message ? message : errors[i].api_message);
    body = json_w_end(&w) ? STR("{}") : arena_dup(&c->r->arena, buf_str(&text));
    buf_deinit(&text);
    return body;
}
