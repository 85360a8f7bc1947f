/* SPDX-License-Identifier: Apache-2.0 */
/* The first row that covers the status counts. */
#include "provider/openai/status.h"

#include "provider/challenge.h"
#include "provider/date.h"
#include "json/reader.h"

enum { QUOTE_MAX = 500 };

static const struct {
    int from;
    int to;
    struct status_rule rule;
} rows[] = {
    { 300,
      399,
      { .kind = FAILURE_PROTOCOL,
        .advice = "Redirects are not followed: check the upstream's base_url." } },
    { 401,
      401,
      { .kind = FAILURE_UPSTREAM_AUTH,
        .is_for_next = true,
        .is_trouble = true,
        .trouble = KEY_REFUSED,
        .advice = "It refuses our key: check the upstream's api_keys." } },
    { 402,
      402,
      { .kind = FAILURE_QUOTA,
        .is_for_next = true,
        .is_trouble = true,
        .trouble = KEY_UNPAID,
        .advice = "The account's plan does not cover this: choose another model, or pay." } },
    { 403,
      403,
      { .kind = FAILURE_UPSTREAM_AUTH,
        .is_for_next = true, /* but no rest: it may be about what was asked */
        .advice = "Our key may not do this: check the upstream's api_keys and its plan." } },
    { 404,
      404,
      { .kind = FAILURE_NOT_FOUND,
        .is_as_it_is = true,
        .advice = "Check the name of the model, and the upstream's base_url." } },
    { 408,
      408,
      { .kind = FAILURE_REQUEST_SLOW,
        .is_as_it_is = true,
        .is_for_next = true,
        .advice = "Try again." } },
    { 409,
      409,
      { .kind = FAILURE_BAD_REQUEST,
        .is_as_it_is = true,
        .is_for_next = true,
        .advice = "Try again." } },
    { 413,
      413,
      { .kind = FAILURE_BODY_TOO_LARGE, .is_as_it_is = true, .advice = "Send less at once." } },
    { 429,
      429,
      { .kind = FAILURE_RATE_LIMIT,
        .is_as_it_is = true,
        .is_for_next = true,
        .is_trouble = true,
        .trouble = KEY_LIMITED,
        .advice = "Its limit is reached: wait, or add a key." } },
    { 400,
      499,
      { .kind = FAILURE_BAD_REQUEST,
        .is_as_it_is = true,
        .advice = "The upstream does not take this request." } },
    { 500,
      599,
      { .kind = FAILURE_UNAVAILABLE, .advice = "The upstream has a problem: try again later." } },
    { 0,
      0,
      { .kind = FAILURE_PROTOCOL,
        .advice = "This is no answer to a chat completion: check the upstream's base_url." } },
};

static const struct status_rule challenge = {
    .kind = FAILURE_CHALLENGE,
    .advice = "It asks for a browser check, which a gateway cannot pass: open the service in a "
              "browser from this network once, or use another network.",
};

struct answer_status status_read(const struct http_head *head, int64_t wall_ms)
{
    return (struct answer_status){
        .code = head->status,
        .is_challenge = head->status > 299 && challenge_is(head->status, head),
        .retry_after_ms = date_retry_after_ms(http_value(head, "retry-after"), wall_ms),
    };
}

static const struct status_rule *rule_of(int status)
{
    size_t i = 0;

    while (rows[i].to && (status < rows[i].from || status > rows[i].to))
        i++;
    return &rows[i].rule;
}

const struct status_rule *status_rule(const struct answer_status *s)
{
    return s->is_challenge ? &challenge : rule_of(s->code);
}

/* The text that is meant for people, if there is one. */
static bool find_said(struct str body, struct json_value *ret)
{
    if (!json_find(body, ret, "error", "message", NULL) && ret->type == JSON_STRING)
        return true;
    if (!json_find(body, ret, "error", NULL) && ret->type == JSON_STRING)
        return true;
    if (!json_find(body, ret, "message", NULL) && ret->type == JSON_STRING)
        return true;
    return !json_find(body, ret, "detail", NULL) && ret->type == JSON_STRING;
}

