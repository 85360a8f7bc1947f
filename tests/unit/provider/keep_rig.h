/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of what is kept share: a store that can fail, and gateways that begin with it. */
#pragma once

#include "account_rig.h"
#include "provider/enginelabs/keep.h"
#include "store/backend.h"

/* A store that can fail, and can be shared, in front of one in memory. */
struct odd_store {
    struct store store;
    struct store *real;
    bool fails_jars; /* puts of them */
    bool fails_jar_gets;
    bool holds_jars;       /* puts of them, until the test lets them go */
    bool loses_lock_reply; /* once: it is taken, and whoever asked is told of a time-out */
    bool loses_jar_reply;  /* likewise, of a put */
    const char *jar;       /* another gateway leaves it just before one is put */
    const char *token;     /* another gateway leaves it just before the lock is taken */
    struct store_key token_key;
    struct store_port *port;
    struct store_op *held[4];
    unsigned n_held;
    unsigned jar_puts;
    struct fake *fake;
    unsigned tokens_at_put;
};

static inline void odd_run(struct store *s, void *port, struct store_op *op)
{
    struct odd_store *o = CONTAINER_OF(s, struct odd_store, store);
    bool is_jar_put = op->verb == STORE_SWAP && op->keys[0].space == STORE_JAR;
    bool is_lock = op->verb == STORE_SWAP && op->keys[0].space == STORE_LEASE && op->expects_none;

    if (is_jar_put) {
        o->jar_puts++;
        o->tokens_at_put = o->fake->at[FAKE_TOKEN].count;
    }
    if (o->jar && is_jar_put) {
        store_put(o->port, op->keys, str_of(o->jar), STORE_FOREVER, NULL, NULL);
        o->jar = NULL;
    }
    if (o->token && is_lock) {
        store_put(o->port, &o->token_key, str_of(o->token), 60000, NULL, NULL);
        o->token = NULL;
    }
    if (o->loses_lock_reply && is_lock) {
        o->loses_lock_reply = false;
        store_put(o->port, op->keys, op->value, op->ttl_ms, NULL, NULL);
        store_answer_here(op, ERR_TIMEOUT);
    } else if (o->loses_jar_reply && is_jar_put) {
        o->loses_jar_reply = false;
        store_put(o->port, op->keys, op->value, op->ttl_ms, NULL, NULL);
        store_answer_here(op, ERR_TIMEOUT);
    } else if (is_jar_put && o->holds_jars) {
        o->held[o->n_held++] = op;
    } else if (is_jar_put && o->fails_jars) {
        store_answer_here(op, ERR_IO);
    } else if (op->verb == STORE_GET && op->keys[0].space == STORE_JAR && o->fails_jar_gets) {
        store_answer_here(op, ERR_TIMEOUT);
    } else {
        o->real->backend->run(o->real, port, op);
    }
}

static inline void odd_close(struct store *s)
{
    store_deinit(s);
}

static const struct store_backend odd_backend = { .name = "odd",
                                                  .run = odd_run,
                                                  .close = odd_close };
static const struct store_backend shared_backend = {
    .name = "odd", .is_shared = true, .run = odd_run, .close = odd_close
};

enum { PATIENT_MS = 60000 }; /* a request may take longer than a lock lasts */

static inline struct account_port *open_port(struct rig *r, struct account *a, struct store_port *p)
{
    return account_port_open(a, r->client, p, CONNECT_MS, PATIENT_MS);
}

struct keeper {
    struct rig r;
    struct store *memory;
    struct odd_store odd;
    struct store_port *port;
    bool is_closed;
};

static inline void on_store_closed(void *arg)
{
    ((struct keeper *)arg)->is_closed = true;
}

static inline void keeper_open(struct keeper *k, bool is_shared)
{
    *k = (struct keeper){ .memory = store_memory_new(1000) };
    rig_open(&k->r);
    store_init(&k->odd.store, is_shared ? &shared_backend : &odd_backend);
    k->odd.real = k->memory;
    k->odd.fake = &k->r.fake;
    k->port = store_port_open(&k->odd.store, k->r.loop);
    k->odd.port = k->port;
}

/* A gateway starts: what it knows is what is in the store. */
static inline void keeper_start(struct keeper *k)
{
    k->r.account = account_new(&k->r.config);
    k->r.port = open_port(&k->r, k->r.account, k->port);
    k->r.other = open_port(&k->r, k->r.account, k->port);
    k->r.n_closed = 0;
}

static inline void keeper_stop(struct keeper *k)
{
    account_port_close(k->r.port, count_closed, &k->r.n_closed);
    account_port_close(k->r.other, count_closed, &k->r.n_closed);
    RUN_UNTIL(k->r.loop, k->r.n_closed == 2);
    account_free(k->r.account);
}

static inline void keeper_close(struct keeper *k)
{
    store_port_close(k->port, on_store_closed, k);
    RUN_UNTIL(k->r.loop, k->is_closed);
    store_close(&k->odd.store);
    store_close(k->memory);
    http_client_free(k->r.client);
    connector_free(k->r.connector);
    fake_stop(&k->r.fake);
    fake_config_free(&k->r.config);
    run_turn_now(k->r.loop);
    EXPECT_INT(loop_timers(k->r.loop), 0);
    loop_free(k->r.loop);
}

/* What is in the store, as another gateway would have left it. */
static inline void put_jar(struct keeper *k, const char *cookie)
{
    struct store_key key = keep_key(&k->r.config, STORE_JAR, "");
    struct cookies jar = { 0 };
    struct buf text;

    buf_init(&text, KEEP_MAX);
    EXPECT(!cookies_load(&jar, str_of(cookie)));
    EXPECT(!keep_write_jar(&k->r.config, &jar, &text));
    store_put(k->port, &key, buf_str(&text), STORE_FOREVER, NULL, NULL);
    buf_deinit(&text);
    cookies_deinit(&jar);
}

/* A gateway with a renewed cookie that the store did not take. */
static inline void keeper_start_unkept(struct keeper *k)
{
    char why[128];

    keeper_start(k);
    loop_clock_set(k->r.loop, loop_now_ms(k->r.loop));
    k->odd.fails_jars = true;
    fake_say_header(&k->r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second");
    get_any(&k->r);
    EXPECT(!account_is_ready(k->r.account, why));
    k->odd.fails_jars = false;
}

static inline void expect_cookie(struct keeper *k, const char *want)
{
    struct buf cookie;

    buf_init(&cookie, 1000);
    EXPECT(!account_cookie(k->r.port, &cookie));
    EXPECT_STR(buf_str(&cookie), want);
    buf_deinit(&cookie);
}

/* The cookie with which the next gateway begins. */
static inline void expect_kept(struct keeper *k, const char *want)
{
    fake_reset(&k->r.fake, FAKE_CLIENT);
    fake_reset(&k->r.fake, FAKE_TOKEN);
    keeper_start(k);
    account_prepare(k->r.port);
    RUN_UNTIL(k->r.loop, k->r.fake.at[FAKE_TOKEN].count == 1);
    EXPECT_Z(k->r.fake.at[FAKE_CLIENT].cookie, want);
    keeper_stop(k);
}
