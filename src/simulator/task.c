/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers being given. A task belongs to its chat and plays its script by the clock, whoever
 * listens; the sockets of the chat hear it. It waits while one of them is full. Like the
 * service's, it goes on when the last socket has left.
 */
#include "base/mem.h"
#include "simulator/internal.h"

enum { CHUNK = 65536 };

struct sim_task {
    struct simulator *s;
    struct sim_chat *chat;
    struct sim_script *script;    /* a reference */
    size_t next;                  /* packet */
    struct sim_settings settings; /* those of this answer */
    int pause_ms;                 /* more, before the next packet */
    int pieces;                   /* of the answer's text, sent so far */
    int late_history;             /* pieces after which a history is due; 0: none is any more */
    int64_t due_ms;
    struct timer timer;
    struct task retire;
    bool is_blocked; /* a socket is full */
    bool is_silent;
};

static void on_due(void *arg);

/* ---- time ---- */

static int base_wait(const struct sim_task *t, const struct sim_packet *p)
{
    switch ((enum sim_wait)p->wait) {
    case SIM_WAIT_FIRST:
        return t->settings.first_ms;
    case SIM_WAIT_EVERY:
        return t->settings.every_ms;
    case SIM_WAIT_NONE:
        break;
    }
    return 0;
}

static int jitter(struct sim_task *t)
{
    struct simulator *s = t->s;

    if (t->settings.jitter_ms == 0)
        return 0;
    s->random = s->random * 1664525U + 1013904223U;
    return (int)((s->random >> 8) % (unsigned)(t->settings.jitter_ms + 1));
}

/* By the schedule and not by the last tick, so that a late tick does not slow the stream. */
static void schedule(struct sim_task *t)
{
    const struct sim_packet *p = &t->script->packets[t->next];
    int64_t now = loop_now_ms(t->s->loop);
    int wait = base_wait(t, p);

    if (p->wait == SIM_WAIT_EVERY && wait > 0)
        wait += jitter(t);
    t->due_ms += wait + t->pause_ms;
    t->pause_ms = 0;
    if (t->due_ms < now)
        t->due_ms = now;
    timer_arm(t->s->loop, &t->timer, t->due_ms - now, on_due, t);
}

/* ---- end ---- */

static void free_task(void *arg)
{
    mem_free(arg);
}

struct str sim_task_text(const struct sim_task *t)
{
    size_t n = t->next > 0 ? t->script->packets[t->next - 1].text : 0;

    return str_sub(buf_str(&t->script->text), 0, n);
}

const struct sim_script *sim_task_script(const struct sim_task *t, size_t *ret_packets)
{
    *ret_packets = t->next;
    return t->script;
}

const struct sim_settings *sim_task_settings(const struct sim_task *t)
{
    return &t->settings;
}

static void detach(struct sim_task *t)
{
    timer_disarm(&t->timer);
    t->chat->task = NULL;
    t->s->accounts[t->chat->account].tasks--;
    t->s->n_tasks--;
    sim_script_unref(TAKE(t->script));
    loop_retire(t->s->loop, &t->retire);
}

void sim_task_drop(struct sim_task *t)
{
    sim_chat_add_answer(&t->s->chats, t->chat, sim_task_text(t), t->script->message_id);
    detach(t);
}

static void finish(struct sim_task *t)
{
    if (t->s->settings.replay == SIM_REPLAY_ALWAYS) {
        sim_script_unref(t->chat->last);
        t->chat->last = sim_script_ref(t->script);
    }
    sim_task_drop(t);
}

static void end_chat(struct sim_chat *chat)
{
    if (chat->task)
        sim_task_drop(chat->task);
    while (!list_is_empty(&chat->sockets))
        sim_socket_drop(CONTAINER_OF(chat->sockets.next, struct sim_socket, listener), false);
}

void sim_chat_end(struct simulator *s, struct sim_chat *chat)
{
    end_chat(chat);
    sim_chats_remove(&s->chats, chat);
}

void sim_chat_lose(struct simulator *s, struct sim_chat *chat, enum sim_gone gone)
{
    if (chat->task)
        sim_task_drop(chat->task);
    sim_chats_bury(&s->chats, chat, gone); /* first, or it goes with its last socket */
    end_chat(chat);
}

/* ---- play ---- */

