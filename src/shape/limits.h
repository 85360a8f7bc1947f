/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an answer ends before its upstream ends it: at a stop sequence, or at a number of tokens.
 * Both are stages: events in, events out, a few bytes of state.
 *
 * Stops look at TEXT alone. The sequence that ends first in the text counts, of those that end
 * together the longest; it and what follows is dropped. Only the end of the text that may still
 * become a stop is held back.
 *
 * Tokens are estimated (chat/estimate.h) over TEXT, REASONING and tool calls. What would be above
 * the limit is cut off before its first character.
 */
#pragma once

#include "chat/estimate.h"
#include "chat/shape.h"
#include "shape/sink.h"

enum { STOPS_MAX = 64, STOPS_BYTES_MAX = 64 * 1024 };

struct stop; /* one sequence and how much of it the text ends with */

struct stops {
    struct shape_sink out;
    struct stop *list; /* in the arena */
    size_t n;
    struct str held;    /* not yet given out: what the text ends with, as a slice of a stop */
    bool is_first[256]; /* bytes that a stop begins with */
    bool is_stopped;    /* one matched; whatever comes is dropped */
    size_t matched;     /* which, when stopped */
};

/* The stops' text outlives `s`. ERR_TOO_BIG above STOPS_MAX or STOPS_BYTES_MAX of all; ERR_NOMEM.
 */
MUST_USE enum err stops_init(struct stops *s, const struct str *stops, size_t n, struct arena *a,
                             struct shape_sink out);
MUST_USE enum err stops_feed(struct stops *s, const struct chat_event *event);

/* The text ended: gives out what is held. Also when something else must come behind it. */
MUST_USE enum err stops_flush(struct stops *s);

struct token_limit {
    struct shape_sink out;
    int64_t max; /* 0: none */
    struct token_estimate said;
    bool is_spent; /* something was cut off; whatever comes is dropped */
};

void token_limit_init(struct token_limit *t, int64_t max, struct shape_sink out);

/* Texts are whole characters, as chat/event.h promises. */
MUST_USE enum err token_limit_feed(struct token_limit *t, const struct chat_event *event);
