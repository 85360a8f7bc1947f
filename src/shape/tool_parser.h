/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds tool calls in the text of an upstream that knows no tools: TEXT in; out come TEXT and, for
 * each call, TOOL_CALL pieces, its id and name with the first. Grammar and rules are in
 * docs/internals/shaping.md; in short:
 *
 *     call = tag space object space end-tag      tag at the beginning of a line or behind a call
 *
 * What turns out to be no call is given back as text, byte for byte. Once the object has begun it
 * is a call; whether its name and arguments are good is for others to say (tool_check.h).
 */
#pragma once

#include "shape/json_prefix.h"
#include "shape/sink.h"
#include "shape/tool_tag.h"

enum { TOOL_ID_LEN = 29, TOOL_SPACE_MAX = 64, TOOL_HELD_MAX = 3 * TOOL_TAG_MAX };

enum tool_call_end {
    TOOL_CALL_WHOLE,
    TOOL_CALL_BROKEN, /* its arguments are no JSON, or end too early */
    TOOL_CALL_DEEP,   /* they are nested more than JSON_PREFIX_DEPTH deep */
};

struct tool_parser {
    struct shape_sink out;
    /* Called when a call's last piece is out. */
    enum err (*ended)(void *arg, enum tool_call_end end);
    void *arg;
    uint64_t seed; /* of ids */
    size_t n_calls;
    uint8_t state;
    bool at_line;     /* what comes next begins a line */
    bool is_end_owed; /* a call had no end tag yet: one is passed over wherever it comes */
    size_t n_held;    /* not yet known to be text */
    char held[TOOL_HELD_MAX];
    struct tool_tag tag;  /* in `held`, or being skipped to */
    struct tool_tag open; /* of the call */
    struct json_prefix json;
    char id[TOOL_ID_LEN + 1]; /* of the call */
};

/* `seed` should be random: ids are made from it. */
void tool_parser_init(struct tool_parser *p, uint64_t seed, struct shape_sink out,
                      enum err (*ended)(void *arg, enum tool_call_end end), void *arg);

/* Errors are those of the sink and of `ended`. */
MUST_USE enum err tool_parser_feed(struct tool_parser *p, const struct chat_event *event);

/* The text is over. A call whose object is not whole is broken; what may have become a call is
 * text. */
MUST_USE enum err tool_parser_flush(struct tool_parser *p);
