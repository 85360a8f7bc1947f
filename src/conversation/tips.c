/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tip in the store: the account's name, NUL, the chat's id, NUL, and what the provider keeps of
 * the turn. What does not look like that is as good as no tip: a new chat is always right.
 */
#include "conversation/tips.h"

#include "base/mem.h"
#include "base/metrics.h"

struct candidate {
    struct fingerprint at;
    size_t from; /* the first message behind the prefix */
};

struct tip_claim {
    struct store_port *store;
    on_tip *done; /* NULL: canceled */
    void *arg;
    int64_t ttl_ms; /* for putting back, once canceled */
    struct candidate candidates[STORE_CLAIM_MAX];
    size_t n;
};

static bool is_system(const struct chat_message *m)
{
    return m->role == CHAT_SYSTEM || m->role == CHAT_DEVELOPER;
}

static struct store_key key_of(const struct fingerprint *at)
{
    struct store_key key = { .space = STORE_TIP, .n = sizeof(at->bytes) };

    memcpy(key.bytes, at->bytes, sizeof(at->bytes));
    return key;
}

/* Reads a string of at most `cap` bytes with its NUL from the front of `s`. */
static bool read_z(struct str *s, char *out, size_t cap)
{
    size_t n = str_find_char(*s, '\0');

    if (n == SIZE_MAX || n >= cap)
        return false;
    memcpy(out, s->p, n + 1);
    *s = str_from(*s, n + 1);
    return true;
}

static bool read_tip(struct str value, struct tip *ret)
{
    if (!read_z(&value, ret->account, sizeof(ret->account)) ||
        !read_z(&value, ret->chat, sizeof(ret->chat)) || value.n > sizeof(ret->past))
        return false;
    if (value.n > 0)
        memcpy(ret->past, value.p, value.n);
    ret->past_n = value.n;
    return true;
}

/* From the end: prefixes that end in an assistant message and have something new behind them. */
static void collect(struct tip_claim *c, const struct chat_request *req,
                    const struct fingerprint *chain)
{
    bool news = false;

    for (size_t i = req->n_messages; i-- > 0 && c->n < COUNT_OF(c->candidates);) {
        const struct chat_message *m = &req->messages[i];

        if (news && m->role == CHAT_ASSISTANT)
            c->candidates[c->n++] = (struct candidate){ chain[i], i + 1 };
        news = news || !is_system(m);
    }
}

static void put_back(struct tip_claim *c, const struct store_result *result)
{
    struct store_key key = key_of(&c->candidates[result->index].at);

    store_put(c->store, &key, result->value, c->ttl_ms, NULL, NULL);
}

static void on_claimed(void *arg, const struct store_result *result)
{
    struct tip_claim *c = arg;
    bool found = result->err == ERR_NONE;
    struct tip tip;

    if (!c->done) {
        if (found)
            put_back(c, result);
    } else if (found && read_tip(result->value, &tip)) {
        const struct candidate *winner = &c->candidates[result->index];

        metric_add(METRIC_TIPS_HIT, 1);
        c->done(c->arg, true, &tip, &winner->at, winner->from);
    } else {
        metric_add(METRIC_TIPS_MISS, 1);
        c->done(c->arg, false, NULL, NULL, 0);
    }
    mem_free(c);
}

struct tip_claim *tip_claim_start(struct store_port *s, const struct chat_request *req,
                                  const struct fingerprint *chain, on_tip *done, void *arg)
{
    struct store_key keys[STORE_CLAIM_MAX];
    struct tip_claim *c = mem_new(struct tip_claim);

    c->store = s;
    c->done = done;
    c->arg = arg;
    collect(c, req, chain);
    if (c->n == 0) {
        mem_free(c);
        return NULL;
    }
    for (size_t i = 0; i < c->n; i++)
        keys[i] = key_of(&c->candidates[i].at);
    store_claim_first(s, keys, c->n, on_claimed, c);
    return c;
}

void tip_claim_cancel(struct tip_claim *c, int64_t ttl_ms)
{
    c->done = NULL;
    c->ttl_ms = ttl_ms;
}

struct store_op *tip_set(struct store_port *s, const struct fingerprint *at, const struct tip *tip,
                         int64_t ttl_ms, on_store *done, void *arg)
{
    struct store_key key = key_of(at);
    size_t account = strlen(tip->account) + 1;
    size_t chat = strlen(tip->chat) + 1;
    char value[TIP_ACCOUNT_MAX + TIP_CHAT_MAX + TIP_PAST_MAX];

    memcpy(value, tip->account, account);
    memcpy(value + account, tip->chat, chat);
    memcpy(value + account + chat, tip->past, tip->past_n);
    return store_put(s, &key, (struct str){ value, account + chat + tip->past_n }, ttl_ms, done,
                     arg);
}
