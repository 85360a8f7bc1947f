/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a capture: answers requests as recorded, and sends a socket what was recorded of one. */
#include "simulator/call.h"

enum { LOOK_AGAIN_MS = 5 };

/* ---- requests ---- */

static struct str fill(struct sim_call *c, struct str text)
{
    struct str filled = STR("");
    struct buf out;

    buf_init(&out, SIM_CAPTURE_TEXT_MAX);
    if (sim_capture_fill(c->s->capture, text, sim_now_s(c->s), &out) == ERR_NONE)
        filled = arena_dup(&c->r->arena, buf_str(&out));
    buf_deinit(&out);
    return filled;
}

static void answer(struct sim_call *c, const struct sim_exchange *e)
{
    struct http_header headers[SIM_CAPTURE_HEADERS_MAX];

    for (size_t i = 0; i < e->n_headers; i++) {
        headers[i].name = e->headers[i].name;
        headers[i].value = fill(c, e->headers[i].value);
    }
    sim_call_log(c, e->status);
    http_reply(c->r, e->status, headers, e->n_headers, fill(c, e->body));
}

/* ---- sockets ---- */

static void send_next(void *arg);

static void schedule(struct sim_socket *k)
{
    const struct sim_exchange *e = k->recorded;

    if (k->conn && k->next_record < e->n_records)
        timer_arm(k->s->loop, &k->late, e->records[k->next_record].after_ms, send_next, k);
}

static void send_text(struct sim_socket *k, struct str text)
{
    struct buf filled;
    struct buf frame;

    buf_init(&filled, SIM_CAPTURE_TEXT_MAX);
    buf_init(&frame, SIM_CAPTURE_TEXT_MAX);
    if (sim_capture_fill(k->s->capture, text, sim_now_s(k->s), &filled) == ERR_NONE &&
        sim_wire_text(&frame, buf_str(&filled), 1) == ERR_NONE)
        sim_socket_send(k, buf_str(&frame), 1);
    buf_deinit(&frame);
    buf_deinit(&filled);
}

/* What came behind an answer waits for it, however slow the client is. */
static void send_next(void *arg)
{
    struct sim_socket *k = arg;
    const struct sim_record *record = &k->recorded->records[k->next_record];

    if (!sim_capture_is_used(k->s->capture, record->exchange)) {
        timer_arm(k->s->loop, &k->late, LOOK_AGAIN_MS, send_next, k);
        return;
    }
    k->next_record++;
    if (record->is_sent && record->close)
        sim_socket_close(k, record->close);
    else if (record->is_sent)
        send_text(k, record->text);
    schedule(k);
}

static void open_socket(struct sim_call *c, const struct sim_exchange *e)
{
    struct str head = sim_upgrade_head(c);
    struct simulator *s = c->s;
    struct sim_socket *k;
    struct conn *conn;
    struct str rest;

    sim_call_log(c, 101);
    conn = sim_call_take(c, STR(""), &rest);
    if (!conn)
        return;
    k = sim_socket_open(s, NULL, conn, -1);
    k->recorded = e;
    sim_socket_send(k, head, 0);
    sim_socket_uncork(k);
    schedule(k);
    if (k->conn && rest.n > 0)
        sim_socket_read(k, rest);
}

/* ---- both ---- */

bool sim_call_is_recorded(struct sim_call *c)
{
    const struct http_head *h = &c->r->head;
    bool is_socket = h->upgrade && http_list_has(http_value(h, "upgrade"), "websocket");
    const struct sim_exchange *e;

    if (!c->s->capture || (c->route && c->route->where == SIM_WHERE_COUNT))
        return false;
    e = sim_capture_take(c->s->capture, is_socket, h->method_text, h->path);
    if (!e)
        return false;
    c->entry.by = "capture";
    if (is_socket)
        open_socket(c, e);
    else
        answer(c, e);
    return true;
}

void sim_capture_replace(struct simulator *s, struct sim_capture *capture)
{
    struct list *next;

    for (struct list *node = s->sockets.next; node != &s->sockets; node = next) {
        struct sim_socket *k = CONTAINER_OF(node, struct sim_socket, node);

        next = node->next;
        if (k->recorded)
            sim_socket_drop(k, true);
    }
    sim_capture_free(s->capture);
    s->capture = capture;
}
