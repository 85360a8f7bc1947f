/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket connections of the simulator, straight on the bytes: it must be able to break every
 * rule. A socket hears what its chat's task plays until it or the peer ends it; its end is
 * in the journal exactly once.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "simulator/internal.h"

enum { OUT_MAX = 8388608, FULL = 65536, CLOSE_WAIT_MS = 2000 };

static void on_read(void *arg, enum err err, struct str bytes);
static void on_writable(void *arg);

static const struct conn_handler conn_handler = { .on_read = on_read, .on_writable = on_writable };

static void free_socket(void *arg)
{
    struct sim_socket *k = arg;

    sim_wire_deinit(&k->wire);
    buf_deinit(&k->out);
    mem_free(k);
}

/* A chat that only a socket asked for is none without it. */
static void leave_chat(struct sim_socket *k)
{
    struct sim_chat *chat = k->chat;

    list_remove(&k->listener);
    if (!chat)
        return;
    k->chat = NULL;
    if (chat->task)
        sim_task_resume(chat->task);
    else if (list_is_empty(&chat->sockets) && chat->n_prompts == 0 && !chat->gone &&
             !chat->workspace[0])
        sim_chats_remove(&k->s->chats, chat);
}

static void note_end(struct sim_socket *k, const char *by, int code)
{
    if (!k->closed.kind)
        return;
    k->closed.us = clock_now_us();
    k->closed.time_ms = loop_wall_ms(k->s->loop);
    k->closed.ms = loop_now_ms(k->s->loop) - k->opened_ms;
    k->closed.by = by;
    k->closed.close_code = code;
    if (k->chat)
        k->closed.chat = str_of(k->chat->id);
    sim_journal_add(k->s->journal, &k->closed);
    k->closed.kind = NULL;
}

static void end(struct sim_socket *k, const char *by, int code, bool reset)
{
    if (!k->conn)
        return;
    note_end(k, by, code);
    leave_chat(k);
    timer_disarm(&k->timer);
    timer_disarm(&k->late);
    sim_script_unref(TAKE(k->replayed));
    conn_close(TAKE(k->conn), reset);
    list_remove(&k->node);
    k->s->n_sockets--;
    loop_retire(k->s->loop, &k->retire);
}

/* ---- write ---- */

void sim_socket_send(struct sim_socket *k, struct str bytes, size_t messages)
{
    size_t written = 0;

    if (!k->conn || k->is_silent || k->is_closing)
        return;
    k->closed.messages += (int64_t)messages;
    if (!k->is_corked && k->out.n == 0 && conn_write(k->conn, &bytes, 1, &written)) {
        end(k, "client", 1006, true);
        return;
    }
    if (buf_add(&k->out, str_from(bytes, written)))
        end(k, "simulator", 1006, true);
}

bool sim_socket_is_full(const struct sim_socket *k)
{
    return k->out.n > FULL;
}

static void on_writable(void *arg)
{
    struct sim_socket *k = arg;
    struct str waiting = buf_str(&k->out);
    size_t written = 0;

    if (waiting.n > 0 && conn_write(k->conn, &waiting, 1, &written)) {
        end(k, "client", 1006, true);
        return;
    }
    buf_consume(&k->out, written);
    if (k->out.n > 0)
        return;
    buf_deinit(&k->out);
    if (k->chat && k->chat->task)
        sim_task_resume(k->chat->task);
}

void sim_socket_uncork(struct sim_socket *k)
{
    k->is_corked = false;
    if (k->conn)
        on_writable(k);
}

static void on_close_deadline(void *arg)
{
    end(arg, "simulator", 1006, false);
}

static void send_close(struct sim_socket *k, int code)
{
    struct buf frame;

    buf_init(&frame, 16);
    if (sim_wire_close(&frame, code) == ERR_NONE)
        sim_socket_send(k, buf_str(&frame), 0);
    buf_deinit(&frame);
    k->is_closing = true;
}

void sim_socket_close(struct sim_socket *k, int code)
{
    if (!k->conn || k->is_closing)
        return;
    send_close(k, code);
    if (!k->conn)
        return;
    timer_arm(k->s->loop, &k->timer, CLOSE_WAIT_MS, on_close_deadline, k);
}

