/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target is known from its first failure until a window without one has passed: healthy targets
 * cost a look at a counter. The window is a ring of parts that are cleared as time moves on.
 */
#include "gateway/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"

enum { PARTS = 10, NAME_MAX_BYTES = 512, RISE_FROM_PERCENT = 10, LONGEST = 8, SWEEP_MS = 60000 };

enum health_state { HEALTH_CLOSED, HEALTH_OPEN, HEALTH_HALF_OPEN, HEALTH_RISING };

struct part {
    int64_t number; /* of the time that it counts: now / length */
    uint32_t good;
    uint32_t bad;
};

struct health_target {
    char *name; /* "upstream/model" */
    enum health_state state;
    struct part parts[PARTS];
    int64_t window_ms; /* of the parts */
    size_t tickets;
    int64_t last_bad_ms;
    int64_t asked_ms; /* last */
    int64_t until_ms; /* OPEN: the end of it; RISING: likewise */
    int64_t rising_since_ms;
    int64_t open_ms; /* how long it was open last; 0: it never was, or it is well again */
    uint32_t failed; /* of `answers`, when it opened */
    uint32_t answers;
    bool is_probed; /* HALF_OPEN: the one request is on its way */
};

struct health {
    pthread_mutex_t lock;
    struct map targets;
    int64_t swept_ms;
    atomic_size_t n;
};

struct health *health_new(void)
{
    struct health *h = mem_new(struct health);

    pthread_mutex_init(&h->lock, NULL);
    map_init(&h->targets);
    return h;
}

static void free_target(struct health_target *t)
{
    mem_free(t->name);
    mem_free(t);
}

