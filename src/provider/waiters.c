/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ticket is in a queue or on its way by mail, never both; the mail's delivery frees it. Only the
 * waiter's own thread looks at struct wait.
 */
#include "provider/waiters.h"

#include "base/mem.h"

struct ticket {
    struct mail mail;
    struct list node; /* in a queue, until it is called */
    struct loop *loop;
    uint64_t handle; /* of the wait */
    bool is_called;
    struct notice notice; /* FAILURE_NONE: not in vain */
};

void notice_set(struct notice *n, const struct failure *f)
{
    n->kind = f->kind;
    n->retry_after_ms = f->retry_after_ms;
    str_to_z(f->message, n->message, sizeof(n->message));
}

void notice_failure(const struct notice *n, struct arena *a, struct failure *ret)
{
    *ret = (struct failure){ .kind = n->kind,
                             .message = arena_dup(a, str_of(n->message)),
                             .retry_after_ms = n->retry_after_ms };
}

static void deliver(struct mail *m)
{
    struct ticket *t = CONTAINER_OF(m, struct ticket, mail);
    struct wait *w = loop_handle_find(t->loop, t->handle);

    if (w) {
        loop_handle_drop(t->loop, t->handle);
        w->ticket = NULL;
        w->handle = 0;
        w->wake(w->arg, t->notice.kind == FAILURE_NONE ? NULL : &t->notice);
    }
    mem_free(t);
}

void wait_begin(struct wait *w, struct list *queue, struct loop *loop, on_wake *wake, void *arg)
{
    struct ticket *t = mem_new(struct ticket);

    BUG_ON(w->ticket);
    *w = (struct wait){ .loop = loop, .ticket = t, .wake = wake, .arg = arg };
    w->handle = loop_handle_new(loop, w);
    t->loop = loop;
    t->handle = w->handle;
    t->mail.deliver = deliver;
    list_add_tail(queue, &t->node);
}

bool wait_call_first(struct list *queue, const struct notice *notice)
{
    struct list *node = list_take_head(queue);
    struct ticket *t;

    if (!node)
        return false;
    t = CONTAINER_OF(node, struct ticket, node);
    t->is_called = true;
    if (notice)
        t->notice = *notice;
    loop_post(t->loop, &t->mail);
    return true;
}

bool wait_leave(struct wait *w)
{
    struct ticket *t = w->ticket;

    if (!t)
        return false;
    loop_handle_drop(w->loop, w->handle);
    w->ticket = NULL;
    w->handle = 0;
    if (t->is_called)
        return true;
    list_remove(&t->node);
    mem_free(t);
    return false;
}
