/* SPDX-License-Identifier: Apache-2.0 */
/* Builders first, then the table of answers: the first row that covers the status counts. */
#include "provider/enginelabs/api.h"

#include "base/encoding.h"
#include "provider/challenge.h"
#include "provider/date.h"
#include "provider/enginelabs/fields.h"
#include "json/reader.h"
#include "json/writer.h"

enum { QUOTE_MAX = 200 };

static const struct row {
    int from;
    int to;
    enum failure_kind api;
    enum failure_kind clerk;
    enum reaction reaction; /* of the API's */
    const char *advice;
} rows[] = {
    { 300, 399, FAILURE_PROTOCOL, FAILURE_PROTOCOL, REACT_GIVE_UP,
      "Redirects are not followed: check ENGINELABS_API_URL and CLERK_URL." },
    { 401, 401, FAILURE_UPSTREAM_AUTH, FAILURE_UPSTREAM_AUTH, REACT_DISTRUST,
      "It refuses our sign-in: put a fresh cookie into CLERK_COOKIE." },
    { 402, 402, FAILURE_QUOTA, FAILURE_UPSTREAM_AUTH, REACT_UNUSABLE,
      "The account's plan does not cover this: choose another model or account, or change the "
      "plan." },
    { 403, 403, FAILURE_QUOTA, FAILURE_UPSTREAM_AUTH, REACT_UNUSABLE,
      "The account may not do this: choose another model or account, or change the plan." },
    { 404, 404, FAILURE_PROTOCOL, FAILURE_PROTOCOL, REACT_GIVE_UP,
      "There is nothing at this address: check ENGINELABS_API_URL and CLERK_URL." },
    { 408, 408, FAILURE_UPSTREAM_TIMEOUT, FAILURE_UPSTREAM_TIMEOUT, REACT_RETRY, "Try again." },
    { 413, 413, FAILURE_CONTEXT_LENGTH, FAILURE_PROTOCOL, REACT_GIVE_UP,
      "The prompt is too long for the service: shorten the conversation." },
    { 429, 429, FAILURE_QUOTA, FAILURE_RATE_LIMIT, REACT_COOL_DOWN,
      "The account's limit is reached: wait, or use another account." },
    { 400, 499, FAILURE_PROTOCOL, FAILURE_PROTOCOL, REACT_GIVE_UP,
      "The service did not understand the request: it may have changed its protocol; look for a "
      "newer version of this gateway." },
    { 500, 599, FAILURE_UNAVAILABLE, FAILURE_UNAVAILABLE, REACT_RETRY,
      "The service has a problem: try again later." },
};

static const char nonsense[] = "This is no answer that the service is known to give: check "
                               "ENGINELABS_API_URL and CLERK_URL.";
static const char challenge[] =
    "It asks for a browser check, which a gateway cannot pass: open the service in a browser "
    "from this network once, put the fresh cookie into CLERK_COOKIE, or use another network.";

enum err api_chat_body(struct buf *out, struct str prompt, struct str chat_id, struct str model)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "prompt", prompt);
    json_w_member_str(&w, "chatHistoryId", chat_id);
    json_w_member_str(&w, "adapterName", model);
    json_w_object_end(&w);
    return json_w_end(&w);
}

enum err api_project_body(struct buf *out, struct str prompt, struct str chat_id)
{
    enum err err = buf_add(out, STR("{\"prompt\":\""));

    if (!err)
        err = base64_add(out, prompt);
    if (!err)
        err = buf_add(out, STR("\",\"chatHistoryId\":\""));
    if (!err)
        err = json_escape_add(out, chat_id);
    return err ? err : buf_add(out, STR("\",\"encoded\":true}"));
}

enum err api_chat_target(struct buf *out, struct str chat_id)
{
    enum err err = buf_add(out, STR("/engine-agent/chat-histories/"));

    return err ? err : percent_add(out, chat_id);
}

enum err api_stream_target(struct buf *out, struct str chat_id, struct str user_id)
{
    enum err err = api_chat_target(out, chat_id);

    if (!err)
        err = buf_add(out, STR("/buffer/stream?token="));
    return err ? err : percent_add(out, user_id);
}

/* `before` and the id, or nothing without one. */
static enum err add_id(struct buf *out, struct str before, struct str id)
{
    enum err err = id.n > 0 ? buf_add(out, before) : ERR_NONE;

    return err ? err : percent_add(out, id);
}

enum err api_project_stream_target(struct buf *out, struct str chat_id, struct str user_id,
                                   struct str organization_id, struct str workspace_id)
{
    enum err err = api_stream_target(out, chat_id, user_id);

    if (!err)
        err = add_id(out, STR(":"), organization_id);
    return err ? err : add_id(out, STR("&workspaceId="), workspace_id);
}

struct api_status api_status_of(int status, const struct http_head *head, int64_t wall_ms)
{
    struct api_status s = { .status = status };

