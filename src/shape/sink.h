/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a stage of the shaper puts what comes out of it: the next stage, or whoever wants the
 * answer. A stage passes on what it has no business with, and any error of its sink.
 */
#pragma once

#include "chat/event.h"

struct shape_sink {
    enum err (*put)(void *arg, const struct chat_event *event);
    void *arg;
};

MUST_USE static inline enum err sink_put(const struct shape_sink *sink,
                                         const struct chat_event *event)
{
    return sink->put(sink->arg, event);
}

/* A TEXT or REASONING event; none when `text` is empty. */
MUST_USE static inline enum err sink_text(const struct shape_sink *sink, enum chat_event_type type,
                                          struct str text)
{
    const struct chat_event event = { .type = type, .text = text };

    return text.n == 0 ? ERR_NONE : sink_put(sink, &event);
}

MUST_USE static inline enum err sink_tool(const struct shape_sink *sink,
                                          const struct chat_tool_piece *piece)
{
    const struct chat_event event = { .type = CHAT_TOOL_CALL, .tool = piece };

    return sink_put(sink, &event);
}
