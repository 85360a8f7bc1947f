/* SPDX-License-Identifier: Apache-2.0 */
/* Cool-downs double from a second on, each shortened by up to a quarter so that keys that were
 * limited together do not come back together. */
#include "provider/openai/keys.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "provider/account.h"

enum {
    FIRST_MS = 1000,
    LIMITED_MAX_MS = 15 * 60 * 1000,
    UNPAID_MS = LIMITED_MAX_MS,
    REFUSED_MS = 60 * 60 * 1000,
    LABEL_MAX = 128,
    PURPOSE_MAX = 96,
    RESTS_MAX = 32, /* of one key; of more, the one that ends first is forgotten */
};

/* A purpose for which a key was limited. */
struct rest {
    char purpose[PURPOSE_MAX]; /* its beginning */
    size_t n;                  /* its length; 0: unused */
    enum key_trouble trouble;
    bool is_told;     /* the upstream said how long */
    int64_t until_ms; /* may be over: the strikes count on */
    int64_t since_ms;
    unsigned strikes; /* limits in a row */
};

struct key {
    struct str secret;   /* borrowed of the settings; empty for a sign-in */
    struct oauth *oauth; /* owned; NULL for a static key */
    char label[LABEL_MAX];
    struct rest refusal; /* of the key as such */
    struct rest rests[RESTS_MAX];
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

/* ---- rests; under the lock, as what follows up to keys_choose() ---- */

static bool is_of(const struct rest *r, struct str purpose)
{
    return r->n == purpose.n &&
           memcmp(r->purpose, purpose.p, r->n < PURPOSE_MAX ? r->n : PURPOSE_MAX) == 0;
}

/* NULL: there was never a limit. */
static struct rest *find_rest(struct key *key, struct str purpose)
{
    for (size_t i = 0; i < RESTS_MAX && purpose.n > 0; i++)
        if (is_of(&key->rests[i], purpose))
            return &key->rests[i];
    return NULL;
}

static struct rest *make_rest(struct key *key, struct str purpose)
{
    struct rest *r = find_rest(key, purpose);

    if (r)
        return r;
    r = &key->rests[0];
    for (size_t i = 1; i < RESTS_MAX; i++)
        if (key->rests[i].until_ms < r->until_ms)
            r = &key->rests[i];
    *r = (struct rest){ .n = purpose.n };
    memcpy(r->purpose, purpose.p, purpose.n < PURPOSE_MAX ? purpose.n : PURPOSE_MAX);
    return r;
}

/* What keeps a key from this purpose for longest. */
static const struct rest *rest_of(struct key *key, struct str purpose)
{
    const struct rest *r = find_rest(key, purpose);

    return r && r->until_ms > key->refusal.until_ms ? r : &key->refusal;
}

static int64_t since_ms(struct key *key, struct str purpose)
{
    const struct rest *r = find_rest(key, purpose);

    return r && r->since_ms > key->refusal.since_ms ? r->since_ms : key->refusal.since_ms;
}

/* ---- the choice ---- */

static bool is_out(const struct keys *k, struct key *key, struct str purpose, int64_t now_ms)
{
    return k->n > 1 && rest_of(key, purpose)->until_ms > now_ms;
}

/* NULL when all are out or tried. */
static struct key *find_best(struct keys *k, struct str purpose, uint64_t tried, int64_t now_ms)
{
    struct key *best = NULL;

    for (size_t i = 0; i < k->n; i++) {
        struct key *key = &k->at[i];

        if ((tried >> i & 1) == 0 && !is_out(k, key, purpose, now_ms) &&
            (!best || since_ms(key, purpose) < since_ms(best, purpose)))
            best = key;
    }
    return best;
}

/* The one that will be in again first. */
static struct key *find_first_back(struct keys *k, struct str purpose)
{
    struct key *first = &k->at[0];

