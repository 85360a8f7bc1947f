/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an answer that is kept: its last bytes say whether it is, and the client's next
 * request must find it. So they wait for the store, whose deadline bounds that; no answer fails for
 * want of it.
 */
#include "gateway/exchange_internal.h"
#include "gateway/kept.h"

struct keep {
    struct exchange *x;
    void (*then)(struct exchange *x);
};

void exchange_keep_init(struct exchange *x)
{
    x->keep_ttl_ms = x->view->settings->responses_ttl_ms;
    x->keep_room = (int64_t)x->view->settings->responses_max_bytes;
    x->answer.is_kept =
        x->chat.keeps && x->dialect->record && x->worker->store && !x->is_raw && x->keep_ttl_ms > 0;
}

static void go_on(struct keep *k, const char *problem)
{
    struct exchange *x = k->x;

    x->keep_op = NULL;
    x->request->on_gone = NULL;
    if (problem) {
        x->answer.is_kept = false;
        log_info("an answer is not kept", LOG_Z("request_id", x->request->id),
                 LOG_Z("problem", problem));
    }
    k->then(x);
}

static void on_stored(void *arg, const struct store_result *result)
{
    go_on(arg, result->err ? err_text(result->err) : NULL);
}

static void on_gone(void *arg)
{
    struct exchange *x = arg;

    store_forget(TAKE(x->keep_op));
}

static void put(struct keep *k, struct str record)
{
    struct exchange *x = k->x;
    struct arena *a = &x->request->arena;
    struct store_key key =
        kept_key(x->request, arena_printf(a, "resp_%.*s", STR_ARGS(x->answer.id)));

    x->request->on_gone = on_gone;
    x->keep_op = store_put_within(x->worker->store, &key, record, x->keep_ttl_ms, x->keep_room,
                                  on_stored, k);
}

void exchange_keep(struct exchange *x, void (*then)(struct exchange *x))
{
    struct keep *k = arena_new(&x->request->arena, struct keep);
    struct buf record;

    *k = (struct keep){ x, then };
    if (!x->answer.is_kept) {
        then(x);
        return;
    }
    buf_init(&record, STORE_LARGE_MAX);
    if (x->dialect->record(x->encoder, &x->answer, &x->whole, &record))
        go_on(k, "it is too large with its history, or memory is short");
    else
        put(k, buf_str(&record));
    buf_deinit(&record);
}
