/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a responses request: openai_responses_decode.c has the body and its parameters,
 * openai_responses_items.c the items of `input`. Private to openai_responses*.c.
 */
#pragma once

#include "dialect/decoder.h"
#include "dialect/dialect.h"

/* What is judged when the body is whole. */
struct responses_draft {
    struct json_value instructions;
    size_t n_past;        /* messages that come from the answer that this one goes on from */
    struct str reasoning; /* of an item whose message is still to come */
};

/* The value of `input`: a text, or items. */
decoder_read responses_input;

/* Items, behind those that are there. */
bool responses_items(struct decoder *d, const struct json_value *array);

/* All of a record: what was asked and what was answered. */
bool responses_past(struct decoder *d, struct str record);

/* ---- openai_responses_custom.c ---- */

/* Makes a function of a custom tool; its `format` is at `param`. */
bool responses_custom_tool(struct decoder *d, struct str param, const struct json_value *format,
                           struct chat_tool *tool);

/* The arguments that stand for a call's `input`. */
bool responses_custom_arguments(struct decoder *d, struct str param, const struct json_value *input,
                                struct str *ret);

/* The input that arguments stand for. Errors of buf_add(). */
MUST_USE enum err responses_custom_input(struct str arguments, struct buf *out);

/* dialect_openai_responses' decode. */
bool responses_decode(struct str body, struct arena *a, struct chat_request *ret,
                      struct failure *ret_failure);
