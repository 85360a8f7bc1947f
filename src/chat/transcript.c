/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transcript is written without a suffix first. What was written then holds as many closing
 * tags as we wrote, or more: those are the texts' own, and it is written again with a suffix that
 * none of them has. Attributes are written as JSON strings, so that no quote or line end of a name
 * leaves its tag.
 *
 * The smallest free suffix is found in linear time whatever the texts say: a closing tag with a
 * number rules out one suffix for each of its first digits, so of 7k + 1 suffixes k tags leave one.
 */
#include "chat/transcript.h"

#include "base/mem.h"
#include "json/writer.h"

enum {
    SUFFIX_DIGITS = 7,
    NEAR_MAX = 64, /* how far a result's call is looked for */
};

struct transcript {
    struct buf *out;
    size_t suffix; /* behind the name of each tag; 0: none */
    size_t tags;   /* closing tags written */
    enum err failed;
};

static void add(struct transcript *t, struct str s)
{
    if (!t->failed)
        t->failed = buf_add(t->out, s);
}

static void add_attribute(struct transcript *t, const char *name, struct str value)
{
    if (value.n == 0)
        return;
    add(t, STR(" "));
    add(t, str_of(name));
    add(t, STR("=\""));
    if (!t->failed)
        t->failed = json_escape_add(t->out, value);
    add(t, STR("\""));
}

/* "<" or "</", the name and the suffix. */
static void open_tag(struct transcript *t, const char *bracket, const char *name)
{
    add(t, str_of(bracket));
    add(t, str_of(name));
    if (!t->failed && t->suffix)
        t->failed = buf_addf(t->out, "-%zu", t->suffix);
}

static void close_block(struct transcript *t, const char *name)
{
    open_tag(t, "</", name);
    add(t, STR(">\n"));
    t->tags++;
}

static void add_texts(struct transcript *t, const struct chat_message *m)
{
    for (size_t i = 0; i < m->n_parts; i++)
        add(t, m->parts[i].text);
}

/* Texts end at a line end of ours, so that a tag always begins a line. */
static void end_line(struct transcript *t, size_t start)
{
    if (!t->failed && t->out->n > start)
        add(t, STR("\n"));
}

static void add_tool_call(struct transcript *t, const struct chat_tool_call *call)
{
    size_t start;

    open_tag(t, "<", "tool_call");
    add_attribute(t, "id", call->id);
    add_attribute(t, "name", call->name);
    add(t, STR(">\n"));
    start = t->out->n;
    add(t, call->arguments);
    end_line(t, start);
    close_block(t, "tool_call");
}

/* The tool whose result message `i` is: a model that wrote the call itself knows no ids. */
static struct str tool_of(const struct chat_request *req, size_t i)
{
    struct str id = req->messages[i].tool_call_id;
    const struct chat_message *m;
    size_t k = i;

    while (k > 0 && req->messages[k].role == CHAT_TOOL && i - k < NEAR_MAX)
        k--;
    m = &req->messages[k];
    for (size_t c = 0; id.n > 0 && c < m->n_tool_calls && c < NEAR_MAX; c++)
        if (str_eq(m->tool_calls[c].id, id))
            return m->tool_calls[c].name;
    return STR("");
}

static void add_message(struct transcript *t, const struct chat_message *m, struct str tool)
{
    const char *name = chat_role_name(m->role);
    size_t start;

    open_tag(t, "<", name);
    add_attribute(t, "id", m->tool_call_id);
    add_attribute(t, "name", tool);
    add(t, STR(">\n"));
    start = t->out->n;
    add_texts(t, m);
    end_line(t, start);
    for (size_t i = 0; i < m->n_tool_calls; i++)
        add_tool_call(t, &m->tool_calls[i]);
    close_block(t, name);
}

static void add_messages(struct transcript *t, const struct chat_request *req, size_t from)
{
    for (size_t i = from; i < req->n_messages && !t->failed; i++)
        add_message(t, &req->messages[i],
                    req->messages[i].role == CHAT_TOOL ? tool_of(req, i) : STR(""));
}

