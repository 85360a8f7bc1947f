/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To whom a request goes that is passed on: the targets of its model's route that have other
 * endpoints at all, or the first upstream that has when it names no model.
 */
#include "gateway/relay_internal.h"

#include "base/encoding.h"
#include "gateway/access.h"
#include "gateway/exchange.h"
#include "gateway/record_trace.h"
#include "http/url.h"

enum { SEGMENT_MAX = 512 };

/* ---- the path ---- */

/* Bytes that a segment may have as they are: unreserved, and of the others those that no server
 * takes for a separator (RFC 3986 3.3). */
static bool is_plain(char c)
{
    static const char extra[] = "-._~!$&'()*+,=:@";

    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr(extra, c));
}

static bool is_dots(struct str s)
{
    return s.n == 0 || str_eq(s, STR(".")) || str_eq(s, STR(".."));
}

/* Whether what a segment means names something below its parent. A '%' that is left could be
 * decoded once more by somebody. */
static bool is_safe_name(struct str decoded)
{
    for (size_t i = 0; i < decoded.n; i++)
        if (strchr("/\\%;", decoded.p[i]) || (unsigned char)decoded.p[i] < 0x20)
            return false;
    return !is_dots(decoded);
}

static bool is_safe_segment(struct str segment)
{
    struct buf out;
    bool is_safe;

    if (segment.n > SEGMENT_MAX)
        return false;
    for (size_t i = 0; i < segment.n; i++)
        if (!is_plain(segment.p[i]) && segment.p[i] != '%')
            return false;
    if (str_find_char(segment, '%') == SIZE_MAX)
        return !is_dots(segment);
    buf_init(&out, SEGMENT_MAX);
    is_safe = percent_decode(&out, segment) == ERR_NONE && is_safe_name(buf_str(&out));
    buf_deinit(&out);
    return is_safe;
}

static bool is_safe_path(struct str path)
{
    struct str rest = str_from(path, 1);

    if (!str_starts(path, STR("/")))
        return false;
    while (rest.p) {
        struct str segment = str_cut(rest, '/', &rest);

        if (!is_safe_segment(segment))
            return false;
    }
    return true;
}

bool relay_target(struct relay *x, struct str *ret_target)
{
    const struct http_head *h = &x->request->head;
    struct str path = str_starts(h->path, STR("/v1/")) ? str_from(h->path, 3) : h->path;

    if (!is_safe_path(path))
        return false;
    *ret_target = h->query.n ? arena_printf(&x->request->arena, "%.*s?%.*s", STR_ARGS(path),
                                            STR_ARGS(h->query))
                             : path;
    return true;
}

/* ---- the route ---- */

static const struct relay_ops *ops_of(const struct gateway_view *v, size_t upstream)
{
    const struct upstream *u = &v->upstreams[upstream];
    const struct relay_ops *ops = u->provider->relay;

    return ops && ops->is_offered(u->shared) ? ops : NULL;
}

/* "a", "b": those that could. */
static struct str list_able(struct relay *x)
{
    const struct gateway_view *v = x->view;
    struct str list = STR("");

    for (size_t i = 0; i < v->n_upstreams; i++)
        if (ops_of(v, i))
            list = arena_printf(&x->request->arena, "%.*s%s\"%s\"", STR_ARGS(list),
                                list.n ? ", " : "", v->upstreams[i].name);
    return list;
}

static bool refuse_unable(struct relay *x, struct failure *f)
{
    struct str able = list_able(x);
    struct str path = str_sub(x->request->head.path, 0, 200);

    if (able.n == 0)
        failure_set(f, &x->request->arena, FAILURE_NOT_FOUND,
                    "No upstream of this gateway has %.*s: add one with \"provider: openai\" to "
                    "the upstreams.",
                    STR_ARGS(path));
    else
        failure_set(f, &x->request->arena, FAILURE_BAD_REQUEST,
                    "The upstream of the model \"%.*s\" has no %.*s. Ask for a model of one that "
                    "may have it: %.*s.",
                    STR_ARGS(str_sub(x->name, 0, 200)), STR_ARGS(path), STR_ARGS(able));
    f->param = able.n ? STR("model") : STR("");
    return false;
}

static bool take_default(struct relay *x, struct failure *f)
{
    const struct gateway_view *v = x->view;

    for (size_t i = 0; i < v->n_upstreams; i++) {
        if (!ops_of(v, i))
            continue;
        x->steps[x->n_steps++] = (struct relay_step){ .upstream = i };
        return true;
    }
    return refuse_unable(x, f);
}

static bool take_route(struct relay *x, struct failure *f)
{
    struct route_step steps[ROUTE_TARGETS_MAX];
    const struct route *route;
    size_t n;

    x->table = route_book_ref(x->view->routes);
    route = routes_find(x->table->routes, x->name);
    if (!route) {
        failure_set(f, &x->request->arena, FAILURE_MODEL_NOT_FOUND,
                    "The model \"%.*s\" does not exist here. GET /v1/models lists those that do.",
                    STR_ARGS(str_sub(x->name, 0, 200)));
        f->param = STR("model");
        return false;
    }
    if (!access_allows(x->record->principal, x->name)) {
        access_set_failure(f, &x->request->arena, x->record->principal, x->name);
        return false;
    }
    x->record->known_model = route_known_name(route);
    n = routes_order(x->table->routes, route, x->name, x->record->principal->id, STR(""), steps);
    for (size_t i = 0; i < n; i++)
        if (ops_of(x->view, steps[i].target->upstream))
            x->steps[x->n_steps++] =
                (struct relay_step){ steps[i].target->upstream, steps[i].model };
    return x->n_steps > 0 || refuse_unable(x, f);
}

