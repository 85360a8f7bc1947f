/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the endpoints of all dialects. */
#include "gateway/exchange.h"
#include "gateway/route_book.h"

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
    struct chat_request chat = { 0 };
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
