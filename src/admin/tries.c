/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/tries.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/mem.h"

struct row {
    unsigned char address[16];
    int64_t since_ms; /* of its minute */
    unsigned n;       /* wrong ones; 0: it is free */
};

struct tries {
    pthread_mutex_t lock;
    struct row rows[TRIES_ADDRESSES];
};

struct tries *tries_new(void)
{
    struct tries *t = mem_new(struct tries);

    BUG_ON(pthread_mutex_init(&t->lock, NULL));
    return t;
}

void tries_free(struct tries *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* As IPv6: ::ffff:a.b.c.d, or the first half. All zero: it is none. */
static void read_address(struct str text, unsigned char out[16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    char z[INET6_ADDRSTRLEN];

    memset(out, 0, 16);
    if (text.n >= sizeof(z))
        return;
    str_to_z(text, z, sizeof(z));
    if (inet_pton(AF_INET, z, out + 12) == 1) {
        memcpy(out, mapped, sizeof(mapped));
        return;
    }
    if (inet_pton(AF_INET6, z, out) != 1)
        memset(out, 0, 16);
    else if (memcmp(out, mapped, sizeof(mapped)) != 0)
        memset(out + 8, 0, 8);
}

/* Under the lock: its row, or else one for it: that which began longest ago. */
static struct row *find_row(struct tries *t, const unsigned char address[16], int64_t now_ms)
{
    struct row *oldest = &t->rows[0];

    for (size_t i = 0; i < COUNT_OF(t->rows); i++) {
        struct row *row = &t->rows[i];

        if (row->n && now_ms - row->since_ms >= TRIES_MS)
            row->n = 0;
        if (row->n && memcmp(row->address, address, 16) == 0)
            return row;
        if (oldest->n && (!row->n || row->since_ms < oldest->since_ms))
            oldest = row;
    }
    memcpy(oldest->address, address, 16);
    oldest->since_ms = now_ms;
    oldest->n = 0;
    return oldest;
}

int64_t tries_judge(struct tries *t, struct str address, bool is_right, int64_t now_ms)
{
    unsigned char bytes[16];
    struct row *row;
    int64_t wait_ms = 0;

    read_address(address, bytes);
    pthread_mutex_lock(&t->lock);
    row = find_row(t, bytes, now_ms);
    if (row->n >= TRIES_MAX)
        wait_ms = row->since_ms + TRIES_MS - now_ms;
    else if (!is_right)
        row->n++;
    pthread_mutex_unlock(&t->lock);
    return wait_ms;
}
