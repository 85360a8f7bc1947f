/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai_wire.h"

const char *openai_finish_name(enum chat_finish finish)
{
    static const char *const names[] = {
        [CHAT_FINISH_STOP] = "stop",
        [CHAT_FINISH_LENGTH] = "length",
        [CHAT_FINISH_TOOL_CALLS] = "tool_calls",
        [CHAT_FINISH_FILTER] = "content_filter",
    };

    BUG_ON((size_t)finish >= COUNT_OF(names));
    return names[finish];
}

static enum err add_prefix(const struct dialect_answer *answer, const char *id, const char *object,
                           struct buf *out)
{
    char digits[STR_U64_MAX];
    enum err err = buf_add_all(
        out, STRS(STR("data: {\"id\":\""), str_of(id), answer->id, STR("\",\"object\":\""),
                  str_of(object), STR("\",\"created\":"),
                  str_of_u64((uint64_t)answer->created_s, digits), STR(",\"model\":\"")));

    if (!err)
        err = json_escape_add(out, answer->model);
    if (!err)
        err = buf_add(out, STR("\",\"choices\":["));
    return err;
}

enum err openai_prefix(const struct dialect_answer *answer, const char *id, const char *object,
                       struct str *ret)
{
    enum { FIXED_MAX = 256, ESCAPED_MAX = 6 };
    struct buf b;
    enum err err;
    char *p;

    buf_init(&b, FIXED_MAX + answer->id.n + ESCAPED_MAX * answer->model.n);
    err = add_prefix(answer, id, object, &b);
    p = err ? NULL : arena_try(answer->arena, b.n);
    if (p) {
        memcpy(p, b.p, b.n);
        *ret = (struct str){ p, b.n };
    }
    buf_deinit(&b);
    return err || p ? err : ERR_NOMEM;
}

static void write_detail(struct json_writer *w, const char *name, const char *detail, int64_t n)
{
    json_w_key(w, name);
    json_w_object(w);
    json_w_member_int(w, detail, n);
    json_w_object_end(w);
}

void openai_write_usage(struct json_writer *w, const struct chat_usage *usage)
{
    json_w_object(w);
    json_w_member_int(w, "prompt_tokens", usage->prompt_tokens);
    json_w_member_int(w, "completion_tokens", usage->completion_tokens);
    json_w_member_int(w, "total_tokens", usage->prompt_tokens + usage->completion_tokens);
    write_detail(w, "prompt_tokens_details", "cached_tokens", usage->cached_tokens);
    write_detail(w, "completion_tokens_details", "reasoning_tokens", usage->reasoning_tokens);
    if (usage->estimated)
        json_w_member_bool(w, "x_estimated", true);
    json_w_object_end(w);
}

enum err openai_keepalive(UNUSED void *encoder, struct buf *out)
{
    return buf_add(out, STR(": keep-alive\n\n"));
}

static void write_str_or_null(struct json_writer *w, const char *name, struct str s)
{
    json_w_key(w, name);
    if (s.n > 0)
        json_w_str(w, s);
    else
        json_w_null(w);
}

enum err openai_error(const struct failure *failure, struct buf *out)
{
    const struct failure_row *row = failure_row(failure->kind);
    size_t before = out->n;
    struct json_writer w;
    enum err err;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_key(&w, "error");
    json_w_object(&w);
    json_w_member_str(&w, "message", failure->message);
    json_w_member_str(&w, "type", str_of(row->type));
    write_str_or_null(&w, "param", failure->param);
    write_str_or_null(&w, "code", str_of(row->code));
    json_w_object_end(&w);
    json_w_object_end(&w);
    err = json_w_end(&w);
    if (err)
        buf_truncate(out, before);
    return err;
}

enum err openai_stream_error(UNUSED void *encoder, const struct failure *failure, struct buf *out)
{
    size_t before = out->n;
    enum err err = buf_add(out, STR("data: "));

    if (!err)
        err = openai_error(failure, out);
    if (!err)
        err = buf_add(out, STR("\n\n"));
    if (err)
        buf_truncate(out, before);
    return err;
}