void health_free(struct health *h)
{
    struct health_target *t;
    size_t cursor = 0;

    if (!h)
        return;
    while ((t = map_next(&h->targets, &cursor, &(struct str){ NULL, 0 })) != NULL) {
        BUG_ON(t->tickets > 0);
        free_target(t);
    }
    map_deinit(&h->targets);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

/* ---- the window ---- */

/* Parts of another length were numbered otherwise. */
static struct part *part_of(struct health_target *t, int64_t window_ms, int64_t now_ms)
{
    int64_t length = window_ms / PARTS > 0 ? window_ms / PARTS : 1;
    int64_t number = now_ms / length;
    struct part *p = &t->parts[(uint64_t)number % PARTS];

    if (t->window_ms != window_ms)
        memset(t->parts, 0, sizeof(t->parts));
    t->window_ms = window_ms;
    if (p->number != number)
        *p = (struct part){ .number = number };
    return p;
}

static void sum(const struct health_target *t, int64_t window_ms, int64_t now_ms,
                uint32_t *ret_failed, uint32_t *ret_answers)
{
    int64_t length = window_ms / PARTS > 0 ? window_ms / PARTS : 1;

    *ret_failed = *ret_answers = 0;
    for (size_t i = 0; i < PARTS; i++) {
        if (t->parts[i].number <= now_ms / length - PARTS)
            continue;
        *ret_failed += t->parts[i].bad;
        *ret_answers += t->parts[i].bad + t->parts[i].good;
    }
}

/* ---- states ---- */

static void say(const struct health_target *t, enum log_level level, const char *what)
{
    log_write(level, what,
              (struct log_field[]){ LOG_Z("target", t->name), LOG_INT("failed", t->failed),
                                    LOG_INT("answers", t->answers),
                                    LOG_INT("open_ms", t->open_ms) },
              4);
}

/* Longer each time, and not at the same moment as the other gateways. */
static void open_circuit(struct health_target *t, const struct health_limits *limits,
                         int64_t now_ms)
{
    int64_t longest = limits->open_ms * LONGEST;
    int64_t jitter = limits->open_ms / 5;

    t->open_ms = t->open_ms ? 2 * t->open_ms : limits->open_ms;
    if (t->open_ms > longest)
        t->open_ms = longest;
    t->until_ms = now_ms + t->open_ms;
    if (jitter > 0)
        t->until_ms += (int64_t)(random_u64() % (uint64_t)jitter);
    if (t->state == HEALTH_CLOSED)
        metric_add(METRIC_CIRCUITS_OPEN, 1);
    t->state = HEALTH_OPEN;
    t->is_probed = false;
    metric_add(METRIC_CIRCUIT_OPENINGS, 1);
    say(t, LOG_WARN, "a circuit opens: other targets are asked instead");
}

static void begin_rise(struct health_target *t, const struct health_limits *limits, int64_t now_ms)
{
    memset(t->parts, 0, sizeof(t->parts));
    t->state = HEALTH_RISING;
    t->is_probed = false;
    t->rising_since_ms = now_ms;
    t->until_ms = now_ms + limits->slow_start_ms;
    say(t, LOG_INFO, "a target answers again");
}

static void close_circuit(struct health_target *t)
{
    t->state = HEALTH_CLOSED;
    t->open_ms = 0;
    metric_add(METRIC_CIRCUITS_OPEN, -1);
    say(t, LOG_INFO, "a circuit is closed: the target gets all of its traffic again");
}

/* What time alone changes. */
static void pass_time(struct health_target *t, int64_t now_ms)
{
    if (t->state == HEALTH_OPEN && now_ms >= t->until_ms)
        t->state = HEALTH_HALF_OPEN;
    else if (t->state == HEALTH_RISING && now_ms >= t->until_ms)
        close_circuit(t);
}

/* ---- known targets ---- */

/* False: too long to be one. */
static bool name_of(struct str upstream, struct str model, char out[NAME_MAX_BYTES],
                    struct str *ret)
{
    if (upstream.n + 1 + model.n >= NAME_MAX_BYTES)
        return false;
    memcpy(out, upstream.p, upstream.n);
    out[upstream.n] = '/';
    memcpy(out + upstream.n + 1, model.p, model.n);
    *ret = (struct str){ out, upstream.n + 1 + model.n };
    return true;
}

static struct health_target *find(struct health *h, struct str upstream, struct str model)
{
    char room[NAME_MAX_BYTES];
    struct str name;

    return name_of(upstream, model, room, &name) ? map_find(&h->targets, name) : NULL;
}

static void forget(struct health *h, struct health_target *t)
{
    if (t->state != HEALTH_CLOSED)
        metric_add(METRIC_CIRCUITS_OPEN, -1);
    map_take(&h->targets, str_of(t->name));
    free_target(t);
    atomic_store(&h->n, h->targets.n);
}

static struct health_target *find_deserted(struct health *h, int64_t now_ms)
{
    struct health_target *t;
    struct str name;
    size_t cursor = 0;

    while ((t = map_next(&h->targets, &cursor, &name)) != NULL)
        if (t->state != HEALTH_CLOSED && t->tickets == 0 &&
            now_ms - t->asked_ms >= HEALTH_FORGET_MS)
            return t;
    return NULL;
}

/* Looks through them all, hence not for every request. */
static void sweep(struct health *h, int64_t now_ms)
{
    struct health_target *t;

    h->swept_ms = now_ms;
    while ((t = find_deserted(h, now_ms)) != NULL)
        forget(h, t);
}

/* One that nobody needs to know any more. */
static struct health_target *find_forgotten(struct health *h, int64_t window_ms, int64_t now_ms)
{
    struct health_target *t;
    struct str name;
    size_t cursor = 0;

    while ((t = map_next(&h->targets, &cursor, &name)) != NULL)
        if (t->state == HEALTH_CLOSED && t->tickets == 0 && now_ms - t->last_bad_ms > window_ms)
            return t;
    return NULL;
}

/* NULL: there are too many, none of which may be forgotten. */
static struct health_target *make(struct health *h, struct str upstream, struct str model,
                                  int64_t window_ms, int64_t now_ms)
{
    struct health_target *t = NULL;
    char room[NAME_MAX_BYTES];
    struct str name;

    if (!name_of(upstream, model, room, &name))
        return NULL;
    if (h->targets.n >= HEALTH_TARGETS_MAX) {
        t = find_forgotten(h, window_ms, now_ms);
        if (!t)
            return NULL;
        forget(h, t);
    }
    t = mem_new(struct health_target);
    t->name = mem_alloc(name.n + 1);
    memcpy(t->name, name.p, name.n);
    map_set(&h->targets, name, t);
    atomic_store(&h->n, h->targets.n);
    return t;
}

/* ---- requests ---- */

/* Of a rising target: the share that it gets grows with time. */
static bool is_lucky(const struct health_target *t, int64_t now_ms)
{
    int64_t whole = t->until_ms - t->rising_since_ms;
    int64_t passed = now_ms - t->rising_since_ms;
    int64_t percent = RISE_FROM_PERCENT + (100 - RISE_FROM_PERCENT) * passed / (whole ? whole : 1);

    return (int64_t)(random_u64() % 100) < percent;
}

static bool lets_in(struct health_target *t, int64_t now_ms, enum health_need need, bool *ret_probe)
{
    pass_time(t, now_ms);
    *ret_probe = false;
    switch (t->state) {
    case HEALTH_CLOSED:
        return true;
    case HEALTH_RISING:
        return need >= HEALTH_IF_RISING || is_lucky(t, now_ms);
    case HEALTH_HALF_OPEN:
        if (t->is_probed)
            return need >= HEALTH_IF_HALF_OPEN;
        *ret_probe = t->is_probed = true;
        return true;
    case HEALTH_OPEN:
        break;
    }
    return need == HEALTH_ANYHOW;
}

bool health_enter(struct health *h, const struct health_limits *limits, struct str upstream,
                  struct str model, int64_t now_ms, enum health_need need,
                  struct health_ticket *ret)
{
    struct health_target *t;
    bool may = true;

    *ret = (struct health_ticket){ 0 };
    if (!h || limits->error_percent == 0 || atomic_load(&h->n) == 0)
        return true;
    pthread_mutex_lock(&h->lock);
    if (now_ms - h->swept_ms >= SWEEP_MS)
        sweep(h, now_ms);
    t = find(h, upstream, model);
    if (t) {
        t->asked_ms = now_ms;
        may = lets_in(t, now_ms, need, &ret->is_probe);
        if (may) {
            ret->target = t;
            ret->is_trial = t->state == HEALTH_OPEN || t->state == HEALTH_HALF_OPEN;
            t->tickets++;
        }
    }
    pthread_mutex_unlock(&h->lock);
    if (!may && need == HEALTH_IF_FIT)
        metric_add(METRIC_CIRCUIT_SKIPS, 1);
    return may;
}

/* A good answer of a sick target, to the probe or to who had to ask it, shows that it is well;
 * requests that began before say nothing new. */
static void judge_sick(struct health_target *t, const struct health_limits *limits, int64_t now_ms,
                       struct health_ticket ticket, enum health_verdict verdict)
{
    if (!ticket.is_trial)
        return;
    if (verdict == HEALTH_GOOD)
        begin_rise(t, limits, now_ms);
    else if (verdict == HEALTH_BAD && t->state == HEALTH_HALF_OPEN)
        open_circuit(t, limits, now_ms);
    else if (ticket.is_probe)
        t->is_probed = false; /* the next request is the probe */
}

static void judge(struct health_target *t, const struct health_limits *limits, int64_t now_ms,
                  enum health_verdict verdict)
{
    struct part *p = part_of(t, limits->window_ms, now_ms);

    p->good += verdict == HEALTH_GOOD;
    p->bad += verdict == HEALTH_BAD;
    if (verdict != HEALTH_BAD)
        return;
    t->last_bad_ms = now_ms;
    sum(t, limits->window_ms, now_ms, &t->failed, &t->answers);
    if (t->answers >= HEALTH_LEAST &&
        (uint64_t)t->failed * 100 >= (uint64_t)t->answers * limits->error_percent)
        open_circuit(t, limits, now_ms);
}

void health_leave(struct health *h, const struct health_limits *limits, struct str upstream,
                  struct str model, int64_t now_ms, struct health_ticket ticket,
                  enum health_verdict verdict)
{
    struct health_target *t = ticket.target;

    if (!h ||
        (!t && (limits->error_percent == 0 || (verdict != HEALTH_BAD && atomic_load(&h->n) == 0))))
        return;
    pthread_mutex_lock(&h->lock);
    if (t)
        t->tickets--;
    else
        t = find(h, upstream, model);
    if (!t && verdict == HEALTH_BAD)
        t = make(h, upstream, model, limits->window_ms, now_ms);
    if (t) {
        t->asked_ms = now_ms;
        pass_time(t, now_ms);
        if (t->state == HEALTH_OPEN || t->state == HEALTH_HALF_OPEN)
            judge_sick(t, limits, now_ms, ticket, verdict);
        else if (verdict != HEALTH_UNKNOWN)
            judge(t, limits, now_ms, verdict);
    }
    pthread_mutex_unlock(&h->lock);
}

bool health_visit_enter(struct health_visit *v, struct health *h,
                        const struct health_limits *limits, struct str upstream, struct str model,
                        int64_t now_ms, enum health_need need)
{
    BUG_ON(v->is_entered);
    *v = (struct health_visit){
        .health = h, .limits = limits, .upstream = upstream, .model = model
    };
    v->is_entered = health_enter(h, limits, upstream, model, now_ms, need, &v->ticket);
    return v->is_entered;
}

void health_visit_leave(struct health_visit *v, int64_t now_ms, enum health_verdict verdict)
{
    if (!v->is_entered)
        return;
    v->is_entered = false;
    health_leave(v->health, v->limits, v->upstream, v->model, now_ms, v->ticket, verdict);
}

/* ---- for people ---- */

static const char *const state_names[] = { [HEALTH_CLOSED] = "good",
                                           [HEALTH_OPEN] = "open",
                                           [HEALTH_HALF_OPEN] = "half_open",
                                           [HEALTH_RISING] = "slow_start" };

static void describe(const struct health_target *t, int64_t now_ms, struct health_problem *ret)
{
    long long left_s = (long long)((t->until_ms - now_ms + 999) / 1000);

    snprintf(ret->target, sizeof(ret->target), "%s", t->name);
    switch ((int)t->state) {
    case HEALTH_OPEN:
        snprintf(
            ret->why, sizeof(ret->why),
            "%u of the last %u answers failed; others are asked instead, and it is tried again "
            "in %lld s",
            t->failed, t->answers, left_s);
        break;
    case HEALTH_HALF_OPEN:
        snprintf(ret->why, sizeof(ret->why),
                 "%u of %u answers failed; the next request tries it again", t->failed, t->answers);
        break;
    default:
        snprintf(ret->why, sizeof(ret->why),
                 "it answers again and gets all of its requests in %lld s", left_s);
    }
}

bool health_is_open(struct health *h, struct str upstream, struct str model, int64_t now_ms)
{
    struct health_target *t;
    bool is_open = false;

    if (!h || atomic_load(&h->n) == 0)
        return false;
    pthread_mutex_lock(&h->lock);
    t = find(h, upstream, model);
    if (t) {
        pass_time(t, now_ms);
        is_open = t->state == HEALTH_OPEN;
    }
    pthread_mutex_unlock(&h->lock);
    return is_open;
}

const char *health_state(struct health *h, struct str upstream, struct str model, int64_t now_ms,
                         unsigned *ret_failures_percent, int64_t *ret_left_ms)
{
    const char *name = "good";
    struct health_target *t;

    *ret_failures_percent = 0;
    *ret_left_ms = 0;
    if (!h || atomic_load(&h->n) == 0)
        return name;
    pthread_mutex_lock(&h->lock);
    t = find(h, upstream, model);
    if (t) {
        pass_time(t, now_ms);
        name = state_names[t->state];
        if (t->state != HEALTH_CLOSED && t->answers)
            *ret_failures_percent = t->failed * 100 / t->answers;
        if (t->until_ms > now_ms && t->state != HEALTH_CLOSED)
            *ret_left_ms = t->until_ms - now_ms;
    }
    pthread_mutex_unlock(&h->lock);
    return name;
}

bool health_problem_at(struct health *h, int64_t now_ms, size_t i, struct health_problem *ret)
{
    struct health_target *t;
    struct str name;
    size_t cursor = 0;
    bool found = false;

    if (!h)
        return false;
    pthread_mutex_lock(&h->lock);
    sweep(h, now_ms);
    while (!found && (t = map_next(&h->targets, &cursor, &name)) != NULL) {
        pass_time(t, now_ms);
        if (t->state == HEALTH_CLOSED || i-- > 0)
            continue;
        describe(t, now_ms, ret);
        found = true;
    }
    pthread_mutex_unlock(&h->lock);
    return found;
}

void health_each_sick(struct health *h, int64_t now_ms,
                      void (*each)(void *arg, const char *target, const char *state), void *arg)
{
    struct health_target *t;
    struct str name;
    size_t cursor = 0;

    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    sweep(h, now_ms);
    while ((t = map_next(&h->targets, &cursor, &name)) != NULL) {
        pass_time(t, now_ms);
        if (t->state != HEALTH_CLOSED)
            each(arg, t->name, state_names[t->state]);
    }
    pthread_mutex_unlock(&h->lock);
}
