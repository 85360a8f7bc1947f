/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames, by wslay's frame level: it cuts the bytes into pieces of frames, the rules of
 * RFC 6455 5 and 7.4 about what may follow what are kept here. A message that came in one
 * piece is delivered from where it is; others are gathered, control frames apart from
 * them, since they may stand between the fragments.
 */
#include <wslay/wslay.h>

#include "base/encoding.h"
#include "base/random.h"
#include "http/websocket_internal.h"

enum {
    CONTROL_MAX = 125,
    FRAME_HEAD_MAX = 14,
    FIN_AND_TEXT = 0x81, /* the first byte of a whole text message */
    LENGTH_IN_2 = 126,   /* in place of a length that two bytes more tell */
    CODE_NONE = WSLAY_CODE_NO_STATUS_RCVD,
    CODES_OF_APPS = 3000,
    CODES_END = 5000,
};

/* ---- wslay's callbacks ---- */

static ssize_t give_input(uint8_t *room, size_t n, int flags, void *arg)
{
    struct websocket *ws = arg;
    struct str bytes = str_sub(ws->input, 0, n);

    (void)flags;
    if (bytes.n == 0)
        return -1;
    memcpy(room, bytes.p, bytes.n);
    ws->input = str_from(ws->input, bytes.n);
    ws->inside += bytes.n;
    return (ssize_t)bytes.n;
}

static ssize_t take_output(const uint8_t *bytes, size_t n, int flags, void *arg)
{
    struct websocket *ws = arg;

    (void)flags;
    if (buf_add(&ws->out.buf, (struct str){ (const char *)bytes, n }))
        return -1;
    return (ssize_t)n;
}

static int give_mask(uint8_t *room, size_t n, void *arg)
{
    (void)arg;
    random_bytes(room, n);
    return 0;
}

static enum err get_context(struct websocket *ws)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = take_output,
        .recv_callback = give_input,
        .genmask_callback = give_mask,
    };

    if (ws->frames)
        return ERR_NONE;
    return wslay_frame_context_init(&ws->frames, &callbacks, ws) == 0 ? ERR_NONE : ERR_NOMEM;
}

/* Between two frames the context knows nothing worth keeping. */
static void drop_context(struct websocket *ws)
{
    if (!ws->frames || ws->inside > 0 || ws->in_frame)
        return;
    wslay_frame_context_free(ws->frames);
    ws->frames = NULL;
}

void frames_deinit(struct websocket *ws)
{
    if (ws->frames)
        wslay_frame_context_free(ws->frames);
    ws->frames = NULL;
    buf_deinit(&ws->message);
    buf_deinit(&ws->control);
    buf_deinit(&ws->held);
}

/* ---- out ---- */

enum err frames_write(struct websocket *ws, int opcode, bool fin, struct str payload)
{
    struct wslay_frame_iocb frame = {
        .fin = fin,
        .opcode = (uint8_t)opcode,
        .payload_length = payload.n,
        .mask = ws->is_client,
    };
    size_t sent = 0;
    char *room;
    enum err err = get_context(ws);

    /* Room for all of it first: half a frame could not be taken back. */
    if (!err)
        err = buf_reserve(&ws->out.buf, payload.n + FRAME_HEAD_MAX, &room);
    if (err)
        return err;
    do {
        struct str rest = str_from(payload, sent);
        ssize_t n;
        frame.data = (const uint8_t *)rest.p;
        frame.data_length = rest.n;
        n = wslay_frame_send(ws->frames, &frame);
        BUG_ON(n < 0);
        sent += (size_t)n;
    } while (sent < payload.n);
    if (!ws->is_reading_frames)
        drop_context(ws);
    return ERR_NONE;
}

/* ---- in ---- */

static size_t head_size(const struct wslay_frame_iocb *f)
{
    size_t extended = f->payload_length > UINT16_MAX ? 8 : f->payload_length > CONTROL_MAX ? 2 : 0;

    return 2 + extended + (f->mask ? 4 : 0);
}

static bool is_control(const struct wslay_frame_iocb *f)
{
    return wslay_is_ctrl_frame(f->opcode);
}

/* What is wrong with the head of a frame, or NULL. wslay checked lengths and control frames. */
static const char *check_head(const struct websocket *ws, const struct wslay_frame_iocb *f)
{
    if (f->rsv != WSLAY_RSV_NONE)
        return "sent a frame with reserved bits";
    if ((f->mask != 0) == ws->is_client)
        return ws->is_client ? "sent a masked frame" : "sent a frame without a mask";
    switch (f->opcode) {
    case WSLAY_CONTINUATION_FRAME:
        return ws->in_message ? NULL : "sent a continuation of no message";
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        return ws->in_message ? "began a message inside another" : NULL;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        return NULL;
    default:
        return "sent a frame of unknown type";
    }
}

/* RFC 6455 7.4: codes that may stand in a frame. */
static bool is_close_code(int code)
{
    if (code >= CODES_OF_APPS)
        return code < CODES_END;
    return code >= WSLAY_CODE_NORMAL_CLOSURE && code <= 1014 && code != 1004 &&
           code != WSLAY_CODE_NO_STATUS_RCVD && code != WSLAY_CODE_ABNORMAL_CLOSURE;
}

static void take_close(struct websocket *ws, struct str payload)
{
    int code = CODE_NONE;

    if (payload.n >= 2)
        code = (unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1];
    if (payload.n == 1 || (payload.n >= 2 && !is_close_code(code)))
        websocket_refuse(ws, WSLAY_CODE_PROTOCOL_ERROR, ERR_PROTOCOL,
                         "sent a close frame without a proper code");
    else if (!utf8_is_valid(str_from(payload, 2)))
        websocket_refuse(ws, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, ERR_PROTOCOL,
                         "sent a close frame whose reason is not UTF-8");
    else
        websocket_on_close(ws, code);
}

