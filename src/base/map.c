/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing, at most three quarters full; taking an
 * entry out moves its followers back, so there are no tombstones. Hashed by
 * SipHash-1-3 under a key drawn once for the process.
 */
#include "base/map.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/random.h"

enum { FIRST_CAP = 8 };

struct map_slot {
    uint64_t hash;
    char *key; /* owned */
    size_t key_n;
    void *value; /* borrowed; NULL in an empty slot */
};

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    random_bytes(seed, sizeof(seed));
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Inline, so that the four stay in registers. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t hash_of(struct str key)
{
    uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d,
                      seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573 };
    uint64_t word;
    size_t at = 0;

    for (; key.n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, key.p + at, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (key.n > at)
        memcpy(&word, key.p + at, key.n - at);
    word ^= (uint64_t)key.n << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void map_deinit(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->slots[i].key);
    mem_free(m->slots);
    map_init(m);
}

/* The slot of `key`, or the empty one where it would go. The map has slots. */
static struct map_slot *probe(const struct map *m, uint64_t hash, struct str key)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *slot = &m->slots[i];

        if (!slot->value)
            return slot;
        if (slot->hash == hash && str_eq((struct str){ slot->key, slot->key_n }, key))
            return slot;
    }
}

static void grow(struct map *m)
{
    struct map bigger = { .n = m->n, .cap = m->cap ? m->cap * 2 : FIRST_CAP };

    BUG_ON(pthread_once(&seed_once, draw_seed) != 0);
    bigger.slots = mem_alloc_array(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++) {
        const struct map_slot *old = &m->slots[i];

        if (old->value)
            *probe(&bigger, old->hash, (struct str){ old->key, old->key_n }) = *old;
    }
    mem_free(m->slots);
    *m = bigger;
}

void *map_find(const struct map *m, struct str key)
{
    return m->n > 0 ? probe(m, hash_of(key), key)->value : NULL;
}

void *map_set(struct map *m, struct str key, void *value)
{
    struct map_slot *slot;
    uint64_t hash;
    void *old;

    BUG_ON(!value);
    if (m->n + 1 > m->cap / 4 * 3)
        grow(m);
    hash = hash_of(key);
    slot = probe(m, hash, key);
    old = slot->value;
    if (!old) {
        slot->hash = hash;
        slot->key = mem_alloc(key.n);
        slot->key_n = key.n;
        if (key.n > 0)
            memcpy(slot->key, key.p, key.n);
        m->n++;
    }
    slot->value = value;
    return old;
}

/* Closes the gap at `gap`: each follower that may stand there moves into it. */
static void close_gap(struct map *m, size_t gap)
{
    size_t mask = m->cap - 1;

    for (size_t i = (gap + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct map_slot){ 0 };
}

void *map_take(struct map *m, struct str key)
{
    struct map_slot *slot;
    void *value;

    if (m->n == 0)
        return NULL;
    slot = probe(m, hash_of(key), key);
    value = slot->value;
    if (!value)
        return NULL;
    mem_free(slot->key);
    m->n--;
    close_gap(m, (size_t)(slot - m->slots));
    return value;
}

void *map_next(const struct map *m, size_t *cursor, struct str *ret_key)
{
    while (*cursor < m->cap) {
        const struct map_slot *slot = &m->slots[(*cursor)++];

        if (slot->value) {
            *ret_key = (struct str){ slot->key, slot->key_n };
            return slot->value;
        }
    }
    return NULL;
}
