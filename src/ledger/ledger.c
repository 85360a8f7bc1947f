/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are written as JSON when they come; sums are added up here, so that a batch has one tally
 * for each key, model and upstream. What the store does not take goes again: a row that failed is
 * not there, for certain; sums that may be there have a mark, so that they count once.
 */
#include "ledger/ledger.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "net/timer.h"

/* Sums on their way: they stay until the store is known to have them. */
struct parcel {
    struct list node;
    struct ledger *ledger;
    int64_t number;  /* of its mark: however often it is sent, it counts once */
    int64_t sent_ms; /* the first time; -1: never */
    bool is_out;     /* not answered yet */
    size_t n;
    struct store_tally tallies[];
};

/* A row on its way, which waits again when the store did not take it. */
struct parcel_row {
    struct ledger *ledger;
    size_t n;
    char bytes[];
};

struct ledger {
    struct loop *loop;
    struct store_port *port;
    struct ledger_params params;
    struct timer timer;
    bool is_closed;
    size_t n_out;        /* operations that are not answered yet */
    int64_t sums_ttl_ms; /* of those that wait; none may be kept any more */

    struct map sums;        /* struct store_tally, by key; those of this batch */
    struct list parcels;    /* of the last one, in the order of their numbers */
    struct store_mark mark; /* of the last parcel */
    struct buf rows;        /* JSON, each with a line feed behind */
    size_t n_rows;
    size_t rows_out; /* on their way into the store */
};

static void flush(void *arg);

static void arm(struct ledger *l)
{
    if (!timer_is_armed(&l->timer) && !l->is_closed)
        timer_arm(l->loop, &l->timer, LEDGER_EVERY_MS, flush, l);
}

static void free_if_done(struct ledger *l)
{
    if (l->is_closed && l->n_out == 0)
        mem_free(l);
}

static void drop(size_t n)
{
    metric_add(METRIC_USAGE_DROPPED, (int64_t)n);
}

/* ---- sums ---- */

/* The tally of a key in this batch; NULL: there are too many. */
static struct store_tally *tally_of(struct ledger *l, const struct store_key *key)
{
    struct str name = { (const char *)key->bytes, key->n };
    struct store_tally *t = map_find(&l->sums, name);

    if (t || l->sums.n >= LEDGER_WAITING)
        return t;
    t = mem_new(struct store_tally);
    t->key = *key;
    map_set(&l->sums, name, t);
    return t;
}

static void add_sums(struct ledger *l, const struct ledger_row *row)
{
    char day[LEDGER_DAY_LEN + 1];
    struct store_key key;
    struct store_tally *t;

    ledger_day(row->wall_ms, day);
    ledger_sum_key(&key, &(struct ledger_of){ str_of(day), row->key, row->model, row->upstream });
    t = tally_of(l, &key);
    if (!t) {
        drop(1);
        return;
    }
    t->numbers[LEDGER_REQUESTS]++;
    t->numbers[LEDGER_FAILED] += row->has_failed;
    t->numbers[LEDGER_CANCELED] += row->aborted;
    t->numbers[LEDGER_PROMPT] += row->prompt_tokens;
    t->numbers[LEDGER_COMPLETION] += row->completion_tokens;
    t->numbers[LEDGER_REASONING] += row->reasoning_tokens;
    t->numbers[LEDGER_CACHED] += row->cached_tokens;
    t->numbers[LEDGER_ESTIMATED] += row->estimated;
    t->numbers[LEDGER_COST] += row->cost_micros;
    t->numbers[LEDGER_DURATION_MS] += row->duration_ms;
    t->numbers[LEDGER_FIRST_TOKENS] += row->first_token_ms >= 0;
    t->numbers[LEDGER_FIRST_TOKEN_MS] += row->first_token_ms >= 0 ? row->first_token_ms : 0;
}

static void end_parcel(struct parcel *p)
{
    list_remove(&p->node);
    mem_free(p);
}

/* Nobody knows whether it is in the store, or it is not. */
static void drop_parcel(struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++)
        drop((size_t)p->tallies[i].numbers[LEDGER_REQUESTS]);
    end_parcel(p);
}

static void send(struct parcel *p);

static void on_tallied(void *arg, const struct store_result *result)
{
    struct parcel *p = arg;
    struct ledger *l = p->ledger;

    l->n_out--;
    p->is_out = false;
    if (!result->err)
        end_parcel(p);
    else if (l->is_closed)
        drop_parcel(p);
    if (!result->err && !l->is_closed && !list_is_empty(&l->parcels))
        send(CONTAINER_OF(l->parcels.next, struct parcel, node));
    else if (!list_is_empty(&l->parcels) || l->sums.n > 0)
        arm(l);
    free_if_done(l);
}

static void send(struct parcel *p)
{
    struct ledger *l = p->ledger;
    struct store_mark mark = { l->mark.key, p->number };

    p->is_out = true;
    if (p->sent_ms < 0)
        p->sent_ms = loop_now_ms(l->loop);
    l->n_out++;
    store_tally(l->port, p->tallies, p->n, l->sums_ttl_ms, &mark, on_tallied, p);
}

/* It may have been added so long ago that the store has no mark of it any more. */
static bool is_forgotten(const struct parcel *p)
{
    return p->sent_ms >= 0 && loop_now_ms(p->ledger->loop) - p->sent_ms > STORE_MARK_MS / 2;
}

