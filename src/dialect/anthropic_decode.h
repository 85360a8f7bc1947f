/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request to Anthropic's messages API: anthropic_decode.c has the body and its
 * parameters, anthropic_blocks.c the messages and their blocks, anthropic_tools.c the tools.
 * Private to these.
 */
#pragma once

#include "dialect/decoder.h"
#include "dialect/dialect.h"

/* Read the values of `messages` and `tools`. */
bool anthropic_messages(struct decoder *d);
bool anthropic_tools(struct decoder *d);

/* Reads `v`, the value of `system`, into a message in front of all others. */
bool anthropic_system(struct decoder *d, const struct json_value *v);

/* The value of `tool_choice`; then whether it goes together with the tools. */
decoder_read anthropic_tool_choice;
bool anthropic_judge_choice(struct decoder *d);

/* dialect_anthropic_messages' decode. */
bool anthropic_decode(struct str body, struct arena *a, struct chat_request *ret,
                      struct failure *ret_failure);
