/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store: one file, one thread. Workers put operations into a queue; the thread takes
 * all that wait, runs them in one transaction (group commit), and answers by mail. What cannot be
 * written as a group is tried one by one, so that reads go on when the disk is full.
 *
 *     queue --> [BEGIN, operations, sweep, COMMIT] --> mail
 *
 * What each request changes is at hand in memory (sqlite_hot.h) and does not wait for the thread,
 * which writes it a moment later.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite_file.h"
#include "store/sqlite_hot.h"

enum {
    PACE_MS = 3,
    QUEUE_MAX = 20000,
    BATCH_MAX = 1024,  /* operations in one transaction */
    IDLE_MS = 60000,   /* between looks for expired entries when nothing else happens */
    PROBE_MS = 1000,   /* between looks whether a problem is over, or another process gone */
    GIVE_MS = 500,     /* what is at hand has until then to be written for another process */
    SWEEP_EACH = 2,    /* expired entries deleted for each operation ... */
    SWEEP_LEAST = 128, /* ... when they are so many */
    SWEEP_IDLE = 256,  /* in a look without an operation */
};

struct sqlite {
    struct store store;
    struct sqlite_file file; /* the thread's; which lock it is: of the mutex, too */
    struct sqlite_hot *hot;  /* owned */
    char *path;              /* owned */
    pthread_t thread;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t wake;
    pthread_cond_t written; /* what was at hand */
    struct list queue;      /* struct store_op.node */
    size_t n_queued;
    bool is_closing;
    int64_t next_ms;  /* no transaction begins before */
    bool is_failing;  /* the thread's: the last transaction did not end well */
    int64_t retry_ms; /* the thread's: a stand-in's file is not tried before */
    size_t to_sweep;  /* the thread's: expired entries that are due */
};

static struct sqlite *sqlite_of(struct store *s)
{
    return CONTAINER_OF(s, struct sqlite, store);
}

/* ---- the loops' side ---- */

static void wake(struct sqlite *q)
{
    pthread_mutex_lock(&q->mutex);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->mutex);
}

/* Done at once, with what is at hand. */
static bool run_here(struct sqlite *q, struct store_op *op)
{
    bool wakes;
    enum err err;

    if (!sqlite_hot_is_about(op) || !sqlite_hot_try(q->hot, op, &err, &wakes))
        return false;
    if (wakes)
        wake(q);
    store_answer_here(op, err);
    return true;
}

static void run(struct store *s, UNUSED void *port, struct store_op *op)
{
    struct sqlite *q = sqlite_of(s);
    bool has_room;

    op->now_ms = op->now_wall_ms; /* the file outlives every other clock */
    if (run_here(q, op))
        return;
    pthread_mutex_lock(&q->mutex);
    has_room = q->n_queued < QUEUE_MAX;
    if (has_room) {
        list_add_tail(&q->queue, &op->node);
        if (q->n_queued++ == 0)
            pthread_cond_signal(&q->wake);
    }
    pthread_mutex_unlock(&q->mutex);
    if (!has_room)
        store_answer_here(op, ERR_NOMEM);
}

/* ---- the thread ---- */

/* What is wrong with the file that a stand-in stands for does not end before the stand-in does, nor
 * does damage before the next start. */
static void note(struct sqlite *q, enum err err)
{
    if (q->file.is_stand_in)
        return;
    q->is_failing = err;
    if (err && sqlite_db_is_damaged(q->file.db))
        file_lock_note_damage(&q->file.lock);
    if (err || !q->file.lock.is_damaged)
        store_set_problem(&q->store, err ? sqlite_db_problem(q->file.db) : NULL);
}

static bool is_durable(const struct store_op *op)
{
    return (op->verb == STORE_PUT || op->verb == STORE_SWAP) &&
           store_space_is_durable(op->keys[0].space);
}

static bool only_reads(const struct store_op *op)
{
    return op->verb == STORE_GET || op->verb == STORE_READ || op->verb == STORE_LIST;
}

/* The answer so far is forgotten: the operation will run again. */
static void forget_answer(struct store_op *op)
{
    buf_clear(&op->bytes);
    op->n_rows = 0;
    op->err = ERR_NONE;
    op->found = false;
}

static bool is_failure(enum err err)
{
    return err && err != ERR_NOT_FOUND && err != ERR_CONFLICT && err != ERR_LIMIT;
}

/* The operations from `node` on that are rows for the log and go together, at most SQLITE_ROWS. */
static size_t take_rows(struct list *node, const struct list *batch,
                        struct store_op *ops[SQLITE_ROWS])
{
    size_t n = 0;

