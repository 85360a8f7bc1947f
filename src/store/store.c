/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The side of the store that callers see: operations are copied into one block of memory, given to
 * the backend, and come back as a task or as mail. A deadline answers whoever waits; the operation
 * itself is then answered to nobody.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/series.h"
#include "store/backend.h"
#include "store/verbs.h"

/* More than STORE_ROWS_MAX rows of the usual size; one of the largest always fits. */
enum { ANSWER_MAX = 4 * 1024 * 1024 };

struct store_port {
    struct store *store;
    struct loop *loop;
    void *backend;       /* what port_open returned */
    struct list running; /* struct store_op.running */
    struct task retire;
    void (*closed)(void *arg); /* NULL while open */
    void *closed_arg;
};

static const struct {
    const char *name;
    bool listed;
    bool durable;
    bool large;
} spaces[] = {
#define X(id, name, listed, durable, large) { name, listed, durable, large },
    STORE_SPACES(X)
#undef X
};

const char *store_space_name(enum store_space space)
{
    return spaces[space].name;
}

bool store_space_is_listed(enum store_space space)
{
    return spaces[space].listed;
}

bool store_space_is_durable(enum store_space space)
{
    return spaces[space].durable;
}

bool store_space_is_large(enum store_space space)
{
    return spaces[space].large;
}

size_t store_space_max(enum store_space space)
{
    return spaces[space].large ? STORE_LARGE_MAX : STORE_VALUE_MAX;
}

enum store_space store_op_space(const struct store_op *op)
{
    if (op->n_counters > 0)
        return op->counters[0].key.space;
    if (op->n_tallies > 0)
        return op->tallies[0].key.space;
    return op->n_keys > 0 ? op->keys[0].space : op->space;
}

int64_t store_entry_size(const struct store_key *key, size_t value_n)
{
    return (int64_t)(key->n + value_n);
}

int64_t store_owner_room(int64_t room)
{
    return room / STORE_OWNER_PART;
}

struct str store_owner(const struct store_key *key)
{
    return str_sub((struct str){ (const char *)key->bytes, key->n }, 0, STORE_OWNER_LEN);
}

int64_t store_expiry(int64_t now_ms, int64_t ttl_ms)
{
    return ttl_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + ttl_ms;
}

int64_t store_take_number(struct str *text)
{
    uint64_t number;
    struct str word = str_cut(*text, ' ', text);

    return str_to_u64(word, INT64_MAX, &number) ? 0 : (int64_t)number;
}

int64_t store_sum(int64_t sum, int64_t amount)
{
    if (amount > 0 && sum > INT64_MAX - amount)
        return INT64_MAX;
    sum += amount; /* a sum is never negative, so this does not overflow */
    return sum > 0 ? sum : 0;
}

/* ---- ports ---- */

struct store_port *store_port_open(struct store *s, struct loop *l)
{
    struct store_port *p = mem_new(struct store_port);

    p->store = s;
    p->loop = l;
    list_init(&p->running);
    if (s->backend->port_open)
        p->backend = s->backend->port_open(s, l);
    return p;
}

static void retire_port(void *arg)
{
    struct store_port *p = arg;
    void (*closed)(void *) = p->closed;
    void *closed_arg = p->closed_arg;

    if (p->store->backend->port_close)
        p->store->backend->port_close(p->store, p->backend);
    mem_free(p);
    closed(closed_arg);
}

static void close_when_idle(struct store_port *p)
{
    if (p->closed && list_is_empty(&p->running))
        loop_defer(p->loop, &p->retire);
}

void store_port_close(struct store_port *p, void (*closed)(void *arg), void *arg)
{
    BUG_ON(p->closed);
    p->closed = closed;
    p->closed_arg = arg;
    task_init(&p->retire, retire_port, p);
    close_when_idle(p);
}

struct store *store_of(const struct store_port *p)
{
    return p->store;
}

bool store_port_is_closing(const struct store_port *p)
{
    return p->closed != NULL;
}

void store_close(struct store *s)
{
    if (s)
        s->backend->close(s);
}

void store_init(struct store *s, const struct store_backend *backend)
{
    *s = (struct store){ .backend = backend, .deadline_ms = backend->deadline_ms };
    BUG_ON(pthread_mutex_init(&s->problem_mutex, NULL));
}

void store_deinit(struct store *s)
{
    pthread_mutex_destroy(&s->problem_mutex);
}

bool store_is_ready(struct store *s, char *why)
{
    pthread_mutex_lock(&s->problem_mutex);
    str_to_z(str_of(s->problem), why, STORE_PROBLEM_MAX);
    pthread_mutex_unlock(&s->problem_mutex);
    return why[0] == '\0';
}