/* Whether it is an object whose `error` says something: what a client of OpenAI's format takes for
 * an error wherever it finds it. */
static bool has_error(struct str body)
{
    struct json_value v;

    if (!json_find(body, &v, "error", "message", NULL) && v.type == JSON_STRING)
        return true;
    return !json_find(body, &v, "error", NULL) && v.type == JSON_STRING && v.raw.n > 2;
}

/* On one line, whole characters, at most QUOTE_MAX bytes. */
static struct str one_line(struct arena *a, struct str text)
{
    size_t n = text.n < QUOTE_MAX ? text.n : QUOTE_MAX;
    char *out;

    while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    out = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ? ' ' : text.p[i];
    return (struct str){ out, n };
}

/* What the upstream said, for people: its message, or its plain text. */
static struct str said(struct arena *a, struct str body)
{
    struct json_value v;
    struct str text = { "", 0 };

    body = str_trim(body);
    if (find_said(body, &v))
        return json_text(&v, a, &text) ? text : one_line(a, text);
    return body.n > 0 && body.p[0] != '<' ? one_line(a, body) : text;
}

static bool is_object(struct str body)
{
    struct json_value v;

    return !json_find(body, &v, NULL) && v.type == JSON_OBJECT;
}

void status_as_it_is(struct failure *f, struct arena *a, struct str type, struct str body)
{
    if (!f->status || status_rule(&(struct answer_status){ .code = f->status })->is_for_next ||
        body.n == 0)
        return;
    f->body = arena_dup(a, body);
    f->body_type = arena_dup(a, type);
}

void status_failure(struct failure *ret, struct arena *a, const char *upstream,
                    const struct answer_status *s, struct str body)
{
    const struct status_rule *rule = status_rule(s);
    struct str words = said(a, body);

    failure_set(ret, a, rule->kind, "Upstream \"%s\" answered with status %d%s%.*s%s %s", upstream,
                s->code, words.n ? ": \"" : ".", STR_ARGS(words), words.n ? "\"." : "",
                rule->advice);
    ret->retry_after_ms = s->retry_after_ms;
    if (!rule->is_as_it_is)
        return;
    ret->status = s->code;
    ret->body_has_error = has_error(body);
    if (is_object(body))
        ret->body = arena_dup(a, body);
}

/* Some proxies put the status that they got into the error that they stream. */
static int status_inside(struct str error)
{
    struct json_value v;
    int64_t status;

    if (json_find(error, &v, "code", NULL) || json_int(&v, &status))
        return 0;
    return status >= 400 && status <= 599 ? (int)status : 0;
}

void status_error_inside(struct failure *ret, struct arena *a, const char *upstream,
                         struct str error, struct str whole)
{
    int status = status_inside(error);
    enum failure_kind kind = status ? rule_of(status)->kind : FAILURE_INTERRUPTED;
    struct str words = said(a, whole);

    if (words.n == 0)
        words = one_line(a, error);
    failure_set(ret, a, kind, "Upstream \"%s\" broke off with an error: \"%.*s\". Try again.",
                upstream, STR_ARGS(words));
    ret->body_has_error = has_error(whole);
    if (ret->body_has_error)
        ret->body = arena_dup(a, whole);
}

enum failure_kind status_of_transport(enum err err)
{
    if (err == ERR_TIMEOUT)
        return FAILURE_UPSTREAM_TIMEOUT;
    if (err == ERR_PROTOCOL || err == ERR_BAD_INPUT || err == ERR_TOO_BIG)
        return FAILURE_PROTOCOL;
    if (err == ERR_NO_FDS || err == ERR_NOMEM)
        return FAILURE_OVERLOADED;
    return FAILURE_UNAVAILABLE;
}

void status_unanswered(struct failure *ret, struct arena *a, const char *upstream,
                       const struct http_outcome *outcome)
{
    failure_set(ret, a, status_of_transport(outcome->err),
                "Upstream \"%s\" did not answer: %s. Check the network and the upstream's "
                "base_url%s.",
                upstream, outcome->detail,
                outcome->err == ERR_CERT || outcome->err == ERR_TLS
                    ? ", or name its certificates in UPSTREAM_CA_FILE"
                    : "");
}