/* Length of the tag name that `s` begins with, in any case; 0 for none. */
static size_t tag_name(struct str s)
{
    static const char *const names[] = { "system",    "developer", "user",
                                         "assistant", "tool_call", "tool" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_starts_nocase(s, str_of(names[i])))
            return strlen(names[i]);
    return 0;
}

/* Moves `rest` behind the name of its next closing tag; false when there is none. */
static bool next_closing(struct str *rest)
{
    size_t at;

    while ((at = str_find_char(*rest, '<')) != SIZE_MAX) {
        size_t name = 0;

        *rest = str_from(*rest, at + 1);
        if (rest->n > 0 && rest->p[0] == '/')
            name = tag_name(str_from(*rest, 1));
        if (name > 0) {
            *rest = str_from(*rest, 1 + name);
            return true;
        }
    }
    return false;
}

static size_t count_closing(struct str text)
{
    size_t n = 0;

    while (next_closing(&text))
        n++;
    return n;
}

/* Takes the suffixes that `rest`, behind a tag's name, begins with: "-12" takes 1 and 12. */
static void take_suffixes(struct str rest, bool *taken, size_t limit)
{
    size_t suffix = 0;

    if (rest.n < 2 || rest.p[0] != '-' || rest.p[1] == '0')
        return;
    for (size_t i = 1; i <= SUFFIX_DIGITS && i < rest.n; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return;
        suffix = suffix * 10 + (size_t)(rest.p[i] - '0');
        if (suffix < limit)
            taken[suffix] = true;
    }
}

/* The smallest suffix that none of the `n` closing tags in `text` has. */
static enum err free_suffix(struct str text, size_t n, size_t *ret_suffix)
{
    size_t limit = n * SUFFIX_DIGITS + 2;
    bool *taken = mem_try(limit);
    size_t suffix = 1;

    if (!taken)
        return ERR_NOMEM;
    memset(taken, 0, limit);
    while (next_closing(&text))
        take_suffixes(text, taken, limit);
    while (taken[suffix])
        suffix++;
    mem_free(taken);
    *ret_suffix = suffix;
    return ERR_NONE;
}

static enum err write_blocks(const struct chat_request *req, size_t from, struct buf *out)
{
    struct transcript t = { .out = out };
    size_t start = out->n;
    struct str written;
    size_t closing;

    add_messages(&t, req, from);
    if (t.failed)
        return t.failed;
    written = str_from(buf_str(out), start);
    closing = count_closing(written);
    if (closing == t.tags)
        return ERR_NONE;
    t.failed = free_suffix(written, closing, &t.suffix);
    buf_truncate(out, start);
    add_messages(&t, req, from);
    return t.failed;
}

/* Finds the first part that is no text. */
static bool find_image(const struct chat_request *req, size_t from, size_t *ret_message,
                       size_t *ret_part)
{
    for (size_t i = from; i < req->n_messages; i++) {
        for (size_t j = 0; j < req->messages[i].n_parts; j++) {
            if (req->messages[i].parts[j].type == CHAT_PART_TEXT)
                continue;
            *ret_message = i;
            *ret_part = j;
            return true;
        }
    }
    return false;
}

/* With an empty line behind them. */
static enum err write_instructions(struct str instructions, struct buf *out)
{
    enum err err = buf_add(out, str_trim(instructions));

    return err ? err : buf_add(out, STR("\n\n"));
}

enum err transcript_write(const struct chat_request *req, size_t from, struct str instructions,
                          struct buf *out, size_t *ret_message, size_t *ret_part)
{
    struct transcript plain = { .out = out };
    size_t start = out->n;
    enum err err = ERR_NONE;

    if (find_image(req, from, ret_message, ret_part))
        return ERR_BAD_INPUT;
    if (instructions.n > 0) {
        err = write_instructions(instructions, out);
        err = err ? err : write_blocks(req, from, out);
    } else if (from + 1 == req->n_messages && req->messages[from].role == CHAT_USER) {
        add_texts(&plain, &req->messages[from]);
        err = plain.failed;
    } else {
        err = write_blocks(req, from, out);
    }
    if (err)
        buf_truncate(out, start);
    return err;
}
