/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report goes through the keys one after the other and asks the store for the counters of each:
 *
 *     the ring is read anew -> (budgets of a key -> who holds it) for each -> the answer
 */
#include "admin/key_report.h"

#include <string.h>

#include "base/mem.h"
#include "keys/key_ring.h"
#include "keys/key_window.h"

/* One key, and what is used of it. */
struct key_state {
    const struct key_record *record;
    const char *source;
    int64_t used[KEY_BUDGETS_MAX]; /* -1: nobody said so */
    int64_t running;               /* -1: nobody counts, or said so */
    int64_t last_used;             /* -1: not since the gateway runs */
};

struct report {
    struct admin_wait wait;
    struct gateway_worker *worker;
    struct gateway_view *view; /* held: it has the keys of the settings */
    struct key_table *table;   /* held, once it is there: it has those of the store */
    char id[ADMIN_ID_SIZE];    /* "": all */
    char text[KEY_TEXT_LEN + 1];
    struct arena arena;
    struct key_record changed; /* its id is in the arena; p NULL: none was */
    int status;
    struct key_state *states;
    size_t n;
    size_t at; /* whose counters come next */
};

static void measure(struct report *p);

/* ---- requests that wait ---- */

static void on_gone(void *arg)
{
    struct admin_wait *wait = arg;

    wait->request = NULL;
}

void admin_wait_begin(struct admin_wait *wait, struct http_request *r)
{
    wait->request = r;
    r->on_gone = on_gone;
    r->arg = wait;
}

struct http_request *admin_wait_end(struct admin_wait *wait)
{
    if (wait->request)
        wait->request->on_gone = NULL;
    return TAKE(wait->request);
}

void admin_refuse_store(struct http_request *r, enum err err)
{
    gateway_reply_error(r, FAILURE_OVERLOADED,
                        "The store did not do it (%s); a change may have happened all the same. "
                        "See /readyz, and look before you try again.",
                        err_text(err));
}

void admin_refuse_key(struct http_request *r, const char *id)
{
    gateway_reply_error(r, FAILURE_NOT_FOUND, "There is no key \"%.200s\".", id);
}

const struct key_record *admin_file_key(const struct settings *s, struct str id)
{
    for (size_t i = 0; i < s->n_keys; i++)
        if (str_eq(s->keys[i].record.id, id))
            return &s->keys[i].record;
    return NULL;
}

/* ---- the answer ---- */

static void write_optional(struct json_writer *j, const char *name, int64_t number)
{
    json_w_key(j, name);
    if (number >= 0)
        json_w_int(j, number);
    else
        json_w_null(j);
}

static void write_budgets(const struct key_state *s, struct json_writer *j)
{
    json_w_key(j, "budgets");
    json_w_array(j);
    for (size_t i = 0; i < s->record->n_budgets; i++) {
        const struct key_budget *b = &s->record->budgets[i];

        json_w_object(j);
        json_w_member_str(j, "unit", str_of(key_unit_name(b->unit)));
        json_w_member_str(j, "per", str_of(key_period_name(b->per)));
        json_w_member_int(j, "limit", b->limit);
        write_optional(j, "used", s->used[i]);
        json_w_object_end(j);
    }
    json_w_array_end(j);
}

static void write_key(const struct key_state *s, struct json_writer *j)
{
    const struct key_record *k = s->record;

    json_w_object(j);
    json_w_member_str(j, "id", k->id);
    json_w_member_str(j, "hint", str_of(k->hint));
    json_w_member_str(j, "source", str_of(s->source));
    write_optional(j, "created", k->created_s > 0 ? k->created_s : -1);
    key_record_write_members(k, j);
    write_budgets(s, j);
    write_optional(j, "last_used", s->last_used);
    write_optional(j, "running", s->running);
    json_w_object_end(j);
}

static void write_one(const struct report *p, struct json_writer *j)
{
    if (!p->text[0]) {
        write_key(&p->states[0], j);
        return;
    }
    json_w_object(j);
    json_w_key(j, "key");
    write_key(&p->states[0], j);
    json_w_member_str(j, "secret", str_of(p->text));
    json_w_object_end(j);
}

static void write_all(const struct report *p, struct json_writer *j)
{
    json_w_object(j);
    json_w_key(j, "data");
    json_w_array(j);
    for (size_t i = 0; i < p->n; i++)
        write_key(&p->states[i], j);
    json_w_array_end(j);
    json_w_object_end(j);
}

static void reply(const struct report *p, struct http_request *r)
{
    struct json_writer j;
    struct buf out;

    buf_init(&out, ADMIN_ANSWER_MAX);
    json_w_init(&j, &out);
    if (p->id[0])
        write_one(p, &j);
    else
        write_all(p, &j);
    gateway_reply_written(r, p->status, &j);
    buf_wipe(&out);
}

/* It happened, and its text is shown this once: whatever else is not known. */
static void reply_unmeasured(struct report *p, struct http_request *r)
{
    struct key_state state = {
        .record = &p->changed, .source = "store", .running = -1, .last_used = -1
    };

    for (size_t i = 0; i < COUNT_OF(state.used); i++)
        state.used[i] = -1;
    mem_free(p->states);
    p->states = mem_new(struct key_state);
    p->states[0] = state;
    reply(p, r);
}

