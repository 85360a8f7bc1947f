/* SPDX-License-Identifier: Apache-2.0 */
/* usage, usage/rows: what was used, by whom, of what. */
#include "admin/handlers.h"

#include "base/mem.h"
#include "ledger/query.h"

/* False: the request was answered. */
static bool read_query(struct admin_call *c, struct ledger_query *q)
{
    static const char *const names[] = { "from", "to", "by", "key", "model" };
    const char *wrong;

    ledger_query_init(q, loop_wall_ms(c->worker->loop));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str value;

        if (!admin_query(c, names[i], &value))
            return false;
        wrong = value.p ? ledger_query_set(q, names[i], value) : NULL;
        if (wrong) {
            admin_refuse(c, names[i], "%s: %s.", names[i], wrong);
            return false;
        }
    }
    wrong = ledger_query_check(q);
    if (wrong)
        admin_refuse(c, "from", "%s.", wrong);
    return !wrong;
}

/* ---- sums ---- */

/* An answer that may come when who asked has left. */
struct question {
    struct admin_call *call; /* NULL: it has */
};

static void on_gone(void *arg)
{
    struct question *q = arg;

    q->call = NULL;
}

static void on_answer(void *arg, enum err err, struct str json)
{
    struct question *q = arg;
    struct admin_call *c = q->call;

    mem_free(q);
    if (!c)
        return;
    c->request->on_gone = NULL;
    if (err == ERR_LIMIT)
        admin_refuse(c, "by", "These are more than %d groups: ask for fewer days, or by less.",
                     LEDGER_GROUPS_MAX);
    else if (err)
        gateway_reply_error(c->request, FAILURE_OVERLOADED,
                            "The store does not tell what was used (%s); try again in a moment.",
                            err_text(err));
    else
        gateway_reply_json(c->request, 200, json);
}

void admin_usage(struct admin_call *c)
{
    struct ledger_query query;
    struct question *q;

    if (!read_query(c, &query))
        return;
    q = mem_new(struct question);
    q->call = c;
    c->request->on_gone = on_gone;
    c->request->arg = q;
    ledger_ask(c->worker->store, &query, on_answer, q);
}

/* ---- rows ---- */

/* In the request's arena. */
struct export
{
    struct admin_call *call;
    struct ledger_query query;
    struct ledger_reader reader;
    bool is_csv;
    bool is_broken;  /* memory was short */
    uint64_t before; /* rows with ids below */
    uint64_t left;   /* rows that may still go out */
};

static void on_row(void *arg, uint64_t id, struct str row)
{
    struct export *x = arg;
    struct buf *out = http_reply_buf(x->call->request);
    enum err err;

    if (x->left == 0)
        return;
    x->left--;
    err = x->is_csv ? ledger_csv_row(id, row, out) : ledger_jsonl_row(id, row, out);
    x->is_broken = x->is_broken || err;
    http_reply_written(x->call->request);
}

static void on_paused(void *arg, enum err err)
{
    struct export *x = arg;
    struct http_request *r = x->call->request;

    if (err || x->is_broken) {
        r->on_gone = r->on_drain = NULL;
        http_reply_abort(r);
    } else if (x->reader.is_at_end || x->left == 0) {
        r->on_gone = r->on_drain = NULL;
        http_reply_end(r);
    } else if (!http_reply_is_full(r)) {
        ledger_read_page(&x->reader);
    }
}

static void on_drain(void *arg)
{
    struct export *x = arg;

    if (!x->reader.op)
        ledger_read_page(&x->reader);
}

static void on_export_gone(void *arg)
{
    struct export *x = arg;

    if (x->reader.op)
        store_forget(TAKE(x->reader.op));
}

static void begin_export(struct export *x)
{
    struct http_request *r = x->call->request;
    const struct http_header headers[] = {
        { STR("content-type"),
          x->is_csv ? STR("text/csv; charset=utf-8") : STR("application/x-ndjson") },
        { STR("content-disposition"), x->is_csv ? STR("attachment; filename=\"usage.csv\"")
                                                : STR("attachment; filename=\"usage.jsonl\"") },
    };

    r->on_gone = on_export_gone;
    r->on_drain = on_drain;
    r->arg = x;
    http_reply_begin(r, 200, headers, COUNT_OF(headers));
    if (x->is_csv) {
        x->is_broken = ledger_csv_head(http_reply_buf(r)) != ERR_NONE;
        http_reply_written(r);
    }
    x->reader = (struct ledger_reader){ .port = x->call->worker->store,
                                        .query = &x->query,
                                        .before = x->before,
                                        .each = on_row,
                                        .paused = on_paused,
                                        .arg = x };
    ledger_read_page(&x->reader);
}

void admin_usage_rows(struct admin_call *c)
{
    struct export *x = arena_new(&c->request->arena, struct export);
    struct str format, limit, before;

    if (!admin_query(c, "format", &format) || !admin_query(c, "limit", &limit) ||
        !admin_query(c, "before", &before))
        return;
    x->call = c;
    x->left = x->before = UINT64_MAX;
    x->is_csv = str_eq(format, STR("csv"));
    if (strcmp(store_name(c->worker->gateway->store), "sqlite") != 0)
        gateway_reply_error(c->request, FAILURE_NOT_FOUND,
                            "Single requests are kept with STORE_URL=sqlite: only; sums are at "
                            "/admin/api/usage, and each request has its line in the log.");
    else if (format.n && !x->is_csv && !str_eq(format, STR("jsonl")))
        admin_refuse(c, "format", "format: expected jsonl or csv.");
    else if (limit.n && str_to_u64(limit, UINT64_MAX, &x->left))
        admin_refuse(c, "limit", "limit: expected a whole number.");
    else if (before.n && str_to_u64(before, UINT64_MAX, &x->before))
        admin_refuse(c, "before", "before: expected the id of a row.");
    else if (read_query(c, &x->query))
        begin_export(x);
}