    for (size_t i = 1; i < k->n; i++)
        if (rest_of(&k->at[i], purpose)->until_ms < rest_of(first, purpose)->until_ms)
            first = &k->at[i];
    return first;
}

static const struct {
    enum failure_kind kind;
    const char *words;
    const char *advice;
} troubles[] = {
    [KEY_LIMITED] = { FAILURE_RATE_LIMIT, "reached its limit", "try again later, or add a key" },
    [KEY_UNPAID] = { FAILURE_QUOTA, "is not paid for it", "choose another plan or key" },
    [KEY_REFUSED] = { FAILURE_UPSTREAM_AUTH, "was refused", "check the upstream's api_keys" },
};

static void explain(const struct keys *k, const struct key *first, const struct rest *rest,
                    int64_t now_ms, struct notice *ret)
{
    int64_t wait_ms = rest->until_ms - now_ms;

    *ret = (struct notice){ .kind = troubles[rest->trouble].kind,
                            .retry_after_ms = wait_ms > 0 ? wait_ms : 0 };
    snprintf(ret->message, sizeof(ret->message),
             "None of the %zu keys of upstream \"%s\" may be used for this now: %s %s; %s.", k->n,
             k->config->name, first->label, troubles[rest->trouble].words,
             troubles[rest->trouble].advice);
}

bool keys_choose(struct keys *k, struct str purpose, uint64_t tried, int64_t now_ms, size_t *ret_i,
                 struct notice *ret_notice)
{
    struct key *best;
    struct key *first;

    lock(k);
    BUG_ON(!k->at); /* there is always one */
    best = find_best(k, purpose, tried, now_ms);
    first = find_first_back(k, purpose);
    if (!best && tried == 0 && !rest_of(first, purpose)->is_told)
        best = first;
    if (best)
        *ret_i = (size_t)(best - k->at);
    else
        explain(k, first, rest_of(first, purpose), now_ms, ret_notice);
    unlock(k);
    return best != NULL;
}

/* ---- how it went ---- */

static int64_t cool_down_ms(const struct rest *r, enum key_trouble trouble, int64_t told_ms)
{
    int64_t ms = FIRST_MS;

    if (trouble == KEY_REFUSED)
        return REFUSED_MS;
    if (trouble == KEY_UNPAID)
        return UNPAID_MS;
    if (told_ms > 0)
        return told_ms < LIMITED_MAX_MS ? told_ms : LIMITED_MAX_MS;
    for (unsigned i = 0; i < r->strikes && ms < LIMITED_MAX_MS; i++)
        ms *= 2;
    ms = ms < LIMITED_MAX_MS ? ms : LIMITED_MAX_MS;
    return ms - (int64_t)(random_u64() % (uint64_t)(ms / 4));
}

void keys_trouble(struct keys *k, size_t i, struct str purpose, enum key_trouble trouble,
                  int64_t retry_after_ms, int64_t now_ms)
{
    struct key *key = &k->at[i];
    struct rest *r;

    lock(k);
    r = trouble == KEY_REFUSED || purpose.n == 0 ? &key->refusal : make_rest(key, purpose);
    r->trouble = trouble;
    r->is_told = trouble == KEY_LIMITED && retry_after_ms > 0;
    r->until_ms = now_ms + cool_down_ms(r, trouble, retry_after_ms);
    r->since_ms = now_ms;
    r->strikes++;
    unlock(k);
}

void keys_good(struct keys *k, size_t i, struct str purpose)
{
    struct key *key = &k->at[i];
    struct rest *r;

    lock(k);
    r = find_rest(key, purpose);
    if (r) {
        r->strikes = 0;
        r->until_ms = 0;
    }
    key->refusal.strikes = 0;
    key->refusal.until_ms = 0;
    unlock(k);
}

/* ---- for people ---- */

/* The longest rest of a key; NULL: it has none. */
static const struct rest *longest_rest(const struct key *key, int64_t now_ms)
{
    const struct rest *longest = &key->refusal;

    for (size_t i = 0; i < RESTS_MAX; i++)
        if (key->rests[i].until_ms > longest->until_ms)
            longest = &key->rests[i];
    return longest->until_ms > now_ms ? longest : NULL;
}

/* "2 of 3 keys rest: key 1 reached its limit for gpt-4o, 12 s left" */
static void tell_rests(struct keys *k, int64_t now_ms, char *why)
{
    const struct key *named = NULL;
    const struct rest *r = NULL; /* of that one */
    size_t n = 0;

    lock(k);
    for (size_t i = 0; i < k->n && k->n > 1; i++) {
        const struct rest *one = longest_rest(&k->at[i], now_ms);

        if (!one)
            continue;
        n++;
        named = named ? named : &k->at[i];
        r = r ? r : one;
    }
    if (r) {
        int of = (int)(r->n < PURPOSE_MAX ? r->n : PURPOSE_MAX);

        snprintf(why, 128, "%zu of %zu keys rest: %.24s %s%s%.*s, %lld s left", n, k->n,
                 named->label, troubles[r->trouble].words, of ? " for " : "", of < 40 ? of : 40,
                 r->purpose, (long long)((r->until_ms - now_ms + 999) / 1000));
    }
    unlock(k);
}

bool keys_are_ready(struct keys *k, int64_t now_ms, char *why)
{
    bool is_ready = false;
    bool is_signed_out = false;

    for (size_t i = 0; i < k->n && !is_ready; i++) {
        lock(k);
        is_ready = k->at[i].refusal.until_ms <= now_ms || k->at[i].refusal.trouble != KEY_REFUSED;
        unlock(k);
        if (!is_ready || !k->at[i].oauth)
            continue;
        is_ready = oauth_is_ready(k->at[i].oauth, why);
        is_signed_out = is_signed_out || !is_ready;
    }
    if (!is_ready && !is_signed_out)
        snprintf(why, 128, "no key is accepted: the command check says why");
    else if (is_ready && !is_signed_out)
        tell_rests(k, now_ms, why);
    return is_ready;
}

/* Under the lock. */
static enum provider_standing standing_of(struct key *key, int64_t now_ms)
{
    char why[128] = "";

