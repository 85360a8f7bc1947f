/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/admission.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "keys/key_window.h"

enum {
    HOLD_TTL_MS = 20000, /* who dies is forgotten after it */
    HOLD_EVERY_MS = 6000,
    PARALLEL_RETRY_MS = 1000,
    MILLION = 1000000,
};

enum reserve_of { RESERVE_REQUESTS, RESERVE_TOKENS, RESERVE_BUDGET };

/* What one counter is for. */
struct reserve {
    enum reserve_of of;
    enum key_unit unit; /* these two of RESERVE_BUDGET */
    enum key_period period;
    int64_t ends_ms; /* of its window, on the wall clock; INT64_MAX: never */
};

/* Outlives its request only while the store still owes an answer. */
struct admission {
    struct record *rec;      /* NULL: the request is gone */
    struct store_port *port; /* the store, or what stands in for it */
    void (*decided)(void *arg, const struct failure *f);
    void *arg;
    struct store_op *op; /* the answer is out */
    struct timer renewal;
    uint64_t holder;
    struct store_key held;     /* when is_held */
    bool is_held;              /* or may be, though nobody said so */
    struct store_port *failed; /* where it may be held besides; NULL: nowhere */
    bool is_reserved;
    int64_t used_tokens; /* when the request is gone */
    int64_t used_micros;
    int64_t wall_ms; /* when it began: its windows are of that moment */
    struct store_counter counters[STORE_COUNT_MAX];
    struct reserve reserves[STORE_COUNT_MAX];
    size_t n;
};

_Static_assert(2 + KEY_BUDGETS_MAX <= STORE_COUNT_MAX, "one operation counts all");

static void hold(struct admission *a);
static void count(struct admission *a);

static const struct key_record *key_of(const struct admission *a)
{
    return a->rec->principal->key;
}

static struct loop *loop_of(const struct admission *a)
{
    return a->rec->worker->loop;
}

/* ---- what is counted ---- */

static void add_counter(struct admission *a, enum reserve_of of, enum key_window window,
                        const char *unit, const struct key_budget *budget, int64_t amount,
                        int64_t limit)
{
    struct store_counter *c = &a->counters[a->n];
    struct reserve *r = &a->reserves[a->n++];
    struct key_span span = key_window_at(window, a->wall_ms);

    *c = (struct store_counter){ .amount = amount, .limit = limit, .ttl_ms = span.ttl_ms };
    key_window_name(&c->key, key_of(a)->id, unit, &span);
    r->of = of;
    r->unit = budget ? budget->unit : KEY_TOKENS;
    r->period = budget ? budget->per : KEY_DAY;
    r->ends_ms = span.ends_ms;
}

/* At least 1, so that what is used up refuses. */
static int64_t at_least_one(int64_t amount)
{
    return amount > 0 ? amount : 1;
}

static void add_counters(struct admission *a, struct admission_need need)
{
    static const enum key_window windows[KEY_PERIODS] = { KEY_WINDOW_DAY, KEY_WINDOW_MONTH,
                                                          KEY_WINDOW_EVER };
    const struct key_record *k = key_of(a);

    if (k->requests_per_minute)
        add_counter(a, RESERVE_REQUESTS, KEY_WINDOW_MINUTE, "requests", NULL, 1,
                    k->requests_per_minute);
    if (k->tokens_per_minute)
        add_counter(a, RESERVE_TOKENS, KEY_WINDOW_MINUTE, "tokens", NULL, at_least_one(need.tokens),
                    k->tokens_per_minute);
    for (size_t i = 0; i < k->n_budgets; i++) {
        const struct key_budget *b = &k->budgets[i];

        add_counter(a, RESERVE_BUDGET, windows[b->per], key_unit_name(b->unit), b,
                    at_least_one(b->unit == KEY_MONEY ? need.micros : need.tokens), b->limit);
    }
}

/* ---- the end ---- */

static int64_t used(const struct admission *a, const struct reserve *r)
{
    bool is_money = r->of == RESERVE_BUDGET && r->unit == KEY_MONEY;

    return is_money ? a->used_micros : a->used_tokens;
}

/* What was too much goes back to the windows it was taken from, what was too little is added. */
static void settle(struct admission *a)
{
    struct store_counter changes[STORE_COUNT_MAX];
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        changes[n] = a->counters[i];
        changes[n].limit = INT64_MAX;
        changes[n].amount = used(a, &a->reserves[i]) - a->counters[i].amount;
        n += a->reserves[i].of != RESERVE_REQUESTS && changes[n].amount != 0;
    }
    if (n > 0)
        store_count(a->port, changes, n, NULL, NULL);
}

