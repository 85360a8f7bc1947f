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

/* ---- how long it is ---- */

static void each_text_of(const struct chat_message *m, void (*take)(void *arg, struct str text),
                         void *arg)
{
    for (size_t k = 0; k < m->n_parts; k++)
        if (m->parts[k].type == CHAT_PART_TEXT)
            take(arg, m->parts[k].text);
    for (size_t k = 0; k < m->n_tool_calls; k++) {
        take(arg, m->tool_calls[k].name);
        take(arg, m->tool_calls[k].arguments);
    }
}

/* All that the model reads. */
static void each_text(const struct chat_request *chat, void (*take)(void *arg, struct str text),
                      void *arg)
{
    for (size_t i = 0; i < chat->n_messages; i++)
        each_text_of(&chat->messages[i], take, arg);
    for (size_t i = 0; i < chat->tools.n; i++) {
        take(arg, chat->tools.list[i].name);
        take(arg, chat->tools.list[i].description);
        take(arg, chat->tools.list[i].parameters);
    }
    take(arg, chat->format.schema);
}

static void add_estimate(void *arg, struct str text)
{
    token_estimate_add(arg, text);
}

int64_t chat_request_tokens(const struct chat_request *chat)
{
    struct token_estimate e = { 0 };

    each_text(chat, add_estimate, &e);
    return token_estimate_total(&e);
}

static void add_bytes(void *arg, struct str text)
{
    size_t *sum = arg;

    *sum += text.n;
}

int64_t chat_request_rough_tokens(const struct chat_request *chat)
{
    enum { BYTES_OF_A_TOKEN = 4 };
    size_t bytes = 0;

    each_text(chat, add_bytes, &bytes);
    return (int64_t)((bytes + BYTES_OF_A_TOKEN - 1) / BYTES_OF_A_TOKEN);
}
