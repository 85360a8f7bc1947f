/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket framing (RFC 6455) of the simulator's own: a server that is to break the rules on
 * demand cannot use the code that keeps them, and two implementations do not share mistakes.
 * Pure: bytes in, frames out.
 */
#pragma once

#include "base/buf.h"

enum {
    WIRE_CONTINUATION = 0,
    WIRE_TEXT = 1,
    WIRE_BINARY = 2,
    WIRE_CLOSE = 8,
    WIRE_PING = 9,
    WIRE_PONG = 10,
    WIRE_OPCODE = 0x0f,
    WIRE_RSV1 = 0x40,
    WIRE_FIN = 0x80
};

/* What a client may send at once; the service needs no more than "ping". */
enum { WIRE_CLIENT_MAX = 65536, WIRE_ACCEPT_LEN = 28 };

/* Appends one frame; `first` is its first byte (FIN, RSV, opcode). With `mask`, masked as only a
 * client may. */
MUST_USE enum err sim_wire_frame(struct buf *out, unsigned first, bool mask, struct str payload);

/* Appends a text message in `fragments` frames (at least 1; no empty ones but for an empty text).
 */
MUST_USE enum err sim_wire_text(struct buf *out, struct str payload, size_t fragments);

/* Appends a close frame; `code` 0 has no payload. */
MUST_USE enum err sim_wire_close(struct buf *out, int code);

/* Sec-WebSocket-Accept for a key, with NUL. */
void sim_wire_accept(struct str key, char out[WIRE_ACCEPT_LEN + 1]);

/* The read side: frames of a client, unmasked. */
struct sim_wire {
    struct buf in;    /* bytes not taken yet */
    size_t taken;     /* of them, by the frame that was returned last */
    const char *what; /* after ERR_PROTOCOL: which rule was broken; static */
};

struct sim_frame {
    unsigned opcode;
    bool fin;
    struct str payload; /* lives until the next call */
    int close_code;     /* of WIRE_CLOSE: 1005 without one */
};

void sim_wire_init(struct sim_wire *w);
void sim_wire_deinit(struct sim_wire *w);

/* ERR_TOO_BIG or ERR_NOMEM: more than a client may send. */
MUST_USE enum err sim_wire_feed(struct sim_wire *w, struct str bytes);

/* The next frame. ERR_AGAIN: more bytes are needed. ERR_PROTOCOL: unmasked, reserved bits, an
 * unknown opcode, a fragmented or long control frame, or too long (see w->what). */
MUST_USE enum err sim_wire_next(struct sim_wire *w, struct sim_frame *ret);
