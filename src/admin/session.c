/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/session.h"

#include <pthread.h>

#include "base/encoding.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/random.h"

struct row {
    unsigned char digest[SHA256_LEN]; /* of token and key */
    int64_t expires_s;                /* 0: it is free */
};

struct sessions {
    pthread_mutex_t lock;
    struct row rows[SESSIONS_MAX];
};

struct sessions *sessions_new(void)
{
    struct sessions *s = mem_new(struct sessions);

    BUG_ON(pthread_mutex_init(&s->lock, NULL));
    return s;
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static void digest_of(struct str what, struct str token, struct str key,
                      unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, what);
    sha256_add(&h, token);
    sha256_add(&h, key);
    sha256_end(&h, out);
}

/* Made of the token, which only who is signed in has, so that it need not be kept. */
static void fill(struct session *ret, struct str token, struct str key, int64_t expires_s)
{
    unsigned char digest[SHA256_LEN];

    str_to_z(token, ret->token, sizeof(ret->token));
    digest_of(STR("csrf"), token, key, digest);
    hex_encode(digest, sizeof(digest), ret->csrf);
    ret->expires_s = expires_s;
}

/* Under the lock: one that is free or over, else the oldest. */
static struct row *choose_row(struct sessions *s)
{
    struct row *best = &s->rows[0];

    for (size_t i = 1; i < COUNT_OF(s->rows); i++)
        if (s->rows[i].expires_s < best->expires_s)
            best = &s->rows[i];
    return best;
}

static bool digests_equal(const unsigned char *a, const unsigned char *b)
{
    return str_eq_constant_time((struct str){ (const char *)a, SHA256_LEN },
                                (struct str){ (const char *)b, SHA256_LEN });
}

/* Under the lock. */
static struct row *find_row(struct sessions *s, struct str token, struct str key)
{
    unsigned char digest[SHA256_LEN];

    if (token.n != SESSION_TEXT)
        return NULL;
    digest_of(STR("session"), token, key, digest);
    for (size_t i = 0; i < COUNT_OF(s->rows); i++)
        if (s->rows[i].expires_s && digests_equal(s->rows[i].digest, digest))
            return &s->rows[i];
    return NULL;
}

void sessions_make(struct sessions *s, struct str key, int64_t now_s, struct session *ret)
{
    unsigned char bytes[SESSION_TEXT / 2];
    struct row *row;

    random_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), ret->token);
    fill(ret, str_of(ret->token), key, now_s + SESSION_LIFE_S);
    pthread_mutex_lock(&s->lock);
    row = choose_row(s);
    row->expires_s = ret->expires_s;
    digest_of(STR("session"), str_of(ret->token), key, row->digest);
    pthread_mutex_unlock(&s->lock);
}

bool sessions_find(struct sessions *s, struct str token, struct str key, int64_t now_s,
                   struct session *ret)
{
    const struct row *row;
    int64_t expires_s;

    pthread_mutex_lock(&s->lock);
    row = find_row(s, token, key);
    expires_s = row ? row->expires_s : 0;
    pthread_mutex_unlock(&s->lock);
    if (expires_s <= now_s)
        return false;
    fill(ret, token, key, expires_s);
    return true;
}

void sessions_end(struct sessions *s, struct str token, struct str key)
{
    struct row *row;

    pthread_mutex_lock(&s->lock);
    row = find_row(s, token, key);
    if (row)
        row->expires_s = 0;
    pthread_mutex_unlock(&s->lock);
}
