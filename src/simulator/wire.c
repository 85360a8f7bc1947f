/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket framing of the simulator; see wire.h. */
#include "simulator/wire.h"

#include "base/encoding.h"
#include "base/hash.h"

enum { HEAD_MAX = 14, CONTROL_MAX = 125, MASK_BIT = 0x80 };

static void put_length(char *at, uint64_t n, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; n >>= 8)
        at[i] = (char)(n & 0xff);
}

static size_t put_head(char head[HEAD_MAX], unsigned first, bool mask, size_t n)
{
    unsigned bit = mask ? MASK_BIT : 0;

    head[0] = (char)first;
    if (n < 126) {
        head[1] = (char)(bit | n);
        return 2;
    }
    if (n < 65536) {
        head[1] = (char)(bit | 126);
        put_length(head + 2, n, 2);
        return 4;
    }
    head[1] = (char)(bit | 127);
    put_length(head + 2, n, 8);
    return 10;
}

enum err sim_wire_frame(struct buf *out, unsigned first, bool mask, struct str payload)
{
    static const char key[4] = { 0x11, 0x22, 0x33, 0x44 };
    char *room;
    size_t n;
    enum err err = buf_reserve(out, payload.n + HEAD_MAX, &room);

    if (err)
        return err;
    n = put_head(room, first, mask, payload.n);
    if (mask) {
        memcpy(room + n, key, sizeof(key));
        n += sizeof(key);
    }
    for (size_t i = 0; mask && i < payload.n; i++)
        room[n + i] = (char)(payload.p[i] ^ key[i & 3]);
    if (!mask && payload.n > 0)
        memcpy(room + n, payload.p, payload.n);
    buf_commit(out, n + payload.n);
    return ERR_NONE;
}

enum err sim_wire_text(struct buf *out, struct str payload, size_t fragments)
{
    enum err err = ERR_NONE;
    size_t at = 0;

    if (fragments > payload.n)
        fragments = payload.n > 0 ? payload.n : 1;
    for (size_t i = 0; i < fragments && !err; i++) {
        size_t end = payload.n * (i + 1) / fragments;
        unsigned first = i == 0 ? WIRE_TEXT : WIRE_CONTINUATION;

        if (i + 1 == fragments)
            first |= WIRE_FIN;
        err = sim_wire_frame(out, first, false, str_sub(payload, at, end - at));
        at = end;
    }
    return err;
}

enum err sim_wire_close(struct buf *out, int code)
{
    char payload[2] = { (char)(code >> 8), (char)(code & 0xff) };

    return sim_wire_frame(out, WIRE_FIN | WIRE_CLOSE, false,
                          (struct str){ payload, code ? sizeof(payload) : 0 });
}

void sim_wire_accept(struct str key, char out[WIRE_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA1_LEN];
    struct buf text;

    out[0] = '\0';
    buf_init(&text, 512);
    if (buf_add(&text, key) == ERR_NONE && buf_add(&text, str_of(guid)) == ERR_NONE) {
        sha1_of(buf_str(&text), digest);
        buf_clear(&text);
        if (base64_add(&text, (struct str){ (const char *)digest, SHA1_LEN }) == ERR_NONE)
            str_to_z(buf_str(&text), out, WIRE_ACCEPT_LEN + 1);
    }
    buf_deinit(&text);
}

void sim_wire_init(struct sim_wire *w)
{
    buf_init(&w->in, 2 * WIRE_CLIENT_MAX);
    w->taken = 0;
    w->what = "";
}

void sim_wire_deinit(struct sim_wire *w)
{
    buf_deinit(&w->in);
}

enum err sim_wire_feed(struct sim_wire *w, struct str bytes)
{
    if (w->taken > 0)
        buf_consume(&w->in, w->taken);
    w->taken = 0;
    return buf_add(&w->in, bytes);
}

static enum err refuse(struct sim_wire *w, const char *what)
{
    w->what = what;
    return ERR_PROTOCOL;
}

static uint64_t get_number(const unsigned char *p, size_t n)
{
    uint64_t number = 0;

    while (n-- > 0)
        number = number << 8 | *p++;
    return number;
}

static enum err check_head(struct sim_wire *w, unsigned first, unsigned second)
{
    unsigned opcode = first & WIRE_OPCODE;

    if (first & 0x70)
        return refuse(w, "a reserved bit is set");
    if (opcode > WIRE_PONG || (opcode > WIRE_BINARY && opcode < WIRE_CLOSE))
        return refuse(w, "unknown opcode");
    if (!(second & MASK_BIT))
        return refuse(w, "a client's frame is not masked");
    if (opcode >= WIRE_CLOSE && (!(first & WIRE_FIN) || (second & 0x7f) > CONTROL_MAX))
        return refuse(w, "a control frame is fragmented or too long");
    return ERR_NONE;
}

static void read_close(struct sim_frame *f)
{
    if (f->opcode != WIRE_CLOSE)
        return;
    f->close_code = 1005;
    if (f->payload.n >= 2)
        f->close_code = (int)get_number((const unsigned char *)f->payload.p, 2);
}

enum err sim_wire_next(struct sim_wire *w, struct sim_frame *ret)
{
    char *start;
    const unsigned char *p;
    size_t left = w->in.n - w->taken;
    size_t head = 2;
    uint64_t n;

    if (left < 2)
        return ERR_AGAIN;
    start = w->in.p + w->taken;
    p = (const unsigned char *)start;
    if (check_head(w, p[0], p[1]))
        return ERR_PROTOCOL;
    n = p[1] & 0x7f;
    if (n >= 126)
        head += n == 126 ? 2 : 8;
    if (left < head + 4)
        return ERR_AGAIN;
    if (head > 2)
        n = get_number(p + 2, head - 2);
    if (n > WIRE_CLIENT_MAX)
        return refuse(w, "a message is longer than 65536 bytes");
    if (left < head + 4 + n)
        return ERR_AGAIN;
    for (size_t i = 0; i < n; i++)
        start[head + 4 + i] ^= start[head + (i & 3)];
    *ret = (struct sim_frame){ .opcode = p[0] & WIRE_OPCODE,
                               .fin = (p[0] & WIRE_FIN) != 0,
                               .payload = { start + head + 4, (size_t)n } };
    read_close(ret);
    w->taken += head + 4 + (size_t)n;
    return ERR_NONE;
}
