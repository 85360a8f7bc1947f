/* SPDX-License-Identifier: Apache-2.0 */
/* Chat requests written down in one line each, for tests of what reads them. */
#pragma once

#include "chat/request.h"
#include "test.h"

enum { MADE_MESSAGES = 32, MADE_PARTS = 128 };

struct made_chat {
    struct chat_request req;
    struct chat_message messages[MADE_MESSAGES];
    struct chat_part parts[MADE_PARTS];
    size_t n_parts;
};

static inline enum chat_role made_role(char letter)
{
    switch (letter) {
    case 's':
        return CHAT_SYSTEM;
    case 'd':
        return CHAT_DEVELOPER;
    case 'a':
        return CHAT_ASSISTANT;
    case 't':
        return CHAT_TOOL;
    default:
        return CHAT_USER;
    }
}

/* Adds a message: "u:hi" is a user's, "s:" a system's, "d:" a developer's, "a:" an assistant's,
 * "t:" a tool's. '|' cuts the text into parts; a part that begins with '@' is an image. */
static inline struct chat_message *made_add(struct made_chat *m, struct str text)
{
    struct chat_message *message = &m->messages[m->req.n_messages++];
    struct str rest = str_from(text, 2);

    EXPECT(m->req.n_messages <= MADE_MESSAGES);
    m->req.messages = m->messages;
    *message =
        (struct chat_message){ .role = made_role(text.p[0]), .parts = &m->parts[m->n_parts] };
    do {
        struct chat_part *part = &m->parts[m->n_parts++];

        EXPECT(m->n_parts <= MADE_PARTS);
        part->text = str_cut(rest, '|', &rest);
        part->type = CHAT_PART_TEXT;
        if (part->text.n > 0 && part->text.p[0] == '@')
            part->type = CHAT_PART_IMAGE;
        message->n_parts++;
    } while (rest.p);
    return message;
}

/* A request of all messages in `text`, separated by ';'. */
static inline void made_chat(struct made_chat *m, const char *text)
{
    struct str rest = str_of(text);

    *m = (struct made_chat){ 0 };
    do
        made_add(m, str_cut(rest, ';', &rest));
    while (rest.p);
}
