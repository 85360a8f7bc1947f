/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests that are handed over piece by piece. Their beginning goes out with the head
 * (client.c), from where it lies; the rest waits in an outbox, as much as on_room asked for. A
 * chunk's last CRLF goes out before the size of the next, so that each piece is one write.
 */
#include "http/client_internal.h"

enum { ROOMY = 64 << 10 }; /* bytes that may wait before it counts as full */

enum err upload_init(struct http_call *call, const struct http_call_params *params)
{
    struct upload *u = &call->upload;

    outbox_init(&u->box, UPLOAD_MAX);
    u->is_streamed = params->is_streamed;
    u->is_chunked = params->is_streamed && params->length == HTTP_LENGTH_UNKNOWN;
    u->is_full = true;
    if (!u->is_streamed)
        return ERR_NONE;
    if (!u->is_chunked) {
        BUG_ON(params->body.n > params->length);
        u->owed = params->length - params->body.n;
    }
    u->has_chunk = u->is_chunked && params->body.n > 0;
    return u->has_chunk ? buf_addf(&call->request, "%zx\r\n", params->body.n) : ERR_NONE;
}

void upload_deinit(struct http_call *call)
{
    outbox_deinit(&call->upload.box);
}

bool upload_is_done(const struct http_call *call)
{
    const struct upload *u = &call->upload;

    if (u->is_streamed)
        return u->is_open && u->is_ended && outbox_pending(&u->box) == 0;
    return call->sent == call->request.n + call->body_size;
}

bool upload_rests(const struct http_call *call)
{
    const struct upload *u = &call->upload;

    return u->is_streamed && u->is_open && !u->is_ended && outbox_pending(&u->box) == 0;
}

/* Writes what waits and `more`. That the connection is broken is told by its reader. */
static enum err push(struct http_call *call, struct str more)
{
    struct upload *u = &call->upload;
    size_t written = 0;
    enum err err = u->is_broken ? ERR_NONE : outbox_push(&u->box, call->conn, more, &written);

    if (err == ERR_TOO_BIG || err == ERR_NOMEM)
        return err;
    u->is_broken = u->is_broken || err;
    if (written > 0 || !timer_is_armed(&call->timer))
        call_arm_deadline(call);
    u->is_full = u->is_full || outbox_pending(&u->box) > ROOMY;
    return ERR_NONE;
}

static void tell_room(struct http_call *call)
{
    struct upload *u = &call->upload;

    if (!u->is_full || outbox_pending(&u->box) > ROOMY / 2)
        return;
    u->is_full = false;
    call->handler->on_room(call->arg);
}

void upload_open(struct http_call *call)
{
    call->upload.is_open = true;
    memset(call->body, 0, sizeof(call->body));
    call->body_size = 0;
    call->sent = call->request.n;
    call_arm_deadline(call);
    tell_room(call);
}

void upload_flush(struct http_call *call)
{
    struct upload *u = &call->upload;

    u->box.is_blocked = false;
    (void)push(call, STR("")); /* adds nothing that there could be no room for */
    if (upload_is_done(call))
        call_sent(call);
    else if (!u->is_ended)
        tell_room(call);
}

enum err http_call_write(struct http_call *call, struct str piece)
{
    struct upload *u = &call->upload;
    enum err err = ERR_NONE;

    BUG_ON(!u->is_open || u->is_ended || (!u->is_chunked && piece.n > u->owed));
    if (piece.n == 0)
        return ERR_NONE;
    if (u->is_chunked && !u->is_broken)
        err = buf_addf(&u->box.buf, "%s%zx\r\n", u->has_chunk ? "\r\n" : "", piece.n);
    else
        u->owed -= piece.n;
    u->has_chunk = u->is_chunked;
    return err ? err : push(call, piece);
}

enum err http_call_end_body(struct http_call *call)
{
    struct upload *u = &call->upload;
    enum err err = ERR_NONE;

    BUG_ON(!u->is_open || u->is_ended || u->owed > 0);
    if (u->is_chunked)
        err = push(call, u->has_chunk ? STR("\r\n0\r\n\r\n") : STR("0\r\n\r\n"));
    u->is_ended = true;
    call_arm_deadline(call);
    if (!err && upload_is_done(call))
        call_sent(call);
    return err;
}

bool http_call_is_full(const struct http_call *call)
{
    return call->upload.is_full;
}
