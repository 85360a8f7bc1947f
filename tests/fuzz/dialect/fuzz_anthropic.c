/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of Anthropic's messages API. Properties: a body is taken or refused with a reason, never
 * both; what is taken is valid UTF-8 with at least one message; only assistants call tools, with
 * arguments that are JSON; results of tools are texts.
 */
#include "base/encoding.h"
#include "dialect/dialect.h"
#include "json/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 24 };

static void check_json(struct str s)
{
    struct json_value v;

    BUG_ON(json_find(s, &v, NULL) || v.type != JSON_OBJECT);
}

static void check_message(const struct chat_message *m)
{
    BUG_ON(m->n_tool_calls > 0 && m->role != CHAT_ASSISTANT);
    for (size_t k = 0; k < m->n_parts; k++) {
        BUG_ON(!utf8_is_valid(m->parts[k].text));
        BUG_ON(m->role == CHAT_TOOL && m->parts[k].type != CHAT_PART_TEXT);
    }
    for (size_t k = 0; k < m->n_tool_calls; k++)
        check_json(m->tool_calls[k].arguments);
}

static void check_request(const struct chat_request *r)
{
    const struct chat_tools *t = &r->tools;

    BUG_ON(r->n_messages == 0 || r->raw.p || r->doubt.kind);
    for (size_t i = 0; i < r->n_messages; i++)
        check_message(&r->messages[i]);
    for (size_t i = 0; i < t->n; i++)
        check_json(t->list[i].parameters);
    for (size_t i = 0; i < r->limits.n_stops; i++)
        BUG_ON(r->limits.stops[i].n == 0);
    BUG_ON(t->choice == CHAT_CHOOSE_REQUIRED && t->n == 0);
    BUG_ON(r->limits.max_tokens < 0 || chat_request_tokens(r) < 0);
}

static void check_failure(const struct failure *f)
{
    struct json_value v;
    struct buf out;

    buf_init(&out, OUT_MAX);
    BUG_ON(f->kind != FAILURE_BAD_REQUEST && f->kind != FAILURE_NO_THREADS);
    BUG_ON(dialect_anthropic_messages.error(f, &out));
    BUG_ON(json_find(buf_str(&out), &v, "error", "message", NULL));
    BUG_ON(v.type != JSON_STRING);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str body = { (const char *)p, n };
    struct chat_request request = { 0 };
    struct failure failure = { 0 };
    struct arena a;

    arena_init(&a);
    if (dialect_anthropic_messages.decode(body, &a, &request, &failure)) {
        BUG_ON(failure.kind);
        check_request(&request);
    } else {
        check_failure(&failure);
    }
    arena_deinit(&a);
    return 0;
}
