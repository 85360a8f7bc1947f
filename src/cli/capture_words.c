/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/capture_words.h"

enum { NAME_MAX_LEN = 40, NAME_DIGITS_MAX = 3, MODEL_MAX_LEN = 48, ID_MIN = 8 };

static const char *const segments[] = {
    "",        "v1",    "client",          "sessions",   "tokens",
    "me",      "chat",  "engine-agent",    "buffer",     "chat-histories",
    "stream",  "teams", "preferred-model", "offers",     "create-hosted",
    "billing", "touch", "projects",        "adapters",   "organization_memberships",
    "models",  "oauth", "completions",     "workspaces", "token"
};

static const char *const members[] = { "id",
                                       "type",
                                       "chat",
                                       "content",
                                       "role",
                                       "text",
                                       "state",
                                       "buffer",
                                       "messages",
                                       "inProgress",
                                       "cancelled",
                                       "taskId",
                                       "user",
                                       "response",
                                       "sessions",
                                       "status",
                                       "errors",
                                       "code",
                                       "jwt",
                                       "error",
                                       "object",
                                       "prompt",
                                       "history",
                                       "client",
                                       "model",
                                       "models",
                                       "key",
                                       "provider",
                                       "expire_at",
                                       "projectId",
                                       "encoded",
                                       "workspaceId",
                                       "tier",
                                       "label",
                                       "message",
                                       "title",
                                       "name",
                                       "email",
                                       "slug",
                                       "token",
                                       "data",
                                       "url",
                                       "chatAdapters",
                                       "chatHistoryId",
                                       "adapterName",
                                       "modelKey",
                                       "engineAgentKey",
                                       "last_active_session_id",
                                       "last_active_organization_id" };

/* Of "status", "state" and their like. */
static const char *const states[] = { "active",
                                      "ended",
                                      "expired",
                                      "removed",
                                      "abandoned",
                                      "pending",
                                      "revoked",
                                      "replaced",
                                      "signed_out",
                                      "token",
                                      "client",
                                      "session",
                                      "user",
                                      "organization",
                                      "running",
                                      "idle",
                                      "completed",
                                      "complete",
                                      "cancelled",
                                      "canceled",
                                      "failed",
                                      "queued",
                                      "done",
                                      "started",
                                      "finished",
                                      "error",
                                      "success",
                                      "ok",
                                      "list",
                                      "chat.completion",
                                      "chat.completion.chunk",
                                      "stop",
                                      "length",
                                      "tool_calls",
                                      "content_filter",
                                      "refresh_token",
                                      "Bearer",
                                      "model",
                                      "assistant",
                                      "system",
                                      "tool",
                                      "developer",
                                      "verified",
                                      "unverified",
                                      "true",
                                      "false",
                                      "none",
                                      "default",
                                      "in_progress",
                                      "ENGINE_AGENT",
                                      "authentication_invalid",
                                      "resource_not_found",
                                      "rate_limit_exceeded" };

/* What values of "type" are made of. */
static const char *const type_words[] = {
    "state",    "update",    "history",  "label",     "chat",     "thinking", "text",
    "user",     "assistant", "system",   "tool",      "use",      "result",   "call",
    "image",    "url",       "agent",    "activity",  "task",     "status",   "progress",
    "error",    "message",   "start",    "started",   "stop",     "stopped",  "end",
    "ended",    "done",      "delta",    "content",   "block",    "file",     "edit",
    "read",     "write",     "search",   "command",   "output",   "input",    "terminal",
    "code",     "diff",      "step",     "plan",      "todo",     "web",      "fetch",
    "browser",  "reasoning", "usage",    "title",     "ping",     "pong",     "buffer",
    "stream",   "event",     "function", "cancelled", "canceled", "finish",   "finished",
    "complete", "completed", "session",  "client",    "token",    "json",     "object",
    "string",   "run"
};

static const char *const state_keys[] = { "status",        "state",      "object",
                                          "code",          "role",       "surface",
                                          "finish_reason", "grant_type", "token_type" };

static const char *const text_keys[] = { "content", "text",  "prompt", "message",
                                         "title",   "label", "name",   "thinking" };

static const char *const model_keys[] = { "key",         "model",    "engineAgentKey", "modelKey",
                                          "adapterName", "provider", "models",         "adapter" };

static const char *const prefixes[] = { "sess_", "org_",   "user_", "client_", "msg_",
                                        "task_", "proj_",  "chat_", "ws_",     "ses_",
                                        "run_",  "toolu_", "call_", "evt_",    "orgmem_" };

static bool is_in(struct str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(s, str_of(list[i])))
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static size_t count_digits(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += is_digit(s.p[i]);
    return n;
}