static struct parcel *add_parcel(struct ledger *l, size_t n)
{
    struct parcel *p = mem_alloc(sizeof(*p) + n * sizeof(*p->tallies));

    *p = (struct parcel){ .ledger = l, .number = ++l->mark.number, .sent_ms = -1 };
    list_add_tail(&l->parcels, &p->node);
    return p;
}

static void pack_sums(struct ledger *l)
{
    size_t left = l->sums.n, cursor = 0;
    struct parcel *p = NULL;
    struct store_tally *t;
    struct str key;

    while ((t = map_next(&l->sums, &cursor, &key))) {
        if (!p || p->n == STORE_TALLY_MAX)
            p = add_parcel(l, left < STORE_TALLY_MAX ? left : STORE_TALLY_MAX);
        p->tallies[p->n++] = *t;
        mem_free(t);
        left--;
    }
    map_deinit(&l->sums);
    map_init(&l->sums);
}

/* One after the other: the store knows the last number only. Behind the end nothing is sent, so
 * that then all go at once. */
static void send_sums(struct ledger *l)
{
    struct parcel *first = CONTAINER_OF(l->parcels.next, struct parcel, node);

    if (!list_is_empty(&l->parcels) && !first->is_out && is_forgotten(first))
        drop_parcel(first);
    if (list_is_empty(&l->parcels) || l->is_closed)
        pack_sums(l);
    LIST_EACH (node, &l->parcels) {
        struct parcel *p = CONTAINER_OF(node, struct parcel, node);

        if (!p->is_out)
            send(p);
        if (!l->is_closed)
            break;
    }
}

/* ---- rows ---- */

/* False: they are too many, or memory is short. */
static bool add_line(struct ledger *l, struct str line)
{
    size_t before = l->rows.n;

    if (buf_add(&l->rows, line) || buf_add_char(&l->rows, '\n')) {
        buf_truncate(&l->rows, before);
        return false;
    }
    l->n_rows++;
    return true;
}

static void add_row(struct ledger *l, const struct ledger_row *row)
{
    size_t before = l->rows.n;

    if (l->n_rows + l->rows_out >= LEDGER_WAITING || ledger_row_write(row, &l->rows) ||
        buf_add_char(&l->rows, '\n')) {
        buf_truncate(&l->rows, before);
        drop(1);
        return;
    }
    l->n_rows++;
}

static void on_row(void *arg, const struct store_result *result)
{
    struct parcel_row *r = arg;
    struct ledger *l = r->ledger;

    l->n_out--;
    l->rows_out--;
    if (result->err && (l->is_closed || !add_line(l, (struct str){ r->bytes, r->n })))
        drop(1);
    else if (result->err)
        arm(l);
    mem_free(r);
    free_if_done(l);
}

static void send_row(struct ledger *l, struct str line)
{
    struct parcel_row *r = mem_alloc(sizeof(*r) + line.n);

    r->ledger = l;
    r->n = line.n;
    memcpy(r->bytes, line.p, line.n);
    l->n_out++;
    l->rows_out++;
    store_append(l->port, STORE_USAGE, line, l->params.rows_max, on_row, r);
}

static void send_rows(struct ledger *l)
{
    struct str rest = buf_str(&l->rows);

    for (; l->n_rows > 0; l->n_rows--)
        send_row(l, str_cut(rest, '\n', &rest));
    buf_deinit(&l->rows); /* a busy moment must not hold memory for good */
}

/* ---- the ledger ---- */

/* A store that is known to fail gets nothing: it would only answer late that it does. */
static void flush(void *arg)
{
    struct ledger *l = arg;
    char why[STORE_PROBLEM_MAX];

    if (!l->is_closed && !store_is_ready(store_of(l->port), why)) {
        arm(l);
        return;
    }
    send_rows(l);
    send_sums(l);
}

/* Nobody else has it. */
static void begin_mark(struct store_mark *mark)
{
    *mark = (struct store_mark){ .key = { .space = STORE_MARK, .n = 16 } };
    random_bytes(mark->key.bytes, mark->key.n);
}

struct ledger *ledger_open(struct loop *loop, struct store_port *port,
                           const struct ledger_params *params)
{
    struct ledger *l = mem_new(struct ledger);

    *l = (struct ledger){ .loop = loop, .port = port };
    ledger_set(l, params);
    map_init(&l->sums);
    list_init(&l->parcels);
    begin_mark(&l->mark);
    buf_init(&l->rows, (size_t)LEDGER_WAITING * LEDGER_ROW_MAX);
    return l;
}

void ledger_set(struct ledger *l, const struct ledger_params *params)
{
    l->params = *params;
    if (params->sums_ttl_ms > 0)
        l->sums_ttl_ms = params->sums_ttl_ms;
}

void ledger_add(struct ledger *l, const struct ledger_row *row)
{
    if (l->params.sums_ttl_ms > 0)
        add_sums(l, row);
    if (l->params.rows_max > 0)
        add_row(l, row);
    if (l->n_rows >= LEDGER_BATCH && l->rows_out == 0)
        flush(l);
    else if (l->n_rows > 0 || l->sums.n > 0)
        arm(l);
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    l->is_closed = true;
    timer_disarm(&l->timer);
    flush(l);
    buf_deinit(&l->rows);
    map_deinit(&l->sums);
    free_if_done(l);
}