void sim_socket_drop(struct sim_socket *k, bool reset)
{
    end(k, "simulator", 1006, reset);
}

/* ---- read ---- */

static void note_message(struct sim_socket *k, struct str text)
{
    struct sim_entry e = k->closed;

    e.kind = "ws_message";
    e.time_ms = loop_wall_ms(k->s->loop);
    e.us = clock_now_us();
    e.ms = -1;
    e.messages = -1;
    e.prompt = text;
    sim_journal_add(k->s->journal, &e);
}

static void answer(struct sim_socket *k, unsigned first, struct str payload)
{
    struct buf frame;

    buf_init(&frame, WIRE_CLIENT_MAX + 64);
    if (sim_wire_frame(&frame, WIRE_FIN | first, false, payload) == ERR_NONE)
        sim_socket_send(k, buf_str(&frame), 1);
    buf_deinit(&frame);
}

static void refuse(struct sim_socket *k, const char *what, int code)
{
    k->closed.violation = str_of(what);
    sim_socket_close(k, code);
}

/* The service was never seen to get anything else than the text "ping", in one frame. */
static void on_text_or_data(struct sim_socket *k, const struct sim_frame *f)
{
    note_message(k, f->payload);
    if (!f->fin || f->opcode == WIRE_CONTINUATION)
        refuse(k, "a fragmented message", 1008);
    else if (f->opcode == WIRE_BINARY)
        refuse(k, "a binary message", 1008);
    else if (!str_eq(f->payload, STR("ping")))
        refuse(k, "a message other than ping", 1008);
    else
        answer(k, WIRE_TEXT, STR("pong"));
}

static void on_frame(struct sim_socket *k, const struct sim_frame *f)
{
    if (f->opcode == WIRE_CLOSE) {
        bool ours = k->is_closing;

        if (!ours)
            send_close(k, f->close_code == 1005 ? 0 : f->close_code);
        end(k, ours ? "simulator" : "client", f->close_code, false);
    } else if (f->opcode == WIRE_PING) {
        answer(k, WIRE_PONG, f->payload);
    } else if (f->opcode != WIRE_PONG) {
        on_text_or_data(k, f);
    }
}

void sim_socket_read(struct sim_socket *k, struct str bytes)
{
    struct sim_frame frame;
    enum err err = sim_wire_feed(&k->wire, bytes);

    while (!err && k->conn) {
        err = sim_wire_next(&k->wire, &frame);
        if (!err)
            on_frame(k, &frame);
    }
    if (!k->conn || err == ERR_AGAIN)
        return;
    if (err == ERR_PROTOCOL)
        refuse(k, k->wire.what, 1002);
    else
        refuse(k, "more than the simulator takes at once", 1009);
    if (k->conn)
        conn_read_stop(k->conn);
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    struct sim_socket *k = arg;

    if (err)
        end(k, k->is_closing ? "simulator" : "client", 1006, err != ERR_CLOSED);
    else
        sim_socket_read(k, bytes);
}

/* ---- open ---- */

struct sim_socket *sim_socket_open(struct simulator *s, struct sim_chat *chat, struct conn *conn,
                                   int account)
{
    struct sim_socket *k = mem_new(struct sim_socket);

    k->s = s;
    k->chat = chat;
    k->conn = conn;
    k->is_corked = true;
    k->opened_ms = loop_now_ms(s->loop);
    k->closed = (struct sim_entry){ .kind = "ws_close",
                                    .status = -1,
                                    .account = account,
                                    .turn = -1,
                                    .token = -1,
                                    .cookie = -1,
                                    .key = -1,
                                    .bytes = -1 };
    sim_wire_init(&k->wire);
    buf_init(&k->out, OUT_MAX);
    task_init(&k->retire, free_socket, k);
    list_init(&k->node);
    list_init(&k->listener);
    list_add_tail(&s->sockets, &k->node);
    if (chat)
        list_add_tail(&chat->sockets, &k->listener);
    s->n_sockets++;
    conn_set_handler(conn, &conn_handler, k);
    conn_read_start(conn);
    return k;
}
