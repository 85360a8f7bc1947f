/* SPDX-License-Identifier: Apache-2.0 */
/* The list of models, in the shape of the API that the client comes from. */
#include <time.h>

#include "base/encoding.h"
#include "gateway/access.h"
#include "gateway/route_book.h"
#include "http/url.h"
#include "json/reader.h"

/* Anthropic's clients say which version of its API they want. */
static bool is_anthropic(const struct http_request *r)
{
    return http_value(&r->head, "anthropic-version").n > 0;
}

/* The models that the client may ask for; the entries are in the request's arena. */
struct model_list {
    const struct route_table *table;
    const struct routes_entry *entries;
    size_t n;
};

static struct model_list list_of(const struct route_table *t, struct http_request *r)
{
    const struct principal *who = request_context_of(r)->principal;
    struct model_list list = { .table = t };
    struct routes_entry e, *entries;
    size_t n = 0;

    while (routes_entry_at(t->routes, n, &e))
        n++;
    list.entries = entries = arena_alloc(&r->arena, (n + 1) * sizeof(*entries));
    for (size_t i = 0; i < n && routes_entry_at(t->routes, i, &e); i++)
        if (access_allows(who, str_of(e.id)))
            entries[list.n++] = e;
    return list;
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

static void write_list(const struct gateway *g, const struct model_list *list,
                       struct json_writer *j)
{
    json_w_object(j);
    json_w_member_str(j, "object", STR("list"));
    json_w_key(j, "data");
    json_w_array(j);
    for (size_t i = 0; i < list->n; i++)
        write_model(g, list->table, &list->entries[i], j);
    json_w_array_end(j);
    json_w_object_end(j);
}

/* ---- Anthropic's shape ---- */

/* What is not known is null there; `created_at` is what `created` above is. */
static void write_anthropic(const struct gateway *g, const struct routes_entry *e,
                            struct json_writer *j)
{
    static const char *const unknown[] = { "capabilities",     "deprecated_at", "line",
                                           "max_input_tokens", "max_tokens",    "retires_at" };
    time_t began = (time_t)(g->started_wall_ms / 1000);
    char at[32];
    struct tm tm;

    gmtime_r(&began, &tm);
    strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_w_object(j);
    json_w_member_str(j, "type", STR("model"));
    json_w_member_str(j, "id", str_of(e->id));
    json_w_member_str(j, "display_name", str_of(e->id));
    json_w_member_str(j, "created_at", str_of(at));
    json_w_member_str(j, "lifecycle", STR("active"));
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        json_w_key(j, unknown[i]);
        json_w_null(j);
    }
    json_w_object_end(j);
}

enum { MODELS_PAGE_MAX = 1000 };

/* Where the model that the query's `name` names stands in the list, SIZE_MAX when it names none;
 * false: there is no such model. */
static bool find_place(const struct model_list *list, struct str query, const char *name,
                       size_t *ret)
{
    char id[256];

    *ret = SIZE_MAX;
    if (!url_query_get(query, name, id, sizeof(id)))
        return true;
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->entries[i].id, id) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Entries `from` to before `end`. Without a limit all are one page. */
struct page {
    size_t from, end, n;
    bool goes_back;
};

/* NULL, or what is wrong with the query. */
static const char *read_page(const struct model_list *list, struct str query, struct page *ret)
{
    size_t after, before;
    struct page p = { .n = list->n };
    uint64_t limit = SIZE_MAX;
    char text[256];

    if (url_query_get(query, "limit", text, sizeof(text)) &&
        (str_to_u64(str_of(text), MODELS_PAGE_MAX, &limit) || limit == 0))
        return "limit: must be a whole number from 1 to 1000";
    if (!find_place(list, query, "after_id", &after))
        return "after_id: there is no such model in this list";
    if (!find_place(list, query, "before_id", &before))
        return "before_id: there is no such model in this list";
    p.goes_back = before != SIZE_MAX;
    p.from = after == SIZE_MAX ? 0 : after + 1;
    p.end = p.goes_back ? before : p.n;
    if (p.from > p.end)
        p.from = p.end;
    if (p.end - p.from > limit && p.goes_back)
        p.from = p.end - limit;
    else if (p.end - p.from > limit)
        p.end = p.from + limit;
    *ret = p;
    return NULL;
}

static void write_id(const struct model_list *list, const char *name, const struct page *p,
                     size_t i, struct json_writer *j)
{
    json_w_key(j, name);
    if (p->from < p->end)
        json_w_str(j, str_of(list->entries[i].id));
    else
        json_w_null(j);
}

static void write_anthropic_list(const struct gateway *g, const struct model_list *list,
                                 const struct page *p, struct json_writer *j)
{
    json_w_object(j);
    json_w_key(j, "data");
    json_w_array(j);
    for (size_t i = p->from; i < p->end; i++)
        write_anthropic(g, &list->entries[i], j);
    json_w_array_end(j);
    json_w_member_bool(j, "has_more", p->goes_back ? p->from > 0 : p->end < p->n);
    write_id(list, "first_id", p, p->from, j);
    write_id(list, "last_id", p, p->end - 1, j);
    json_w_object_end(j);
}

/* ---- handlers ---- */

void handle_models(struct gateway_worker *w, struct http_request *r)
{
    struct route_table *t = route_book_ref(w->view->routes);
    struct model_list list = list_of(t, r);
    const char *wrong = NULL;
    struct page page;
    struct json_writer j;
    struct buf out;

    prepare(w);
    buf_init(&out, 8 << 20);
    json_w_init(&j, &out);
    if (!is_anthropic(r))
        write_list(w->gateway, &list, &j);
    else if (!(wrong = read_page(&list, r->head.query, &page)))
        write_anthropic_list(w->gateway, &list, &page, &j);
    if (wrong)
        gateway_reply_error_as(r, &dialect_anthropic_messages, FAILURE_BAD_REQUEST, "%s.", wrong);
    else
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

static const struct routes_entry *find_entry(const struct model_list *list, struct str id)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_eq(str_of(list->entries[i].id), id))
            return &list->entries[i];
    return NULL;
}

static void reply_model(struct gateway_worker *w, struct http_request *r, struct str id)
{
    struct route_table *t = route_book_ref(w->view->routes);
    struct model_list list = list_of(t, r);
    const struct routes_entry *e = find_entry(&list, id);
    struct json_writer j;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_w_init(&j, &out);
    if (e) {
        if (is_anthropic(r))
            write_anthropic(w->gateway, e, &j);
        else
            write_model(w->gateway, t, e, &j);
        gateway_reply_written(r, 200, &j);
    } else {
        gateway_reply_error_as(
            r, is_anthropic(r) ? &dialect_anthropic_messages : NULL, FAILURE_MODEL_NOT_FOUND,
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
