/* SPDX-License-Identifier: Apache-2.0 */
/* Names of roles, and the text of a message whose content came in parts. */
#include "chat/request.h"

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