void store_watch(struct store *s, void (*changed)(void *arg, const char *problem), void *arg)
{
    char told[STORE_PROBLEM_MAX];

    pthread_mutex_lock(&s->problem_mutex);
    s->changed = changed;
    s->changed_arg = arg;
    str_to_z(str_of(s->told), told, sizeof(told));
    pthread_mutex_unlock(&s->problem_mutex);
    if (told[0])
        changed(arg, told);
}

void store_begin_with(struct store *s, const char *problem)
{
    pthread_mutex_lock(&s->problem_mutex);
    str_to_z(str_of(problem), s->problem, sizeof(s->problem));
    pthread_mutex_unlock(&s->problem_mutex);
}

void store_set_problem(struct store *s, const char *problem)
{
    void (*changed)(void *arg, const char *problem) = NULL;

    pthread_mutex_lock(&s->problem_mutex);
    str_to_z(str_of(problem), s->problem, sizeof(s->problem));
    if (strcmp(s->problem, s->told) != 0) {
        str_to_z(str_of(s->problem), s->told, sizeof(s->told));
        changed = s->changed;
    }
    pthread_mutex_unlock(&s->problem_mutex);
    if (changed)
        changed(s->changed_arg, problem);
}

const char *store_name(const struct store *s)
{
    return s->backend->name;
}

bool store_is_shared(const struct store *s)
{
    return s->backend->is_shared;
}

/* ---- the answer ---- */

static void free_op(struct store_op *op)
{
    buf_wipe(&op->bytes);
    mem_free(op->rows);
    mem_free(op);
}

/* What was noted as lengths becomes slices, now that `bytes` stays where it is. */
static void tell_rows(struct store_op *op, struct store_result *r)
{
    struct store_row rows[STORE_ROWS_MAX];
    struct str left = buf_str(&op->bytes);

    for (size_t i = 0; i < op->n_rows; i++) {
        const struct row_at *at = &op->rows[i];

        rows[i].id = at->id;
        rows[i].key = str_sub(left, 0, at->key_n);
        rows[i].value = str_sub(left, at->key_n, at->value_n);
        left = str_from(left, at->key_n + at->value_n);
    }
    r->rows = rows;
    r->n_rows = op->n_rows;
    op->done(op->arg, r);
}

static void tell(struct store_op *op)
{
    struct store_result r = { .err = op->err, .found = op->found, .index = op->index };

    memcpy(r.sums, op->sums, sizeof(r.sums));
    if (op->verb == STORE_LIST || op->verb == STORE_READ) {
        tell_rows(op, &r);
        return;
    }
    r.value = buf_str(&op->bytes);
    op->done(op->arg, &r);
}

/* On the port's loop. */
static void finish(struct store_op *op)
{
    struct store_port *p = op->port;

    timer_disarm(&op->deadline);
    list_remove(&op->running);
    if (op->done)
        tell(op);
    free_op(op);
    close_when_idle(p);
}

static void on_task(void *arg)
{
    finish(arg);
}

static void on_mail(struct mail *m)
{
    finish(CONTAINER_OF(m, struct store_op, mail));
}

static void note_end(struct store_op *op, enum err err)
{
    const struct str operation = str_of(verb_name(op->verb));
    bool is_answer = !err || err == ERR_NOT_FOUND || err == ERR_CONFLICT || err == ERR_LIMIT;

    if (!op->err || !is_answer)
        op->err = err;
    metric_add(METRIC_STORE_OPERATIONS, 1);
    series_observe(series_row(SERIES_STORE, &operation), clock_now_us() - op->asked_us, 1);
    if (!is_answer)
        metric_add(METRIC_STORE_FAILURES, 1);
}

void store_answer_here(struct store_op *op, enum err err)
{
    note_end(op, err);
    if (op->port)
        loop_defer(op->port->loop, &op->task);
    else
        free_op(op);
}

void store_answer_by_mail(struct store_op *op, enum err err)
{
    note_end(op, err);
    if (op->port)
        loop_post(op->port->loop, &op->mail);
    else
        free_op(op);
}

void store_op_set_value(struct store_op *op, struct str value)
{
    buf_clear(&op->bytes);
    if (value.n > 0)
        op->err = buf_add(&op->bytes, value);
}

void store_op_add_row(struct store_op *op, struct str key, uint64_t id, struct str value)
{
    size_t before = op->bytes.n;

    BUG_ON(op->n_rows == STORE_ROWS_MAX);
    if (!op->rows)
        op->rows = mem_alloc_array(STORE_ROWS_MAX, sizeof(*op->rows));
    if (op->err)
        return;
    op->err = buf_add(&op->bytes, key);
    if (!op->err)
        op->err = buf_add(&op->bytes, value);
    if (op->err)
        buf_truncate(&op->bytes, before);
    else
        op->rows[op->n_rows++] = (struct row_at){ id, key.n, value.n };
}