static void end_control(struct websocket *ws, const struct wslay_frame_iocb *f, struct str payload)
{
    if (f->opcode == WSLAY_PING)
        websocket_on_ping(ws, payload);
    else if (f->opcode == WSLAY_CONNECTION_CLOSE)
        take_close(ws, payload);
}

static void end_message(struct websocket *ws, struct str message)
{
    ws->in_message = false;
    if (ws->is_text && !utf8_is_valid(message))
        websocket_refuse(ws, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, ERR_PROTOCOL,
                         "sent a text message that is not UTF-8");
    else
        websocket_on_message(ws, ws->is_text, message);
    buf_deinit(&ws->message);
}

/* The first piece of a frame: whether the frame is allowed and fits. */
static bool begin_frame(struct websocket *ws, const struct wslay_frame_iocb *f)
{
    const char *wrong = check_head(ws, f);

    if (wrong) {
        websocket_refuse(ws, WSLAY_CODE_PROTOCOL_ERROR, ERR_PROTOCOL, wrong);
        return false;
    }
    ws->in_frame = true;
    ws->inside -= head_size(f);
    ws->frame_left = f->payload_length;
    if (is_control(f))
        return true;
    if (f->payload_length > ws->message.max - ws->message.n) {
        websocket_refuse(ws, WSLAY_CODE_MESSAGE_TOO_BIG, ERR_TOO_BIG,
                         "sent a message above the limit");
        return false;
    }
    if (!ws->in_message)
        ws->is_text = f->opcode == WSLAY_TEXT_FRAME;
    ws->in_message = true;
    return true;
}

static void end_frame(struct websocket *ws, const struct wslay_frame_iocb *f, struct str whole)
{
    ws->in_frame = false;
    if (is_control(f)) {
        end_control(ws, f, whole);
        buf_deinit(&ws->control);
    } else if (f->fin) {
        end_message(ws, whole);
    }
}

static void take_piece(struct websocket *ws, const struct wslay_frame_iocb *f)
{
    struct buf *gathered = is_control(f) ? &ws->control : &ws->message;
    struct str piece = { (const char *)f->data, f->data_length };

    if (!ws->in_frame && !begin_frame(ws, f))
        return;
    ws->inside -= piece.n;
    ws->frame_left -= piece.n;
    if (ws->frame_left == 0 && gathered->n == 0 && (f->fin || is_control(f))) {
        end_frame(ws, f, piece);
        return;
    }
    if (buf_add(gathered, piece)) {
        websocket_refuse(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, ERR_NOMEM,
                         "sent a message, but the memory limit is reached");
        return;
    }
    if (ws->frame_left == 0)
        end_frame(ws, f, buf_str(gathered));
}

static bool can_read(const struct websocket *ws)
{
    bool is_listening = ws->state == WEBSOCKET_OPEN || ws->state == WEBSOCKET_CLOSING;

    return is_listening && !ws->failed && !ws->is_paused;
}

/* A whole text message in one frame that is all here, which most are, is taken from where it is:
 * wslay would copy it, and need a context. What is special about a frame in any way is left to it.
 */
static bool take_whole(struct websocket *ws)
{
    const unsigned char *head = (const unsigned char *)ws->input.p;
    struct wslay_frame_iocb frame = { .fin = 1, .opcode = WSLAY_TEXT_FRAME };
    size_t n = 2;

    if (ws->inside > 0 || ws->in_frame || ws->input.n < 4 || head[0] != FIN_AND_TEXT)
        return false;
    frame.payload_length = head[1];
    if (head[1] == LENGTH_IN_2) {
        frame.payload_length = (uint64_t)head[2] << 8 | head[3];
        n = 4;
    }
    if (head[1] > LENGTH_IN_2 || (n == 4 && frame.payload_length <= CONTROL_MAX) ||
        ws->input.n - n < frame.payload_length)
        return false;
    frame.data = head + n;
    frame.data_length = (size_t)frame.payload_length;
    n += frame.data_length;
    ws->input = str_from(ws->input, n);
    ws->inside += n;
    take_piece(ws, &frame);
    return true;
}

static void read_frames(struct websocket *ws)
{
    while (can_read(ws)) {
        struct wslay_frame_iocb frame = { 0 };
        ssize_t n;
        if (take_whole(ws))
            continue;
        if (ws->input.n == 0 && ws->inside == 0 && !ws->in_frame)
            return;
        if (get_context(ws)) {
            websocket_fail(ws, ERR_NOMEM, "sent a frame, but the memory limit is reached");
            return;
        }
        n = wslay_frame_recv(ws->frames, &frame);
        if (n == WSLAY_ERR_WANT_READ)
            return;
        if (n < 0)
            websocket_refuse(ws, WSLAY_CODE_PROTOCOL_ERROR, ERR_PROTOCOL, "sent a malformed frame");
        else
            take_piece(ws, &frame);
    }
}

void frames_read(struct websocket *ws, struct str bytes)
{
    ws->input = bytes;
    ws->is_reading_frames = true;
    read_frames(ws);
    ws->is_reading_frames = false;
    if (ws->is_paused && buf_add(&ws->held, ws->input))
        websocket_fail(ws, ERR_NOMEM, "sent a frame, but the memory limit is reached");
    ws->input = STR("");
    if (ws->state == WEBSOCKET_OPEN || ws->state == WEBSOCKET_CLOSING)
        drop_context(ws);
}
