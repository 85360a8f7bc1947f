/* SPDX-License-Identifier: Apache-2.0 */
/* What every provider produces and every dialect encodes. FINISH or ERROR is the last. */
#pragma once

#include "chat/failure.h"

enum chat_event_type { CHAT_TEXT, CHAT_REASONING, CHAT_USAGE, CHAT_FINISH, CHAT_ERROR };

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
};

struct chat_event {
    enum chat_event_type type;
    struct str text;                /* TEXT, REASONING: valid UTF-8, lives during the call */
    enum chat_finish finish;        /* FINISH */
    const struct chat_usage *usage; /* USAGE: as the upstream counted */
    const struct failure *failure;  /* ERROR */
};
