/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a chat completion: openai_chat_decode.c has the body and its parameters,
 * openai_chat_messages.c the messages, openai_chat_shape.c tools and formats. Private to these.
 */
#pragma once

#include "dialect/decoder.h"
#include "dialect/dialect.h"

/* Read the values of `messages` and `tools`. */
bool openai_chat_messages(struct decoder *d);
bool openai_chat_tools(struct decoder *d);

/* The values of `tool_choice` and `response_format`. */
decoder_read openai_chat_tool_choice;
decoder_read openai_chat_format;

/* dialect_openai_chat's decode. */
bool openai_chat_decode(struct str body, struct arena *a, struct chat_request *ret,
                        struct failure *ret_failure);
