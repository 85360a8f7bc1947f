/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket whose server is a raw socket in the test's hands. */
#pragma once

#include "websocket_test.h"

#include "base/encoding.h"
#include "base/hash.h"
#include "client_test.h"

static struct frames out;

static inline struct websocket_params ws_params(void)
{
    return (struct websocket_params){
        .url = &f.url,
        .target = STR("/ws?token=T"),
        .connect_timeout_ms = 5000,
        .upgrade_timeout_ms = 4000,
        .max_message = 1000,
        .ping_interval_ms = 20000,
    };
}

static inline void connect_ws(void)
{
    struct websocket_params p = ws_params();
    struct http_header header = { STR("Origin"), STR("https://x.test") };

    memset(&told, 0, sizeof(told));
    out.n = 0;
    p.headers = &header;
    p.n_headers = 1;
    told.ws = websocket_connect(f.connector, &p, &ws_telling, NULL);
    memset(&header, 0, sizeof(header));
    EXPECT_INT(told.n_ends, 0);
}

/* The handshake's request is at the far end. */
static inline void begin_asked(void)
{
    begin();
    connect_ws();
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
}

/* The 101 that fits the request, with `extra` lines; RFC 6455 4.2.2. */
static inline void make_101(char *text, size_t cap, const char *extra)
{
    const char *key = strstr(f.far.got, "Sec-WebSocket-Key: ") + 19;
    unsigned char digest[SHA1_LEN];
    char joined[64];
    struct buf accept;

    snprintf(joined, sizeof(joined), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1_of(str_of(joined), digest);
    buf_init(&accept, 64);
    EXPECT(base64_add(&accept, (struct str){ (char *)digest, sizeof(digest) }) == ERR_NONE);
    snprintf(text, cap,
             "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\n"
             "sec-websocket-accept: %.*s\r\n%s\r\n",
             STR_ARGS(buf_str(&accept)), extra);
    buf_deinit(&accept);
}

static inline void begin_open(void)
{
    char text[512];

    begin_asked();
    make_101(text, sizeof(text), "");
    far_write(&f.far, text);
    WAIT(f.l, strcmp(told.log, "open;") == 0);
    told.log[0] = '\0';
    f.far.n = 0;
}

static inline void end_ws(void)
{
    websocket_abort(told.ws, false);
    told.ws = NULL;
    end();
}

static inline void far_send_frames(void)
{
    write_all(f.far.fd, out.p, out.n);
    out.n = 0;
}

/* Takes the next frame at the far end. */
static inline bool far_has_frame(struct frame *ret)
{
    struct str in;

    far_read(&f.far);
    in = (struct str){ f.far.got, f.far.n };
    if (!take_frame(&in, ret))
        return false;
    memmove(f.far.got, in.p, in.n);
    f.far.n = in.n;
    return true;
}

static inline const struct frame *far_frame(void)
{
    static struct frame frame;

    WAIT(f.l, far_has_frame(&frame));
    EXPECT(frame.masked);
    return &frame;
}
