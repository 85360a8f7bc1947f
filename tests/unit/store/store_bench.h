/* SPDX-License-Identifier: Apache-2.0 */
/* A store under test with a port of it, and what its callbacks told. */
#pragma once

#include "net/net_test.h"
#include "store/store.h"

struct bench {
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    bool is_closed;
    bool has_loop_clock;
};

static inline void bench_open(struct bench *b, struct store *s, struct loop *l)
{
    *b = (struct bench){ .loop = l, .store = s, .port = store_port_open(s, l) };
}

static inline void on_bench_closed(void *arg)
{
    struct bench *b = arg;

    b->is_closed = true;
}

static inline void bench_close_port(struct bench *b)
{
    store_port_close(b->port, on_bench_closed, b);
    EXPECT(!b->is_closed);
    RUN_UNTIL(b->loop, b->is_closed);
}

static inline void bench_close(struct bench *b)
{
    bench_close_port(b);
    store_close(b->store);
}

/* What the last callback said; rows as "key=value;" or "id=value;". */
struct told {
    unsigned calls;
    enum err err;
    bool found;
    size_t index;
    int64_t sums[STORE_COUNT_MAX];
    char value[STORE_VALUE_MAX + 1];
    size_t n;
    char rows[8192];
    size_t n_rows;
    uint64_t last_id;
};

static inline void told_row(struct told *t, const struct store_row *row)
{
    size_t used = strlen(t->rows);

    if (row->key.n > 0)
        snprintf(t->rows + used, sizeof(t->rows) - used, "%.*s=%.*s;", STR_ARGS(row->key),
                 STR_ARGS(row->value));
    else
        snprintf(t->rows + used, sizeof(t->rows) - used, "%.*s;", STR_ARGS(row->value));
    EXPECT(row->key.n > 0 || t->last_id == 0 || row->id < t->last_id);
    t->last_id = row->id;
}

static inline void on_told(void *arg, const struct store_result *result)
{
    struct told *t = arg;

    t->calls++;
    t->err = result->err;
    t->found = result->found;
    t->index = result->index;
    memcpy(t->sums, result->sums, sizeof(t->sums));
    t->n = result->value.n;
    if (t->n > 0)
        memcpy(t->value, result->value.p, t->n);
    t->value[t->n] = '\0';
    t->n_rows = result->n_rows;
    for (size_t i = 0; i < result->n_rows; i++)
        told_row(t, &result->rows[i]);
}

/* Runs the operation that `call` starts with `on_told, &told` and gives what it told. */
#define TOLD(b, t, call)                     \
    do {                                     \
        (t) = (struct told){ 0 };            \
        EXPECT((call) != NULL);              \
        EXPECT_INT((t).calls, 0);            \
        RUN_UNTIL((b)->loop, (t).calls > 0); \
        EXPECT_INT((t).calls, 1);            \
    } while (0)

static inline struct store_key contract_key_in(enum store_space space, const char *bytes)
{
    struct store_key key = { .space = space, .n = (uint8_t)strlen(bytes) };

    memcpy(key.bytes, bytes, key.n);
    return key;
}

static inline struct store_key contract_key(const char *bytes)
{
    return contract_key_in(STORE_TIP, bytes);
}