    for (; node != batch && n < SQLITE_ROWS; node = node->next) {
        struct store_op *op = CONTAINER_OF(node, struct store_op, node);

        if (op->verb != STORE_APPEND ||
            (n > 0 && (op->space != ops[0]->space || op->max != ops[0]->max)))
            break;
        ops[n++] = op;
    }
    return n;
}

/* Runs the operations and keeps each one's outcome in its `err`; ERR_IO when the file failed. */
static enum err run_all(struct sqlite *q, struct list *batch)
{
    struct store_op *ops[SQLITE_ROWS];
    struct list *node = batch->next;

    while (node != batch) {
        size_t n = take_rows(node, batch, ops);
        enum err err;

        if (n == SQLITE_ROWS) {
            err = sqlite_db_append_rows(q->file.db, ops);
        } else {
            n = 1;
            ops[0] = CONTAINER_OF(node, struct store_op, node);
            err = sqlite_db_run(q->file.db, ops[0]);
        }
        if (err == ERR_IO)
            return err;
        for (size_t i = 0; i < n; i++)
            if (!is_failure(ops[i]->err))
                ops[i]->err = err;
        node = ops[n - 1]->node.next;
    }
    return ERR_NONE;
}

struct plan {
    size_t n;
    bool writes;
    bool durable;
    int64_t wall_ms;
};

static struct plan plan_of(const struct list *batch)
{
    struct plan p = { 0 };

    LIST_EACH (node, batch) {
        const struct store_op *op = CONTAINER_OF(node, struct store_op, node);

        p.n++;
        p.writes = p.writes || !only_reads(op);
        p.durable = p.durable || is_durable(op);
        p.wall_ms = op->now_wall_ms;
    }
    return p;
}

/* Looking for expired entries costs more than to delete some. */
static enum err sweep(struct sqlite *q, int64_t wall_ms, size_t n_ops)
{
    size_t n = q->to_sweep + SWEEP_EACH * n_ops;

    q->to_sweep = n < SWEEP_LEAST ? n : 0;
    return n < SWEEP_LEAST ? ERR_NONE : sqlite_db_sweep(q->file.db, wall_ms, n);
}

static bool is_due(struct sqlite *q)
{
    return sqlite_hot_due_ms(q->hot) <= clock_now_ms();
}

static enum err end_transaction(struct sqlite *q, enum err err)
{
    if (!err)
        err = sqlite_db_end(q->file.db);
    if (err)
        sqlite_db_undo(q->file.db);
    sqlite_hot_written(q->hot, !err);
    return err;
}

static enum err run_transaction(struct sqlite *q, struct list *batch)
{
    struct plan p = plan_of(batch);
    enum err err;

    if (!p.writes)
        return run_all(q, batch);
    err = sqlite_db_begin(q->file.db, p.durable);
    if (!err)
        err = run_all(q, batch);
    if (!err && !q->is_failing && is_due(q))
        err = sqlite_hot_write(q->hot, q->file.db);
    if (!err)
        err = sweep(q, p.wall_ms, p.n);
    return end_transaction(q, err);
}

static void answer_all(struct list *batch, enum err failure)
{
    struct list *node;

    while ((node = list_take_head(batch))) {
        struct store_op *op = CONTAINER_OF(node, struct store_op, node);

        if (failure)
            forget_answer(op);
        store_answer_by_mail(op, failure ? failure : op->err);
    }
}

/* What only the next turn of a conversation would miss: it is not worth waiting for each alone. */
static bool may_fail(const struct store_op *op)
{
    return !only_reads(op) && !is_durable(op);
}

/* Each that matters in a transaction of its own. */
static void run_one_by_one(struct sqlite *q, struct list *batch, enum err failure)
{
    struct list *node;

    while ((node = list_take_head(batch))) {
        struct list one;
        enum err err;

        list_init(&one);
        list_add_tail(&one, node);
        forget_answer(CONTAINER_OF(node, struct store_op, node));
        err = failure;
        if (!may_fail(CONTAINER_OF(node, struct store_op, node)))
            err = run_transaction(q, &one);
        if (err)
            note(q, err);
        answer_all(&one, err);
    }
}

static void run_batch(struct sqlite *q, struct list *batch)
{
    bool writes = plan_of(batch).writes;
    enum err err = run_transaction(q, batch);

    if (!err) {
        if (writes) /* that reading works says nothing of a disk that is full */
            note(q, ERR_NONE);
        answer_all(batch, ERR_NONE);
        return;
    }
    note(q, err);
    if (batch->next->next == batch)
        answer_all(batch, err);
    else
        run_one_by_one(q, batch, err);
}

