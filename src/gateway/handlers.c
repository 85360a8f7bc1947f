/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the OpenAI endpoints: chat completions, and the list of models. */
#include "base/encoding.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "json/writer.h"

void handle_chat_completions(struct gateway_worker *w, struct http_request *r)
{
    exchange_start(w, r, &dialect_openai_chat);
}

/* `created` is when this gateway began: the upstream does not say when a model was made. */
static void write_model(const struct gateway *g, struct json_writer *j, const char *model)
{
    json_w_object(j);
    json_w_member_str(j, "id", str_of(model));
    json_w_member_str(j, "object", STR("model"));
    json_w_member_int(j, "created", g->started_wall_ms / 1000);
    json_w_member_str(j, "owned_by", str_of(g->upstream_name));
    json_w_object_end(j);
}

void handle_models(struct gateway_worker *w, struct http_request *r)
{
    const struct gateway *g = w->gateway;
    struct json_writer j;
    struct buf out;

    buf_init(&out, 1 << 20);
    json_w_init(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "object", STR("list"));
    json_w_key(&j, "data");
    json_w_array(&j);
    for (size_t i = 0; g->settings->known_models[i]; i++)
        write_model(g, &j, g->settings->known_models[i]);
    json_w_array_end(&j);
    json_w_object_end(&j);
    gateway_reply_written(r, 200, &j);
    buf_deinit(&out);
}

/* What stands behind ".../models/". */
static struct str model_of_path(struct str path)
{
    static const char marker[] = "/models/";

    return str_from(path, str_find(path, str_of(marker)) + sizeof(marker) - 1);
}

static const char *find_model(const struct settings *s, struct str id)
{
    for (size_t i = 0; s->known_models[i]; i++)
        if (str_eq(str_of(s->known_models[i]), id))
            return s->known_models[i];
    return NULL;
}

static void reply_model(const struct gateway *g, struct http_request *r, struct str id)
{
    const char *model = find_model(g->settings, id);
    struct buf out;
    struct json_writer j;

    if (!model) {
        gateway_reply_error(
            r, FAILURE_MODEL_NOT_FOUND,
            "The model \"%.*s\" does not exist here. GET /v1/models lists those that do.",
            STR_ARGS(str_sub(id, 0, 200)));
        return;
    }
    buf_init(&out, 1 << 16);
    json_w_init(&j, &out);
    write_model(g, &j, model);
    gateway_reply_written(r, 200, &j);
    buf_deinit(&out);
}

/* A name that is not properly escaped, or holds a NUL, is taken as it stands in the path. */
void handle_model(struct gateway_worker *w, struct http_request *r)
{
    struct str id = model_of_path(r->head.path);
    struct buf decoded;

    buf_init(&decoded, id.n);
    if (percent_decode(&decoded, id) == ERR_NONE && !memchr(decoded.p, '\0', decoded.n))
        id = buf_str(&decoded);
    reply_model(w->gateway, r, id);
    buf_deinit(&decoded);
}