static void finish(struct admission *a)
{
    if (a->is_reserved)
        settle(a);
    if (a->is_held)
        store_hold(a->port, &a->held, a->holder, 0, 0, NULL, NULL);
    if (a->failed)
        store_hold(a->failed, &a->held, a->holder, 0, 0, NULL, NULL);
    mem_free(a);
}

static void on_release(void *arg)
{
    struct admission *a = arg;
    const struct chat_usage *u = &a->rec->usage;

    timer_disarm(&a->renewal);
    a->used_tokens = u->prompt_tokens + u->completion_tokens;
    a->used_micros = a->rec->cost_micros;
    a->rec = NULL;
    if (!a->op)
        finish(a);
}

/* ---- the answer ---- */

static int64_t seconds_until(const struct admission *a, int64_t wall_ms)
{
    int64_t left = wall_ms - loop_wall_ms(loop_of(a));

    return left > 0 ? (left + 999) / 1000 : 1;
}

static struct str digits_of(int64_t n, char room[STR_U64_MAX])
{
    return str_of_u64(n > 0 ? (uint64_t)n : 0, room);
}

/* As OpenAI writes times: "59s", "1m0s". */
static struct str reset_in(struct admission *a, int64_t seconds)
{
    struct arena *arena = &a->rec->request->arena;
    char minutes[STR_U64_MAX], rest[STR_U64_MAX];

    if (seconds < 60)
        return arena_join(arena, STRS(digits_of(seconds, rest), STR("s")));
    return arena_join(arena, STRS(digits_of(seconds / 60, minutes), STR("m"),
                                  digits_of(seconds % 60, rest), STR("s")));
}

/* As OpenAI names them; the request's one counter of each kind. */
static void add_headers(struct admission *a, const int64_t *sums)
{
    static const char *const names[] = {
        [RESERVE_REQUESTS] = "requests", [RESERVE_TOKENS] = "tokens"
    };
    struct http_request *r = a->rec->request;

    for (size_t i = 0; i < a->n && a->reserves[i].of != RESERVE_BUDGET; i++) {
        struct str name = str_of(names[a->reserves[i].of]);
        int64_t limit = a->counters[i].limit;
        struct str reset = reset_in(a, seconds_until(a, a->reserves[i].ends_ms));
        char most[STR_U64_MAX], left[STR_U64_MAX];

        r->extra_headers = arena_join(
            &r->arena, STRS(r->extra_headers, STR("x-ratelimit-limit-"), name, STR(": "),
                            digits_of(limit, most), STR("\r\nx-ratelimit-remaining-"), name,
                            STR(": "), digits_of(limit - sums[i], left),
                            STR("\r\nx-ratelimit-reset-"), name, STR(": "), reset, STR("\r\n")));
    }
}

static struct str amount_of(struct arena *arena, enum key_unit unit, int64_t n)
{
    return unit == KEY_MONEY ? arena_printf(arena, "%lld.%06lld of money", (long long)(n / MILLION),
                                            (long long)(n % MILLION))
                             : arena_printf(arena, "%lld tokens", (long long)n);
}

static const char *period_of(const struct reserve *r)
{
    static const char *const periods[KEY_PERIODS] = { "a day", "a month", "in all" };

    return r->of == RESERVE_BUDGET ? periods[r->period] : "a minute";
}

/* More than a whole window has: waiting does not help. */
static void set_too_much(struct admission *a, size_t i, struct failure *f)
{
    const struct reserve *r = &a->reserves[i];
    const struct store_counter *c = &a->counters[i];
    struct arena *arena = &a->rec->request->arena;
    enum key_unit unit = r->of == RESERVE_BUDGET ? r->unit : KEY_TOKENS;

    failure_set(f, arena, r->of == RESERVE_BUDGET ? FAILURE_QUOTA : FAILURE_RATE_LIMIT,
                "This request may need %.*s, and the API key \"%.*s\" has %.*s %s: send less, or "
                "a smaller max_tokens. Waiting does not help.",
                STR_ARGS(amount_of(arena, unit, c->amount)), STR_ARGS(key_of(a)->name),
                STR_ARGS(amount_of(arena, unit, c->limit)), period_of(r));
    f->is_final = true;
}

static void set_failure(struct admission *a, size_t i, struct failure *f)
{
    const struct reserve *r = &a->reserves[i];
    const struct store_counter *c = &a->counters[i];
    struct str name = key_of(a)->name;
    struct arena *arena = &a->rec->request->arena;

    if (c->amount > c->limit) {
        set_too_much(a, i, f);
        return;
    }
    if (r->of == RESERVE_BUDGET)
        failure_set(f, arena, FAILURE_QUOTA,
                    "The API key \"%.*s\" has used up its %.*s %s, or has too little left for this "
                    "request. Its operator can raise the budget.",
                    STR_ARGS(name), STR_ARGS(amount_of(arena, r->unit, c->limit)), period_of(r));
    else
        failure_set(f, arena, FAILURE_RATE_LIMIT,
                    "The API key \"%.*s\" has reached its limit of %lld %s a minute.",
                    STR_ARGS(name), (long long)c->limit,
                    r->of == RESERVE_REQUESTS ? "requests" : "tokens");
    if (r->ends_ms < INT64_MAX)
        f->retry_after_ms = 1000 * seconds_until(a, r->ends_ms);
}

