/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the contract that is about large values; store_contract.h includes it. */
#pragma once

#include "store_bench.h"

/* What the last callback of a large value said. */
struct told_large {
    unsigned calls;
    enum err err;
    size_t n;
    size_t n_x; /* how many of its bytes are an x */
};

static inline void on_told_large(void *arg, const struct store_result *result)
{
    struct told_large *t = arg;

    *t = (struct told_large){ .calls = t->calls + 1, .err = result->err, .n = result->value.n };
    for (size_t i = 0; i < t->n; i++)
        t->n_x += result->value.p[i] == 'x';
}

static inline void contract_expect_large(struct bench *b, const struct store_key *key, enum err err,
                                         size_t n)
{
    struct told_large told = { 0 };

    EXPECT(store_get(b->port, key, on_told_large, &told) != NULL);
    RUN_UNTIL(b->loop, told.calls > 0);
    EXPECT_INT(told.err, err);
    EXPECT_INT(told.n, n);
    EXPECT_INT(told.n_x, n);
}

/* Where values may be large they may be so in every operation. */
static inline void contract_large_values(struct bench *b)
{
    static char big[STORE_LARGE_MAX];
    const struct str value = { big, sizeof(big) };
    const struct store_key key = contract_key_in(STORE_ANSWER, "L");
    struct told_large told = { 0 };

    memset(big, 'x', sizeof(big));
    EXPECT(!store_put(b->port, &key, value, 60000, NULL, NULL));
    contract_expect_large(b, &key, ERR_NONE, sizeof(big));
    EXPECT(store_claim_first(b->port, &key, 1, on_told_large, &told) != NULL);
    RUN_UNTIL(b->loop, told.calls > 0);
    EXPECT_INT(told.err, ERR_NONE);
    EXPECT_INT(told.n_x, sizeof(big));
    contract_expect_large(b, &key, ERR_NOT_FOUND, 0);
}

static inline enum err contract_keep(struct bench *b, const char *bytes, size_t n, int64_t room)
{
    static char value[4096];
    const struct store_key key = contract_key_in(STORE_ANSWER, bytes);
    struct told told;

    memset(value, 'x', sizeof(value));
    TOLD(b, told,
         store_put_within(b->port, &key, (struct str){ value, n }, 60000, room, on_told, &told));
    return told.err;
}

static inline void contract_expect_kept(struct bench *b, const char *bytes, size_t n)
{
    const struct store_key key = contract_key_in(STORE_ANSWER, bytes);

    contract_expect_large(b, &key, n > 0 ? ERR_NONE : ERR_NOT_FOUND, n);
}

/* Keys of 5 bytes, of which 4 say the owner: entries of 1000 bytes, 4 for each owner, 16 in all. */
static inline void contract_keeps_within(struct bench *b)
{
    const int64_t room = 16000;
    const struct store_key taken = contract_key_in(STORE_ANSWER, "own12");
    char name[8];
    struct told told;

    for (char i = '0'; i < '5'; i++)
        EXPECT_INT(contract_keep(b, (snprintf(name, sizeof(name), "own1%c", i), name), 995, room),
                   ERR_NONE);
    contract_expect_kept(b, "own10", 0); /* the owner's oldest made room */
    contract_expect_kept(b, "own11", 995);
    EXPECT_INT(contract_keep(b, "own13", 995, room), ERR_NONE); /* replaced: nothing goes */
    contract_expect_kept(b, "own11", 995);
    EXPECT_INT(contract_keep(b, "own19", 3996, room), ERR_TOO_BIG);
    contract_expect_kept(b, "own11", 995);
    TOLD(b, told, store_claim_first(b->port, &taken, 1, on_told, &told));
    EXPECT_INT(contract_keep(b, "own15", 995, room), ERR_NONE); /* where the taken one was */
    contract_expect_kept(b, "own11", 995);
    for (char owner = '2'; owner < '6'; owner++)
        for (char i = '0'; i < '4'; i++)
            EXPECT_INT(contract_keep(b, (snprintf(name, sizeof(name), "own%c%c", owner, i), name),
                                     995, room),
                       ERR_NONE);
    contract_expect_kept(b, "own11", 0); /* the oldest of all made room */
    contract_expect_kept(b, "own15", 0);
    contract_expect_kept(b, "own20", 995);
    EXPECT_INT(contract_keep(b, "own60", 995, 4000), ERR_NONE); /* the room has become less */
    contract_expect_kept(b, "own50", 0);
    contract_expect_kept(b, "own51", 995);
    contract_expect_kept(b, "own53", 995);
}
