/* SPDX-License-Identifier: Apache-2.0 */
/* Frames made and read by hand, and a log of what a WebSocket told. */
#pragma once

#include "http/websocket.h"

#include "http_test.h"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, MASK = 0x80 };

/* ---- frames ---- */

struct frames {
    char p[200000];
    size_t n;
};

static inline void add_bytes(struct frames *f, const void *p, size_t n)
{
    EXPECT(f->n + n <= sizeof(f->p));
    if (n > 0)
        memcpy(f->p + f->n, p, n);
    f->n += n;
}

/* `first` is FIN, reserved bits and opcode; masked as a client does, or not. */
static inline void add_frame(struct frames *f, unsigned first, bool masked, struct str payload)
{
    static const unsigned char key[4] = { 0x11, 0xa2, 0x3c, 0xf4 };
    unsigned char head[10] = { (unsigned char)first };
    size_t n_ext = payload.n > 0xffff ? 8 : payload.n > 125 ? 2 : 0;

    head[1] = (unsigned char)(n_ext == 8 ? 127 : n_ext == 2 ? 126 : payload.n);
    head[1] |= masked ? MASK : 0;
    for (size_t i = 0; i < n_ext; i++)
        head[2 + i] = (unsigned char)(payload.n >> (8 * (n_ext - 1 - i)));
    add_bytes(f, head, 2 + n_ext);
    if (masked)
        add_bytes(f, key, sizeof(key));
    for (size_t i = 0; i < payload.n; i++) {
        unsigned char c = (unsigned char)payload.p[i];
        c ^= masked ? key[i % 4] : 0;
        add_bytes(f, &c, 1);
    }
}

struct frame {
    unsigned first;
    bool masked;
    char payload[70001]; /* unmasked, with a NUL */
    size_t n;
};

/* Takes one frame off *in; false when there is no whole one. */
static inline bool take_frame(struct str *in, struct frame *ret)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t at = 2;
    size_t n_ext;

    if (in->n < 2)
        return false;
    ret->first = p[0];
    ret->masked = (p[1] & MASK) != 0;
    ret->n = p[1] & 127;
    n_ext = ret->n == 127 ? 8 : ret->n == 126 ? 2 : 0;
    if (in->n < at + n_ext + (ret->masked ? 4 : 0))
        return false;
    if (n_ext > 0)
        ret->n = 0;
    for (size_t i = 0; i < n_ext; i++)
        ret->n = ret->n << 8 | p[at++];
    at += ret->masked ? 4 : 0;
    if (in->n < at + ret->n)
        return false;
    EXPECT(ret->n < sizeof(ret->payload));
    for (size_t i = 0; i < ret->n; i++)
        ret->payload[i] = (char)(ret->masked ? p[at + i] ^ p[at - 4 + i % 4] : p[at + i]);
    ret->payload[ret->n] = '\0';
    *in = str_from(*in, at + ret->n);
    return true;
}

/* The code in a close frame; 1005 for none. */
static inline int close_code(const struct frame *f)
{
    EXPECT_INT(f->first, FIN | CLOSE);
    if (f->n < 2)
        return 1005;
    return (unsigned char)f->payload[0] << 8 | (unsigned char)f->payload[1];
}

/* ---- what a socket told ---- */

static struct {
    struct websocket *ws; /* NULL when it ended */
    char log[4096];
    unsigned n_messages;
    size_t message_bytes;
    unsigned n_ends;
    enum err err;
    int close_code;
    int status;
    char header[64]; /* X-Why of a refusal */
    char body[8192];
    bool certainly_unsent;
    char detail[512];
    char abort_at; /* 'o'pen, 'm'essage, 'e'nd */
    char pause_at;
} told;

static inline void log_add(const char *format, ...) FORMAT(1, 2);
static inline void log_add(const char *format, ...)
{
    size_t n = strlen(told.log);
    va_list args;

    va_start(args, format);
    vsnprintf(told.log + n, sizeof(told.log) - n, format, args);
    va_end(args);
}

static inline void stop_if(char at)
{
    struct websocket *ws = told.ws;

    if (told.abort_at == at) {
        told.ws = NULL;
        websocket_abort(ws, true);
    }
    if (told.pause_at == at)
        websocket_pause(ws);
}

static inline void tell_open(void *arg)
{
    (void)arg;
    log_add("open;");
    stop_if('o');
}

static inline void tell_message(void *arg, bool is_text, struct str message)
{
    (void)arg;
    told.n_messages++;
    told.message_bytes += message.n;
    if (message.n < 100)
        log_add("%s=%.*s;", is_text ? "text" : "binary", STR_ARGS(message));
    else
        log_add("%s=%zu bytes;", is_text ? "text" : "binary", message.n);
    stop_if('m');
}

static inline void tell_end(void *arg, const struct websocket_end *end)
{
    (void)arg;
    told.n_ends++;
    told.err = end->err;
    told.close_code = end->close_code;
    told.status = end->status;
    told.certainly_unsent = end->certainly_unsent;
    if (end->head)
        str_to_z(http_value(end->head, "x-why"), told.header, sizeof(told.header));
    str_to_z(end->body, told.body, sizeof(told.body));
    str_to_z(str_of(end->detail), told.detail, sizeof(told.detail));
    log_add("end %s %d;", err_name(end->err), end->close_code);
    stop_if('e');
    told.ws = NULL;
}

static const struct websocket_handler ws_telling = {
    .on_open = tell_open,
    .on_message = tell_message,
    .on_end = tell_end,
};
