/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are written as JSON when they come; sums are added up here, so that a batch has one tally
 * for each key, model and upstream. What the store does not take now goes with a later batch.
 */
#include "ledger/ledger.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/timer.h"

/* One batch of tallies on its way: what fails for certain is added up again. */
struct parcel {
    struct ledger *ledger;
    size_t n;
    struct store_tally tallies[STORE_TALLY_MAX];
};

struct ledger {
    struct loop *loop;
    struct store_port *port;
    struct ledger_params params;
    struct timer timer;
    bool is_closed;
    size_t n_out; /* operations that are not answered yet */

    struct map sums; /* struct store_tally, by key; those of this batch */
    struct buf rows; /* JSON, each with a line feed behind */
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
    ledger_sum_key(&key,
                   &(struct ledger_of){ str_of(day), row->key, row->known_model, row->upstream });
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

static int64_t requests_of(const struct parcel *p)
{
    int64_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += p->tallies[i].numbers[LEDGER_REQUESTS];
    return n;
}

/* They are not in the store, for certain. */
static void take_back(struct ledger *l, const struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct store_tally *t = tally_of(l, &p->tallies[i].key);

        if (!t)
            drop((size_t)p->tallies[i].numbers[LEDGER_REQUESTS]);
        for (size_t k = 0; t && k < STORE_TALLY_NUMBERS; k++)
            t->numbers[k] += p->tallies[i].numbers[k];
    }
    arm(l);
}

/* Only an answer in time says that nothing was added; sums must not count twice. */
static bool is_certain(enum err err)
{
    return err != ERR_TIMEOUT && err != ERR_CLOSED && err != ERR_RESET;
}

static void on_tallied(void *arg, const struct store_result *result)
{
    struct parcel *p = arg;
    struct ledger *l = p->ledger;

    l->n_out--;
    if (result->err && !l->is_closed && is_certain(result->err))
        take_back(l, p);
    else if (result->err)
        drop((size_t)requests_of(p));
    mem_free(p);
    free_if_done(l);
}

static void send(struct parcel *p)
{
    p->ledger->n_out++;
    store_tally(p->ledger->port, p->tallies, p->n, p->ledger->params.sums_ttl_ms, on_tallied, p);
}

static void send_sums(struct ledger *l)
{
    struct parcel *p = NULL;
    struct store_tally *t;
    size_t cursor = 0;
    struct str key;

    while ((t = map_next(&l->sums, &cursor, &key))) {
        if (!p) {
            p = mem_new(struct parcel);
            p->ledger = l;
        }
        p->tallies[p->n++] = *t;
        mem_free(t);
        if (p->n == STORE_TALLY_MAX)
            send(TAKE(p));
    }
    if (p)
        send(p);
    map_deinit(&l->sums);
    map_init(&l->sums);
}

/* ---- rows ---- */

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
    struct ledger *l = arg;

    l->n_out--;
    l->rows_out--;
    if (result->err)
        drop(1);
    free_if_done(l);
}

static void send_rows(struct ledger *l)
{
    struct str rest = buf_str(&l->rows);

    while (l->n_rows > 0) {
        l->n_rows--;
        l->n_out++;
        l->rows_out++;
        store_append(l->port, STORE_USAGE, str_cut(rest, '\n', &rest), l->params.rows_max, on_row,
                     l);
    }
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

struct ledger *ledger_open(struct loop *loop, struct store_port *port,
                           const struct ledger_params *params)
{
    struct ledger *l = mem_new(struct ledger);

    *l = (struct ledger){ .loop = loop, .port = port, .params = *params };
    map_init(&l->sums);
    buf_init(&l->rows, (size_t)LEDGER_WAITING * LEDGER_ROW_MAX);
    return l;
}

void ledger_set(struct ledger *l, const struct ledger_params *params)
{
    l->params = *params;
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
