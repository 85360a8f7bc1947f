/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getrandom() fills a small pool per thread, so that most calls make no system
 * call. Bytes handed out are wiped from the pool, and a fork throws it away:
 * nobody ever gets the same bytes twice.
 */
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/macros.h"
#include "base/mem.h"

enum { POOL = 512 };

static _Thread_local struct {
    unsigned char bytes[POOL];
    size_t left;    /* unused bytes, at the end */
    unsigned forks; /* the value of `forks` when it was filled */
} pool;

static _Atomic unsigned forks;

static void on_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void watch_forks(void)
{
    BUG_ON(pthread_atfork(NULL, NULL, on_fork) != 0);
}

static void fill(unsigned char *out, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            die(__FILE__, __LINE__, "the kernel gives no random bytes (getrandom failed)");
        out += got;
        n -= (size_t)got;
    }
}

static void refill_pool(void)
{
    fill(pool.bytes, POOL);
    pool.left = POOL;
    pool.forks = atomic_load_explicit(&forks, memory_order_relaxed);
}

void random_bytes(void *out, size_t n)
{
    unsigned char *from;

    if (n == 0)
        return;
    if (n > POOL / 4) {
        fill(out, n);
        return;
    }
    if (pool.left < n || pool.forks != atomic_load_explicit(&forks, memory_order_relaxed))
        refill_pool();
    from = pool.bytes + POOL - pool.left;
    memcpy(out, from, n);
    mem_wipe(from, n);
    pool.left -= n;
}

uint64_t random_u64(void)
{
    uint64_t u;

    random_bytes(&u, sizeof(u));
    return u;
}

void random_uuid(char out[UUID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char b[16];
    size_t at = 0;

    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4, RFC 9562 5.4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant, RFC 9562 4.1 */
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[b[i] >> 4];
        out[at++] = digits[b[i] & 15];
    }
    out[at] = '\0';
}

/* Six bits are drawn until they are below 62: no letter is likelier than another. */
void random_id(const char *prefix, size_t n, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char drawn[RANDOM_ID_MAX];
    char *end;

    BUG_ON(n > RANDOM_ID_MAX);
    memcpy(out, prefix, strlen(prefix));
    out += strlen(prefix);
    for (end = out + n; out < end;) {
        size_t left = (size_t)(end - out);

        random_bytes(drawn, left);
        for (size_t i = 0; i < left; i++)
            if ((drawn[i] & 63) < sizeof(letters) - 1)
                *out++ = letters[drawn[i] & 63];
    }
    *out = '\0';
}
