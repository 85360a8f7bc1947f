/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that one request goes out with, one after the other, and the token of each: what calls
 * and relays have in common. Private to this folder.
 */
#pragma once

#include "provider/openai/instance.h"

enum { KEY_TURN_TRIES = 3 }; /* of one request at one upstream: how many keys it goes out with */

struct key_turn {
    struct provider_instance *instance;
    struct str purpose; /* what it is for (keys.h); lives as long as this */
    size_t key;         /* in use */
    uint64_t tried;     /* keys that were */
    uint64_t used;      /* those of them that it went out with */
    unsigned n_used;
    struct wait wait;
    struct secret token; /* of a sign-in */
    bool is_renewed;     /* the one renewal after a 401 is spent */
    bool is_left;

    /* A key was chosen; its name for people. */
    void (*on_attempt)(void *arg, struct str account);
    /* The request may go out with it; empty: without one. Lives until the next turn of a key. */
    void (*on_token)(void *arg, struct str token);
    /* No key may be used now, or none has a token. */
    void (*on_failed)(void *arg, const struct notice *notice);
    void *arg;
};

/* The next key. Calls back at once or later, as the following do. */
void key_turn_next(struct key_turn *t);

/* The same key once more. */
void key_turn_again(struct key_turn *t);

/* A 401 to a sign-in's token: once another token is asked for. False: that is no help. */
bool key_turn_renew(struct key_turn *t, int status);

/* Whether there is another key to try, and one more try. */
bool key_turn_has_other(const struct key_turn *t);

/* What an upstream said, without what the request went out with: some repeat it in their errors. In
 * `a` where that makes a difference. */
struct str key_turn_hide(const struct key_turn *t, struct arena *a, struct str text);

/* No callback from now on. Harmless the second time. */
void key_turn_leave(struct key_turn *t);
void key_turn_deinit(struct key_turn *t);
