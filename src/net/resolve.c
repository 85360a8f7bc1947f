/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue, and threads that live while there is work in it. Whoever asks may go at any time:
 * canceling marks the look-up under the lock, and only an unmarked one is posted, under
 * the same lock, to a loop that therefore still exists. A name whose addresses are kept
 * needs no thread.
 */
#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>

#include "base/mem.h"

enum { THREADS_MAX = 8, KEPT_MAX = 16 };

enum resolve_state { RESOLVE_QUEUED, RESOLVE_RUNNING, RESOLVE_POSTED };

struct resolve {
    struct list node; /* in `queue` while queued */
    struct mail mail;
    struct task task; /* delivers what was kept */
    struct loop *loop;
    int64_t asked_ms; /* by its clock, which is the same of all loops */
    char host[HOST_MAX + 1];
    uint16_t port;
    on_resolved *done;
    void *arg;
    enum resolve_state state; /* under lock */
    bool is_canceled;         /* under lock */
    int status;               /* getaddrinfo's */
    int error;                /* errno of a failure, 0 if it set none */
    struct address list[RESOLVE_MAX];
    size_t n;
};

struct kept {
    char host[HOST_MAX + 1];
    int64_t until_ms; /* 0: nothing is kept here */
    struct address list[RESOLVE_MAX];
    size_t n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept kept[KEPT_MAX];             /* under lock */
static struct list queue = { &queue, &queue }; /* under lock */
static unsigned n_threads;                     /* under lock */

/* A look-up needs a socket or a file; without one it says all kinds of things. */
static enum err err_of(const struct resolve *r)
{
    if (r->n > 0)
        return ERR_NONE;
    return r->status && err_of_errno(r->error) == ERR_NO_FDS ? ERR_NO_FDS : ERR_DNS;
}

static const char *failure_text(const struct resolve *r)
{
    if (r->status == EAI_SYSTEM || err_of(r) == ERR_NO_FDS)
        return strerror(r->error);
    return r->status ? gai_strerror(r->status) : "it has no address";
}

/* ---- what is kept; with the lock held ---- */

/* Where the host is, or else the place whose time is over first. */
static struct kept *place_of(const char *host)
{
    struct kept *oldest = &kept[0];

    for (size_t i = 0; i < KEPT_MAX; i++) {
        if (strcmp(kept[i].host, host) == 0)
            return &kept[i];
        if (kept[i].until_ms < oldest->until_ms)
            oldest = &kept[i];
    }
    return oldest;
}

static void keep(const struct resolve *r)
{
    struct kept *k = place_of(r->host);

    memcpy(k->host, r->host, sizeof(k->host));
    memcpy(k->list, r->list, r->n * sizeof(r->list[0]));
    k->n = r->n;
    k->until_ms = r->asked_ms + RESOLVE_KEPT_MS;
}

static bool find_kept(struct resolve *r)
{
    const struct kept *k = place_of(r->host);

    if (strcmp(k->host, r->host) != 0 || r->asked_ms >= k->until_ms)
        return false;
    r->n = k->n;
    for (size_t i = 0; i < k->n; i++) {
        r->list[i] = k->list[i];
        address_set_port(&r->list[i], r->port);
    }
    return true;
}

void resolve_forget(const char *host)
{
    struct kept *k;

    pthread_mutex_lock(&lock);
    k = place_of(host);
    if (strcmp(k->host, host) == 0)
        k->until_ms = 0;
    pthread_mutex_unlock(&lock);
}

/* ---- the end ---- */

/* On the loop's thread, like resolve_cancel(). */
static void finish(struct resolve *r)
{
    if (!r->is_canceled)
        r->done(r->arg, err_of(r), failure_text(r), r->list, r->n);
    mem_free(r);
}

static void deliver(struct mail *m)
{
    finish(CONTAINER_OF(m, struct resolve, mail));
}

static void on_task(void *arg)
{
    finish(arg);
}

/* With the lock held; `r` may be gone afterwards. */
static void hand_back(struct resolve *r)
{
    if (r->is_canceled) {
        mem_free(r);
        return;
    }
    if (r->n > 0)
        keep(r);
    r->state = RESOLVE_POSTED;
    r->mail.deliver = deliver;
    loop_post(r->loop, &r->mail);
}

/* ---- threads ---- */

static void look_up(struct resolve *r)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;

    errno = 0;
    r->status = getaddrinfo(r->host, NULL, &hints, &found);
    r->error = errno;
    if (r->status != 0)
        return;
    for (struct addrinfo *i = found; i && r->n < RESOLVE_MAX; i = i->ai_next) {
        struct address *a = &r->list[r->n];
        if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
            continue;
        memcpy(&a->sa, i->ai_addr, i->ai_addrlen);
        a->n = i->ai_addrlen;
        address_set_port(a, r->port);
        r->n++;
    }
    freeaddrinfo(found);
}

static void *run_thread(void *arg)
{
    struct list *node;

    (void)arg;
    pthread_mutex_lock(&lock);
    while ((node = list_take_head(&queue))) {
        struct resolve *r = CONTAINER_OF(node, struct resolve, node);
        r->state = RESOLVE_RUNNING;
        pthread_mutex_unlock(&lock);
        look_up(r);
        pthread_mutex_lock(&lock);
        hand_back(r);
    }
    n_threads--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static bool start_thread(void)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    bool is_started;

    sigfillset(&all);
    BUG_ON(pthread_sigmask(SIG_SETMASK, &all, &before) != 0);
    is_started = pthread_create(&thread, NULL, run_thread, NULL) == 0;
    BUG_ON(pthread_sigmask(SIG_SETMASK, &before, NULL) != 0);
    if (is_started) {
        pthread_setname_np(thread, "resolver");
        pthread_detach(thread);
    }
    return is_started;
}

/* With the lock held. */
static void look_up_later(struct resolve *r)
{
    list_add_tail(&queue, &r->node);
    if (n_threads < THREADS_MAX && start_thread())
        n_threads++;
    if (n_threads == 0) {
        list_remove(&r->node);
        r->status = EAI_MEMORY;
        hand_back(r);
    }
}

struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port, on_resolved *done,
                              void *arg)
{
    struct resolve *r = mem_new(struct resolve);

    r->loop = l;
    r->asked_ms = loop_now_ms(l);
    str_to_z(str_of(host), r->host, sizeof(r->host));
    r->port = port;
    r->done = done;
    r->arg = arg;
    task_init(&r->task, on_task, r);
    pthread_mutex_lock(&lock);
    if (find_kept(r)) {
        r->state = RESOLVE_POSTED;
        loop_defer(l, &r->task);
    } else {
        look_up_later(r);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

void resolve_cancel(struct resolve *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&lock);
    r->is_canceled = true;
    if (r->state == RESOLVE_QUEUED) {
        list_remove(&r->node);
        mem_free(r);
    }
    pthread_mutex_unlock(&lock);
}
