/* SPDX-License-Identifier: Apache-2.0 */
/* Cool-downs double from a second on, each shortened by up to a quarter so that keys that were
 * limited together do not come back together. */
#include "provider/openai/keys.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"

enum {
    FIRST_MS = 1000,
    LIMITED_MAX_MS = 15 * 60 * 1000,
    UNPAID_MS = LIMITED_MAX_MS,
    REFUSED_MS = 60 * 60 * 1000,
    TOLD_MAX_MS = 24 * 60 * 60 * 1000, /* how long an upstream's word counts */
    LABEL_MAX = 128,
};

struct key {
    struct str secret;   /* borrowed of the settings; empty for a sign-in */
    struct oauth *oauth; /* owned; NULL for a static key */
    char label[LABEL_MAX];
    enum key_trouble trouble; /* while out_until_ms is not passed */
    int64_t out_until_ms;     /* 0: it is in */
    int64_t limited_at_ms;    /* 0: never */
    unsigned strikes;         /* limits in a row */
};

struct keys {
    const struct openai_config *config;
    pthread_mutex_t lock; /* for what changes in `at` */
    struct key *at;       /* owned */
    size_t n;
};

static void lock(struct keys *k)
{
    BUG_ON(pthread_mutex_lock(&k->lock));
}

static void unlock(struct keys *k)
{
    BUG_ON(pthread_mutex_unlock(&k->lock));
}

static void open_key(struct keys *k, size_t i)
{
    const struct openai_config *c = k->config;
    struct key *key = &k->at[i];

    if (i < c->n_api_keys) {
        key->secret = secret_reveal(&c->api_keys[i]);
        snprintf(key->label, sizeof(key->label), "key %zu", i + 1);
    } else if (i - c->n_api_keys < c->n_credentials_files) {
        const char *path = c->credentials_files[i - c->n_api_keys];

        key->oauth = oauth_new(c->name, path, &c->base);
        snprintf(key->label, sizeof(key->label), "%s", path);
    } else {
        snprintf(key->label, sizeof(key->label), "no key");
    }
}

struct keys *keys_new(const struct openai_config *config)
{
    struct keys *k = mem_new(struct keys);

    k->config = config;
    k->n = config->n_api_keys + config->n_credentials_files;
    BUG_ON(k->n > OPENAI_KEYS_MAX);
    if (k->n == 0)
        k->n = 1;
    k->at = mem_alloc_array(k->n, sizeof(*k->at));
    BUG_ON(pthread_mutex_init(&k->lock, NULL));
    for (size_t i = 0; i < k->n; i++)
        open_key(k, i);
    return k;
}

void keys_free(struct keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        oauth_free(k->at[i].oauth);
    pthread_mutex_destroy(&k->lock);
    mem_free(k->at);
    mem_free(k);
}

size_t keys_count(const struct keys *k)
{
    return k->n;
}

const char *keys_label(const struct keys *k, size_t i)
{
    return k->at[i].label;
}

struct str keys_secret(const struct keys *k, size_t i)
{
    return k->at[i].secret;
}

struct oauth *keys_oauth(const struct keys *k, size_t i)
{
    return k->at[i].oauth;
}

/* Under the lock, as what follows up to keys_choose(). */
static bool is_out(const struct keys *k, const struct key *key, int64_t now_ms)
{
    return k->n > 1 && key->out_until_ms > now_ms;
}

/* NULL when all are out or tried. */
static struct key *find_best(struct keys *k, uint64_t tried, int64_t now_ms)
{
    struct key *best = NULL;

    for (size_t i = 0; i < k->n; i++) {
        struct key *key = &k->at[i];

        if ((tried >> i & 1) == 0 && !is_out(k, key, now_ms) &&
            (!best || key->limited_at_ms < best->limited_at_ms))
            best = key;
    }
    return best;
}

/* The one that will be in again first. */
static const struct key *find_first_back(const struct keys *k)
{
    const struct key *first = &k->at[0];

    for (size_t i = 1; i < k->n; i++)
        if (k->at[i].out_until_ms < first->out_until_ms)
            first = &k->at[i];
    return first;
}

static void explain(const struct keys *k, const struct key *first, int64_t now_ms,
                    struct notice *ret)
{
    static const struct {
        enum failure_kind kind;
        const char *words;
    } rows[] = {
        [KEY_LIMITED] = { FAILURE_RATE_LIMIT, "reached its limit: try again later, or add a key" },
        [KEY_UNPAID] = { FAILURE_QUOTA, "is not allowed to do this: choose another plan or key" },
        [KEY_REFUSED] = { FAILURE_UPSTREAM_AUTH, "was refused: check the upstream's api_keys" },
    };
    int64_t wait_ms = first->out_until_ms - now_ms;

    *ret = (struct notice){ .kind = rows[first->trouble].kind,
                            .retry_after_ms = wait_ms > 0 ? wait_ms : 0 };
    snprintf(ret->message, sizeof(ret->message),
             "None of the %zu keys of upstream \"%s\" may be used now: %s %s.", k->n,
             k->config->name, first->label, rows[first->trouble].words);
}

bool keys_choose(struct keys *k, uint64_t tried, int64_t now_ms, size_t *ret_i,
                 struct notice *ret_notice)
{
    const struct key *best;

    lock(k);
    best = find_best(k, tried, now_ms);
    if (best)
        *ret_i = (size_t)(best - k->at);
    else
        explain(k, find_first_back(k), now_ms, ret_notice);
    unlock(k);
    return best != NULL;
}

static int64_t cool_down_ms(const struct key *key, enum key_trouble trouble, int64_t told_ms)
{
    int64_t ms = FIRST_MS;

    if (trouble == KEY_REFUSED)
        return REFUSED_MS;
    if (trouble == KEY_UNPAID)
        return UNPAID_MS;
    if (told_ms > 0)
        return told_ms < TOLD_MAX_MS ? told_ms : TOLD_MAX_MS;
    for (unsigned i = 0; i < key->strikes && ms < LIMITED_MAX_MS; i++)
        ms *= 2;
    ms = ms < LIMITED_MAX_MS ? ms : LIMITED_MAX_MS;
    return ms - (int64_t)(random_u64() % (uint64_t)(ms / 4));
}

void keys_trouble(struct keys *k, size_t i, enum key_trouble trouble, int64_t retry_after_ms,
                  int64_t now_ms)
{
    struct key *key = &k->at[i];

    lock(k);
    key->trouble = trouble;
    key->out_until_ms = now_ms + cool_down_ms(key, trouble, retry_after_ms);
    key->limited_at_ms = now_ms;
    key->strikes++;
    unlock(k);
}

void keys_good(struct keys *k, size_t i)
{
    lock(k);
    k->at[i].strikes = 0;
    k->at[i].out_until_ms = 0;
    unlock(k);
}

bool keys_are_ready(struct keys *k, int64_t now_ms, char *why)
{
    bool is_ready = false;
    bool is_signed_out = false;

    for (size_t i = 0; i < k->n && !is_ready; i++) {
        lock(k);
        is_ready = k->at[i].out_until_ms <= now_ms || k->at[i].trouble != KEY_REFUSED;
        unlock(k);
        if (!is_ready || !k->at[i].oauth)
            continue;
        is_ready = oauth_is_ready(k->at[i].oauth, why);
        is_signed_out = is_signed_out || !is_ready;
    }
    if (!is_ready && !is_signed_out)
        snprintf(why, 128, "no key is accepted: the command check says why");
    return is_ready;
}
