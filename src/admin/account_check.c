/* SPDX-License-Identifier: Apache-2.0 */
/* Signs the accounts of an upstream in and asks how they stand, then answers with one of them. One
 * at a time: the service is not to be asked more often than a person can read. */
#include "admin/accounts.h"
#include "admin/admin_internal.h"
#include "admin/handlers.h"

enum { WATCH_MS = 500 };

static void answer(struct account_check *check, struct http_request *r)
{
    struct admin_call c = { .worker = check->worker, .request = r };
    const struct provider_account *all = NULL;
    const struct provider_account *found;
    struct json_writer j;
    struct buf out;
    size_t waiting;
    size_t n = accounts_of(check->worker, check->view, check->upstream, &r->arena, &all, &waiting);

    found = account_find(all, n, str_of(check->account));
    BUG_ON(!found); /* it was there, and the view is the same */
    admin_answer(&j, &out);
    account_write(&j, check->worker, check->view->upstreams[check->upstream].name, found, waiting);
    admin_answer_end(&c, 200, &j);
}

static void on_report_done(void *arg, const struct provider_report *report)
{
    struct account_check *check = arg;

    (void)report; /* the accounts know by themselves now */
    timer_disarm(&check->watch);
    if (check->request) {
        check->request->on_gone = NULL;
        answer(check, TAKE(check->request));
    }
    if (check->view)
        gateway_view_unref(TAKE(check->view));
    atomic_store(&check->is_taken, false);
}

/* What is asked goes on when nobody waits for it, unless the gateway ends: then nothing may hold
 * the upstream, whose last words do not come. */
static void on_watch(void *arg)
{
    struct account_check *check = arg;

    if (!check->request && atomic_load(&check->worker->gateway->draining))
        gateway_view_unref(TAKE(check->view));
    else
        timer_arm(check->worker->loop, &check->watch, WATCH_MS, on_watch, check);
}

static void on_gone(void *arg)
{
    struct account_check *check = arg;

    check->request = NULL;
    timer_disarm(&check->watch);
    on_watch(check);
}

static void start(struct admin_call *c, struct account_check *check, size_t upstream)
{
    check->worker = c->worker;
    check->view = gateway_view_ref(c->worker);
    check->request = c->request;
    check->upstream = upstream;
    str_to_z(str_of(c->ids[1]), check->account, sizeof(check->account));
    c->request->on_gone = on_gone;
    c->request->arg = check;
    timer_arm(c->worker->loop, &check->watch, WATCH_MS, on_watch, check);
    check->view->upstreams[upstream].provider->check(check->view->instances[upstream],
                                                     on_report_done, check);
}

void admin_account_check(struct admin_call *c)
{
    struct account_check *check = &c->worker->gateway->admin->check;
    const struct provider_account *all = NULL;
    size_t i = upstream_find(c->worker, str_of(c->ids[0]));
    size_t waiting, n = 0;

    if (i != SIZE_MAX)
        n = accounts_of(c->worker, c->worker->view, i, &c->request->arena, &all, &waiting);
    if (!account_find(all, n, str_of(c->ids[1])))
        gateway_reply_error(c->request, FAILURE_NOT_FOUND, "There is no account %s of upstream %s.",
                            c->ids[1], c->ids[0]);
    else if (atomic_exchange(&check->is_taken, true))
        gateway_reply_error(c->request, FAILURE_CONFLICT,
                            "Another check runs; try again when it is over.");
    else
        start(c, check, i);
}