/* Whether all of `s` are letters, digits and bytes of `marks`. */
static bool is_made_of(struct str s, const char *marks)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_letter(s.p[i]) && !is_digit(s.p[i]) &&
            str_find_char(str_of(marks), s.p[i]) == SIZE_MAX)
            return false;
    return true;
}

bool words_is_segment(struct str s)
{
    return is_in(s, segments, COUNT_OF(segments));
}

bool words_is_member(struct str s)
{
    return is_in(s, members, COUNT_OF(members));
}

bool words_is_name(struct str s)
{
    return s.n > 0 && s.n <= NAME_MAX_LEN && !is_digit(s.p[0]) && is_made_of(s, "_-") &&
           count_digits(s) <= NAME_DIGITS_MAX;
}

/* "tool_use": another type than the known ones is covered, and stays unknown. */
static bool is_made_of_words(struct str s)
{
    for (struct str rest = s; rest.p;) {
        size_t n = 0;

        while (n < rest.n && rest.p[n] != '_' && rest.p[n] != '-' && rest.p[n] != '.')
            n++;
        if (!is_in(str_sub(rest, 0, n), type_words, COUNT_OF(type_words)))
            return false;
        rest = n < rest.n ? str_from(rest, n + 1) : (struct str){ NULL, 0 };
    }
    return true;
}

bool words_is_enum(struct str key, struct str s)
{
    if (is_in(key, state_keys, COUNT_OF(state_keys)))
        return is_in(s, states, COUNT_OF(states));
    return str_eq(key, STR("type")) && is_made_of_words(s);
}

bool words_holds_text(struct str key)
{
    return is_in(key, text_keys, COUNT_OF(text_keys));
}

bool words_holds_id(struct str key)
{
    return str_eq(key, STR("id")) || str_ends(key, STR("Id")) || str_ends(key, STR("_id")) ||
           str_ends(key, STR("ID"));
}

bool words_holds_model(struct str key)
{
    return is_in(key, model_keys, COUNT_OF(model_keys)) || str_ends(key, STR("Model"));
}

bool words_is_model(struct str s)
{
    return s.n > 0 && s.n <= MODEL_MAX_LEN && is_made_of(s, "_-.:/");
}

bool words_is_id(struct str s)
{
    return s.n >= ID_MIN && is_made_of(s, "_-.") && count_digits(s) > 0;
}

/* 8-4-4-4-12 hexadecimal digits. */
bool words_is_uuid(struct str s)
{
    if (s.n != 36)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? s.p[i] != '-' : str_find_char(STR("0123456789abcdefABCDEF"), s.p[i]) > 21)
            return false;
    }
    return true;
}

bool words_is_jwt(struct str s)
{
    struct str rest = s;
    struct str head = str_cut(rest, '.', &rest);
    struct str claims = str_cut(rest, '.', &rest);

    return str_starts(head, STR("eyJ")) && claims.n > 0 && rest.n > 0 && is_made_of(s, "_-.=");
}

struct str words_id_prefix(struct str s)
{
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (str_starts(s, str_of(prefixes[i])))
            return str_of(prefixes[i]);
    return STR("");
}

bool words_is_plain_pair(struct str key, struct str value)
{
    static const char *const pages[] = { "limit", "offset", "paginated", "encoded", "debug" };

    if (is_in(key, pages, COUNT_OF(pages)))
        return value.n <= 5 && is_made_of(value, "");
    if (!str_eq(key, STR("__clerk_api_version")) && !str_eq(key, STR("_clerk_js_version")))
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (!is_digit(value.p[i]) && value.p[i] != '.' && value.p[i] != '-')
            return false;
    return value.n <= 10;
}

bool words_is_header(struct str name, struct str value)
{
    static const char *const types[] = { "application/json",
                                         "application/json; charset=utf-8",
                                         "text/html",
                                         "text/html; charset=utf-8",
                                         "text/html; charset=UTF-8",
                                         "text/plain",
                                         "text/plain; charset=utf-8",
                                         "text/plain;charset=UTF-8",
                                         "application/x-www-form-urlencoded",
                                         "application/problem+json",
                                         "text/event-stream",
                                         "text/event-stream; charset=utf-8" };
    static const char *const servers[] = { "cloudflare", "nginx", "envoy", "Vercel", "uvicorn" };

    if (str_eq_nocase(name, STR("content-type")))
        return is_in(value, types, COUNT_OF(types));
    if (str_eq_nocase(name, STR("server")))
        return is_in(value, servers, COUNT_OF(servers));
    if (str_eq_nocase(name, STR("cf-mitigated")))
        return str_eq(value, STR("challenge")) || str_eq(value, STR("block"));
    return str_eq_nocase(name, STR("retry-after")) && value.n > 0 && value.n <= 6 &&
           count_digits(value) == value.n;
}
