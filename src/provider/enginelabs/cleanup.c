/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     IDLE --> LIST --> [CLAIM --> [DELETE --> [REMOVE]] --> PAUSE] ... --> LIST ... --> IDLE
 *
 * A page of entries is copied and worked off, then the next one is read. Taking an entry makes it
 * due again later, so that nothing is lost when this process dies in between.
 */
#include "provider/enginelabs/cleanup.h"

#include "base/mem.h"
#include "net/timer.h"
#include "provider/enginelabs/cleanup_entry.h"
#include "provider/enginelabs/visit.h"

enum {
    FIRST_MS = 10000, /* after the start */
    SOON_MS = 100,    /* several that ask at once make one sweep */
    PAUSE_MS = 1000,  /* between deletions */
    PAGE = 64,
    GRACE_MS = 60000,            /* after the tip is gone: clocks differ */
    TRY_AGAIN_MS = 600000,       /* twice as long each time, */
    TRY_AGAIN_MAX_MS = 86400000, /* up to a day */
    TRIES_MAX = 10,
    TARGET_MAX = 512,
};

#define LEFT_MS (INT64_C(30) * 86400000) /* an entry that nobody works off goes by itself */

struct due {
    struct store_key key;
    struct cleanup_entry entry;
};

struct cleanup {
    struct cleanup_params params;
    struct loop *loop;
    char prefix[CLEANUP_PREFIX_LEN + 1];
    bool is_sweeping;
    bool is_wanted; /* once more, after this sweep */
    struct timer timer;
    struct store_op *op; /* running */
    struct visit *visit; /* running */
    struct store_key at; /* the last key of the page */
    bool is_last;        /* no page follows */
    struct due page[PAGE];
    size_t n;
    size_t i;           /* worked on */
    struct str *failed; /* accounts that failed in this sweep, in the arena */
    size_t n_failed;
    struct arena arena;
};

/* The life of a sweep, in order. */
static void begin(void *arg);
static void list(struct cleanup *c);
static void on_list(void *arg, const struct store_result *result);
static void work_on(void *arg);
static void claim(struct cleanup *c, struct due *d);
static void on_claim(void *arg, const struct store_result *result);
static void on_deleted(void *arg, const struct errand_result *result);
static void go_on(struct cleanup *c, int64_t pause_ms);
static void end(struct cleanup *c);

/* ---- what a call says ---- */

static void put(struct store_port *store, const char *upstream, const char *account,
                struct str chat, int64_t due_wall_ms, int64_t wall_ms)
{
    struct store_key key = cleanup_key(upstream, account, chat);
    struct cleanup_entry e;
    char text[CLEANUP_ENTRY_MAX];

    if (cleanup_entry_set(&e, account, chat, due_wall_ms) == ERR_NONE)
        store_put(store, &key, cleanup_entry_write(&e, text), due_wall_ms - wall_ms + LEFT_MS, NULL,
                  NULL);
}

void cleanup_turn(struct store_port *store, const struct enginelabs_config *config,
                  const char *account, struct str chat, int64_t ttl_ms, int64_t wall_ms)
{
    if (config->delete_chats != DELETE_NEVER)
        put(store, config->name, account, chat, wall_ms + ttl_ms + GRACE_MS, wall_ms);
}

void cleanup_end(struct store_port *store, const struct enginelabs_config *config,
                 const char *account, struct str chat, int64_t wall_ms)
{
    if (config->delete_chats == DELETE_AT_END)
        put(store, config->name, account, chat, wall_ms, wall_ms);
}

/* ---- the sweeper ---- */

struct cleanup *cleanup_open(const struct cleanup_params *params)
{
    struct cleanup *c = mem_new(struct cleanup);

    c->params = *params;
    c->loop = http_client_loop(params->client);
    cleanup_prefix(params->config->name, c->prefix);
    arena_init(&c->arena);
    if (params->by_itself)
        timer_arm(c->loop, &c->timer, FIRST_MS, begin, c);
    return c;
}

void cleanup_close(struct cleanup *c)
{
    if (!c)
        return;
    if (c->op)
        store_forget(c->op);
    visit_cancel(c->visit);
    timer_disarm(&c->timer);
    arena_deinit(&c->arena);
    mem_free(c);
}

void cleanup_sweep(struct cleanup *c)
{
    if (c->is_sweeping)
        c->is_wanted = true;
    else
        timer_arm(c->loop, &c->timer, SOON_MS, begin, c);
}

static void begin(void *arg)
{
    struct cleanup *c = arg;

    c->is_sweeping = true;
    c->is_wanted = false;
    c->n_failed = 0;
    arena_deinit(&c->arena);
    c->failed = NULL;
    c->at = (struct store_key){ .space = STORE_CHAT, .n = CLEANUP_PREFIX_LEN };
    memcpy(c->at.bytes, c->prefix, CLEANUP_PREFIX_LEN);
    list(c);
}

static void list(struct cleanup *c)
{
    const struct str after = { (const char *)c->at.bytes, c->at.n };

    c->op = store_list(c->params.store, STORE_CHAT, after, PAGE, on_list, c);
}

static bool is_ours(const struct cleanup *c, const struct store_row *row)
{
    return str_starts(row->key, str_of(c->prefix)) && row->key.n <= STORE_KEY_MAX;
}

static void set_key(struct store_key *key, struct str bytes)
{
    *key = (struct store_key){ .space = STORE_CHAT, .n = (uint8_t)bytes.n };
    memcpy(key->bytes, bytes.p, bytes.n);
}

