/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store must do, whatever is behind it: each store's test runs it on a store of its
 * own. The clock of `l` is turned by hand; times to live are checked with it when
 * `has_loop_clock`, because a store on another machine has its own.
 */
#pragma once

#include "net/net_test.h"
#include "store/store.h"

/* What the last callback said. */
struct told {
    unsigned calls;
    enum err err;
    size_t index;
    char value[STORE_VALUE_MAX + 1];
    size_t n;
};

static inline void on_told(void *arg, const struct store_result *result)
{
    struct told *t = arg;

    t->calls++;
    t->err = result->err;
    t->index = result->index;
    t->n = result->value.n;
    if (t->n > 0)
        memcpy(t->value, result->value.p, t->n);
    t->value[t->n] = '\0';
}

/* A key of these bytes. */
static inline struct store_key contract_key(const char *bytes)
{
    struct store_key key = { .space = STORE_TIP, .n = (uint8_t)strlen(bytes) };

    memcpy(key.bytes, bytes, key.n);
    return key;
}

static inline void contract_put(struct store *s, struct loop *l, const char *bytes,
                                const char *value, int64_t ttl_ms)
{
    struct store_key key = contract_key(bytes);
    struct told told = { 0 };

    EXPECT(store_put(s, l, &key, str_of(value), ttl_ms, on_told, &told) != NULL);
    EXPECT_INT(told.calls, 0);
    RUN_UNTIL(l, told.calls > 0);
    EXPECT_INT(told.err, ERR_NONE);
}

/* Claims the first of the keys, one a letter of `letters`. */
static inline struct told contract_claim(struct store *s, struct loop *l, const char *letters)
{
    struct store_key keys[STORE_CLAIM_MAX];
    struct told told = { 0 };
    size_t n = strlen(letters);

    for (size_t i = 0; i < n; i++)
        keys[i] = contract_key((const char[]){ letters[i], '\0' });
    EXPECT(store_claim_first(s, l, keys, n, on_told, &told) != NULL);
    memset(keys, 0, sizeof(keys));
    EXPECT_INT(told.calls, 0);
    RUN_UNTIL(l, told.calls > 0);
    EXPECT_INT(told.calls, 1);
    return told;
}

static inline void expect_claimed(struct store *s, struct loop *l, const char *letters,
                                  size_t index, const char *value)
{
    struct told told = contract_claim(s, l, letters);

    EXPECT_INT(told.err, ERR_NONE);
    EXPECT_INT(told.index, index);
    EXPECT_Z(told.value, value);
}

static inline void expect_absent(struct store *s, struct loop *l, const char *letters)
{
    EXPECT_INT(contract_claim(s, l, letters).err, ERR_NOT_FOUND);
}

static inline void contract_claims(struct store *s, struct loop *l)
{
    expect_absent(s, l, "a");
    contract_put(s, l, "a", "one", 60000);
    expect_claimed(s, l, "a", 0, "one");
    expect_absent(s, l, "a"); /* a claim takes */

    contract_put(s, l, "b", "two", 60000);
    contract_put(s, l, "c", "three", 60000);
    expect_claimed(s, l, "abc", 1, "two"); /* the first that exists, and only that one */
    expect_claimed(s, l, "abc", 2, "three");
    expect_absent(s, l, "abc");

    contract_put(s, l, "a", "old", 60000);
    contract_put(s, l, "a", "new", 60000);
    expect_claimed(s, l, "a", 0, "new");
    expect_absent(s, l, "a");
}

static inline void contract_values(struct store *s, struct loop *l)
{
    static char big[STORE_VALUE_MAX];
    struct store_key key = { .space = STORE_TIP, .n = STORE_KEY_MAX };
    struct told told = { 0 };

    contract_put(s, l, "e", "", 60000);
    expect_claimed(s, l, "e", 0, "");

    memset(big, 'x', sizeof(big));
    big[1] = '\0';
    memset(key.bytes, 0xFF, sizeof(key.bytes));
    key.bytes[5] = 0;
    store_put(s, l, &key, (struct str){ big, sizeof(big) }, 60000, NULL, NULL);
    store_claim_first(s, l, &key, 1, on_told, &told);
    RUN_UNTIL(l, told.calls > 0);
    EXPECT_INT(told.err, ERR_NONE);
    EXPECT(told.n == sizeof(big) && memcmp(told.value, big, sizeof(big)) == 0);
}

static inline void contract_forgets(struct store *s, struct loop *l)
{
    struct store_key key = contract_key("f");
    struct told told = { 0 };

    store_forget(s, store_put(s, l, &key, STR("kept"), 60000, on_told, &told));
    expect_claimed(s, l, "f", 0, "kept");
    contract_put(s, l, "f", "gone", 60000);
    store_forget(s, store_claim_first(s, l, &key, 1, on_told, &told));
    expect_absent(s, l, "f"); /* the forgotten claim went on */
    EXPECT_INT(told.calls, 0);
}

static inline void contract_expires(struct store *s, struct loop *l, bool has_loop_clock)
{
    contract_put(s, l, "x", "never there", 0);
    expect_absent(s, l, "x");
    if (!has_loop_clock)
        return;
    loop_clock_set(l, loop_now_ms(l));
    contract_put(s, l, "x", "short", 1000);
    contract_put(s, l, "y", "long", 2000);
    loop_clock_set(l, loop_now_ms(l) + 999);
    contract_put(s, l, "z", "later", 1000);
    loop_clock_set(l, loop_now_ms(l) + 1);
    expect_claimed(s, l, "xy", 1, "long");
    expect_claimed(s, l, "z", 0, "later");
    contract_put(s, l, "x", "again", 10);
    expect_claimed(s, l, "x", 0, "again");
}

/* All of it. The store is empty before and after. */
static inline void store_contract(struct store *s, struct loop *l, bool has_loop_clock)
{
    contract_claims(s, l);
    contract_values(s, l);
    contract_forgets(s, l);
    contract_expires(s, l, has_loop_clock);
}
