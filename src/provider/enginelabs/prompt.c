/* SPDX-License-Identifier: Apache-2.0 */
/* The prompt is written whole before it is measured, so that the message can name its size. */
#include "provider/enginelabs/prompt.h"

#include "base/encoding.h"
#include "chat/transcript.h"
#include "provider/enginelabs/api.h"

static bool fail_image(size_t message, size_t part, struct arena *a, struct failure *ret)
{
    failure_set(ret, a, FAILURE_BAD_REQUEST,
                "messages[%zu].content[%zu] is an image, and this upstream's protocol takes only "
                "text. Leave it out, or choose a model of an upstream that takes images.",
                message, part);
    ret->param = arena_printf(a, "messages[%zu].content[%zu]", message, part);
    return false;
}

static bool fail_too_long(const struct prompt_target *to, size_t got, size_t limit,
                          const char *unit, const char *setting, struct arena *a,
                          struct failure *ret)
{
    failure_set(ret, a, FAILURE_CONTEXT_LENGTH,
                "The prompt has %zu %s, and upstream \"%s\" takes at most %zu. Shorten the "
                "conversation, or set %s (0 lifts the limit).",
                got, unit, to->config->name, limit, setting);
    ret->param = STR("messages");
    return false;
}

static bool fail_memory(enum err err, struct arena *a, struct failure *ret)
{
    if (err == ERR_TOO_BIG)
        failure_set(ret, a, FAILURE_CONTEXT_LENGTH,
                    "The prompt is longer than this gateway sends (%d bytes). Shorten the "
                    "conversation.",
                    PROMPT_BODY_MAX);
    else
        failure_set(ret, a, FAILURE_OVERLOADED,
                    "There is no memory for this prompt now (%s). Try again later, or raise "
                    "MEMORY_LIMIT.",
                    err_text(err));
    return false;
}

/* The service takes no prompt without text, and remembers who sends what it does not take. */
static bool fail_empty(const struct chat_request *chat, struct arena *a, struct failure *ret)
{
    failure_set(ret, a, FAILURE_BAD_REQUEST,
                "The prompt is empty: the last message has no text. Write something in it.");
    ret->param = arena_printf(a, "messages[%zu].content", chat->n_messages - 1);
    return false;
}

/* *ret_over: about how many bytes too many. */
static bool fits(const struct prompt_target *to, struct str prompt, const struct buf *body,
                 struct arena *a, size_t *ret_over, struct failure *ret)
{
    const struct enginelabs_config *c = to->config;
    size_t chars = c->max_prompt_chars > 0 ? utf8_count_utf16(prompt) : 0;

    if (chars > c->max_prompt_chars) {
        *ret_over = chars - c->max_prompt_chars;
        return fail_too_long(to, chars, c->max_prompt_chars, "characters (UTF-16 units)",
                             "ENGINELABS_MAX_PROMPT_CHARS", a, ret);
    }
    if (c->max_prompt_bytes > 0 && body->n > c->max_prompt_bytes) {
        *ret_over = body->n - c->max_prompt_bytes;
        if (c->protocol == PROTOCOL_PROJECT)
            *ret_over -= *ret_over / 4; /* three bytes of text are four of base64 */
        return fail_too_long(to, body->n, c->max_prompt_bytes, "bytes with its JSON around it",
                             "ENGINELABS_MAX_PROMPT_BYTES", a, ret);
    }
    return true;
}

static bool write_body(const struct prompt_target *to, struct str prompt, struct arena *a,
                       struct buf *body, size_t *ret_over, struct failure *ret)
{
    bool is_project = to->config->protocol == PROTOCOL_PROJECT;
    enum err err = is_project ? api_project_body(body, prompt, to->chat_id)
                              : api_chat_body(body, prompt, to->chat_id, to->model);

    return err ? fail_memory(err, a, ret) : fits(to, prompt, body, a, ret_over, ret);
}

/* A chat that goes on was told. */
static struct str told(const struct prompt_target *to, size_t from)
{
    return from == 0 ? to->instructions : STR("");
}

/* All messages from `from`, whatever the settings say of trimming. */
static bool write_all(const struct prompt_target *to, const struct chat_request *chat, size_t from,
                      struct arena *a, struct buf *body, size_t *ret_over, struct failure *ret)
{
    struct buf prompt;
    size_t message = 0;
    size_t part = 0;
    enum err err;
    bool ok;

    buf_clear(body);
    buf_init(&prompt, PROMPT_BODY_MAX);
    err = transcript_write(chat, from, told(to, from), &prompt, &message, &part);
    if (err == ERR_BAD_INPUT)
        ok = fail_image(message, part, a, ret);
    else if (err)
        ok = fail_memory(err, a, ret);
    else if (str_trim(buf_str(&prompt)).n == 0)
        ok = fail_empty(chat, a, ret);
    else
        ok = write_body(to, buf_str(&prompt), a, body, ret_over, ret);
    if (!ok)
        buf_clear(body);
    buf_deinit(&prompt);
    return ok;
}

