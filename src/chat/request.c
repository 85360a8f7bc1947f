/* SPDX-License-Identifier: Apache-2.0 */
/* Names of roles, the text of a message whose content came in parts, and the size of a prompt. */
#include "chat/request.h"

#include "chat/estimate.h"

const char *chat_role_name(enum chat_role role)
{
    static const char *const names[] = {
        [CHAT_SYSTEM] = "system",       [CHAT_DEVELOPER] = "developer", [CHAT_USER] = "user",
        [CHAT_ASSISTANT] = "assistant", [CHAT_TOOL] = "tool",
    };

    BUG_ON((size_t)role >= COUNT_OF(names));
    return names[role];
}

struct str chat_message_text(const struct chat_message *m, struct arena *a)
{
    struct str only = { "", 0 };
    size_t texts = 0;
    size_t size = 0;
    char *joined;
    size_t n = 0;

    for (size_t i = 0; i < m->n_parts; i++) {
        if (m->parts[i].type != CHAT_PART_TEXT)
            continue;
        only = m->parts[i].text;
        size += only.n;
        texts++;
    }
    if (texts < 2)
        return only;
    joined = arena_alloc(a, size);
    for (size_t i = 0; i < m->n_parts; i++) {
        struct str text = m->parts[i].text;

        if (m->parts[i].type != CHAT_PART_TEXT || text.n == 0)
            continue;
        memcpy(joined + n, text.p, text.n);
        n += text.n;
    }
    return (struct str){ joined, n };
}

static void count_message(const struct chat_message *m, struct token_estimate *e)
{
    for (size_t k = 0; k < m->n_parts; k++)
        if (m->parts[k].type == CHAT_PART_TEXT)
            token_estimate_add(e, m->parts[k].text);
    for (size_t k = 0; k < m->n_tool_calls; k++) {
        token_estimate_add(e, m->tool_calls[k].name);
        token_estimate_add(e, m->tool_calls[k].arguments);
    }
}

int64_t chat_request_tokens(const struct chat_request *chat)
{
    struct token_estimate e = { 0 };

    for (size_t i = 0; i < chat->n_messages; i++)
        count_message(&chat->messages[i], &e);
    for (size_t i = 0; i < chat->tools.n; i++) {
        token_estimate_add(&e, chat->tools.list[i].name);
        token_estimate_add(&e, chat->tools.list[i].description);
        token_estimate_add(&e, chat->tools.list[i].parameters);
    }
    token_estimate_add(&e, chat->format.schema);
    return token_estimate_total(&e);
}