static void on_deadline(void *arg)
{
    struct store_op *op = arg;
    on_store *done = TAKE(op->done);

    metric_add(METRIC_STORE_TIMEOUTS, 1);
    done(op->arg, &(struct store_result){ .err = ERR_TIMEOUT });
}

/* ---- operations ---- */

/* All that an operation is given, in one block behind it. */
struct block {
    char *at;
};

static void *put_in(struct block *b, const void *p, size_t n)
{
    void *copy = b->at;

    if (n > 0)
        memcpy(copy, p, n);
    b->at += n;
    return copy;
}

static struct str put_str(struct block *b, struct str s)
{
    return (struct str){ put_in(b, s.p, s.n), s.n };
}

/* A copy of `from`, with what it points at; NULL: a large value has no room. */
static struct store_op *copy_op(const struct store_op *from)
{
    size_t keys = from->n_keys * sizeof(*from->keys);
    size_t counters = from->n_counters * sizeof(*from->counters);
    size_t tallies = from->n_tallies * sizeof(*from->tallies);
    size_t size = sizeof(struct store_op) + keys + counters + tallies + from->value.n +
                  from->expected.n + from->after_key.n;
    struct store_op *op =
        store_space_is_large(store_op_space(from)) ? mem_try(size) : mem_alloc(size);
    struct block b;

    if (!op)
        return NULL;
    b.at = (char *)(op + 1);
    *op = *from;
    op->counters = put_in(&b, from->counters, counters); /* first: they need the alignment */
    op->tallies = put_in(&b, from->tallies, tallies);
    op->keys = put_in(&b, from->keys, keys);
    op->value = put_str(&b, from->value);
    op->expected = put_str(&b, from->expected);
    op->after_key = put_str(&b, from->after_key);
    buf_init(&op->bytes, ANSWER_MAX);
    return op;
}

static bool is_too_big(const struct store_op *op)
{
    return op->verb == STORE_PUT && op->room < INT64_MAX &&
           store_entry_size(op->keys, op->value.n) > store_owner_room(op->room);
}

static struct store_op *start(struct store_port *p, const struct store_op *asked, on_store *done,
                              void *arg)
{
    struct store_op *copy, *op;

    BUG_ON((p->closed && done) || asked->value.n > store_space_max(store_op_space(asked)) ||
           asked->after_key.n > STORE_KEY_MAX);
    copy = copy_op(asked);
    op = copy ? copy : mem_new(struct store_op); /* answered at once */
    op->now_ms = loop_now_ms(p->loop);
    op->now_wall_ms = loop_wall_ms(p->loop);
    op->asked_us = clock_now_us();
    task_init(&op->task, on_task, op);
    op->mail.deliver = on_mail;
    if (done) {
        op->port = p;
        op->done = done;
        op->arg = arg;
        list_add_tail(&p->running, &op->running);
    }
    if (copy && is_too_big(op))
        store_answer_here(op, ERR_TOO_BIG);
    else if (copy)
        p->store->backend->run(p->store, p->backend, op);
    else
        store_answer_here(op, ERR_NOMEM);
    /* What was done at once is told at the end of the turn, and needs none. */
    if (done && p->store->deadline_ms && op->verb != STORE_APPEND &&
        !list_is_linked(&op->task.node))
        timer_arm(p->loop, &op->deadline, p->store->deadline_ms, on_deadline, op);
    return done ? op : NULL;
}

void store_wait_longer(struct store_op *op)
{
    if (timer_is_armed(&op->deadline))
        timer_arm(op->port->loop, &op->deadline, STORE_PATIENCE_MS, on_deadline, op);
}

void store_forget(struct store_op *op)
{
    timer_disarm(&op->deadline);
    op->done = NULL;
}

static void check_keys(const struct store_key *keys, size_t n, size_t max)
{
    BUG_ON(n == 0 || n > max);
    for (size_t i = 0; i < n; i++)
        BUG_ON(keys[i].n > STORE_KEY_MAX || keys[i].space != keys[0].space);
}

struct store_op *store_get(struct store_port *p, const struct store_key *key, on_store *done,
                           void *arg)
{
    check_keys(key, 1, 1);
    return start(p, &(struct store_op){ .verb = STORE_GET, .keys = key, .n_keys = 1 }, done, arg);
}