static void end(struct report *p, enum err err)
{
    struct http_request *r = admin_wait_end(&p->wait);

    if (r && err && p->changed.id.p)
        reply_unmeasured(p, r);
    else if (r && err)
        admin_refuse_store(r, err);
    else if (r && p->id[0] && p->n == 0)
        admin_refuse_key(r, p->id);
    else if (r)
        reply(p, r);
    key_table_unref(p->table);
    gateway_view_unref(p->view);
    explicit_bzero(p->text, sizeof(p->text));
    arena_deinit(&p->arena);
    mem_free(p->states);
    mem_free(p);
}

/* ---- what is used ---- */

static void on_held(void *arg, const struct store_result *result)
{
    struct report *p = arg;

    if (result->err || !p->wait.request) {
        end(p, result->err);
        return;
    }
    p->states[p->at++].running = result->sums[0];
    measure(p);
}

/* Nobody has the holder 0: to let it go tells how many there are. */
static void ask_holders(struct report *p)
{
    struct key_state *s = &p->states[p->at];
    struct store_key key;

    if (s->record->parallel_requests == 0) {
        p->at++;
        measure(p);
        return;
    }
    key_window_name(&key, s->record->id, "parallel", NULL);
    store_wait_longer(store_hold(p->worker->store, &key, 0, 0, 0, on_held, p));
}

static void on_counted(void *arg, const struct store_result *result)
{
    struct report *p = arg;
    struct key_state *s = &p->states[p->at];

    if (result->err || !p->wait.request) {
        end(p, result->err);
        return;
    }
    memcpy(s->used, result->sums, sizeof(s->used));
    ask_holders(p);
}

/* To add nothing tells the sums. */
static void ask_budgets(struct report *p)
{
    static const enum key_window windows[KEY_PERIODS] = { KEY_WINDOW_DAY, KEY_WINDOW_MONTH,
                                                          KEY_WINDOW_EVER };
    const struct key_record *k = p->states[p->at].record;
    struct store_counter counters[KEY_BUDGETS_MAX];

    for (size_t i = 0; i < k->n_budgets; i++) {
        struct key_span span =
            key_window_at(windows[k->budgets[i].per], loop_wall_ms(p->worker->loop));

        counters[i] = (struct store_counter){ .limit = INT64_MAX, .ttl_ms = span.ttl_ms };
        key_window_name(&counters[i].key, k->id, key_unit_name(k->budgets[i].unit), &span);
    }
    store_wait_longer(store_count(p->worker->store, counters, k->n_budgets, on_counted, p));
}

/* From the next key on that has something to ask for. */
static void measure(struct report *p)
{
    while (p->at < p->n && p->states[p->at].record->n_budgets == 0 &&
           p->states[p->at].record->parallel_requests == 0)
        p->at++;
    if (p->at == p->n)
        end(p, ERR_NONE);
    else if (p->states[p->at].record->n_budgets > 0)
        ask_budgets(p);
    else
        ask_holders(p);
}

/* ---- which keys ---- */

static void add(struct report *p, const struct key_record *k, const char *source)
{
    int64_t last_s;

    if (p->id[0] && !str_eq(k->id, str_of(p->id)))
        return;
    last_s = key_ring_last_use(p->worker->gateway->keys, k->id);
    p->states[p->n++] = (struct key_state){
        .record = k, .source = source, .running = -1, .last_used = last_s > 0 ? last_s : -1
    };
}

static void on_loaded(void *arg, enum err err)
{
    struct report *p = arg;
    const struct settings *s = p->view->settings;

    if (err || !p->wait.request) {
        end(p, err);
        return;
    }
    p->table = key_ring_ref(p->worker->gateway->keys);
    p->states = mem_alloc_array(s->n_keys + p->table->n + 1, sizeof(*p->states));
    for (size_t i = 0; i < s->n_keys; i++)
        add(p, &s->keys[i].record, "file");
    for (size_t i = 0; i < p->table->n; i++)
        add(p, p->table->records[i], "store");
    measure(p);
}

static struct report *report_new(struct admin_call *c, struct str id)
{
    struct report *p = mem_new(struct report);

    p->worker = c->worker;
    p->view = gateway_view_ref(c->worker);
    p->status = 200;
    arena_init(&p->arena);
    str_to_z(id, p->id, sizeof(p->id));
    admin_wait_begin(&p->wait, c->request);
    return p;
}

static void start(struct report *p)
{
    key_ring_load(p->worker->gateway->keys, p->worker->store, on_loaded, p);
}

void key_report_start(struct admin_call *c, const char *id)
{
    start(report_new(c, str_of(id ? id : "")));
}

void key_report_changed(struct admin_call *c, const struct key_record *changed, int status,
                        const char *text)
{
    struct report *p = report_new(c, changed->id);

    key_record_copy(&p->changed, changed, &p->arena);
    str_to_z(str_of(text ? text : ""), p->text, sizeof(p->text));
    p->status = status;
    start(p);
}