/* Those that can be are done on what is at hand, and leave the batch. */
static void run_at_hand(struct sqlite *q, struct list *batch)
{
    struct list rest;
    struct list *node;

    if (sqlite_hot_is_away(q->hot))
        return;
    list_init(&rest);
    while ((node = list_take_head(batch))) {
        struct store_op *op = CONTAINER_OF(node, struct store_op, node);
        enum err err;

        if (!sqlite_hot_is_about(op)) {
            list_add_tail(&rest, node);
            continue;
        }
        err = sqlite_hot_run(q->hot, q->file.db, op);
        if (err == ERR_IO)
            note(q, err);
        store_answer_by_mail(op, err);
    }
    list_move_all(batch, &rest);
}

/* Nothing waits: what changed at hand is written, expired entries go, and after a failure the file
 * is tried. */
static void look_around(struct sqlite *q)
{
    enum err err;

    if (q->file.is_stand_in)
        return;
    err = sqlite_db_begin(q->file.db, false);
    if (!err && q->is_failing)
        err = sqlite_db_probe(q->file.db);
    if (!err)
        err = sqlite_hot_write(q->hot, q->file.db);
    if (!err)
        err = sqlite_db_sweep(q->file.db, clock_wall_ms(), SWEEP_IDLE);
    note(q, end_transaction(q, err));
}

/* Tells who waits for it that nothing is at hand any more; learns that the other process is gone.
 */
static void look_for_others(struct sqlite *q)
{
    if (!atomic_load(&q->store.is_joint))
        return;
    pthread_mutex_lock(&q->mutex);
    pthread_cond_signal(&q->written);
    if (!q->file.lock.is_given && file_lock_is_alone(&q->file.lock)) {
        atomic_store(&q->store.is_joint, false);
        sqlite_hot_share(q->hot, false);
    }
    pthread_mutex_unlock(&q->mutex);
}

static void set_problem(struct sqlite *q, const struct sqlite_why *why)
{
    char problem[STORE_PROBLEM_MAX];

    str_to_z(str_of(why->problem[0] ? why->problem : why->text), problem, sizeof(problem));
    store_set_problem(&q->store, problem[0] ? problem : NULL);
}

/* Puts the file in the place of its stand-in, as soon as it can be used. */
static void try_file(struct sqlite *q)
{
    struct sqlite_file file;
    struct sqlite_why why;
    enum err err;

    if (!q->file.is_stand_in || clock_now_ms() < q->retry_ms)
        return;
    err = sqlite_file_open(q->path, &file, &why);
    q->retry_ms = clock_now_ms() + PROBE_MS;
    if (!err) { /* first, so that who sees the problem gone sees nothing of the stand-in */
        sqlite_file_close(&q->file);
        pthread_mutex_lock(&q->mutex);
        q->file = file;
        pthread_mutex_unlock(&q->mutex);
    }
    set_problem(q, &why); /* or that a damaged one was moved aside */
    if (!err)
        store_set_problem(&q->store, NULL);
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Under load a transaction begins at most every PACE_MS and serves all that came meanwhile; alone,
 * an operation runs at once. Under the mutex. */
static void keep_pace(struct sqlite *q)
{
    struct timespec until = after_ms(q->next_ms - clock_now_ms());
    int waited = 0;

    while (!q->is_closing && clock_now_ms() < q->next_ms && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&q->wake, &q->mutex, &until);
    q->next_ms = clock_now_ms() + PACE_MS;
}

/* When to look around though nothing waits. */
static int64_t next_look_ms(struct sqlite *q, int64_t since_ms)
{
    int64_t due = sqlite_hot_due_ms(q->hot);

    if (q->is_failing || q->file.is_stand_in)
        return since_ms + PROBE_MS;
    since_ms += atomic_load(&q->store.is_joint) ? PROBE_MS : IDLE_MS;
    return due < since_ms ? due : since_ms;
}

static void wait_for_work(struct sqlite *q)
{
    int64_t since_ms = clock_now_ms();
    int64_t left;

    while (list_is_empty(&q->queue) && !q->is_closing &&
           (left = next_look_ms(q, since_ms) - clock_now_ms()) > 0) {
        struct timespec until = after_ms(left);

        pthread_cond_timedwait(&q->wake, &q->mutex, &until);
    }
}

/* Moves what waits into `batch`; nothing when it is time to look around. False: the end. */
static bool take_batch(struct sqlite *q, struct list *batch)
{
    struct list *node;
    bool goes_on;

    pthread_mutex_lock(&q->mutex);
    wait_for_work(q);
    if (!list_is_empty(&q->queue))
        keep_pace(q);
    for (size_t i = 0; i < BATCH_MAX && (node = list_take_head(&q->queue)); i++) {
        list_add_tail(batch, node);
        q->n_queued--;
    }
    goes_on = !list_is_empty(batch) || !q->is_closing;
    pthread_mutex_unlock(&q->mutex);
    return goes_on;
}

static void *run_thread(void *arg)
{
    struct sqlite *q = arg;
    struct list batch;

    pthread_setname_np(pthread_self(), "store");
    list_init(&batch);
    while (take_batch(q, &batch)) {
        bool is_idle = list_is_empty(&batch);

        try_file(q);
        run_at_hand(q, &batch);
        if (!list_is_empty(&batch))
            run_batch(q, &batch);
        else if (is_idle || is_due(q))
            look_around(q);
        look_for_others(q);
    }
    if (sqlite_hot_due_ms(q->hot) < INT64_MAX)
        look_around(q);
    return NULL;
}

/* ---- open and close ---- */

static void close_sqlite(struct store *s)
{
    struct sqlite *q = sqlite_of(s);

    pthread_mutex_lock(&q->mutex);
    q->is_closing = true;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->mutex);
    BUG_ON(pthread_join(q->thread, NULL));
    sqlite_file_close(&q->file);
    sqlite_hot_free(q->hot);
    mem_free(q->path);
    store_deinit(&q->store);
    pthread_cond_destroy(&q->written);
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->mutex);
    mem_free(q);
}

