/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/crew.h"

#include <pthread.h>

#include "base/mem.h"

struct crew {
    pthread_mutex_t lock;
    struct gateway_worker *members[CREW_MAX]; /* NULL: it has left */
    size_t n;
};

struct crew *crew_new(void)
{
    struct crew *c = mem_new(struct crew);

    BUG_ON(pthread_mutex_init(&c->lock, NULL));
    return c;
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

void crew_join(struct crew *c, struct gateway_worker *w)
{
    pthread_mutex_lock(&c->lock);
    BUG_ON(c->n == CREW_MAX);
    c->members[c->n++] = w;
    pthread_mutex_unlock(&c->lock);
}

void crew_leave(struct crew *c, struct gateway_worker *w)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++)
        if (c->members[i] == w)
            c->members[i] = NULL;
    pthread_mutex_unlock(&c->lock);
}

/* ---- rounds ---- */

static void on_visit(struct mail *m);
static void on_home(struct mail *m);

/* Under the lock: to the next member, from `next` on. A loop takes mail as long as its share is
 * one, since that leaves on the loop's own thread. */
static bool post_to_next(struct round *r)
{
    struct crew *c = r->crew;

    while (r->next < c->n) {
        r->at = c->members[r->next++];
        if (!r->at)
            continue;
        r->mail.deliver = on_visit;
        loop_post(r->at->loop, &r->mail);
        return true;
    }
    return false;
}

/* Under the lock. */
static bool post_home(struct round *r)
{
    for (size_t i = 0; i < r->crew->n; i++) {
        if (r->crew->members[i] != r->asker || !r->asker)
            continue;
        r->at = r->crew->members[i];
        r->mail.deliver = on_home;
        loop_post(r->at->loop, &r->mail);
        return true;
    }
    return false;
}

static void go_on(struct round *r)
{
    struct crew *c = r->crew;
    bool is_posted;

    pthread_mutex_lock(&c->lock);
    is_posted = post_to_next(r) || post_home(r);
    pthread_mutex_unlock(&c->lock);
    if (!is_posted)
        r->home(r, NULL);
}

/* After its end a loop still delivers what it got: then the share has nothing to tell. */
static void on_visit(struct mail *m)
{
    struct round *r = CONTAINER_OF(m, struct round, mail);

    r->visit(r, r->at);
    go_on(r);
}

static void on_home(struct mail *m)
{
    struct round *r = CONTAINER_OF(m, struct round, mail);

    r->home(r, r->at);
}

void round_start(struct round *r, struct gateway_worker *asker)
{
    r->crew = asker->gateway->crew;
    r->asker = asker;
    r->next = 0;
    go_on(r);
}
