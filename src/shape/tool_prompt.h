/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an upstream that takes only text is told of tools and of the form of its answer: the text
 * of one system message. Former calls and results need nothing: chat/transcript.h writes them in
 * the tags that tool_parser.h reads. docs/internals/shaping.md shows the texts.
 */
#pragma once

#include "base/buf.h"
#include "chat/shape.h"

/* Appends; ERR_TOO_BIG or ERR_NOMEM. Nothing for no tools or CHAT_CHOOSE_NONE, of a named tool
 * only that one. Schemas are valid JSON and lose their white space. */
MUST_USE enum err tool_prompt_write(const struct chat_tools *tools, struct buf *out);

/* The same for the format, nothing for text. `has_tools`: the answer may be a call instead. */
MUST_USE enum err format_prompt_write(const struct chat_format *format, bool has_tools,
                                      struct buf *out);

/* Whether the upstream is to be told of this tool. */
bool tool_is_offered(const struct chat_tools *tools, const struct chat_tool *tool);