static void start_thread(struct sqlite *q)
{
    pthread_condattr_t attr;

    BUG_ON(pthread_mutex_init(&q->mutex, NULL));
    BUG_ON(pthread_condattr_init(&attr));
    BUG_ON(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    BUG_ON(pthread_cond_init(&q->wake, &attr));
    BUG_ON(pthread_cond_init(&q->written, &attr));
    pthread_condattr_destroy(&attr);
    BUG_ON(pthread_create(&q->thread, NULL, run_thread, q));
}

static int lock_of(struct store *s)
{
    struct sqlite *q = sqlite_of(s);
    int fd;

    pthread_mutex_lock(&q->mutex);
    fd = q->file.lock.fd;
    pthread_mutex_unlock(&q->mutex);
    return fd;
}

static void give(struct store *s, bool is_given)
{
    struct sqlite *q = sqlite_of(s);
    struct timespec until = after_ms(GIVE_MS);
    int waited = 0;

    pthread_mutex_lock(&q->mutex);
    q->file.lock.is_given = is_given;
    if (is_given) { /* else the thread sees that it is alone again */
        atomic_store(&s->is_joint, true);
        sqlite_hot_share(q->hot, true);
    }
    pthread_cond_signal(&q->wake);
    while (is_given && !sqlite_hot_is_away(q->hot) && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&q->written, &q->mutex, &until);
    pthread_mutex_unlock(&q->mutex);
}

static const struct store_backend backend = {
    .name = "sqlite",
    .deadline_ms = STORE_DEADLINE_MS,
    .run = run,
    .close = close_sqlite,
    .lock = lock_of,
    .give = give,
};

enum err store_sqlite_take_over(const char *path, int lock_fd, struct store **ret, char *ret_why)
{
    struct sqlite_file file;
    struct sqlite_why why;
    struct sqlite *q;
    enum err err = sqlite_file_take_over(path, lock_fd, &file, &why);

    str_to_z(str_of(why.text), ret_why, STORE_WHY_MAX);
    if (err && (err != ERR_IO || sqlite_file_open_to_read(path, &file)))
        return err == ERR_BAD_INPUT ? ERR_IO : err;
    q = mem_new(struct sqlite);
    store_init(&q->store, &backend);
    atomic_store(&q->store.is_joint, lock_fd >= 0);
    q->hot = sqlite_hot_new();
    sqlite_hot_share(q->hot, lock_fd >= 0);
    q->file = file;
    q->path = mem_alloc(strlen(path) + 1);
    memcpy(q->path, path, strlen(path));
    list_init(&q->queue);
    if (file.is_stand_in) {
        set_problem(q, &why);
        ret_why[0] = '\0';
    }
    q->retry_ms = clock_now_ms() + PROBE_MS;
    start_thread(q);
    *ret = &q->store;
    return ERR_NONE;
}

enum err store_sqlite_open(const char *path, struct store **ret, char *ret_why)
{
    return store_sqlite_take_over(path, -1, ret, ret_why);
}