    if (head) {
        s.is_challenge = challenge_is(status, head);
        s.retry_after_ms = date_retry_after_ms(http_value(head, "retry-after"), wall_ms);
    }
    return s;
}

/* The row that covers a status, or NULL. */
static const struct row *find_row(int status)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (status >= rows[i].from && status <= rows[i].to)
            return &rows[i];
    return NULL;
}

static enum failure_kind look_up(enum api_peer peer, const struct api_status *s,
                                 const char **ret_advice)
{
    const struct row *row = find_row(s->status);

    *ret_advice = s->is_challenge ? challenge : row ? row->advice : nonsense;
    if (s->is_challenge)
        return FAILURE_CHALLENGE;
    if (!row)
        return FAILURE_PROTOCOL;
    return peer == API_PEER_CLERK ? row->clerk : row->api;
}

enum failure_kind api_kind(enum api_peer peer, const struct api_status *s)
{
    const char *advice;

    return look_up(peer, s, &advice);
}

/* A browser check is asked of this network, not of an account. */
enum reaction api_reaction(const struct api_status *s)
{
    const struct row *row = find_row(s->status);

    return s->is_challenge || !row ? REACT_GIVE_UP : row->reaction;
}

enum reaction api_transport_reaction(enum err err)
{
    return err_is_retryable(err) && err != ERR_TIMEOUT ? REACT_RETRY : REACT_GIVE_UP;
}

/* The text that is meant for people, if the answer has one. */
static bool find_said(struct str body, struct json_value *ret)
{
    if (!json_find(body, ret, "message", NULL) && ret->type == JSON_STRING)
        return true;
    if (!json_find(body, ret, "error", NULL) && ret->type == JSON_STRING)
        return true;
    return !json_find(body, ret, "error", "message", NULL) && ret->type == JSON_STRING;
}

/* At most QUOTE_MAX bytes of it, whole characters, on one line. */
static void add_quote(struct str text, char *out)
{
    size_t n = text.n < QUOTE_MAX ? text.n : QUOTE_MAX;

    while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    str_to_z(str_sub(text, 0, n), out, QUOTE_MAX + 1);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

/* "" when the service says nothing readable. */
static void quote(struct str body, char out[QUOTE_MAX + 1])
{
    struct json_value v;
    struct arena a;
    struct str text;

    arena_init(&a);
    out[0] = '\0';
    if (find_said(body, &v) && !json_text(&v, &a, &text))
        add_quote(text, out);
    arena_deinit(&a);
}

static const char *peer_name(enum api_peer peer)
{
    return peer == API_PEER_CLERK ? "the sign-in service" : "the API";
}

void api_failure(struct failure *ret, struct arena *a, const struct enginelabs_config *config,
                 enum api_peer peer, const char *what, const struct api_status *s, struct str body)
{
    const char *advice;
    enum failure_kind kind = look_up(peer, s, &advice);
    char said[QUOTE_MAX + 1];

    quote(body, said);
    failure_set(ret, a, kind, "%s of upstream \"%s\" answered %s with status %d%s%s%s. %s",
                peer_name(peer), config->name, what, s->status, said[0] ? ": \"" : "", said,
                said[0] ? "\"" : "", advice);
    ret->retry_after_ms = s->retry_after_ms;
}

static enum failure_kind kind_of_err(enum err err)
{
    if (err == ERR_TIMEOUT)
        return FAILURE_UPSTREAM_TIMEOUT;
    if (err == ERR_PROTOCOL || err == ERR_BAD_INPUT || err == ERR_TOO_BIG)
        return FAILURE_PROTOCOL;
    if (err == ERR_NO_FDS)
        return FAILURE_OVERLOADED;
    return FAILURE_UNAVAILABLE;
}

void api_transport_failure(struct failure *ret, struct arena *a,
                           const struct enginelabs_config *config, enum api_peer peer,
                           const char *what, enum err err, const char *detail)
{
    if (err == ERR_NO_FDS) {
        failure_set(ret, a, kind_of_err(err),
                    "The gateway has no file descriptor left to connect to %s of upstream \"%s\" "
                    "for %s: %s. Raise the limit (ulimit -n), or lower MAX_CONNECTIONS.",
                    peer_name(peer), config->name, what,
                    detail && detail[0] ? detail : err_text(err));
        return;
    }
    failure_set(ret, a, kind_of_err(err),
                "%s of upstream \"%s\" did not answer %s: %s. Check the network and %s%s.",
                peer_name(peer), config->name, what, detail && detail[0] ? detail : err_text(err),
                peer == API_PEER_CLERK ? "CLERK_URL" : "ENGINELABS_API_URL",
                err == ERR_CERT || err == ERR_TLS ? ", or name its certificates in "
                                                    "UPSTREAM_CA_FILE"
                                                  : "");
}
