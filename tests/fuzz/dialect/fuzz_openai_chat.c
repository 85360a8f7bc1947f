/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of chat completions. Properties: a body is taken or refused with a reason, never both;
 * what is taken is valid UTF-8 with at least one message; a refused body that is JSON names what
 * is wrong; any text that was read, streamed, reads back as the same.
 */
#include "base/encoding.h"
#include "dialect/dialect.h"
#include "json/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 24 };

/* The content of the first choice's delta of the chunk "data: ...\n\n". */
static struct str content_of(struct str chunk, struct arena *a)
{
    struct json_value v;
    struct json j;
    struct str text;

    BUG_ON(!str_starts(chunk, STR("data: ")) || !str_ends(chunk, STR("\n\n")));
    BUG_ON(json_find(str_from(chunk, strlen("data: ")), &v, "choices", NULL));
    json_init(&j, v.raw, JSON_DEPTH_MAX);
    BUG_ON(!json_enter_array(&j) || !json_next_item(&j) || !json_read(&j, &v));
    BUG_ON(json_find(v.raw, &v, "delta", "content", NULL));
    BUG_ON(json_text(&v, a, &text));
    return text;
}

static void check_round_trip(void *encoder, struct str text, struct arena *a)
{
    struct buf out;

    buf_init(&out, OUT_MAX);
    BUG_ON(!utf8_is_valid(text));
    BUG_ON(dialect_openai_chat.stream_text(encoder, 0, text, &out));
    BUG_ON(!str_eq(content_of(buf_str(&out), a), text));
    buf_deinit(&out);
}

static void check_request(const struct chat_request *r, struct arena *a)
{
    struct dialect_answer answer = { .request = r, .arena = a, .model = r->model, .id = STR("x") };
    void *encoder = arena_alloc(a, dialect_openai_chat.encoder_size);
    struct buf out;

    buf_init(&out, OUT_MAX);
    BUG_ON(r->n_messages == 0);
    BUG_ON(dialect_openai_chat.stream_begin(encoder, &answer, &out));
    BUG_ON(r->n > CHAT_CHOICES_MAX);
    if (r->n <= 1)
        BUG_ON(content_of(buf_str(&out), a).n != 0);
    buf_deinit(&out);
    for (size_t i = 0; i < r->n_messages; i++) {
        const struct chat_message *m = &r->messages[i];

        BUG_ON(m->n_tool_calls > 0 && m->role != CHAT_ASSISTANT);
        for (size_t k = 0; k < m->n_parts; k++)
            check_round_trip(encoder, m->parts[k].text, a);
        for (size_t k = 0; k < m->n_tool_calls; k++)
            check_round_trip(encoder, m->tool_calls[k].arguments, a);
    }
}

static void check_failure(struct str body, const struct failure *f)
{
    struct json_value v;
    struct buf out;

    buf_init(&out, OUT_MAX);
    BUG_ON(f->kind != FAILURE_BAD_REQUEST);
    BUG_ON(dialect_openai_chat.error(f, &out));
    BUG_ON(json_find(buf_str(&out), &v, "error", "message", NULL));
    BUG_ON(v.type != JSON_STRING);
    if (!json_find(body, &v, NULL) && v.type == JSON_OBJECT)
        BUG_ON(f->param.n == 0);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str body = { (const char *)p, n };
    struct chat_request request = { 0 };
    struct failure failure = { 0 };
    struct arena a;

    arena_init(&a);
    if (dialect_openai_chat.decode(body, &a, &request, &failure)) {
        BUG_ON(failure.kind);
        BUG_ON(request.raw.p != body.p || request.raw.n != n);
        if (request.doubt.kind)
            check_failure(body, &request.doubt);
        check_request(&request, &a);
    } else {
        check_failure(body, &failure);
    }
    arena_deinit(&a);
    return 0;
}
