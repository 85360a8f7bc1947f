/* SPDX-License-Identifier: Apache-2.0 */
/* Completions being given; see play.h. */
#include "simulator/play.h"

#include "base/clock.h"

struct sim_play {
    struct list node; /* in the simulator's */
    struct sim_call *c;
    struct sim_chunks chunks;
    struct sim_entry end; /* for the journal */
    size_t next;          /* packet */
    int pause_ms;         /* more, before the next packet */
    int64_t began_ms;
    int64_t due_ms;
    struct timer timer;
    struct str body; /* of a whole answer */
    bool is_stream;
    bool is_counted; /* as a task of its account */
};

static void on_due(void *arg);

/* ---- end ---- */

static void leave(struct sim_play *p)
{
    timer_disarm(&p->timer);
    list_remove(&p->node);
    if (p->is_counted) {
        p->c->account->tasks--;
        p->c->s->n_tasks--;
    }
    p->is_counted = false;
}

/* `by` is who ended it. */
static void finish(struct sim_play *p, const char *by)
{
    struct simulator *s = p->c->s;

    leave(p);
    if (!p->is_stream)
        return;
    p->end.us = clock_now_us();
    p->end.time_ms = loop_wall_ms(s->loop);
    p->end.ms = loop_now_ms(s->loop) - p->began_ms;
    p->end.messages = (int64_t)p->next;
    p->end.by = by;
    sim_journal_add(s->journal, &p->end);
}

static void on_gone(void *arg)
{
    struct sim_play *p = arg;

    if (p->is_stream)
        finish(p, "client");
    timer_disarm(&p->c->timer);
    leave(p);
    sim_call_log(p->c, 0);
}

static void free_chunks(void *arg)
{
    struct sim_play *p = arg;

    leave(p);
    sim_chunks_deinit(&p->chunks);
}

/* ---- play ---- */

static int jitter(struct simulator *s, int most_ms)
{
    if (most_ms == 0)
        return 0;
    s->random = s->random * 1664525U + 1013904223U;
    return (int)((s->random >> 8) % (unsigned)(most_ms + 1));
}

static int wait_of(struct sim_play *p, const struct sim_packet *packet)
{
    const struct sim_settings *s = &p->c->wish->settings;

    switch ((enum sim_wait)packet->wait) {
    case SIM_WAIT_FIRST:
        return s->first_ms;
    case SIM_WAIT_EVERY:
        return s->every_ms > 0 ? s->every_ms + jitter(p->c->s, s->jitter_ms) : 0;
    case SIM_WAIT_NONE:
        break;
    }
    return 0;
}

static void schedule(struct sim_play *p)
{
    int64_t now = loop_now_ms(p->c->s->loop);

    p->due_ms += wait_of(p, &p->chunks.packets[p->next]) + p->pause_ms;
    p->pause_ms = 0;
    if (p->due_ms < now)
        p->due_ms = now;
    timer_arm(p->c->s->loop, &p->timer, p->due_ms - now, on_due, p);
}

static void end_connection(struct sim_play *p, bool reset)
{
    struct str rest;

    finish(p, "simulator");
    conn_close(http_request_take_conn(p->c->r, STR(""), &rest), reset);
}

/* False when the stream goes no further by itself. */
static bool act(struct sim_play *p, const struct sim_packet *packet)
{
    switch ((enum sim_act)packet->act) {
    case SIM_ACT_RESET:
    case SIM_ACT_CUT:
        end_connection(p, packet->act == SIM_ACT_RESET);
        return false;
    case SIM_ACT_CLOSE:
        finish(p, "simulator");
        http_reply_end(p->c->r);
        return false;
    case SIM_ACT_SILENT:
        return false;
    case SIM_ACT_PAUSE:
        p->pause_ms = packet->arg;
        break;
    case SIM_ACT_NONE:
        break;
    }
    return true;
}

/* One packet a turn, so that each is a chunk and a write of its own. */
static void on_due(void *arg)
{
    struct sim_play *p = arg;
    const struct sim_packet *packet = &p->chunks.packets[p->next];
    size_t start = p->next > 0 ? p->chunks.packets[p->next - 1].end : 0;

    if (http_reply_is_full(p->c->r))
        return; /* on_drain comes back to it */
    http_reply_write(p->c->r, str_sub(buf_str(&p->chunks.bytes), start, packet->end - start));
    p->next++;
    if (!act(p, packet))
        return;
    if (p->next < p->chunks.n) {
        schedule(p);
        return;
    }
    finish(p, "simulator");
    http_reply_end(p->c->r);
}

static void on_drain(void *arg)
{
    struct sim_play *p = arg;

    if (p->next < p->chunks.n && !timer_is_armed(&p->timer))
        timer_arm(p->c->s->loop, &p->timer, 0, on_due, p);
}

void sim_play_end(struct simulator *s)
{
    while (!list_is_empty(&s->plays))
        end_connection(CONTAINER_OF(s->plays.next, struct sim_play, node), true);
}

/* ---- begin ---- */

static struct sim_play *begin(struct sim_call *c)
{
    struct sim_play *p = arena_new(&c->r->arena, struct sim_play);

    p->c = c;
    list_init(&p->node);
    list_add_tail(&c->s->plays, &p->node);
    p->began_ms = p->due_ms = loop_now_ms(c->s->loop);
    c->r->arg = p;
    c->r->on_gone = on_gone;
    arena_on_release(&c->r->arena, free_chunks, p);
    if (c->account) {
        p->is_counted = true;
        c->account->tasks++;
        c->s->n_tasks++;
    }
    return p;
}

static void start_stream(void *arg)
{
    struct sim_play *p = arg;

    p->is_stream = true;
    p->due_ms = loop_now_ms(p->c->s->loop);
    sim_call_reply_stream(p->c);
    p->c->r->on_drain = on_drain;
    schedule(p);
}

void sim_play_stream(struct sim_call *c, struct sim_chunks *chunks)
{
    struct sim_play *p = begin(c);

    p->chunks = *chunks;
    *chunks = (struct sim_chunks){ .n = 0 };
    p->end = c->entry;
    p->end.kind = "completion_end";
    p->end.body = p->end.headers = p->end.sha256 = (struct str){ NULL, 0 };
    p->end.account = sim_call_account(c);
    p->end.prompt = c->prompt;
    p->end.adapter = c->adapter;
    p->end.status = -1;
    p->end.bytes = -1;
    if (c->fault.kind == SIM_LATE)
        timer_arm(c->s->loop, &p->timer, c->fault.delay_ms, start_stream, p);
    else
        start_stream(p);
}

static void answer(void *arg)
{
    struct sim_play *p = arg;

    leave(p);
    sim_call_reply(p->c, 200, p->body);
}

void sim_play_whole(struct sim_call *c, struct str body)
{
    struct sim_play *p = begin(c);
    char *copy = arena_try(&c->r->arena, body.n + 1);

    if (copy && body.n > 0)
        memcpy(copy, body.p, body.n);
    p->body = copy ? (struct str){ copy, body.n } : STR("{}");
    timer_arm(c->s->loop, &p->timer, c->wish->settings.first_ms, answer, p);
}
