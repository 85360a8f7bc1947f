/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What store.c and the stores behind it share. store.c makes operations, keeps their deadlines and
 * tells whoever waits; a backend runs them, in the order in which they came from one port. For the
 * files of store/.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/timer.h"
#include "store/store.h"

enum {
    /* How long a request waits for a store that others share, or that is a file. Without what it
     * asks for a conversation loses its chat and a limit counts alone, so it waits longer than a
     * busy server or disk is slow; one that hangs is dead a moment later, and costs this once. */
    STORE_DEADLINE_MS = 800,
};

enum store_verb {
    STORE_GET,
    STORE_PUT,
    STORE_CLAIM,
    STORE_SWAP,
    STORE_COUNT,
    STORE_TALLY,
    STORE_HOLD,
    STORE_APPEND,
    STORE_READ,
    STORE_LIST,
};

/* Owned by the backend from run() to store_answer_*(). */
struct store_op {
    enum store_verb verb;
    const struct store_key *keys; /* get, put, swap: one; claim: n_keys; tally: of the mark */
    size_t n_keys;
    const struct store_counter *counters;
    size_t n_counters;
    const struct store_tally *tallies;
    size_t n_tallies;
    uint64_t holder;        /* hold */
    int64_t limit;          /* hold; tally: the mark's number */
    enum store_space space; /* append, read, list */
    struct str value;       /* put, append; swap: the new one, unless `deletes` */
    struct str expected;    /* swap, unless `expects_none` */
    bool expects_none;
    bool deletes;
    int64_t ttl_ms;
    int64_t room;         /* put: of all large values; INT64_MAX: no bound */
    uint64_t before_id;   /* read */
    struct str after_key; /* list */
    size_t max;           /* read, list */
    int64_t now_ms;       /* the loop's clock when it was asked for */
    int64_t now_wall_ms;
    int64_t asked_us; /* clock_now_us() */

    /* The answer, filled by the backend. */
    enum err err;
    struct buf bytes; /* value, or keys and values of rows */
    bool found;
    size_t index;
    int64_t sums[STORE_COUNT_MAX];
    struct row_at *rows; /* owned */
    size_t n_rows;

    struct list node; /* the backend's */
    void *backend;    /* the backend's */

    /* store.c's, on the port's loop. */
    struct store_port *port; /* NULL: nobody waits */
    struct list running;
    struct timer deadline;
    struct mail mail;
    struct task task;
    on_store *done; /* NULL: forgotten */
    void *arg;
};

/* A row while `bytes` may still move: lengths, one behind the other. */
struct row_at {
    uint64_t id;
    size_t key_n;
    size_t value_n;
};

struct store_backend {
    const char *name;
    bool is_shared;
    int64_t deadline_ms; /* for each operation; 0: none is needed */

    /* Both on the port's loop; optional. At port_close all operations have been answered. */
    void *(*port_open)(struct store *s, struct loop *l);
    void (*port_close)(struct store *s, void *port);

    /* On the port's loop; `port` is what port_open returned, NULL without. */
    void (*run)(struct store *s, void *port, struct store_op *op);

    void (*close)(struct store *s);

    /* Its lock, as store_lock(); `is_given` as store_give(). Any thread. Optional. */
    int (*lock)(struct store *s);
    void (*give)(struct store *s, bool is_given);
};

/* Every store begins with this. */
struct store {
    const struct store_backend *backend;
    int64_t deadline_ms;  /* the backend's, unless it stands on another store */
    atomic_bool is_joint; /* a process before or after this one has it, too */
    pthread_mutex_t problem_mutex;
    char problem[STORE_PROBLEM_MAX]; /* under the mutex; "" when all is well */
    char told[STORE_PROBLEM_MAX];    /* under the mutex: what whoever watches knows */
    void (*changed)(void *arg, const char *problem); /* under the mutex; NULL: nobody watches */
    void *changed_arg;
};

void store_init(struct store *s, const struct store_backend *backend);
void store_deinit(struct store *s);

/* What is wrong, or NULL when operations work. Any thread. */
void store_set_problem(struct store *s, const char *problem);

/* A problem that is none yet to whoever watches: nothing has been tried. */
void store_begin_with(struct store *s, const char *problem);

/* Ends an operation on its port's loop: told at the end of the turn. */
void store_answer_here(struct store_op *op, enum err err);

/* Ends an operation on any other thread: told by mail. */
void store_answer_by_mail(struct store_op *op, enum err err);

/* Appends to the answer; ERR_NOMEM or ERR_TOO_BIG fail the operation when it is answered. */
void store_op_set_value(struct store_op *op, struct str value);
void store_op_add_row(struct store_op *op, struct str key, uint64_t id, struct str value);

/* "tip" and so on. */
const char *store_space_name(enum store_space space);
bool store_space_is_listed(enum store_space space);
bool store_space_is_durable(enum store_space space);
bool store_space_is_large(enum store_space space);

/* The most bytes of a value there. */
size_t store_space_max(enum store_space space);

/* What an entry counts in its room, and the most bytes that one owner has of it. */
int64_t store_entry_size(const struct store_key *key, size_t value_n);
int64_t store_owner_room(int64_t room);
struct str store_owner(const struct store_key *key);

/* The space that an operation is about. */
enum store_space store_op_space(const struct store_op *op);

/* now + ttl without overflow. */
int64_t store_expiry(int64_t now_ms, int64_t ttl_ms);

/* A decimal number in front of `text`, which moves on behind the blank after it; 0 where there is
 * none. */
int64_t store_take_number(struct str *text);

/* What `sum` becomes when `amount` is added: never below 0, no overflow. */
int64_t store_sum(int64_t sum, int64_t amount);