static bool is_system(const struct chat_message *m)
{
    return m->role == CHAT_SYSTEM || m->role == CHAT_DEVELOPER;
}

static size_t text_bytes(const struct chat_message *m)
{
    size_t n = 1;

    for (size_t i = 0; i < m->n_parts; i++)
        n += m->parts[i].text.n;
    for (size_t i = 0; i < m->n_tool_calls; i++)
        n += m->tool_calls[i].arguments.n;
    return n;
}

/* Leaves out the oldest messages from `from` on until about `over` bytes are gone; returns how
 * many. The messages of `chat` are its own copy. */
static size_t leave_out_oldest(struct chat_request *chat, size_t from, size_t over)
{
    struct chat_message *m = chat->messages;
    size_t kept = from;
    size_t gone = 0;
    size_t last = chat->n_messages - 1;

    for (size_t i = from; i <= last; i++) {
        if (i < last && gone < over && !is_system(&m[i]))
            gone += text_bytes(&m[i]);
        else
            m[kept++] = m[i];
    }
    chat->n_messages = kept;
    return last + 1 - kept;
}

static struct chat_request copy_messages(const struct chat_request *chat, struct arena *a)
{
    struct chat_request copy = *chat;

    copy.messages = arena_alloc(a, chat->n_messages * sizeof(*chat->messages));
    memcpy(copy.messages, chat->messages, chat->n_messages * sizeof(*chat->messages));
    return copy;
}

bool prompt_write(const struct prompt_target *to, const struct chat_request *chat, size_t from,
                  struct arena *a, struct buf *body, size_t *ret_trimmed, struct failure *ret)
{
    size_t over = 1;
    bool ok = write_all(to, chat, from, a, body, &over, ret);
    size_t trimmed = 1;

    *ret_trimmed = 0;
    if (ok || !to->config->trim_overflow || ret->kind != FAILURE_CONTEXT_LENGTH)
        return ok;
    struct chat_request rest = copy_messages(chat, a);
    while (!ok && trimmed && ret->kind == FAILURE_CONTEXT_LENGTH) {
        trimmed = leave_out_oldest(&rest, from, over);
        *ret_trimmed += trimmed;
        ok = trimmed && write_all(to, &rest, from, a, body, &over, ret);
    }
    if (ok)
        *ret = (struct failure){ .kind = FAILURE_NONE };
    return ok;
}

/* Images anywhere: also in the part of the history that a known chat would not be sent again. */
static bool is_text_only(const struct chat_request *chat, struct arena *a, struct failure *ret)
{
    for (size_t i = 0; i < chat->n_messages; i++)
        for (size_t k = 0; k < chat->messages[i].n_parts; k++)
            if (chat->messages[i].parts[k].type != CHAT_PART_TEXT)
                return fail_image(i, k, a, ret);
    return true;
}

/* What the messages say, before anything is written: a prompt that is hopelessly too long is
 * refused without the work of writing it. */
static bool may_fit(const struct prompt_target *to, const struct chat_request *chat, size_t from,
                    struct arena *a, struct failure *ret)
{
    size_t max = to->config->max_prompt_chars;
    size_t chars;

    if (max == 0 || to->config->trim_overflow)
        return true;
    chars = utf8_count_utf16(told(to, from));
    for (size_t i = from; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        if (from + 1 < chat->n_messages)
            chars += strlen("<user>\n</user>\n"); /* a block, at the least */
        for (size_t k = 0; k < m->n_parts; k++)
            chars += utf8_count_utf16(m->parts[k].text);
        for (size_t k = 0; k < m->n_tool_calls; k++)
            chars += utf8_count_utf16(m->tool_calls[k].arguments);
    }
    return chars <= max || fail_too_long(to, chars, max, "characters (UTF-16 units)",
                                         "ENGINELABS_MAX_PROMPT_CHARS", a, ret);
}

/* Behind the last assistant message that has something behind it. */
static size_t shortest_from(const struct chat_request *chat)
{
    size_t i = chat->n_messages - 1;

    while (i > 0 && chat->messages[i - 1].role != CHAT_ASSISTANT)
        i--;
    return i;
}

bool prompt_check(const struct prompt_target *to, const struct chat_request *chat, struct arena *a,
                  struct buf *body, size_t *ret_from, size_t *ret_trimmed, struct failure *ret)
{
    if (!is_text_only(chat, a, ret))
        return false;
    *ret_from = shortest_from(chat);
    return may_fit(to, chat, *ret_from, a, ret) &&
           prompt_write(to, chat, *ret_from, a, body, ret_trimmed, ret);
}