/* Those of a page that are due. */
static void take_page(struct cleanup *c, const struct store_result *result)
{
    int64_t wall_ms = loop_wall_ms(c->loop);

    c->n = c->i = 0;
    c->is_last = result->n_rows < PAGE;
    for (size_t i = 0; i < result->n_rows; i++) {
        struct due *d = &c->page[c->n];

        if (!is_ours(c, &result->rows[i])) {
            c->is_last = true;
            return;
        }
        set_key(&c->at, result->rows[i].key);
        d->key = c->at;
        if (!cleanup_entry_read(result->rows[i].value, &d->entry) &&
            d->entry.due_wall_ms <= wall_ms)
            c->n++;
    }
}

static void on_list(void *arg, const struct store_result *result)
{
    struct cleanup *c = arg;

    c->op = NULL;
    if (result->err) {
        end(c);
        return;
    }
    take_page(c, result);
    work_on(c);
}

static bool has_failed(const struct cleanup *c, const char *account)
{
    for (size_t i = 0; i < c->n_failed; i++)
        if (str_eq(c->failed[i], str_of(account)))
            return true;
    return false;
}

static void work_on(void *arg)
{
    struct cleanup *c = arg;

    while (c->i < c->n) {
        struct due *d = &c->page[c->i];

        if (!has_failed(c, d->entry.account) &&
            c->params.find(c->params.arg, d->entry.account) != NULL) {
            claim(c, d);
            return;
        }
        c->i++;
    }
    if (c->is_last)
        end(c);
    else
        list(c);
}

static int64_t try_again_ms(unsigned tries)
{
    int64_t ms = TRY_AGAIN_MS;

    while (tries-- > 0 && ms < TRY_AGAIN_MAX_MS)
        ms *= 2;
    return ms < TRY_AGAIN_MAX_MS ? ms : TRY_AGAIN_MAX_MS;
}

/* Due again later, unless somebody changed it; gone when it was tried often enough. */
static void claim(struct cleanup *c, struct due *d)
{
    char old_text[CLEANUP_ENTRY_MAX];
    char new_text[CLEANUP_ENTRY_MAX];
    struct str before = cleanup_entry_write(&d->entry, old_text);
    int64_t wait_ms = try_again_ms(d->entry.tries);
    struct str after;

    d->entry.due_wall_ms = loop_wall_ms(c->loop) + wait_ms;
    d->entry.tries++;
    after = cleanup_entry_write(&d->entry, new_text);
    c->op = store_swap(c->params.store, &d->key, &before,
                       d->entry.tries > TRIES_MAX ? NULL : &after, wait_ms + LEFT_MS, on_claim, c);
}

static void delete_chat(struct cleanup *c, const struct due *d)
{
    struct visit_params params = { .config = c->params.config,
                                   .account = c->params.find(c->params.arg, d->entry.account),
                                   .client = c->params.client,
                                   .method = HTTP_DELETE,
                                   .what = "DELETE /engine-agent/chat-histories/{id}",
                                   .connect_timeout_ms = c->params.connect_timeout_ms,
                                   .answer_timeout_ms = c->params.answer_timeout_ms };
    struct buf target;
    enum err err;

    if (!params.account) {
        go_on(c, 0);
        return;
    }
    buf_init(&target, TARGET_MAX);
    err = api_chat_target(&target, str_of(d->entry.chat));
    BUG_ON(err == ERR_TOO_BIG); /* ids are bounded */
    params.target = buf_str(&target);
    c->visit = visit_start(&params, on_deleted, c);
    buf_deinit(&target);
}

static void on_claim(void *arg, const struct store_result *result)
{
    struct cleanup *c = arg;
    const struct due *d = &c->page[c->i];

    c->op = NULL;
    if (result->err == ERR_CONFLICT || d->entry.tries > TRIES_MAX)
        go_on(c, 0); /* a turn moved it, another sweeper has it, or nobody can do it */
    else if (result->err)
        end(c);
    else
        delete_chat(c, d);
}

/* Nobody waits: what is left behind is gone at the service, and 404 the next time. */
static void remove_entry(struct cleanup *c, const struct due *d)
{
    char text[CLEANUP_ENTRY_MAX];
    struct str mine = cleanup_entry_write(&d->entry, text);

    store_swap(c->params.store, &d->key, &mine, NULL, 0, NULL, NULL);
}

/* The rest of this account's chats would meet the same. */
static void note_failure(struct cleanup *c, const char *account)
{
    struct str *more = arena_alloc(&c->arena, (c->n_failed + 1) * sizeof(*more));

    if (c->n_failed > 0)
        memcpy(more, c->failed, c->n_failed * sizeof(*more));
    more[c->n_failed++] = arena_dup(&c->arena, str_of(account));
    c->failed = more;
}

static void on_deleted(void *arg, const struct errand_result *result)
{
    struct cleanup *c = arg;
    const struct due *d = &c->page[c->i];

    c->visit = NULL;
    if (!result->failure || (result->status.status == 404 && !result->status.is_challenge))
        remove_entry(c, d);
    else
        note_failure(c, d->entry.account);
    go_on(c, PAUSE_MS);
}

static void go_on(struct cleanup *c, int64_t pause_ms)
{
    c->i++;
    if (pause_ms > 0)
        timer_arm(c->loop, &c->timer, pause_ms, work_on, c);
    else
        work_on(c);
}

static void end(struct cleanup *c)
{
    c->is_sweeping = false;
    if (c->is_wanted)
        timer_arm(c->loop, &c->timer, SOON_MS, begin, c);
    else if (c->params.by_itself)
        timer_arm(c->loop, &c->timer, CLEANUP_EVERY_MS, begin, c);
}
