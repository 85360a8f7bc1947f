/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the endpoints of all dialects, and the list of models. */
#include "base/encoding.h"
#include "gateway/exchange.h"
#include "gateway/route_book.h"
#include "json/reader.h"

void handle_chat_completions(struct gateway_worker *w, struct http_request *r)
{
    exchange_start(w, r, &dialect_openai_chat);
}

void handle_completions(struct gateway_worker *w, struct http_request *r)
{
    exchange_start(w, r, &dialect_openai_completions);
}

void handle_messages(struct gateway_worker *w, struct http_request *r)
{
    exchange_start(w, r, &dialect_anthropic_messages);
}

static bool has_model(struct gateway_worker *w, struct str model)
{
    struct route_table *t = route_book_ref(w->view->routes);
    bool has = routes_find(t->routes, model) != NULL;

    route_book_unref(w->view->routes, t);
    return has;
}

static void reply_count(struct http_request *r, const struct chat_request *chat)
{
    struct json_writer j;
    struct buf out;

    buf_init(&out, 1024);
    json_w_init(&j, &out);
    json_w_object(&j);
    json_w_member_int(&j, "input_tokens", chat_request_tokens(chat));
    json_w_member_bool(&j, "x_estimated", true);
    json_w_object_end(&j);
    gateway_reply_written(r, 200, &j);
    buf_deinit(&out);
}

/* No upstream is asked. */
void handle_count_tokens(struct gateway_worker *w, struct http_request *r)
{
    const struct dialect_ops *dialect = &dialect_anthropic_messages;
    struct chat_request chat;
    struct failure f = { .kind = FAILURE_NONE };

    if (!dialect->decode(r->body, &r->arena, &chat, &f)) {
        gateway_note_refusal(r, &f);
        gateway_reply_failure(r, dialect, &f);
    } else if (!has_model(w, chat.model)) {
        gateway_reply_error_as(
            r, dialect, FAILURE_MODEL_NOT_FOUND,
            "The model \"%.*s\" does not exist here. GET /v1/models lists those that do.",
            STR_ARGS(str_sub(chat.model, 0, 200)));
    } else {
        reply_count(r, &chat);
    }
}

/* Those of an object that an upstream's provider wrote. */
static void write_members(struct json_writer *w, struct str object)
{
    struct json_value value;
    struct str key;
    struct json j;
    char name[64];

    json_init(&j, object, 4);
    if (!object.n || !json_enter_object(&j))
        return;
    while (json_next_member(&j, &key) && json_read(&j, &value)) {
        str_to_z(key, name, sizeof(name));
        json_w_key(w, name);
        json_w_raw(w, value.raw);
    }
}

/* `created` is when this gateway began: upstreams do not say when a model was made. What an
 * upstream tells of its model stands behind. */
static void write_model(const struct gateway *g, const struct route_table *t,
                        const struct routes_entry *e, struct json_writer *j)
{
    const struct provider_model *model =
        route_table_model(t, e->target->upstream, str_of(e->target->model));

    json_w_object(j);
    json_w_member_str(j, "id", str_of(e->id));
    json_w_member_str(j, "object", STR("model"));
    json_w_member_int(j, "created", g->started_wall_ms / 1000);
    json_w_member_str(j, "owned_by", str_of(e->upstream));
    if (model)
        write_members(j, model->members);
    json_w_object_end(j);
}

/* Where a list is not known yet it is asked for, for the next time. */
static void prepare(struct gateway_worker *w)
{
    for (size_t i = 0; i < w->view->n_upstreams; i++)
        if (w->view->upstreams[i].provider->prepare)
            w->view->upstreams[i].provider->prepare(w->view->instances[i]);
}

void handle_models(struct gateway_worker *w, struct http_request *r)
{
    struct route_table *t = route_book_ref(w->view->routes);
    struct routes_entry e;
    struct json_writer j;
    struct buf out;

    prepare(w);
    buf_init(&out, 8 << 20);
    json_w_init(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "object", STR("list"));
    json_w_key(&j, "data");
    json_w_array(&j);
    for (size_t i = 0; routes_entry_at(t->routes, i, &e); i++)
        write_model(w->gateway, t, &e, &j);
    json_w_array_end(&j);
    json_w_object_end(&j);
    gateway_reply_written(r, 200, &j);
    buf_deinit(&out);
    route_book_unref(w->view->routes, t);
}

/* What stands behind ".../models/". */
static struct str model_of_path(struct str path)
{
    static const char marker[] = "/models/";

    return str_from(path, str_find(path, str_of(marker)) + sizeof(marker) - 1);
}

static bool find_entry(const struct route_table *t, struct str id, struct routes_entry *ret)
{
    for (size_t i = 0; routes_entry_at(t->routes, i, ret); i++)
        if (str_eq(str_of(ret->id), id))
            return true;
    return false;
}

static void reply_model(struct gateway_worker *w, struct http_request *r, struct str id)
{
    struct route_table *t = route_book_ref(w->view->routes);
    struct routes_entry e;
    struct json_writer j;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_w_init(&j, &out);
    if (find_entry(t, id, &e)) {
        write_model(w->gateway, t, &e, &j);
        gateway_reply_written(r, 200, &j);
    } else {
        gateway_reply_error(
            r, FAILURE_MODEL_NOT_FOUND,
            "The model \"%.*s\" does not exist here. GET /v1/models lists those that do.",
            STR_ARGS(str_sub(id, 0, 200)));
    }
    buf_deinit(&out);
    route_book_unref(w->view->routes, t);
}

/* A name that is not properly escaped, or holds a NUL, is taken as it stands in the path. */
void handle_model(struct gateway_worker *w, struct http_request *r)
{
    struct str id = model_of_path(r->head.path);
    struct buf decoded;

    buf_init(&decoded, id.n);
    if (percent_decode(&decoded, id) == ERR_NONE && !memchr(decoded.p, '\0', decoded.n))
        id = buf_str(&decoded);
    reply_model(w, r, id);
    buf_deinit(&decoded);
}
