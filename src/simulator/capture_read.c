/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario's recorded exchanges; see capture.h. */
#include "simulator/capture_internal.h"
#include "simulator/options.h"

enum { DEPTH = 64, MS_MAX = 3600000 };

struct reader {
    struct sim_capture *capture;
    char *what;
};

static enum err wrong(struct reader *r, size_t exchange, const char *what)
{
    return sim_complain(r->what, "capture, exchange %zu: %s", exchange, what);
}

/* A string, or any other JSON as it stands; absent is empty. */
static bool find_text(struct reader *r, struct str object, const char *name, struct str *ret)
{
    struct json_value v;

    *ret = STR("");
    if (json_find(object, &v, name, NULL))
        return false;
    if (v.type == JSON_NONE || v.type == JSON_NULL)
        return true;
    if (v.type != JSON_STRING)
        *ret = arena_dup(&r->capture->arena, v.raw);
    else if (json_text(&v, &r->capture->arena, ret))
        return false;
    else if (!v.escaped)
        *ret = arena_dup(&r->capture->arena, *ret);
    return true;
}

/* Absent is *ret as it is. */
static bool find_int(struct str object, const char *name, int64_t min, int64_t max, int *ret)
{
    struct json_value v;
    int64_t n;

    if (json_find(object, &v, name, NULL))
        return false;
    if (v.type == JSON_NONE)
        return true;
    if (json_int(&v, &n) || n < min || n > max)
        return false;
    *ret = (int)n;
    return true;
}

/* ---- an answer ---- */

