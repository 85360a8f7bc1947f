/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer as a stream of events: each is checked and read, and at the end it is known whether
 * the answer was whole. Pure; input may be cut at any byte.
 */
#pragma once

#include "http/sse.h"
#include "provider/openai/frame.h"

enum { STREAM_EVENT_MAX = 16 << 20 };

/* One event: its bytes and what they say; both live during the call. `is_error`: it is called so,
 * and may be no JSON. An error stops the reader. */
typedef enum err stream_on_chunk(void *arg, struct str data, bool is_error,
                                 const struct chunk *chunk);

struct stream {
    struct sse sse;
    struct frame frame; /* of the newest chunks */
    stream_on_chunk *on_chunk;
    void *arg;
    size_t n_choices;  /* that were asked for; 0: one */
    uint64_t begun;    /* choices that were spoken of, as struct chunk.choices */
    uint64_t finished; /* of them, those that have a finish_reason */
    bool is_done;      /* [DONE] came: what follows is ignored */
    const char *limit; /* after ERR_TOO_BIG: the one of chunk_read(), or NULL */
};

/* `max` bytes an event, STREAM_EVENT_MAX in production. */
void stream_init(struct stream *s, size_t max, stream_on_chunk *on_chunk, void *arg);

/* ERR_BAD_INPUT: an event is no JSON object. ERR_TOO_BIG: a line or event above the bound,
 * or one that chunk_read() does not take.
 * ERR_NOMEM, or what on_chunk returned; the same ever after. */
MUST_USE enum err stream_feed(struct stream *s, struct str in);

/* Whether what came is an answer to its end: all choices that have begun have finished, and there
 * is [DONE], be its event whole or not, or there are as many as were asked for. */
bool stream_is_whole(const struct stream *s);

/* chunk_read() of an event's data; what is in one that is called an error is one. */
MUST_USE enum err stream_read(struct str data, bool is_error, struct arena *a, struct chunk *ret);

void stream_deinit(struct stream *s);
