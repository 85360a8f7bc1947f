/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every provider produces and every dialect encodes. FINISH or ERROR is the last. Where both
 * sides speak the same format an answer comes as RAW events instead of TEXT, REASONING and
 * TOOL_CALL: each holds one event of the upstream's stream, or its whole answer, byte for byte.
 */
#pragma once

#include "chat/failure.h"

enum chat_event_type {
    CHAT_TEXT,
    CHAT_REASONING,
    CHAT_TOOL_CALL,
    CHAT_RAW,
    CHAT_USAGE,
    CHAT_CHOICE_END, /* of several choices one has ended; none but choice 0 need it */
    CHAT_FINISH,
    CHAT_ERROR
};

enum chat_finish {
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH,
    CHAT_FINISH_TOOL_CALLS,
    CHAT_FINISH_FILTER
};

struct chat_usage {
    int64_t prompt_tokens;
    int64_t completion_tokens; /* reasoning included */
    int64_t reasoning_tokens;
    bool estimated;
    int64_t cached_tokens; /* of the prompt's */
};

/* A piece of a tool call: its id and name come with the first piece, its arguments in any. */
struct chat_tool_piece {
    size_t index; /* which of the choice's tool calls */
    struct str id;
    struct str name;
    struct str arguments;
};

struct chat_event {
    enum chat_event_type type;
    size_t choice;      /* TEXT, REASONING, TOOL_CALL, CHOICE_END: below chat_request.n */
    struct str text;    /* TEXT, REASONING: valid UTF-8; RAW: JSON; lives during the call */
    struct str said;    /* RAW: text and tool calls in it, for who counts tokens */
    struct str thought; /* RAW: reasoning in it, for the same */
    const struct chat_tool_piece *tool; /* TOOL_CALL */
    enum chat_finish finish;            /* CHOICE_END; FINISH: of choice 0 */
    struct str stop;                    /* the same: the stop sequence that ended it, if known */
    const struct chat_usage *usage;     /* USAGE: as the upstream counted */
    const struct failure *failure;      /* ERROR */
};
