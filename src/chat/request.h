/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every dialect decodes to. Slices point into the body that was read, or into
 * the exchange's arena where escapes had to be decoded.
 */
#pragma once

#include "chat/failure.h"
#include "chat/shape.h"
#include "json/reader.h"

enum chat_role { CHAT_SYSTEM, CHAT_DEVELOPER, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

/* "system", "developer", "user", "assistant", "tool" */
const char *chat_role_name(enum chat_role role);

enum chat_part_type { CHAT_PART_TEXT, CHAT_PART_IMAGE };

struct chat_part {
    enum chat_part_type type;
    struct str text; /* decoded text; of an image its URL or data URL */
};

struct chat_tool_call {
    struct str id;
    struct str name;
    struct str arguments; /* decoded: the JSON text of the arguments */
};

struct chat_message {
    enum chat_role role;
    struct chat_part *parts;
    size_t n_parts;
    struct chat_tool_call *tool_calls; /* assistant */
    size_t n_tool_calls;
    struct str tool_call_id; /* tool; its parts are texts in all dialects but openai_chat */
    struct str reasoning;    /* assistant: what it thought, where the dialect tells; may be empty */
};

/* What only steers how the answer turns out ("temperature"), as a chat completion's body has it. */
struct chat_parameter {
    const char *name;
    struct str json; /* the value as the client spelled it */
};

enum { CHAT_CHOICES_MAX = 128 }; /* bound on chat_request.n */

struct chat_request {
    struct str model; /* as the client named it; empty: DEFAULT_MODEL */
    struct chat_message *messages;
    size_t n_messages; /* at least 1 */
    bool stream;
    bool include_usage;   /* stream_options.include_usage */
    bool hides_reasoning; /* the client did not ask to see it */
    struct chat_tools tools;
    struct chat_format format;
    struct chat_limits limits;
    size_t n; /* answers that are wanted; 0 is 1 */
    const struct chat_parameter *parameters;
    size_t n_parameters;
    const struct chat_parameter *repeated; /* what the answer says again, as the client wrote it */
    size_t n_repeated;
    bool is_spelled; /* texts of parts and arguments of calls are as JSON spells them, between their
                        quotes, until chat_request_unescape(). Set before it is decoded: they may
                        be, since the body may go on as it came */
    struct str past; /* set before it is decoded: the record (dialect.h) of the answer that it goes
                        on from; empty: it stands alone */
    struct str asked; /* with `keeps`: what is new in it, JSON as the client wrote it */
    bool keeps;       /* the answer is to be kept for later requests */
    struct str raw; /* the body as it came, where that is an OpenAI chat completion; else p NULL */
    const struct json_member
        *members; /* of it, in their order; none where there are more than 64 */
    size_t n_members;
    struct failure
        doubt; /* with `raw`: why this request is refused unless the body goes upstream
                  as it came, to a server that may know better; FAILURE_NONE: it is not */
};

/* Decodes the texts that are spelled, into `a`. ERR_NOMEM: they are spelled still. */
MUST_USE enum err chat_request_unescape(struct chat_request *chat, struct arena *a);

/* A text of a part or the arguments of a call, decoded or spelled, in pieces of what it says. */
void chat_text_pieces(const struct chat_request *chat, struct str text, json_take_piece *take,
                      void *arg);

/* How many tokens the prompt is about: its messages and its tools (chat/estimate.h). */
int64_t chat_request_tokens(const struct chat_request *chat);

/* All text parts of a message, decoded, joined (without separator); in `a` when there is more than
 * one. */
struct str chat_message_text(const struct chat_message *m, struct arena *a);
