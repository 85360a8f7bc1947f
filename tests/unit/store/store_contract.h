/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store must do, whatever is behind it: each store's test runs it on a store of its
 * own. Times to live are checked with the loop's clock, turned by hand, when `has_loop_clock`; a
 * store on another machine has a clock of its own.
 */
#pragma once

#include "store_large.h"

static inline void contract_put_in(struct bench *b, enum store_space space, const char *bytes,
                                   const char *value, int64_t ttl_ms)
{
    struct store_key key = contract_key_in(space, bytes);
    struct told told;

    TOLD(b, told, store_put(b->port, &key, str_of(value), ttl_ms, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
}

static inline void contract_put(struct bench *b, const char *bytes, const char *value,
                                int64_t ttl_ms)
{
    contract_put_in(b, STORE_TIP, bytes, value, ttl_ms);
}

/* Claims the first of the keys, one a letter of `letters`. */
static inline struct told contract_claim(struct bench *b, const char *letters)
{
    struct store_key keys[STORE_CLAIM_MAX];
    struct told told = { 0 };
    size_t n = strlen(letters);

    for (size_t i = 0; i < n; i++)
        keys[i] = contract_key((const char[]){ letters[i], '\0' });
    EXPECT(store_claim_first(b->port, keys, n, on_told, &told) != NULL);
    memset(keys, 0, sizeof(keys));
    EXPECT_INT(told.calls, 0);
    RUN_UNTIL(b->loop, told.calls > 0);
    EXPECT_INT(told.calls, 1);
    return told;
}

static inline void expect_claimed(struct bench *b, const char *letters, size_t index,
                                  const char *value)
{
    struct told told = contract_claim(b, letters);

    EXPECT_INT(told.err, ERR_NONE);
    EXPECT_INT(told.index, index);
    EXPECT_Z(told.value, value);
}

static inline void expect_absent(struct bench *b, const char *letters)
{
    EXPECT_INT(contract_claim(b, letters).err, ERR_NOT_FOUND);
}

static inline void expect_got(struct bench *b, const char *bytes, const char *want)
{
    struct store_key key = contract_key(bytes);
    struct told told;

    TOLD(b, told, store_get(b->port, &key, on_told, &told));
    EXPECT_INT(told.err, want ? ERR_NONE : ERR_NOT_FOUND);
    EXPECT_Z(told.value, want ? want : "");
}

static inline void contract_claims(struct bench *b)
{
    expect_absent(b, "a");
    contract_put(b, "a", "one", 60000);
    expect_claimed(b, "a", 0, "one");
    expect_absent(b, "a"); /* a claim takes */

    contract_put(b, "b", "two", 60000);
    contract_put(b, "c", "three", 60000);
    expect_claimed(b, "abc", 1, "two"); /* the first that exists, and only that one */
    expect_claimed(b, "abc", 2, "three");
    expect_absent(b, "abc");

    contract_put(b, "a", "old", 60000);
    contract_put(b, "a", "new", 60000);
    expect_claimed(b, "a", 0, "new");
    expect_absent(b, "a");
}

static inline void contract_gets(struct bench *b)
{
    expect_got(b, "g", NULL);
    contract_put(b, "g", "there", 60000);
    expect_got(b, "g", "there"); /* a get does not take */
    expect_got(b, "g", "there");
    contract_put(b, "g", "for ever", STORE_FOREVER);
    expect_got(b, "g", "for ever");
    expect_claimed(b, "g", 0, "for ever");
    expect_got(b, "g", NULL);
}

static inline void contract_spaces_are_apart(struct bench *b)
{
    contract_put_in(b, STORE_TOKEN, "s", "a token", 60000);
    expect_got(b, "s", NULL);
    contract_put(b, "s", "a tip", 60000);
    expect_claimed(b, "s", 0, "a tip");
}

static inline void contract_values(struct bench *b)
{
    static char big[STORE_VALUE_MAX];
    struct store_key key = { .space = STORE_TIP, .n = STORE_KEY_MAX };
    struct told told;

    contract_put(b, "e", "", 60000);
    expect_got(b, "e", "");
    expect_claimed(b, "e", 0, "");

    memset(big, 'x', sizeof(big));
    big[1] = '\0';
    big[2] = '\r';
    big[3] = '\n';
    memset(key.bytes, 0xFF, sizeof(key.bytes));
    key.bytes[5] = 0;
    EXPECT(!store_put(b->port, &key, (struct str){ big, sizeof(big) }, 60000, NULL, NULL));
    TOLD(b, told, store_claim_first(b->port, &key, 1, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
    EXPECT(told.n == sizeof(big) && memcmp(told.value, big, sizeof(big)) == 0);
}

static inline void contract_claims_many(struct bench *b)
{
    struct store_key keys[STORE_CLAIM_MAX];
    struct told told;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        keys[i] = contract_key("many");
        keys[i].bytes[3] = (unsigned char)i;
    }
    TOLD(b, told, store_claim_first(b->port, keys, COUNT_OF(keys), on_told, &told));
    EXPECT_INT(told.err, ERR_NOT_FOUND);
    store_put(b->port, &keys[COUNT_OF(keys) - 1], STR("last"), 60000, NULL, NULL);
    TOLD(b, told, store_claim_first(b->port, keys, COUNT_OF(keys), on_told, &told));
    EXPECT_Z(told.value, "last");
    EXPECT_INT(told.index, COUNT_OF(keys) - 1);
}

static inline void contract_forgets(struct bench *b)
{
    struct store_key key = contract_key("f");
    struct told told = { 0 };

    store_forget(store_put(b->port, &key, STR("kept"), 60000, on_told, &told));
    expect_claimed(b, "f", 0, "kept");
    contract_put(b, "f", "gone", 60000);
    store_forget(store_claim_first(b->port, &key, 1, on_told, &told));
    expect_absent(b, "f"); /* the forgotten claim went on */
    EXPECT_INT(told.calls, 0);
}

/* `expected` and `value` may be NULL, as in store_swap(). */
static inline struct told contract_swap(struct bench *b, const char *expected, const char *value)
{
    struct store_key key = contract_key_in(STORE_LEASE, "swap");
    struct str old = str_of(expected);
    struct str new = str_of(value);
    struct told told;

    TOLD(b, told,
         store_swap(b->port, &key, expected ? &old : NULL, value ? &new : NULL, 60000, on_told,
                    &told));
    return told;
}

static inline void expect_conflict(const struct told *t, const char *present)
{
    EXPECT_INT(t->err, ERR_CONFLICT);
    EXPECT_INT(t->found, present != NULL);
    EXPECT_Z(t->value, present ? present : "");
}

static inline void contract_swaps(struct bench *b)
{
    struct told t = contract_swap(b, "x", "y");

    expect_conflict(&t, NULL);
    t = contract_swap(b, NULL, NULL);
    EXPECT_INT(t.err, ERR_NONE);
    t = contract_swap(b, NULL, "one");
    EXPECT_INT(t.err, ERR_NONE);
    t = contract_swap(b, NULL, "two");
    expect_conflict(&t, "one");
    t = contract_swap(b, "One", "two");
    expect_conflict(&t, "one");
    t = contract_swap(b, "one", "");
    EXPECT_INT(t.err, ERR_NONE);
    t = contract_swap(b, NULL, "two");
    expect_conflict(&t, "");
    t = contract_swap(b, "", "three");
    EXPECT_INT(t.err, ERR_NONE);
    t = contract_swap(b, "", NULL);
    expect_conflict(&t, "three");
    t = contract_swap(b, "three", NULL);
    EXPECT_INT(t.err, ERR_NONE);
    t = contract_swap(b, "three", NULL);
    expect_conflict(&t, NULL);
}

static inline struct store_counter counter_of(const char *key, int64_t amount, int64_t limit,
                                              int64_t ttl_ms)
{
    return (struct store_counter){ contract_key_in(STORE_LIMIT, key), amount, limit, ttl_ms };
}

static inline struct told contract_count(struct bench *b, const struct store_counter *c, size_t n)
{
    struct told told;

    TOLD(b, told, store_count(b->port, c, n, on_told, &told));
    return told;
}

static inline void contract_counts(struct bench *b)
{
    struct store_counter both[] = { counter_of("requests", 1, 2, STORE_FOREVER),
                                    counter_of("tokens", 100, 250, STORE_FOREVER) };
    struct store_counter back = counter_of("tokens", -150, INT64_MAX, 60000);
    struct store_counter below = counter_of("tokens", -1000, 0, 60000);
    struct store_counter much = counter_of("much", INT64_MAX, INT64_MAX, 60000);
    struct told t = contract_count(b, both, 2);

    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(t.sums[0], 1);
    EXPECT_INT(t.sums[1], 100);
    t = contract_count(b, both, 2);
    EXPECT_INT(t.sums[1], 200);
    t = contract_count(b, both, 2); /* none is added when one refuses */
    EXPECT_INT(t.err, ERR_LIMIT);
    EXPECT_INT(t.index, 0);
    EXPECT_INT(t.sums[0], 2);
    EXPECT_INT(t.sums[1], 200);
    both[0].limit = INT64_MAX;
    t = contract_count(b, both, 2);
    EXPECT_INT(t.err, ERR_LIMIT);
    EXPECT_INT(t.index, 1);
    EXPECT_INT(t.sums[0], 2);
    t = contract_count(b, &back, 1);
    EXPECT_INT(t.sums[0], 50);
    t = contract_count(b, both, 2);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(t.sums[0], 3);
    EXPECT_INT(t.sums[1], 150);
    t = contract_count(b, &below, 1); /* what gives back is never refused */
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(t.sums[0], 0);
    t = contract_count(b, &much, 1);
    EXPECT_INT(t.err, ERR_NONE);
    t = contract_count(b, &much, 1);
    EXPECT(t.sums[0] == INT64_MAX);
}

/* Each change begins its time to live anew. */
static inline void contract_counters_end(struct bench *b)
{
    struct store_counter c = counter_of("short", 1, 3, 1000);

    if (!b->has_loop_clock)
        return;
    loop_clock_set(b->loop, loop_now_ms(b->loop)); /* stands from now on */
    contract_count(b, &c, 1);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 999);
    EXPECT_INT(contract_count(b, &c, 1).sums[0], 2);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 999);
    EXPECT_INT(contract_count(b, &c, 1).sums[0], 3);
    EXPECT_INT(contract_count(b, &c, 1).err, ERR_LIMIT);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 1000);
    EXPECT_INT(contract_count(b, &c, 1).sums[0], 1);
}

