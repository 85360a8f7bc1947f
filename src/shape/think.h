/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasoning as "<think>" tags in the text, both ways: out of the text of an upstream that writes
 * them, and into the text for clients that want them there (`think_tags`). Two stages.
 */
#pragma once

#include "shape/sink.h"

/* Splits "<think>...</think>" at the beginning of the text off as REASONING; white space around
 * the tags belongs to neither. Tags elsewhere are text. Without its end all is REASONING. */
struct think_split {
    struct shape_sink out;
    uint8_t state;
    size_t n_tag; /* bytes of the tag that the text ends with, held back */
    size_t n_space;
    char space[64]; /* held back at the beginning */
};

void think_split_init(struct think_split *t, struct shape_sink out);
MUST_USE enum err think_split_feed(struct think_split *t, const struct chat_event *event);
MUST_USE enum err think_split_flush(struct think_split *t);

/* Turns REASONING into TEXT between "<think>\n" and "\n</think>\n\n". */
struct think_wrap {
    struct shape_sink out;
    bool is_open;
};

void think_wrap_init(struct think_wrap *t, struct shape_sink out);
MUST_USE enum err think_wrap_feed(struct think_wrap *t, const struct chat_event *event);
MUST_USE enum err think_wrap_flush(struct think_wrap *t);
