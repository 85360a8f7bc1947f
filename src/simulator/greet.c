/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a socket gets that connects: history, the running task's buffer or the last turn again,
 * state. What it is told of the running task may differ from what was sent, by a fault.
 */
#include <stdio.h>

#include "base/mem.h"
#include "simulator/internal.h"
#include "simulator/shapes.h"

enum { HISTORY_TURNS_MAX = 256, GREETING_MAX = 67108864 };

static void send_text(struct sim_socket *k, struct buf *message, enum err err)
{
    struct buf bytes;

    buf_init(&bytes, GREETING_MAX);
    if (!err)
        err = sim_wire_text(&bytes, buf_str(message), 1);
    if (!err)
        sim_socket_send(k, buf_str(&bytes), 1);
    buf_deinit(&bytes);
    buf_clear(message);
}

static const char *task_message_id(const struct sim_task *t)
{
    size_t packets;

    return sim_task_script(t, &packets)->message_id;
}

/* What was said so far, but for one letter. */
static enum err alter(struct str text, struct buf *out)
{
    size_t i = text.n;
    enum err err;

    while (i > 0 && !(text.p[i - 1] >= 'a' && text.p[i - 1] <= 'z'))
        i--;
    err = i > 0 ? ERR_NONE : buf_add_char(out, 'x');
    if (!err)
        err = buf_add(out, text);
    if (!err && i > 0)
        out->p[out->n - text.n + i - 1] = text.p[i - 1] == 'x' ? 'y' : 'x';
    return err;
}

/* What the running task has said so far, as this socket is to hear it. */
static struct str task_text(const struct sim_socket *k, struct buf *altered)
{
    struct str text = sim_task_text(k->chat->task);

    if (!k->hears_otherwise || text.n == 0)
        return text;
    buf_clear(altered);
    return alter(text, altered) ? STR("") : buf_str(altered);
}

static size_t list_messages(const struct sim_socket *k, struct sim_history_message *messages,
                            struct buf *altered)
{
    const struct sim_chat *chat = k->chat;
    size_t from = chat->n_prompts > HISTORY_TURNS_MAX ? chat->n_prompts - HISTORY_TURNS_MAX : 0;
    size_t n = 0;

    for (size_t i = from; i < chat->n_prompts; i++) {
        const struct sim_turn *turn = &chat->turns[i];
        bool is_done = i < chat->n_turns;
        const char *id = is_done ? turn->message_id : task_message_id(chat->task);
        struct str text = is_done ? turn->answer : task_text(k, altered);

        messages[n].is_user = true;
        messages[n].content = chat->prompts[i];
        (void)snprintf(messages[n].id, sizeof(messages[n].id), "%.50s_user", id);
        n++;
        if (!is_done && text.n == 0)
            break;
        messages[n].is_user = false;
        messages[n].content = text;
        str_to_z(str_of(id), messages[n].id, sizeof(messages[n].id));
        n++;
    }
    return n;
}

void sim_greet_history(struct sim_socket *k, int shape)
{
    struct sim_history_message *messages =
        mem_alloc_array((size_t)2 * HISTORY_TURNS_MAX, sizeof(*messages));
    struct buf altered;
    struct buf message;
    size_t n;

    buf_init(&altered, GREETING_MAX);
    buf_init(&message, GREETING_MAX);
    n = list_messages(k, messages, &altered);
    send_text(k, &message, sim_shape_history(&message, (enum sim_history)shape, messages, n));
    buf_deinit(&message);
    buf_deinit(&altered);
    mem_free(messages);
}

/* The first `packets` again, without what was put in to go wrong. */
static void replay(struct sim_socket *k, const struct sim_script *s, size_t packets)
{
    for (size_t i = 0; i < packets && k->conn; i++) {
        size_t start = (i > 0 ? s->packets[i - 1].end : 0);

        if (!s->packets[i].is_fault)
            sim_socket_send(k, str_sub(buf_str(&s->bytes), start, s->packets[i].end - start), 1);
    }
}

/* Whatever is said there by now. */
static void on_late_replay(void *arg)
{
    struct sim_socket *k = arg;
    struct sim_script *s = TAKE(k->replayed);

    replay(k, s, s->n);
    sim_script_unref(s);
}

/* As one piece, with a letter that was another. */
static void replay_otherwise(struct sim_socket *k)
{
    const struct sim_task *t = k->chat->task;
    struct buf altered;
    struct buf message;
    struct sim_piece piece = { .head = 0 };

    buf_init(&altered, GREETING_MAX);
    buf_init(&message, GREETING_MAX);
    send_text(k, &message, sim_shape_state(&message, true, false, NULL));
    piece.text = task_text(k, &altered);
    send_text(k, &message,
              sim_shape_piece(&message, sim_task_settings(t), SIM_PIECE_CHAT, task_message_id(t),
                              &piece));
    buf_deinit(&message);
    buf_deinit(&altered);
}

static bool replay_running(struct sim_socket *k)
{
    size_t packets;
    const struct sim_script *s = sim_task_script(k->chat->task, &packets);

    if (packets == 0)
        return false;
    if (k->hears_otherwise && sim_task_text(k->chat->task).n > 0)
        replay_otherwise(k);
    else
        replay(k, s, packets);
    return true;
}

/* True when it says by itself whether a task runs. */
static bool send_replay(struct sim_socket *k)
{
    const struct sim_chat *chat = k->chat;

    if (k->s->settings.replay == SIM_REPLAY_NONE)
        return false;
    if (chat->task)
        return replay_running(k);
    if (!chat->last)
        return false;
    if (k->s->settings.late_replay_ms > 0) {
        k->replayed = sim_script_ref(chat->last);
        timer_arm(k->s->loop, &k->late, k->s->settings.late_replay_ms, on_late_replay, k);
        return false;
    }
    replay(k, chat->last, chat->last->n);
    return chat->last->has_final;
}

static void send_state(struct sim_socket *k, struct buf *message, bool is_replayed)
{
    int how = k->s->settings.connect_state;
    bool is_running = how == SIM_CONNECT_ACTUAL ? k->chat->task != NULL : how == SIM_CONNECT_RUN;

    if (how == SIM_CONNECT_NONE || (how == SIM_CONNECT_ACTUAL && is_replayed))
        return;
    send_text(k, message, sim_shape_state(message, is_running, false, NULL));
}

void sim_task_greet(struct sim_socket *k)
{
    const struct sim_settings *s = &k->s->settings;
    struct buf message;
    bool is_replayed;

    buf_init(&message, GREETING_MAX);
    if (s->history != SIM_HISTORY_NONE && s->late_history == 0 && k->chat->n_prompts > 0)
        sim_greet_history(k, s->history);
    is_replayed = k->conn && send_replay(k);
    if (k->conn)
        send_state(k, &message, is_replayed);
    buf_deinit(&message);
}
