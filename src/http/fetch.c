/* SPDX-License-Identifier: Apache-2.0 */
/* A call that is gathered in an arena, under a bound and one more deadline. */
#include "http/fetch.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "http/head_copy.h"
#include "net/timer.h"

enum { DETAIL_SIZE = 512 };

struct fetch {
    struct loop *loop;
    struct http_call *call; /* NULL when it ended */
    on_fetched *done;
    void *arg;
    struct arena arena;     /* the request's body, the response's head */
    struct http_head *head; /* in the arena; NULL before the response */
    struct buf body;
    struct endpoint endpoint;
    int64_t total_timeout_ms;
    struct timer timer;
    struct task retire;
    bool is_over;
};

static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_done(void *arg, const struct http_outcome *outcome);

static const struct http_call_handler call_handler = {
    .on_head = on_head,
    .on_body = on_body,
    .on_done = on_done,
};

static void free_fetch(void *arg)
{
    struct fetch *f = arg;

    arena_deinit(&f->arena);
    buf_wipe(&f->body); /* it may be a token */
    mem_free(f);
}

static void retire(struct fetch *f)
{
    f->is_over = true;
    timer_disarm(&f->timer);
    if (f->call)
        http_call_cancel(TAKE(f->call));
    loop_retire(f->loop, &f->retire);
}

static void finish(struct fetch *f, const struct http_outcome *outcome)
{
    struct fetch_result result = {
        .outcome = *outcome,
        .head = f->head,
        .body = buf_str(&f->body),
    };

    retire(f);
    f->done(f->arg, &result);
}

static FORMAT(3, 4) void fail(struct fetch *f, enum err err, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    char where[HOST_MAX + 9];
    struct http_outcome outcome = {
        .err = err,
        .certainly_unsent = http_call_is_unsent(f->call),
        .responded = f->head != NULL,
        .detail = detail,
    };
    va_list args;
    int n = snprintf(detail, sizeof(detail), "%s ", endpoint_text(&f->endpoint, where));

    va_start(args, format);
    vsnprintf(detail + n, sizeof(detail) - (size_t)n, format, args);
    va_end(args);
    finish(f, &outcome);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct fetch *f = arg;

    f->head = http_head_copy(&f->arena, head);
}

static void on_body(void *arg, struct str bytes)
{
    struct fetch *f = arg;
    enum err err = buf_add(&f->body, bytes);

    if (err == ERR_TOO_BIG)
        fail(f, err, "sent more than the %zu bytes that are read of such an answer", f->body.max);
    else if (err)
        fail(f, err, "answers, but the memory limit is reached");
}

static void on_done(void *arg, const struct http_outcome *outcome)
{
    struct fetch *f = arg;

    f->call = NULL;
    finish(f, outcome);
}

static void on_deadline(void *arg)
{
    struct fetch *f = arg;

    fail(f, ERR_TIMEOUT, "did not give a whole answer in %" PRId64 " ms", f->total_timeout_ms);
}

struct fetch *fetch_start(struct http_client *c, const struct http_call_params *params,
                          size_t max_body, int64_t total_timeout_ms, on_fetched *done, void *arg)
{
    struct fetch *f = mem_new(struct fetch);
    struct http_call_params p = *params;

    f->loop = http_client_loop(c);
    f->done = done;
    f->arg = arg;
    f->endpoint = params->url->endpoint;
    f->total_timeout_ms = total_timeout_ms;
    arena_init(&f->arena);
    buf_init(&f->body, max_body);
    task_init(&f->retire, free_fetch, f);
    p.body = arena_dup(&f->arena, params->body);
    p.connect_timeout_ms = p.connect_timeout_ms ? p.connect_timeout_ms : total_timeout_ms;
    p.head_timeout_ms = p.head_timeout_ms ? p.head_timeout_ms : total_timeout_ms;
    p.idle_timeout_ms = p.idle_timeout_ms ? p.idle_timeout_ms : total_timeout_ms;
    f->call = http_call_start(c, &p, &call_handler, f);
    timer_arm(f->loop, &f->timer, total_timeout_ms, on_deadline, f);
    return f;
}

void fetch_cancel(struct fetch *f)
{
    if (!f->is_over)
        retire(f);
}