static void refuse(struct admission *a, const struct failure *f)
{
    metric_add(METRIC_LIMITED, 1);
    a->decided(a->arg, f);
}

/* ---- the way there ---- */

/* The store fails: this process counts alone. False: it does so already. What was asked of the
 * store may happen all the same, so a place there is let go, too. */
static bool count_alone(struct admission *a)
{
    if (!a->rec->worker->spare || a->port == a->rec->worker->spare)
        return false;
    metric_add(METRIC_LIMITS_ALONE, 1);
    if (a->is_held)
        a->failed = a->port;
    a->port = a->rec->worker->spare;
    a->is_held = false;
    return true;
}

static void renew(void *arg);

static void on_renewed(void *arg, UNUSED const struct store_result *result)
{
    struct admission *a = arg;

    a->op = NULL;
    if (!a->rec) {
        finish(a);
        return;
    }
    timer_arm(loop_of(a), &a->renewal, HOLD_EVERY_MS, renew, a);
}

static void renew(void *arg)
{
    struct admission *a = arg;

    a->op = store_hold(a->port, &a->held, a->holder, key_of(a)->parallel_requests, HOLD_TTL_MS,
                       on_renewed, a);
}

static void admit(struct admission *a)
{
    if (a->is_held)
        timer_arm(loop_of(a), &a->renewal, HOLD_EVERY_MS, renew, a);
    a->decided(a->arg, NULL);
}

static void on_counted(void *arg, const struct store_result *result)
{
    struct admission *a = arg;
    struct failure f;

    a->op = NULL;
    a->is_reserved = result->err == ERR_NONE;
    if (!a->rec) {
        finish(a);
        return;
    }
    if (result->err == ERR_NONE || result->err == ERR_LIMIT)
        add_headers(a, result->sums);
    if (result->err == ERR_NONE) {
        admit(a);
    } else if (result->err == ERR_LIMIT) {
        set_failure(a, result->index, &f);
        refuse(a, &f);
    } else if (count_alone(a)) {
        hold(a);
    } else {
        admit(a);
    }
}

static void count(struct admission *a)
{
    if (a->n > 0)
        a->op = store_count(a->port, a->counters, a->n, on_counted, a);
    else
        admit(a);
}

static void on_held(void *arg, const struct store_result *result)
{
    struct admission *a = arg;
    struct failure f;

    a->op = NULL;
    a->is_held = result->err != ERR_LIMIT;
    if (!a->rec) {
        finish(a);
    } else if (result->err == ERR_NONE) {
        count(a);
    } else if (result->err == ERR_LIMIT) {
        failure_set(&f, &a->rec->request->arena, FAILURE_RATE_LIMIT,
                    "The API key \"%.*s\" has %lld requests running, as many as it may have at "
                    "once.",
                    STR_ARGS(key_of(a)->name), (long long)result->sums[0]);
        f.retry_after_ms = PARALLEL_RETRY_MS;
        refuse(a, &f);
    } else if (count_alone(a)) {
        hold(a);
    } else {
        count(a);
    }
}

/* A place among those that run is taken first: it is given back, while requests are counted for
 * good. */
static void hold(struct admission *a)
{
    const struct key_record *k = key_of(a);

    if (!k->parallel_requests) {
        count(a);
        return;
    }
    key_window_name(&a->held, k->id, "parallel", NULL);
    a->is_held = true;
    a->op = store_hold(a->port, &a->held, a->holder, k->parallel_requests, HOLD_TTL_MS, on_held, a);
}

bool admission_asks_need(const struct record *rec)
{
    const struct key_record *k = rec->principal->key;

    return k && (k->tokens_per_minute || k->n_budgets > 0);
}

bool admission_start(struct record *rec, struct admission_need need,
                     void (*decided)(void *arg, const struct failure *f), void *arg)
{
    const struct key_record *k = rec->principal->key;
    struct admission *a;

    if (!k || !key_record_is_limited(k) || !rec->worker->store)
        return false;
    a = mem_new(struct admission);
    a->rec = rec;
    a->port = rec->worker->store;
    a->decided = decided;
    a->arg = arg;
    a->holder = random_u64();
    a->wall_ms = loop_wall_ms(rec->worker->loop);
    add_counters(a, need);
    arena_on_release(&rec->request->arena, on_release, a);
    hold(a);
    return true;
}