static inline struct told contract_hold(struct bench *b, uint64_t holder, int64_t limit,
                                        int64_t ttl_ms)
{
    struct store_key key = contract_key_in(STORE_LIMIT, "parallel");
    struct told told;

    TOLD(b, told, store_hold(b->port, &key, holder, limit, ttl_ms, on_told, &told));
    return told;
}

static inline void expect_held(const struct told *t, enum err err, int64_t n)
{
    EXPECT_INT(t->err, err);
    EXPECT_INT(t->sums[0], n);
}

static inline void contract_holds(struct bench *b)
{
    static const struct {
        uint64_t holder;
        int64_t limit;
        int64_t ttl_ms;
        enum err err;
        int64_t n;
    } rows[] = {
        { 1, 2, 60000, ERR_NONE, 1 },      { UINT64_MAX, 2, 60000, ERR_NONE, 2 },
        { 3, 2, 60000, ERR_LIMIT, 2 },     { 1, 2, 60000, ERR_NONE, 2 }, /* stays */
        { 3, 3, 60000, ERR_NONE, 3 },      { 1, 1, 60000, ERR_NONE, 3 }, /* the limit fell */
        { 7, 3, 0, ERR_NONE, 3 },                                        /* never held it */
        { 3, 3, 0, ERR_NONE, 2 },          { 3, 3, 0, ERR_NONE, 2 },
        { UINT64_MAX, 0, 0, ERR_NONE, 1 }, { 1, 0, 0, ERR_NONE, 0 },
        { 1, 0, 60000, ERR_LIMIT, 0 },     { 5, 1, 60000, ERR_NONE, 1 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct told t = contract_hold(b, rows[i].holder, rows[i].limit, rows[i].ttl_ms);

        expect_held(&t, rows[i].err, rows[i].n);
    }
}

/* Who dies lets go by its end. */
static inline void contract_holders_end(struct bench *b)
{
    struct told t;

    if (!b->has_loop_clock)
        return;
    loop_clock_set(b->loop, loop_now_ms(b->loop));
    contract_hold(b, 5, 1, 0);
    contract_hold(b, 10, 2, 1000);
    contract_hold(b, 11, 2, 5000);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 999);
    t = contract_hold(b, 12, 2, 1000);
    expect_held(&t, ERR_LIMIT, 2);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 1);
    t = contract_hold(b, 12, 2, 1000);
    expect_held(&t, ERR_NONE, 2);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 1000);
    t = contract_hold(b, 13, 2, 1);
    expect_held(&t, ERR_NONE, 2);
}