/* Those that belong to one connection, or are made anew. */
static bool is_left_out(struct str name)
{
    static const char *const names[] = { "connection",        "content-length", "content-encoding",
                                         "transfer-encoding", "date",           "keep-alive",
                                         "x-request-id",      "upgrade" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    return false;
}

static bool add_header(struct reader *r, struct sim_exchange *e, struct str name,
                       const struct json_value *v)
{
    struct http_header h = { .name = arena_dup(&r->capture->arena, name) };

    if (is_left_out(name))
        return true;
    if (e->n_headers == SIM_CAPTURE_HEADERS_MAX || v->type != JSON_STRING ||
        json_text(v, &r->capture->arena, &h.value))
        return false;
    h.value = arena_dup(&r->capture->arena, h.value);
    e->headers[e->n_headers++] = h;
    return http_name_is_safe(h.name) && http_value_is_safe(h.value);
}

/* {"name":"value"}, or an array of values. */
static bool read_headers(struct reader *r, struct str response, struct sim_exchange *e)
{
    struct json_value v;
    struct str name;
    struct json j;
    bool good = true;

    if (json_find(response, &v, "headers", NULL) || v.type == JSON_NONE)
        return v.type == JSON_NONE;
    json_init(&j, v.raw, DEPTH);
    if (!json_enter_object(&j))
        return false;
    while (good && json_next_member(&j, &name)) {
        if (!json_enter_array(&j)) {
            good = json_read(&j, &v) && add_header(r, e, name, &v);
            continue;
        }
        while (good && json_next_item(&j))
            good = json_read(&j, &v) && add_header(r, e, name, &v);
    }
    return good && !j.failed;
}

static enum err read_http(struct reader *r, size_t i, struct str request, struct str item)
{
    struct sim_exchange *e = &r->capture->exchanges[i];
    struct json_value response;

    if (!find_text(r, request, "method", &e->method) || !find_text(r, request, "path", &e->path) ||
        !str_starts(e->path, STR("/")) || e->method.n == 0)
        return wrong(r, i, "request needs method and path");
    if (json_find(item, &response, "response", NULL) || response.type != JSON_OBJECT ||
        !find_int(response.raw, "status", 200, 599, &e->status) || e->status == 0)
        return wrong(r, i, "response needs a status of 200 to 599");
    if (!read_headers(r, response.raw, e))
        return wrong(r, i, "response has headers that are none");
    if (!find_text(r, response.raw, "body", &e->body))
        return wrong(r, i, "response has a malformed body");
    return ERR_NONE;
}

/* ---- a socket ---- */

static bool read_record(struct reader *r, struct str frame, struct sim_record *ret)
{
    struct str dir;

    *ret = (struct sim_record){ .exchange = -1 };
    if (!find_text(r, frame, "dir", &dir) || !find_text(r, frame, "text", &ret->text) ||
        !find_int(frame, "after_ms", 0, MS_MAX, &ret->after_ms) ||
        !find_int(frame, "exchange", 0, SIM_CAPTURE_MAX, &ret->exchange) ||
        !find_int(frame, "close", 1000, 4999, &ret->close))
        return false;
    ret->is_sent = str_eq(dir, STR("in"));
    return ret->is_sent || str_eq(dir, STR("out"));
}

static size_t count(struct str array)
{
    struct json j;
    size_t n = 0;

    json_init(&j, array, DEPTH);
    if (json_enter_array(&j))
        for (; json_next_item(&j); n++)
            json_skip(&j);
    return n;
}

static enum err read_socket(struct reader *r, size_t i, struct str socket, struct str item)
{
    struct sim_exchange *e = &r->capture->exchanges[i];
    struct json_value frames;
    struct json_value v;
    struct json j;

    e->is_socket = true;
    if (!find_text(r, socket, "path", &e->path) || !str_starts(e->path, STR("/")))
        return wrong(r, i, "websocket needs a path");
    if (json_find(item, &frames, "frames", NULL) || frames.type != JSON_ARRAY)
        return wrong(r, i, "websocket needs frames");
    e->records = arena_alloc(&r->capture->arena, (count(frames.raw) + 1) * sizeof(*e->records));
    json_init(&j, frames.raw, DEPTH);
    (void)json_enter_array(&j);
    while (json_next_item(&j))
        if (!json_read(&j, &v) || v.type != JSON_OBJECT ||
            !read_record(r, v.raw, &e->records[e->n_records++]))
            return wrong(r, i, "a frame takes dir (in, out), text or close, after_ms, exchange");
    return ERR_NONE;
}

/* ---- all ---- */

static enum err read_item(struct reader *r, size_t i, struct str item)
{
    struct json_value request;
    struct json_value socket;

    if (json_find(item, &request, "request", NULL) || json_find(item, &socket, "websocket", NULL))
        return wrong(r, i, "it is no object");
    if (request.type == JSON_OBJECT)
        return read_http(r, i, request.raw, item);
    if (socket.type == JSON_OBJECT)
        return read_socket(r, i, socket.raw, item);
    return wrong(r, i, "it has neither request nor websocket");
}

static enum err read_all(struct reader *r, struct str array)
{
    struct json_value v;
    struct json j;

    json_init(&j, array, DEPTH);
    (void)json_enter_array(&j);
    while (json_next_item(&j))
        if (!json_read(&j, &v) || read_item(r, r->capture->n++, v.raw))
            return ERR_BAD_INPUT;
    return ERR_NONE;
}

enum err sim_capture_read(struct json *j, uint64_t seed, struct sim_capture **ret, char *what)
{
    struct reader r = { .what = what };
    struct json_value v;
    size_t n;

    if (!json_read(j, &v) || v.type != JSON_ARRAY)
        return sim_complain(what, "capture takes an array");
    n = count(v.raw);
    if (n > SIM_CAPTURE_MAX)
        return sim_complain(what, "capture has more than %d exchanges", SIM_CAPTURE_MAX);
    r.capture = sim_capture_new(seed);
    r.capture->exchanges = arena_alloc(&r.capture->arena, (n + 1) * sizeof(*r.capture->exchanges));
    if (read_all(&r, v.raw)) {
        sim_capture_free(r.capture);
        return ERR_BAD_INPUT;
    }
    *ret = r.capture;
    return ERR_NONE;
}
