/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer says of the tokens that it took: the object `usage` of OpenAI's APIs, by the names
 * of chat (prompt_tokens, completion_tokens) and those of responses, images and audio
 * (input_tokens, output_tokens). platform.openai.com/docs/api-reference
 */
#pragma once

#include "chat/event.h"
#include "json/reader.h"

struct usage_told {
    bool has_prompt;
    bool has_completion;
    int64_t total; /* total_tokens; -1: not told */
};

/* Reads the value that comes next; false: it is no object. Counts that are none, text or a fraction
 * or below zero or more than anybody can mean, are not told and change nothing in `u`. */
bool usage_read(struct json *j, struct chat_usage *u, struct usage_told *ret);
