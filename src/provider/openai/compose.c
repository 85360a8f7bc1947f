/* SPDX-License-Identifier: Apache-2.0 */
/* The request as it goes out: the client's own body with what is edited in place, or one written
 * for it; and its headers. */
#include "provider/openai/ask.h"
#include "provider/openai/body.h"
#include "provider/openai/call.h"
#include "provider/openai/request_write.h"
#include "json/writer.h"

enum { EDITED_ROOM = 512 }; /* what is between the first and the last edit is mostly shorter */

static bool quote(struct arena *a, struct str text, struct str *ret)
{
    struct json_writer w;
    struct buf out;
    bool is_good;

    buf_init(&out, 6 * text.n + 2);
    json_w_init(&w, &out);
    json_w_str(&w, text);
    is_good = json_w_end(&w) == ERR_NONE;
    if (is_good)
        *ret = arena_dup(a, buf_str(&out));
    buf_deinit(&out);
    return is_good;
}

/* Ours first, then the target's, so that a target that drops stream_options has them dropped. */
static size_t list_edits(struct provider_call *c, struct str model, struct provider_edit *ret)
{
    const struct provider_request *r = &c->request;
    size_t n = 0;

    if (r->wants_raw)
        ret[n++] = (struct provider_edit){ .type = EDIT_SET, .name = STR("model"), .value = model };
    if (r->wants_raw && r->chat->stream && !r->chat->include_usage)
        ret[n++] = (struct provider_edit){ .type = EDIT_USAGE };
    for (size_t i = 0; i < r->n_edits && n < BODY_EDITS_MAX; i++)
        ret[n++] = r->edits[i];
    return n;
}

enum err compose_body(struct provider_call *c)
{
    const struct provider_request *r = &c->request;
    struct provider_edit edits[BODY_EDITS_MAX];
    struct str model;
    struct buf written;
    enum err err;
    char *room;
    size_t n;

    if (!quote(&c->arena, r->model, &model) || !quote(&c->arena, r->client_model, &c->model_json))
        return ERR_NOMEM;
    n = list_edits(c, model, edits);
    if (r->wants_raw) {
        err = buf_reserve(&c->body, EDITED_ROOM, &room);
        if (err)
            return err;
        return body_edit_members(r->chat->raw, r->chat->members, r->chat->n_members, edits, n,
                                 &c->body, &c->ends);
    }
    if (n == 0)
        return request_write(r->chat, r->model, &c->body);
    buf_init(&written, SIZE_MAX / 2);
    err = request_write(r->chat, r->model, &written);
    if (!err)
        err = body_edit(buf_str(&written), edits, n, &c->body);
    buf_deinit(&written);
    return err;
}

size_t compose_headers(struct provider_call *c, struct str token, struct http_header *headers)
{
    const struct openai_config *config = c->instance->openai->config;
    size_t n = 0;

    headers[n++] = (struct http_header){ STR("Content-Type"), STR("application/json") };
    headers[n++] =
        (struct http_header){ STR("Accept"), c->request.chat->stream ? STR("text/event-stream")
                                                                     : STR("application/json") };
    if (config->is_native) {
        struct str id = session_id(&c->request, &c->arena);

        headers[n++] = (struct http_header){ STR("x-session-id"), id };
        headers[n++] = (struct http_header){ STR("x-session-affinity"), id };
    }
    if (c->request.traceparent && c->request.traceparent->n)
        headers[n++] = (struct http_header){ STR("traceparent"), *c->request.traceparent };
    if (c->request.tracestate && c->request.tracestate->n)
        headers[n++] = (struct http_header){ STR("tracestate"), *c->request.tracestate };
    return ask_headers(config, token, &c->arena, headers, n);
}
