/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/minutes.h"

#include <pthread.h>

#include "base/macros.h"
#include "base/mem.h"

struct minutes {
    pthread_mutex_t lock;
    struct minute ring[MINUTES]; /* by the number of the minute; what is of another hour is over */
};

struct minutes *minutes_new(void)
{
    struct minutes *m = mem_new(struct minutes);

    BUG_ON(pthread_mutex_init(&m->lock, NULL));
    return m;
}

void minutes_free(struct minutes *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

void minutes_add(struct minutes *m, int64_t wall_ms, const struct minute *what)
{
    int64_t number = wall_ms / 60000;
    struct minute *to = &m->ring[number % MINUTES];

    pthread_mutex_lock(&m->lock);
    if (to->at_s != number * 60)
        *to = (struct minute){ .at_s = number * 60 };
    to->requests += what->requests;
    to->failed += what->failed;
    to->prompt_tokens += what->prompt_tokens;
    to->completion_tokens += what->completion_tokens;
    to->first_tokens += what->first_tokens;
    to->first_token_ms += what->first_token_ms;
    pthread_mutex_unlock(&m->lock);
}

void minutes_read(struct minutes *m, int64_t wall_ms, struct minute ret[MINUTES])
{
    int64_t first = wall_ms / 60000 - MINUTES + 1;

    pthread_mutex_lock(&m->lock);
    for (int64_t i = 0; i < MINUTES; i++) {
        const struct minute *from = &m->ring[(first + i) % MINUTES];

        ret[i] = (struct minute){ .at_s = (first + i) * 60 };
        if (from->at_s == ret[i].at_s)
            ret[i] = *from;
    }
    pthread_mutex_unlock(&m->lock);
}