static size_t start_of(const struct sim_script *s, size_t packet)
{
    return packet > 0 ? s->packets[packet - 1].end : 0;
}

static struct sim_socket *socket_at(struct list *node)
{
    return CONTAINER_OF(node, struct sim_socket, listener);
}

static void send_to_all(struct sim_chat *chat, struct str bytes, size_t messages)
{
    struct list *next;

    if (bytes.n == 0)
        return;
    for (struct list *node = chat->sockets.next; node != &chat->sockets; node = next) {
        next = node->next;
        sim_socket_send(socket_at(node), bytes, messages);
    }
}

static void act_on_all(struct sim_task *t, const struct sim_packet *p)
{
    struct sim_chat *chat = t->chat;
    struct list *next;

    for (struct list *node = chat->sockets.next; node != &chat->sockets; node = next) {
        struct sim_socket *k = socket_at(node);

        next = node->next;
        switch ((enum sim_act)p->act) {
        case SIM_ACT_RESET:
        case SIM_ACT_CUT:
            sim_socket_drop(k, p->act == SIM_ACT_RESET);
            break;
        case SIM_ACT_CLOSE:
            sim_socket_close(k, p->arg);
            break;
        case SIM_ACT_NONE:
        case SIM_ACT_SILENT:
        case SIM_ACT_PAUSE:
            break;
        }
    }
    t->is_silent = p->act == SIM_ACT_SILENT;
    t->pause_ms = p->act == SIM_ACT_PAUSE ? p->arg : 0;
}

static bool somebody_is_full(const struct sim_chat *chat)
{
    LIST_EACH (node, &chat->sockets)
        if (sim_socket_is_full(socket_at(node)))
            return true;
    return false;
}

static bool history_is_due(const struct sim_task *t)
{
    return t->late_history > 0 && t->pieces >= t->late_history;
}

/* Sends what is due together as one packet; returns the last of it. */
static const struct sim_packet *send_run(struct sim_task *t)
{
    const struct sim_script *s = t->script;
    size_t start = start_of(s, t->next);
    size_t first = t->next;
    const struct sim_packet *p;

    do {
        size_t text = sim_task_text(t).n;

        p = &s->packets[t->next++];
        t->pieces += p->text > text;
    } while (p->act == SIM_ACT_NONE && t->next < s->n && p->end - start < CHUNK &&
             !history_is_due(t) && base_wait(t, &s->packets[t->next]) == 0);
    send_to_all(t->chat, str_sub(buf_str(&s->bytes), start, p->end - start), t->next - first);
    return p;
}

/* With the message that is being written. */
static void send_late_history(struct sim_task *t)
{
    struct sim_chat *chat = t->chat;
    struct list *next;

    t->late_history = 0;
    for (struct list *node = chat->sockets.next; node != &chat->sockets; node = next) {
        next = node->next;
        sim_greet_history(socket_at(node), t->settings.history);
    }
}

static void on_due(void *arg)
{
    struct sim_task *t = arg;
    const struct sim_packet *p;

    if (somebody_is_full(t->chat)) {
        t->is_blocked = true;
        return;
    }
    p = send_run(t);
    if (history_is_due(t))
        send_late_history(t);
    if (p->act != SIM_ACT_NONE)
        act_on_all(t, p);
    if (t->next == t->script->n)
        finish(t);
    else if (!t->is_silent)
        schedule(t);
}

void sim_task_resume(struct sim_task *t)
{
    if (!t->is_blocked || somebody_is_full(t->chat))
        return;
    t->is_blocked = false;
    timer_arm(t->s->loop, &t->timer, 0, on_due, t);
}

void sim_task_start(struct simulator *s, struct sim_chat *chat, struct sim_script *script,
                    const struct sim_settings *settings)
{
    struct sim_task *t = mem_new(struct sim_task);

    BUG_ON(chat->task || script->n == 0);
    t->s = s;
    t->chat = chat;
    t->script = script;
    t->settings = *settings;
    t->late_history = settings->history == SIM_HISTORY_NONE ? 0 : settings->late_history;
    t->due_ms = loop_now_ms(s->loop);
    task_init(&t->retire, free_task, t);
    chat->task = t;
    s->accounts[chat->account].tasks++;
    s->n_tasks++;
    sim_script_unref(TAKE(chat->last));
    schedule(t);
}