static inline void contract_tally(struct bench *b, const char *key, int64_t first, int64_t last)
{
    struct store_tally t[2] = { { .key = contract_key_in(STORE_SUM, key) },
                                { .key = contract_key_in(STORE_SUM, "z") } };
    struct told told;

    t[0].numbers[0] = first;
    t[0].numbers[STORE_TALLY_NUMBERS - 1] = last;
    t[1].numbers[0] = 1;
    TOLD(b, told, store_tally(b->port, t, 2, 60000, NULL, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
}

static inline void contract_tallies(struct bench *b)
{
    struct told told;

    contract_tally(b, "a", 1, 2);
    contract_tally(b, "a", 10, (int64_t)1 << 53);
    contract_tally(b, "b", INT64_MAX, 0);
    TOLD(b, told, store_list(b->port, STORE_SUM, STR(""), 10, on_told, &told));
    EXPECT_INT(told.n_rows, 3);
    EXPECT_Z(told.rows, "a=11 0 0 0 0 0 0 0 0 0 0 9007199254740992;"
                        "b=9007199254740992 0 0 0 0 0 0 0 0 0 0 0;z=3 0 0 0 0 0 0 0 0 0 0 0;");
}

/* What may have been added is asked for again: an operation whose answer was lost, and one that
 * comes late, behind others. */
static inline void contract_tally_again(struct bench *b)
{
    struct store_tally t = { .key = contract_key_in(STORE_SUM, "again") };
    struct store_mark mark = { .key = contract_key_in(STORE_MARK, "me") };
    struct store_mark other = { .key = contract_key_in(STORE_MARK, "you"), .number = 1 };
    const int64_t numbers[] = { 1, 1, 2, 1, 2, 7, 2 };
    struct told told;

    t.numbers[0] = 1;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        mark.number = numbers[i];
        TOLD(b, told, store_tally(b->port, &t, 1, 60000, &mark, on_told, &told));
        EXPECT_INT(told.err, ERR_NONE);
    }
    TOLD(b, told, store_tally(b->port, &t, 1, 60000, &other, on_told, &told));
    TOLD(b, told, store_list(b->port, STORE_SUM, STR("a"), 1, on_told, &told));
    EXPECT_Z(told.rows, "again=4 0 0 0 0 0 0 0 0 0 0 0;");
}

static inline void contract_append(struct bench *b, const char *value)
{
    struct told told;

    TOLD(b, told, store_append(b->port, STORE_USAGE, str_of(value), 100000, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
}

static inline struct told contract_read(struct bench *b, uint64_t before, size_t max)
{
    struct told told;

    TOLD(b, told, store_read(b->port, STORE_USAGE, before, max, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
    return told;
}

static inline void contract_logs(struct bench *b)
{
    struct told t = contract_read(b, UINT64_MAX, 10);

    EXPECT_INT(t.n_rows, 0);
    for (char c[2] = "a"; c[0] <= 'e'; c[0]++)
        contract_append(b, c);
    t = contract_read(b, UINT64_MAX, 3);
    EXPECT_Z(t.rows, "e;d;c;");
    t = contract_read(b, t.last_id, 3);
    EXPECT_Z(t.rows, "b;a;");
    t = contract_read(b, t.last_id, 3);
    EXPECT_INT(t.n_rows, 0);
    EXPECT_INT(contract_read(b, 0, 3).n_rows, 0);
    for (size_t i = 0; i < STORE_ROWS_MAX; i++)
        store_append(b->port, STORE_USAGE, STR("x"), 100000, NULL, NULL);
    t = contract_read(b, UINT64_MAX, SIZE_MAX);
    EXPECT_INT(t.n_rows, STORE_ROWS_MAX);
}

static inline struct told contract_list(struct bench *b, const char *after, size_t max)
{
    struct told told;

    TOLD(b, told, store_list(b->port, STORE_JAR, str_of(after), max, on_told, &told));
    EXPECT_INT(told.err, ERR_NONE);
    return told;
}

static inline void contract_lists(struct bench *b)
{
    struct store_key key = contract_key_in(STORE_JAR, "b");
    struct str value = STR("2");
    struct told t = contract_list(b, "", 10);

    EXPECT_INT(t.n_rows, 0);
    contract_put_in(b, STORE_JAR, "c", "3", STORE_FOREVER);
    contract_put_in(b, STORE_JAR, "a", "1", STORE_FOREVER);
    contract_put_in(b, STORE_JAR, "ab", "12", STORE_FOREVER);
    contract_put_in(b, STORE_JAR, "b", "2", STORE_FOREVER);
    contract_put(b, "a", "in another space", 60000);
    t = contract_list(b, "", 10);
    EXPECT_Z(t.rows, "a=1;ab=12;b=2;c=3;");
    t = contract_list(b, "", 2);
    EXPECT_Z(t.rows, "a=1;ab=12;");
    t = contract_list(b, "ab", 10);
    EXPECT_Z(t.rows, "b=2;c=3;");
    TOLD(b, t, store_swap(b->port, &key, &value, NULL, 0, on_told, &t));
    TOLD(b, t,
         store_claim_first(b->port, (key = contract_key_in(STORE_JAR, "a"), &key), 1, on_told, &t));
    contract_put_in(b, STORE_JAR, "c", "gone at once", 0);
    t = contract_list(b, "", 10);
    EXPECT_Z(t.rows, "ab=12;");
    expect_claimed(b, "a", 0, "in another space");
}

static inline void contract_expires(struct bench *b)
{
    contract_put(b, "x", "never there", 0);
    expect_absent(b, "x");
    contract_put(b, "x", "there", 60000);
    contract_put(b, "x", "gone at once", -1);
    expect_got(b, "x", NULL);
    if (!b->has_loop_clock)
        return;
    loop_clock_set(b->loop, loop_now_ms(b->loop));
    contract_put(b, "x", "short", 1000);
    contract_put(b, "y", "long", 2000);
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 999);
    contract_put(b, "z", "later", 1000);
    expect_got(b, "x", "short");
    loop_clock_set(b->loop, loop_now_ms(b->loop) + 1);
    expect_got(b, "x", NULL);
    expect_claimed(b, "xy", 1, "long");
    expect_claimed(b, "z", 0, "later");
    contract_put(b, "x", "again", 10);
    expect_claimed(b, "x", 0, "again");
}

/* Nobody waits for a callback twice, and a port that closes waits for all of them. */
static inline void contract_closes_when_all_is_answered(struct bench *b)
{
    struct told told[8] = { { 0 } };

    for (size_t i = 0; i < COUNT_OF(told); i++) {
        struct store_key key = contract_key((const char[]){ (char)('0' + i), '\0' });

        store_put(b->port, &key, STR("x"), 60000, i % 2 ? on_told : NULL, &told[i]);
    }
    bench_close_port(b);
    for (size_t i = 0; i < COUNT_OF(told); i++)
        EXPECT_INT(told[i].calls, i % 2);
}

/* All of it, on a store that is empty; closes it. */
static inline void store_contract(struct store *s, struct loop *l, bool has_loop_clock)
{
    struct bench b;

    bench_open(&b, s, l);
    b.has_loop_clock = has_loop_clock;
    contract_claims(&b);
    contract_gets(&b);
    contract_spaces_are_apart(&b);
    contract_values(&b);
    contract_large_values(&b);
    contract_keeps_within(&b);
    contract_claims_many(&b);
    contract_forgets(&b);
    contract_swaps(&b);
    contract_counts(&b);
    contract_counters_end(&b);
    contract_holds(&b);
    contract_holders_end(&b);
    contract_tallies(&b);
    contract_tally_again(&b);
    contract_logs(&b);
    contract_lists(&b);
    contract_expires(&b);
    contract_closes_when_all_is_answered(&b);
    store_close(s);
}
