/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The responses API: a request that goes on from a kept answer waits for its record first; kept
 * answers are shown and deleted.
 */
#include "dialect/openai_responses.h"
#include "gateway/exchange.h"
#include "gateway/kept.h"
#include "http/url.h"

/* A request that waits for a record; in its arena. */
struct look {
    struct gateway_worker *worker;
    struct http_request *request;
    struct str id;
    struct store_op *op;
    void (*found)(struct look *l, struct str record);
    enum failure_kind none; /* how it fails when there is none */
};

static void refuse(struct http_request *r, enum failure_kind kind, const char *param,
                   struct str text)
{
    struct failure f = { .kind = kind, .message = text, .param = str_of(param) };

    gateway_note_refusal(r, &f);
    gateway_reply_failure(r, &dialect_openai_responses, &f);
}

static void refuse_none(const struct look *l)
{
    refuse(l->request, l->none, l->none == FAILURE_NO_PREVIOUS ? "previous_response_id" : "",
           arena_printf(&l->request->arena,
                        "There is no response \"%.*s\" here: it was not stored, is too old "
                        "(RESPONSES_TTL), was deleted, or belongs to another key.%s",
                        STR_ARGS(str_sub(l->id, 0, 200)),
                        l->none == FAILURE_NO_PREVIOUS ? " Send the whole history as input." : ""));
}

static void refuse_now(struct http_request *r)
{
    refuse(r, FAILURE_OVERLOADED, "",
           STR("The store, where responses are kept, cannot be asked now. Try again later."));
}

static void on_looked(void *arg, const struct store_result *result)
{
    struct look *l = arg;

    l->request->on_gone = NULL;
    if (result->err == ERR_NOT_FOUND)
        refuse_none(l);
    else if (result->err)
        refuse_now(l->request);
    else
        l->found(l, result->value);
}

static void on_gone(void *arg)
{
    struct look *l = arg;

    store_forget(l->op);
}

/* Calls found() with the record of the answer `id`, now or later, or refuses the request. With
 * `takes` the record is deleted. */
static void look(struct look *l, bool takes)
{
    struct http_request *r = l->request;
    struct store_key key = kept_key(r, l->id);
    struct store_port *store = l->worker->store;

    if (!store) {
        refuse_none(l);
        return;
    }
    r->on_gone = on_gone;
    r->arg = l;
    l->op = takes ? store_claim_first(store, &key, 1, on_looked, l)
                  : store_get(store, &key, on_looked, l);
}

static struct look *new_look(struct gateway_worker *w, struct http_request *r, struct str id,
                             void (*found)(struct look *l, struct str record))
{
    struct look *l = arena_new(&r->arena, struct look);

    *l = (struct look){
        .worker = w, .request = r, .id = id, .found = found, .none = FAILURE_NOT_FOUND
    };
    return l;
}

/* ---- requests ---- */

static void go_on(struct look *l, struct str record)
{
    struct arena *a = &l->request->arena;
    char *past = arena_try(a, record.n);

    if (!past) {
        refuse(l->request, FAILURE_OVERLOADED, "",
               STR("The gateway is out of memory; try again later."));
        return;
    }
    memcpy(past, record.p, record.n);
    exchange_go_on(l->worker, l->request, &dialect_openai_responses,
                   (struct str){ past, record.n });
}

void handle_responses(struct gateway_worker *w, struct http_request *r)
{
    struct str id;
    struct look *l;

    if (!responses_previous(r->body, &r->arena, &id)) {
        exchange_start(w, r, &dialect_openai_responses);
        return;
    }
    l = new_look(w, r, id, go_on);
    l->none = FAILURE_NO_PREVIOUS;
    look(l, false);
}

/* ---- what is kept ---- */

static void show(struct look *l, struct str record)
{
    struct str response;

    if (responses_of_record(record, &response))
        gateway_reply_json(l->request, 200, response);
    else
        refuse_none(l);
}

static void show_deleted(struct look *l, UNUSED struct str record)
{
    struct json_writer j;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_w_init(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "id", l->id);
    json_w_member_str(&j, "object", STR("response"));
    json_w_member_bool(&j, "deleted", true);
    json_w_object_end(&j);
    gateway_reply_written(l->request, 200, &j);
    buf_deinit(&out);
}

/* What the query asks for; false: it was refused. */
static bool read_page(struct http_request *r, struct responses_page *ret)
{
    char after[256];
    struct str query = r->head.query;
    uint64_t limit = RESPONSES_PAGE;
    char text[256];

    *ret = (struct responses_page){ .after = STR("") };
    if (url_query_get(query, "limit", text, sizeof(text)) &&
        (str_to_u64(str_of(text), RESPONSES_PAGE_MAX, &limit) || limit == 0)) {
        refuse(r, FAILURE_BAD_REQUEST, "limit", STR("limit must be from 1 to 100."));
        return false;
    }
    ret->limit = limit;
    if (url_query_get(query, "order", text, sizeof(text))) {
        ret->is_rising = strcmp(text, "asc") == 0;
        if (!ret->is_rising && strcmp(text, "desc") != 0) {
            refuse(r, FAILURE_BAD_REQUEST, "order", STR("order must be asc or desc."));
            return false;
        }
    }
    if (url_query_get(query, "after", after, sizeof(after)))
        ret->after = arena_dup(&r->arena, str_of(after));
    return true;
}

static void show_input(struct look *l, struct str record)
{
    struct http_request *r = l->request;
    struct responses_page page;
    struct buf out;
    enum err err;

    if (!read_page(r, &page))
        return;
    buf_init(&out, 2 * (size_t)STORE_LARGE_MAX);
    err = responses_list_input(record, &page, &r->arena, &out);
    if (err == ERR_BAD_INPUT)
        refuse(r, FAILURE_BAD_REQUEST, "after", STR("after is no item of this response's input."));
    else if (err)
        refuse(r, FAILURE_OVERLOADED, "", STR("The gateway is out of memory; try again later."));
    else
        gateway_reply_json(r, 200, buf_str(&out));
    buf_deinit(&out);
}

/* What stands behind ".../responses/", cut at the next slash. */
static struct str id_of_path(struct str path, struct str *ret_rest)
{
    static const char marker[] = "/responses/";

    return str_cut(str_from(path, str_find(path, str_of(marker)) + sizeof(marker) - 1), '/',
                   ret_rest);
}

static void refuse_path(struct http_request *r)
{
    refuse(
        r, FAILURE_NOT_FOUND, "",
        arena_printf(&r->arena, "There is no %.*s here.", STR_ARGS(str_sub(r->head.path, 0, 200))));
}

void handle_response(struct gateway_worker *w, struct http_request *r)
{
    struct str rest;
    struct look *l = new_look(w, r, id_of_path(r->head.path, &rest), show);
    char stream[8];

    if (str_eq(rest, STR("input_items")))
        l->found = show_input;
    else if (rest.p)
        l->found = NULL;
    if (!l->found)
        refuse_path(r);
    else if (url_query_get(r->head.query, "stream", stream, sizeof(stream)) &&
             strcmp(stream, "true") == 0)
        refuse(r, FAILURE_BAD_REQUEST, "stream",
               STR("stream must be false: a kept response is whole."));
    else
        look(l, false);
}

void handle_response_delete(struct gateway_worker *w, struct http_request *r)
{
    struct str rest;
    struct look *l = new_look(w, r, id_of_path(r->head.path, &rest), show_deleted);

    if (rest.p)
        refuse_path(r);
    else
        look(l, true);
}