struct store_op *store_put_within(struct store_port *p, const struct store_key *key,
                                  struct str value, int64_t ttl_ms, int64_t room, on_store *done,
                                  void *arg)
{
    const struct store_op op = {
        .verb = STORE_PUT, .keys = key, .n_keys = 1, .value = value, .ttl_ms = ttl_ms, .room = room
    };

    check_keys(key, 1, 1);
    BUG_ON(room != INT64_MAX && !store_space_is_large(key->space));
    return start(p, &op, done, arg);
}

struct store_op *store_put(struct store_port *p, const struct store_key *key, struct str value,
                           int64_t ttl_ms, on_store *done, void *arg)
{
    return store_put_within(p, key, value, ttl_ms, INT64_MAX, done, arg);
}

struct store_op *store_claim_first(struct store_port *p, const struct store_key *keys, size_t n,
                                   on_store *done, void *arg)
{
    check_keys(keys, n, STORE_CLAIM_MAX);
    return start(p, &(struct store_op){ .verb = STORE_CLAIM, .keys = keys, .n_keys = n }, done,
                 arg);
}

struct store_op *store_swap(struct store_port *p, const struct store_key *key,
                            const struct str *expected, const struct str *value, int64_t ttl_ms,
                            on_store *done, void *arg)
{
    const struct store_op op = { .verb = STORE_SWAP,
                                 .keys = key,
                                 .n_keys = 1,
                                 .expected = expected ? *expected : STR(""),
                                 .expects_none = !expected,
                                 .value = value ? *value : STR(""),
                                 .deletes = !value,
                                 .ttl_ms = ttl_ms };

    check_keys(key, 1, 1);
    BUG_ON(store_space_is_large(key->space));
    return start(p, &op, done, arg);
}

struct store_op *store_count(struct store_port *p, const struct store_counter *counters, size_t n,
                             on_store *done, void *arg)
{
    BUG_ON(n == 0 || n > STORE_COUNT_MAX);
    for (size_t i = 0; i < n; i++) {
        check_keys(&counters[i].key, 1, 1);
        BUG_ON(counters[i].ttl_ms <= 0);
    }
    return start(p,
                 &(struct store_op){ .verb = STORE_COUNT, .counters = counters, .n_counters = n },
                 done, arg);
}

struct store_op *store_tally(struct store_port *p, const struct store_tally *tallies, size_t n,
                             int64_t ttl_ms, const struct store_mark *mark, on_store *done,
                             void *arg)
{
    const struct store_op op = { .verb = STORE_TALLY,
                                 .tallies = tallies,
                                 .n_tallies = n,
                                 .ttl_ms = ttl_ms,
                                 .keys = mark ? &mark->key : NULL,
                                 .n_keys = mark ? 1 : 0,
                                 .limit = mark ? mark->number : 0 };

    BUG_ON(n == 0 || n > STORE_TALLY_MAX || ttl_ms <= 0 || (mark && mark->number <= 0));
    for (size_t i = 0; i < n; i++) {
        check_keys(&tallies[i].key, 1, 1);
        BUG_ON(tallies[i].key.space != tallies[0].key.space ||
               store_space_is_large(tallies[0].key.space));
    }
    return start(p, &op, done, arg);
}

struct store_op *store_hold(struct store_port *p, const struct store_key *key, uint64_t holder,
                            int64_t limit, int64_t ttl_ms, on_store *done, void *arg)
{
    const struct store_op op = { .verb = STORE_HOLD,
                                 .keys = key,
                                 .n_keys = 1,
                                 .holder = holder,
                                 .limit = limit,
                                 .ttl_ms = ttl_ms };

    check_keys(key, 1, 1);
    BUG_ON(limit < 0 || limit > STORE_HOLDERS_MAX || store_space_is_listed(key->space) ||
           store_space_is_large(key->space));
    return start(p, &op, done, arg);
}

struct store_op *store_append(struct store_port *p, enum store_space space, struct str value,
                              size_t keep, on_store *done, void *arg)
{
    const struct store_op op = {
        .verb = STORE_APPEND, .space = space, .value = value, .max = keep
    };

    return start(p, &op, done, arg);
}

static size_t bound_rows(size_t max)
{
    return max < STORE_ROWS_MAX ? max : STORE_ROWS_MAX;
}

struct store_op *store_read(struct store_port *p, enum store_space space, uint64_t before,
                            size_t max, on_store *done, void *arg)
{
    const struct store_op op = {
        .verb = STORE_READ, .space = space, .before_id = before, .max = bound_rows(max)
    };

    return start(p, &op, done, arg);
}

struct store_op *store_list(struct store_port *p, enum store_space space, struct str after,
                            size_t max, on_store *done, void *arg)
{
    const struct store_op op = {
        .verb = STORE_LIST, .space = space, .after_key = after, .max = bound_rows(max)
    };

    BUG_ON(!spaces[space].listed);
    return start(p, &op, done, arg);
}
