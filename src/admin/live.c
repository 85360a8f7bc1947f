/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs: a round through all workers for each answer. Who listens gets one a second, as
 * server-sent events, until they leave, may no longer, or the gateway ends.
 */
#include "gateway/live.h"

#include "admin/admin_internal.h"
#include "admin/handlers.h"
#include "base/mem.h"
#include "gateway/crew.h"

enum {
    EVERY_MS = 1000,
    SHOWN_MAX = 100,      /* of each worker and kind in an event: nobody reads more in a second */
    TRY_AGAIN_MS = 10000, /* who finds no room */
};

/* On its way through the workers; on the heap. */
struct look {
    struct round round;
    uint64_t handle; /* of the viewer, on the loop that asks */
    struct buf out;
    struct json_writer j;
    char id[ADMIN_ID_SIZE]; /* of the request to cancel; empty: none is */
    size_t max;             /* objects of each worker and kind */
    size_t n;               /* requests that run, or were canceled */
};

/* Who waits for one; in the request's arena. */
struct viewer {
    struct gateway_worker *worker;
    struct http_request *request;
    uint64_t handle;
    struct timer timer; /* of a stream */
    bool is_away;       /* a round is under way */
};

static void visit(struct round *r, struct gateway_worker *w)
{
    struct look *look = CONTAINER_OF(r, struct look, round);

    if (look->id[0])
        look->n += live_cancel(w, str_of(look->id));
    else
        look->n += live_write(w, &look->j, look->max);
}

static void free_look(struct look *look)
{
    buf_deinit(&look->out);
    mem_free(look);
}

static struct look *look_new(struct viewer *v, size_t max,
                             void (*home)(struct round *r, struct gateway_worker *w))
{
    struct look *look = mem_new(struct look);

    look->round.visit = visit;
    look->round.home = home;
    look->handle = v->handle;
    look->max = max;
    buf_init(&look->out, ADMIN_ANSWER_MAX);
    json_w_init(&look->j, &look->out);
    json_w_object(&look->j);
    json_w_key(&look->j, "data");
    json_w_array(&look->j);
    return look;
}

static void end_list(struct look *look)
{
    json_w_array_end(&look->j);
    json_w_member_int(&look->j, "total", (int64_t)look->n);
    json_w_object_end(&look->j);
}

/* The end of the list. False: there was no memory for all of it. */
static bool end_look(struct look *look)
{
    end_list(look);
    return json_w_end(&look->j) == ERR_NONE;
}

/* The viewer that the look is for; NULL: it is gone. */
static struct viewer *viewer_of(const struct look *look, const struct gateway_worker *w)
{
    return w ? loop_handle_find(w->loop, look->handle) : NULL;
}

static void end_viewer(struct viewer *v)
{
    v->request->on_gone = NULL;
    timer_disarm(&v->timer);
    loop_handle_drop(v->worker->loop, v->handle);
}

static void on_gone(void *arg)
{
    end_viewer(arg);
}

static struct viewer *viewer_new(struct admin_call *c)
{
    struct viewer *v = arena_new(&c->request->arena, struct viewer);

    v->worker = c->worker;
    v->request = c->request;
    v->handle = loop_handle_new(c->worker->loop, v);
    c->request->on_gone = on_gone;
    c->request->arg = v;
    return v;
}

/* ---- one answer ---- */

static void on_listed(struct round *r, struct gateway_worker *w)
{
    struct look *look = CONTAINER_OF(r, struct look, round);
    struct viewer *v = viewer_of(look, w);

    if (v) {
        end_viewer(v);
        end_list(look);
        gateway_reply_written(v->request, 200, &look->j);
    }
    free_look(look);
}

static void on_canceled(struct round *r, struct gateway_worker *w)
{
    struct look *look = CONTAINER_OF(r, struct look, round);
    struct viewer *v = viewer_of(look, w);

    if (v) {
        end_viewer(v);
        if (look->n)
            http_reply(v->request, 204, NULL, 0, STR(""));
        else
            gateway_reply_error(v->request, FAILURE_NOT_FOUND,
                                "No request %s runs; it may be over by now.", look->id);
    }
    free_look(look);
}

void admin_live_cancel(struct admin_call *c)
{
    struct look *look = look_new(viewer_new(c), 0, on_canceled);

    str_to_z(str_of(c->ids[0]), look->id, sizeof(look->id));
    round_start(&look->round, c->worker);
}

/* ---- a stream ---- */

static void on_seen(struct round *r, struct gateway_worker *w);

static void on_due(void *arg)
{
    struct viewer *v = arg;

    timer_arm(v->worker->loop, &v->timer, EVERY_MS, on_due, v);
    if (atomic_load(&v->worker->gateway->draining) || !admin_may_still(v->worker, v->request)) {
        end_viewer(v);
        http_reply_end(v->request);
        return;
    }
    if (v->is_away || http_reply_is_full(v->request))
        return; /* who is slow gets fewer */
    v->is_away = true;
    round_start(&look_new(v, SHOWN_MAX, on_seen)->round, v->worker);
}

static void write_event(struct http_request *r, const char *name, struct str json)
{
    http_reply_write(r, STR("event: "));
    http_reply_write(r, str_of(name));
    http_reply_write(r, STR("\ndata: "));
    http_reply_write(r, json);
    http_reply_write(r, STR("\n\n"));
}

static void write_overview(struct viewer *v)
{
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    admin_write_overview(v->worker, &j);
    json_w_object_end(&j);
    if (json_w_end(&j) == ERR_NONE)
        write_event(v->request, "overview", buf_str(&out));
    buf_deinit(&out);
}

static void on_seen(struct round *r, struct gateway_worker *w)
{
    struct look *look = CONTAINER_OF(r, struct look, round);
    struct viewer *v = viewer_of(look, w);

    if (v) {
        v->is_away = false;
        if (end_look(look))
            write_event(v->request, "live", buf_str(&look->out));
        write_overview(v);
    }
    free_look(look);
}

static void on_released(void *arg)
{
    atomic_fetch_sub((atomic_uint *)arg, 1);
}

static void refuse_listener(struct http_request *r)
{
    struct failure f;

    failure_set(&f, &r->arena, FAILURE_RATE_LIMIT,
                "%d others listen to what runs already; close one of their pages.", LISTENERS_MAX);
    f.retry_after_ms = TRY_AGAIN_MS;
    gateway_note_refusal(r, &f);
    gateway_reply_failure(r, NULL, &f);
}

static void stream(struct admin_call *c)
{
    static const struct http_header headers[] = {
        { { "content-type", 12 }, { "text/event-stream", 17 } },
        { { "x-accel-buffering", 17 }, { "no", 2 } },
    };
    atomic_uint *listeners = &c->worker->gateway->admin->listeners;

    if (atomic_fetch_add(listeners, 1) >= LISTENERS_MAX) {
        atomic_fetch_sub(listeners, 1);
        refuse_listener(c->request);
        return;
    }
    arena_on_release(&c->request->arena, on_released, listeners);
    http_reply_begin(c->request, 200, headers, COUNT_OF(headers));
    on_due(viewer_new(c));
}

void admin_live(struct admin_call *c)
{
    struct str accept = http_value(&c->request->head, "accept");

    if (str_find(accept, STR("text/event-stream")) != SIZE_MAX &&
        c->request->head.method == HTTP_GET)
        stream(c);
    else
        round_start(&look_new(viewer_new(c), SIZE_MAX, on_listed)->round, c->worker);
}
