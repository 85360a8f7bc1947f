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

/* ---- texts as JSON spells them ---- */

static struct json_value string_of(struct str spelled)
{
    return (struct json_value){ JSON_STRING,
                                { spelled.p - 1, spelled.n + 2 },
                                str_find_char(spelled, '\\') != SIZE_MAX };
}

void chat_text_pieces(const struct chat_request *chat, struct str text, json_take_piece *take,
                      void *arg)
{
    struct json_value v;

    if (!chat->is_spelled) {
        take(arg, text);
        return;
    }
    v = string_of(text);
    json_text_pieces(&v, take, arg);
}

static void add_piece(void *arg, struct str piece)
{
    struct str *decoded = arg;

    memcpy((char *)(uintptr_t)decoded->p + decoded->n, piece.p, piece.n);
    decoded->n += piece.n;
}

/* Decodes a text with escapes into *room; with none there, only says how much it may need. */
static size_t unescape(struct str *text, char **room)
{
    struct json_value v = string_of(*text);
    struct str decoded = { *room, 0 };

    if (!v.escaped || !*room)
        return v.escaped ? text->n : 0;
    json_text_pieces(&v, add_piece, &decoded);
    *text = decoded;
    *room += decoded.n;
    return decoded.n;
}

static size_t unescape_all(struct chat_request *chat, char *room)
{
    size_t n = 0;

    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        for (size_t k = 0; k < m->n_parts; k++)
            n += unescape(&m->parts[k].text, &room);
        for (size_t k = 0; k < m->n_tool_calls; k++)
            n += unescape(&m->tool_calls[k].arguments, &room);
    }
    return n;
}

/* What is decoded is never longer. Room for all is made first: there is no half way. */
enum err chat_request_unescape(struct chat_request *chat, struct arena *a)
{
    size_t n = chat->is_spelled ? unescape_all(chat, NULL) : 0;
    char *room = n > 0 ? arena_try(a, n) : NULL;

    if (n > 0 && !room)
        return ERR_NOMEM;
    if (n > 0)
        unescape_all(chat, room);
    chat->is_spelled = false;
    return ERR_NONE;
}

/* ---- tokens ---- */

static void count(void *arg, struct str piece)
{
    token_estimate_add(arg, piece);
}

static void count_message(const struct chat_request *chat, const struct chat_message *m,
                          struct token_estimate *e)
{
    for (size_t k = 0; k < m->n_parts; k++)
        if (m->parts[k].type == CHAT_PART_TEXT)
            chat_text_pieces(chat, m->parts[k].text, count, e);
    for (size_t k = 0; k < m->n_tool_calls; k++) {
        token_estimate_add(e, m->tool_calls[k].name);
        chat_text_pieces(chat, m->tool_calls[k].arguments, count, e);
    }
}

int64_t chat_request_tokens(const struct chat_request *chat)
{
    struct token_estimate e = { 0 };

    for (size_t i = 0; i < chat->n_messages; i++)
        count_message(chat, &chat->messages[i], &e);
    for (size_t i = 0; i < chat->tools.n; i++) {
        token_estimate_add(&e, chat->tools.list[i].name);
        token_estimate_add(&e, chat->tools.list[i].description);
        token_estimate_add(&e, chat->tools.list[i].parameters);
    }
    token_estimate_add(&e, chat->format.schema);
    return token_estimate_total(&e);
}
