/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of answers whose client left. Nobody knows how to stop a task, and closing its stream is
 * not known to: so the lease counts until the task is seen idle or ROSTER_DRAIN_MS are over. The
 * stream is looked at again only while somebody waits for an account, or the chat is to go then.
 */
#include "base/mem.h"
#include "conversation/tips.h"
#include "http/websocket.h"
#include "net/timer.h"
#include "provider/enginelabs/instance.h"
#include "json/reader.h"

enum { LOOK_MS = 1000, MESSAGE_MAX = 4 * 1024 * 1024 };

struct drain {
    struct list node; /* in the instance's list */
    struct provider_instance *instance;
    struct roster_place place;
    int64_t start_ms;
    int64_t believe_ms; /* from then on an idle state means that the task is over */
    bool is_idle;       /* what the stream said last */
    struct timer timer;
    struct websocket *socket; /* watches the task */
    char *target;             /* of its stream */
    char chat[TIP_CHAT_MAX];
};

static void on_timer(void *arg);

static void end(struct drain *d)
{
    list_remove(&d->node);
    timer_disarm(&d->timer);
    websocket_abort(d->socket, true);
    upkeep_end(d->instance->upkeep, d->place.account, str_of(d->chat));
    roster_leave(d->instance->roster, &d->place);
    mem_free(d->target);
    mem_free(d);
}

void drain_end_idle(struct provider_instance *p, size_t account, int64_t since_ms)
{
    struct list *next;

    for (struct list *node = p->drains.next; node != &p->drains; node = next) {
        struct drain *d = CONTAINER_OF(node, struct drain, node);

        next = node->next;
        if (d->place.account == account && d->believe_ms <= since_ms)
            end(d);
    }
}

void drain_end_all(struct provider_instance *p)
{
    while (!list_is_empty(&p->drains))
        end(CONTAINER_OF(p->drains.next, struct drain, node));
}

void drain_start(struct provider_instance *p, struct roster_place *place,
                 const struct drain_task *task)
{
    struct drain *d = mem_new(struct drain);
    int64_t now_ms = loop_now_ms(p->env.loop);

    d->instance = p;
    d->place = *place;
    *place = (struct roster_place){ 0 };
    roster_drain(&d->place);
    d->target = mem_alloc(task->target.n + 1);
    str_to_z(task->target, d->target, task->target.n + 1);
    str_to_z(task->chat, d->chat, sizeof(d->chat));
    d->start_ms = now_ms;
    d->believe_ms = task->is_accepted ? now_ms : now_ms + p->env.accept_timeout_ms;
    list_add_tail(&p->drains, &d->node);
    timer_arm(p->env.loop, &d->timer, LOOK_MS, on_timer, d);
}

static void on_open(UNUSED void *arg)
{
}

/* A prompt that nobody answered may be worked on only after its chat was seen idle. */
static bool end_if_over(struct drain *d)
{
    bool is_over = d->is_idle && loop_now_ms(d->instance->env.loop) >= d->believe_ms;

    if (is_over)
        end(d);
    return is_over;
}

static void on_message(void *arg, bool is_text, struct str message)
{
    struct drain *d = arg;
    struct json_value v;

    if (!is_text || json_find(message, &v, "state", "inProgress", NULL))
        return;
    if (v.type == JSON_TRUE)
        d->believe_ms = d->start_ms; /* it was taken */
    d->is_idle = v.type == JSON_FALSE;
    end_if_over(d);
}

static void on_end(void *arg, UNUSED const struct websocket_end *e)
{
    struct drain *d = arg;

    d->socket = NULL;
    d->is_idle = false; /* so far as is known */
}

static void watch(struct drain *d)
{
    static const struct websocket_handler handler = { on_open, on_message, on_end };
    struct provider_instance *p = d->instance;
    const struct enginelabs_config *config = roster_config(p->roster, d->place.account);
    struct buf cookie;

    buf_init(&cookie, COOKIES_MAX_BYTES + 2 * COOKIES_MAX);
    BUG_ON(account_cookie(roster_account(p->roster, d->place.account), &cookie)); /* bounded */
    const struct http_header headers[] = { { STR("Origin"), str_of(config->origin) },
                                           { STR("Cookie"), buf_str(&cookie) } };
    const struct websocket_params params = {
        .url = &config->api,
        .target = str_of(d->target),
        .headers = headers,
        .n_headers = cookie.n > 0 ? 2 : 1,
        .connect_timeout_ms = p->env.connect_timeout_ms,
        .upgrade_timeout_ms = p->env.accept_timeout_ms,
        .max_message = MESSAGE_MAX,
    };

    d->socket = websocket_connect(http_client_connector(p->env.client), &params, &handler, d);
    buf_wipe(&cookie);
}

/* Its chat goes when its task is over: a task of a chat that is gone could not be seen. */
static bool is_to_be_deleted(const struct drain *d)
{
    return roster_config(d->instance->roster, d->place.account)->delete_chats == DELETE_AT_END;
}

static bool is_worth_a_look(const struct drain *d)
{
    return roster_is_wanted(d->instance->roster) || is_to_be_deleted(d);
}

/* Nobody waits any more: what the stream said last does not stay true. */
static void look_away(struct drain *d)
{
    websocket_abort(TAKE(d->socket), true);
    d->is_idle = false;
}

static void on_timer(void *arg)
{
    struct drain *d = arg;
    struct loop *loop = d->instance->env.loop;

    if (loop_now_ms(loop) - d->start_ms >= ROSTER_DRAIN_MS) {
        end(d);
        return;
    }
    if (end_if_over(d))
        return;
    if (!d->socket && is_worth_a_look(d))
        watch(d);
    else if (d->socket && !is_worth_a_look(d))
        look_away(d);
    timer_arm(loop, &d->timer, LOOK_MS, on_timer, d);
}
