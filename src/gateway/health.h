/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of targets, a model of an upstream each: when too many of their answers failed lately
 * a circuit opens, and other targets are asked at once instead of waiting for the sick one.
 *
 *     CLOSED --too many failed--> OPEN --its time is over--> HALF_OPEN --one answer--> RISING -->
 * CLOSED
 *                                  ^_________________________/ failed
 *
 * HALF_OPEN lets one request through at a time; RISING a growing share of them. Process-wide, by
 * name, so that it outlives the settings that it was made under. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/str.h"

enum {
    HEALTH_TARGETS_MAX = 1024, /* that failed lately; of more, the others are taken for well */
    HEALTH_LEAST = 10,         /* answers in the window, before it says anything */
    HEALTH_FORGET_MS = 600000, /* a sick one that nobody asked for so long is known no more: the
                                  settings may have it no longer */
    HEALTH_WHY_MAX = 192,
};

struct health_limits {
    int64_t window_ms;    /* how far back it looks; one of another length begins anew */
    size_t error_percent; /* of the answers in it that open a circuit; 0: none ever does */
    int64_t open_ms;      /* how long it stays open the first time; doubles each further time, up to
                             8 times as long */
    int64_t slow_start_ms; /* from the first good answer to all of the traffic */
};

enum health_verdict {
    HEALTH_GOOD,
    HEALTH_BAD,
    HEALTH_UNKNOWN, /* says nothing of the target */
};

/* How much a request needs this target. */
enum health_need {
    HEALTH_IF_FIT,       /* as much as its circuit lets in */
    HEALTH_IF_RISING,    /* no other lets it in: one that answers again does */
    HEALTH_IF_HALF_OPEN, /* nor does such a one: so does one that another request tries now */
    HEALTH_ANYHOW,       /* there is nobody else */
};

struct health;
struct health_target;

/* One request at one target. All zero: nothing is known of the target. */
struct health_ticket {
    struct health_target *target; /* NULL: it was well when the request began */
    bool is_trial;                /* it went to one that was OPEN or HALF_OPEN */
    bool is_probe;                /* the one request of HALF_OPEN */
};

struct health *health_new(void);

/* All tickets must be given back. NULL is fine. */
void health_free(struct health *h);

/* Whether a request may go to the target; then the ticket must be given back once, with its end. A
 * request that goes ANYHOW always may. `h` may be NULL, here and below: every target is well. */
bool health_enter(struct health *h, const struct health_limits *limits, struct str upstream,
                  struct str model, int64_t now_ms, enum health_need need,
                  struct health_ticket *ret);
void health_leave(struct health *h, const struct health_limits *limits, struct str upstream,
                  struct str model, int64_t now_ms, struct health_ticket ticket,
                  enum health_verdict verdict);

/* One request at one target, for those who may end in many ways. All zero: it is nowhere. */
struct health_visit {
    struct health *health;
    const struct health_limits *limits;
    struct str upstream;
    struct str model;
    struct health_ticket ticket;
    bool is_entered;
};

/* health_enter() and health_leave(). `limits` and both names are borrowed until it left; whoever is
 * nowhere (refused, or left already) leaves without effect, and must not be in when it enters. */
bool health_visit_enter(struct health_visit *v, struct health *h,
                        const struct health_limits *limits, struct str upstream, struct str model,
                        int64_t now_ms, enum health_need need);
void health_visit_leave(struct health_visit *v, int64_t now_ms, enum health_verdict verdict);

/* Whether the circuit of a target is open, so that it is passed over. */
bool health_is_open(struct health *h, struct str upstream, struct str model, int64_t now_ms);

/* "open", "half_open", "slow_start" or "good"; how many of its answers failed lately, and when the
 * state is over, in ms from now; 0: not by time. */
const char *health_state(struct health *h, struct str upstream, struct str model, int64_t now_ms,
                         unsigned *ret_failures_percent, int64_t *ret_left_ms);

/* Circuit `i` of those that are not closed, for people: false past the end. */
struct health_problem {
    char target[HEALTH_WHY_MAX]; /* "local/llama3" */
    char why[HEALTH_WHY_MAX];    /* "7 of the last 10 answers failed; it is tried again in 12 s" */
};
bool health_problem_at(struct health *h, int64_t now_ms, size_t i, struct health_problem *ret);

/* Calls each(arg, target, state) for those that are not closed; `state` is "open", "half_open" or
 * "slow_start". Under the lock: it must not call back. */
void health_each_sick(struct health *h, int64_t now_ms,
                      void (*each)(void *arg, const char *target, const char *state), void *arg);
