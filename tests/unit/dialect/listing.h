/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as text, for tables of tests. */
#pragma once

#include "chat/request.h"
#include "test.h"

/* Messages in one line: "user(text)", images as "[url]", calls as
 * "{id name arguments}", thoughts as "<text>". */
static inline void list_message(const struct chat_message *m, struct buf *out)
{
    enum err err = buf_addf(out, "%s(", chat_role_name(m->role));

    for (size_t i = 0; i < m->n_parts && !err; i++)
        err = buf_addf(out, m->parts[i].type == CHAT_PART_IMAGE ? "[%.*s]" : "%.*s",
                       STR_ARGS(m->parts[i].text));
    for (size_t i = 0; i < m->n_tool_calls && !err; i++)
        err = buf_addf(out, "{%.*s %.*s %.*s}", STR_ARGS(m->tool_calls[i].id),
                       STR_ARGS(m->tool_calls[i].name), STR_ARGS(m->tool_calls[i].arguments));
    if (!err && m->reasoning.n > 0)
        err = buf_addf(out, "<%.*s>", STR_ARGS(m->reasoning));
    if (!err && m->tool_call_id.n > 0)
        err = buf_addf(out, "#%.*s", STR_ARGS(m->tool_call_id));
    if (!err)
        err = buf_add(out, STR(")"));
    EXPECT(err == ERR_NONE);
}

/* "tools choice named serial; format; stops max n" */
static inline void list_shape(const struct chat_request *r, struct buf *out)
{
    enum err err = ERR_NONE;

    for (size_t i = 0; i < r->tools.n && !err; i++)
        err = buf_addf(out, "%.*s|%.*s|%.*s|%d ", STR_ARGS(r->tools.list[i].name),
                       STR_ARGS(r->tools.list[i].description),
                       STR_ARGS(r->tools.list[i].parameters), r->tools.list[i].is_strict);
    if (!err)
        err = buf_addf(out, "%d%.*s%s; %d|%.*s|%.*s|%.*s|%d;", (int)r->tools.choice,
                       STR_ARGS(r->tools.named), r->tools.is_serial ? "s" : "", (int)r->format.type,
                       STR_ARGS(r->format.name), STR_ARGS(r->format.description),
                       STR_ARGS(r->format.schema), r->format.is_strict);
    for (size_t i = 0; i < r->limits.n_stops && !err; i++)
        err = buf_addf(out, " '%.*s'", STR_ARGS(r->limits.stops[i]));
    if (!err)
        err = buf_addf(out, " %d %zu", (int)r->limits.max_tokens, r->n);
    EXPECT(err == ERR_NONE);
}