    if (key->oauth && !oauth_is_ready(key->oauth, why))
        return STANDING_FAILING;
    if (key->refusal.until_ms <= now_ms)
        return STANDING_READY;
    return key->refusal.trouble == KEY_REFUSED ? STANDING_SIGNED_OUT : STANDING_RESTING;
}

void keys_census(struct keys *k, int64_t now_ms, struct provider_census *to)
{
    lock(k);
    for (size_t i = 0; i < k->n; i++) {
        struct key *key = &k->at[i];

        if (!key->oauth && !key->secret.n)
            continue;
        to->accounts[standing_of(key, now_ms)]++;
        to->cooldowns += key->refusal.until_ms > now_ms;
        for (size_t r = 0; r < RESTS_MAX; r++)
            to->cooldowns += key->rests[r].n > 0 && key->rests[r].until_ms > now_ms;
    }
    unlock(k);
}

static void add_rest(struct provider_account *to, struct arena *a, const struct rest *r,
                     int64_t now_ms)
{
    if (r->until_ms <= now_ms)
        return;
    to->cooldowns[to->n_cooldowns++] = (struct provider_cooldown){
        .model = arena_dup(a, str_sub(str_of(r->purpose), 0, PURPOSE_MAX - 1)),
        .left_ms = r->until_ms - now_ms,
        .why =
            arena_printf(a, "it %s: %s", troubles[r->trouble].words, troubles[r->trouble].advice),
    };
}

/* Under the lock. */
static void report(struct key *key, struct arena *a, int64_t now_ms, struct provider_account *to)
{
    char why[128] = "";

    to->name = arena_dup(a, str_of(key->label));
    to->standing = standing_of(key, now_ms);
    to->cooldowns = arena_alloc(a, (RESTS_MAX + 1) * sizeof(*to->cooldowns));
    add_rest(to, a, &key->refusal, now_ms);
    for (size_t i = 0; i < RESTS_MAX; i++)
        if (key->rests[i].n)
            add_rest(to, a, &key->rests[i], now_ms);
    if (key->oauth && !oauth_is_ready(key->oauth, why))
        to->problem = arena_dup(a, str_of(why));
    else if (to->standing == STANDING_SIGNED_OUT)
        to->problem = to->cooldowns[0].why;
}

size_t keys_report(struct keys *k, struct arena *a, int64_t now_ms,
                   const struct provider_account **ret)
{
    struct provider_account *all = arena_alloc(a, k->n * sizeof(*all));
    size_t n = 0;

    lock(k);
    for (size_t i = 0; i < k->n; i++)
        if (k->at[i].oauth || k->at[i].secret.n)
            report(&k->at[i], a, now_ms, &all[n++]);
    unlock(k);
    *ret = all;
    return n;
}

bool keys_clear(struct keys *k, struct str label)
{
    bool is_found = false;

    lock(k);
    for (size_t i = 0; i < k->n; i++) {
        struct key *key = &k->at[i];

        if (!str_eq(label, str_of(key->label)) || (!key->oauth && !key->secret.n))
            continue;
        is_found = true;
        key->refusal.until_ms = 0;
        for (size_t r = 0; r < RESTS_MAX; r++)
            key->rests[r].until_ms = 0;
    }
    unlock(k);
    return is_found;
}