/* ---- what means different things to different servers ---- */

static size_t count_headers(const struct http_head *h, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_headers; i++)
        n += str_eq_nocase(h->headers[i].name, str_of(name));
    return n;
}

static bool check(struct relay *x, struct failure *f)
{
    const struct http_head *h = &x->request->head;
    struct arena *a = &x->request->arena;

    if (!relay_target(x, &x->endpoint)) {
        failure_set(f, a, FAILURE_BAD_REQUEST,
                    "The path %.*s is not passed on: its segments must not be empty, \".\" or "
                    "\"..\", with or without escapes, nor have a separator or \"%%25\" in them.",
                    STR_ARGS(str_sub(h->path, 0, 200)));
        return false;
    }
    if (count_headers(h, "content-type") > 1) {
        failure_set(f, a, FAILURE_BAD_REQUEST,
                    "The request has more than one Content-Type header; send one.");
        return false;
    }
    if (relay_model_is_doubled(http_value(h, "content-type"), buf_str(&x->start))) {
        failure_set(f, a, FAILURE_BAD_REQUEST,
                    "The body names \"model\" more than once, and servers differ in which of them "
                    "counts; send one.");
        f->param = STR("model");
        return false;
    }
    return true;
}

/* Whose key is for some models only says which one it asks for, so that every server understands
 * it. To look for what is there, and to delete it, takes none. */
static bool check_restricted(struct relay *x, struct failure *f)
{
    const struct http_head *h = &x->request->head;
    struct str name = x->record->principal->name;

    if (!access_is_restricted(x->record->principal) || h->method != HTTP_POST)
        return true;
    if (str_starts(x->endpoint, STR("/batches"))) {
        failure_set(f, &x->request->arena, FAILURE_FORBIDDEN,
                    "The API key \"%.*s\" may use some models only, and a batch may name any.",
                    STR_ARGS(name));
        return false;
    }
    if (x->name.n > 0 && relay_model_is_sure(http_value(h, "content-type"), buf_str(&x->start)))
        return true;
    failure_set(f, &x->request->arena, FAILURE_BAD_REQUEST,
                "The API key \"%.*s\" may use some models only, so its requests have to name one: "
                "send \"model\" in a JSON body or in a form, well-formed to its end.",
                STR_ARGS(name));
    f->param = STR("model");
    return false;
}

bool relay_find_route(struct relay *x, struct failure *f)
{
    if (!check(x, f) || !check_restricted(x, f))
        return false;
    return x->name.n ? take_route(x, f) : take_default(x, f);
}

void relay_drop_route(struct relay *x)
{
    if (x->table)
        route_book_unref(x->view->routes, x->table);
    x->table = NULL;
}

/* ---- who is asked ---- */

/* Circuits are of models: who names none has no other target. */
static bool enter(void *arg, size_t step, enum health_need need)
{
    struct relay *x = arg;
    const struct relay_step *s = &x->steps[step];

    return x->name.n == 0 ||
           health_visit_enter(&x->visit, x->worker->gateway->health, &x->view->settings->circuit,
                              str_of(x->view->upstreams[s->upstream].name), s->model,
                              loop_now_ms(x->worker->loop), need);
}

static bool enter_next(struct relay *x)
{
    return walk_next(&x->walk, x->n_steps, enter, x, &x->step);
}

void relay_choose_step(struct relay *x)
{
    BUG_ON(!enter_next(x));
}

void relay_judge(struct relay *x, enum health_verdict verdict)
{
    health_visit_leave(&x->visit, loop_now_ms(x->worker->loop), verdict);
}

bool relay_moves_on(struct relay *x, const struct failure *f, bool is_unsent)
{
    relay_judge(x, exchange_verdict(f));
    return x->state == RELAY_ASKING && (x->is_whole || is_unsent) && exchange_failure_moves_on(f) &&
           enter_next(x);
}

/* ---- one target ---- */

/* The beginning of the body as this target is to get it. */
static enum err edit(struct relay *x, struct str model, struct str *ret_start)
{
    enum err err;

    buf_deinit(&x->edited);
    *ret_start = buf_str(&x->start);
    if (!x->name.n || str_eq(model, x->name))
        return ERR_NONE;
    err = relay_model_replace(&x->model, buf_str(&x->start), model, &x->edited);
    *ret_start = buf_str(&x->edited);
    return err;
}

static uint64_t length_of(const struct relay *x, struct str start)
{
    const struct http_head *h = &x->request->head;

    if (h->framing != HTTP_BODY_LENGTH)
        return HTTP_LENGTH_UNKNOWN;
    return h->content_length - x->start.n + start.n;
}

enum err relay_start_step(struct relay *x, const struct relay_sink *sink)
{
    const struct relay_step *step = &x->steps[x->step];
    const struct settings *s = x->view->settings;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct relay_request r = {
        .method = x->request->head.method,
        .target = x->endpoint,
        .model = step->model,
        .headers = headers,
        .n_headers = relay_headers(&x->request->head, headers),
        .is_streamed = !x->is_whole,
        .head_timeout_ms = s->request_timeout_ms,
        .idle_timeout_ms = s->idle_timeout_ms,
        .traceparent = record_traceparent(x->record),
        .tracestate = record_tracestate(x->record),
        .sink = sink,
        .arg = x,
    };
    enum err err = edit(x, step->model, &r.body);

    if (err)
        return err;
    r.length = length_of(x, r.body);
    x->upstream = &x->view->upstreams[step->upstream];
    x->ops = x->upstream->provider->relay;
    x->account = STR("");
    x->call = x->ops->start(x->view->instances[step->upstream], &r);
    return ERR_NONE;
}
