/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For which models an account is not to be asked for a while, and why: what a limit of the service
 * leaves behind. Guarded by its owner; no I/O.
 */
#pragma once

#include "provider/waiters.h"

enum {
    COOLDOWN_FIRST_MS = 5000,         /* without a Retry-After: then twice as long each time */
    COOLDOWN_GROWN_MAX_MS = 900000,   /* up to this */
    COOLDOWN_ASKED_MAX_MS = 86400000, /* a Retry-After is believed up to this */
    COOLDOWN_UNUSABLE_MS = 900000,    /* what the plan does not cover is tried again after this */
    COOLDOWNS_MAX = 256,              /* for one account; beyond, all of its models rest */
};

/* All-zero is not initialized: cooldowns_init(). */
struct cooldowns {
    struct list list; /* struct cooldown, owned */
    size_t n;
};

void cooldowns_init(struct cooldowns *c);
void cooldowns_deinit(struct cooldowns *c);

/* Begins one, or makes a running one longer, for `model` (empty: all of them). `why` is what
 * requests are told meanwhile; its retry_after_ms, when it is above 0, decides how long, else it
 * grows from one time to the next. A little is added by chance, so that accounts do not come back
 * all at once. Returns how long, in ms from `now_ms` (the loop's clock). */
int64_t cooldown_begin(struct cooldowns *c, struct str model, const struct notice *why,
                       int64_t now_ms);

/* The same for a fixed time. */
int64_t cooldown_for(struct cooldowns *c, struct str model, const struct notice *why,
                     int64_t now_ms, int64_t ms);

/* How long the account still rests for this model; 0: it does not. `ret_why` (may be NULL) has the
 * reason, with the time that is left. */
int64_t cooldown_left(const struct cooldowns *c, struct str model, int64_t now_ms,
                      struct notice *ret_why);

/* The model was served: the next time begins small again. One that runs goes on. */
void cooldown_served(struct cooldowns *c, struct str model, int64_t now_ms);

/* Ends all of them. */
void cooldowns_clear(struct cooldowns *c);

/* Calls each(arg, model, ms left, why) for those that run. */
void cooldowns_each(const struct cooldowns *c, int64_t now_ms,
                    void (*each)(void *arg, struct str model, int64_t left_ms,
                                 const struct notice *why),
                    void *arg);
