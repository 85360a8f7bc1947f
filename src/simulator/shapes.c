/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the answer stream; see shapes.h. */
#include "simulator/shapes.h"

#include "base/encoding.h"

enum { PIECE_BYTES_MAX = 4096, MESSAGE_MAX = 67108864 };

/* ---- text as JSON ---- */

static uint32_t code_point(const char *p, size_t n)
{
    static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t c = (unsigned char)p[0] & lead_bits[n];

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

static enum err add_escape(struct buf *out, uint32_t unit)
{
    return buf_addf(out, "\\u%04x", (unsigned)unit);
}

static enum err add_units(struct buf *out, uint32_t c)
{
    enum err err;

    if (c < 0x10000)
        return add_escape(out, c);
    c -= 0x10000;
    err = add_escape(out, 0xd800 + (c >> 10));
    return err ? err : add_escape(out, 0xdc00 + (c & 0x3ff));
}

/* Runs of ASCII go through the writer, the rest becomes \uXXXX. */
static enum err add_ascii(struct buf *out, struct str s)
{
    enum err err = ERR_NONE;

    while (s.n > 0 && !err) {
        size_t run = 0;
        size_t n;

        while (run < s.n && (unsigned char)s.p[run] < 0x80)
            run++;
        err = json_escape_add(out, str_sub(s, 0, run));
        s = str_from(s, run);
        if (err || s.n == 0)
            break;
        n = utf8_sequence(s);
        err = add_units(out, n > 0 ? code_point(s.p, n) : 0xfffd);
        s = str_from(s, n > 0 ? n : 1);
    }
    return err;
}

static enum err add_quoted(struct buf *out, const struct sim_settings *s,
                           const struct sim_piece *piece)
{
    enum err err = buf_add_char(out, '"');

    if (!err && piece->head)
        err = add_escape(out, piece->head);
    if (!err)
        err = s->ascii ? add_ascii(out, piece->text) : json_escape_add(out, piece->text);
    if (!err && piece->tail)
        err = add_escape(out, piece->tail);
    return err ? err : buf_add_char(out, '"');
}

/* ---- updates ---- */

static enum err wrap(struct buf *out, const struct sim_settings *s, struct buf *inner)
{
    enum err err = buf_add(out, STR("{\"type\":\"update\",\"buffer\":"));

    if (err)
        return err;
    if (s->buffer_object) {
        err = buf_add(out, buf_str(inner));
        return err ? err : buf_add_char(out, '}');
    }
    if (s->newline)
        err = buf_add_char(inner, '\n');
    if (!err)
        err = buf_add_char(out, '"');
    if (!err)
        err = json_escape_add(out, buf_str(inner));
    return err ? err : buf_add(out, STR("\"}"));
}

static enum err add_inner(struct buf *inner, const struct sim_settings *s, enum sim_piece_kind kind,
                          const char *id, const struct sim_piece *piece)
{
    const char *before;
    const char *behind;
    enum err err;

    if (kind == SIM_PIECE_THINKING || s->shape == SIM_SHAPE_CHAT) {
        before = kind == SIM_PIECE_THINKING ? "\"type\":\"thinking\",\"chat\":{\"content\":"
                                            : "\"type\":\"chat\",\"chat\":{\"content\":";
        behind = "}}";
    } else if (s->shape == SIM_SHAPE_ASSISTANT) {
        before = "\"role\":\"assistant\",\"content\":";
        behind = "}";
    } else {
        before = "\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":";
        behind = "}]}";
    }
    err = buf_addf(inner, "{\"id\":\"%s\",%s", id, before);
    if (!err)
        err = add_quoted(inner, s, piece);
    return err ? err : buf_add(inner, str_of(behind));
}

enum err sim_shape_piece(struct buf *out, const struct sim_settings *s, enum sim_piece_kind kind,
                         const char *id, const struct sim_piece *piece)
{
    struct buf inner;
    enum err err;

    buf_init(&inner, MESSAGE_MAX);
    err = add_inner(&inner, s, kind, id, piece);
    if (!err)
        err = wrap(out, s, &inner);
    buf_deinit(&inner);
    return err;
}

enum err sim_shape_echo(struct buf *out, const struct sim_settings *s, const char *id,
                        struct str prompt)
{
    struct sim_piece piece = { .text = prompt };
    struct buf inner;
    enum err err;

    buf_init(&inner, MESSAGE_MAX);
    err = buf_addf(&inner,
                   "{\"id\":\"%s_user\",\"role\":\"user\",\"content\":[{\"type\":\"text\","
                   "\"text\":",
                   id);
    if (!err)
        err = add_quoted(&inner, s, &piece);
    if (!err)
        err = buf_add(&inner, STR("}]}"));
    if (!err)
        err = wrap(out, s, &inner);
    buf_deinit(&inner);
    return err;
}

enum err sim_shape_activity(struct buf *out, const struct sim_settings *s, const char *id, size_t n)
{
    static const char *const kinds[] = {
        "\"type\":\"tool_use\",\"tool\":{\"name\":\"read_file\",\"status\":\"running\"}",
        "\"type\":\"tool_result\",\"tool\":{\"name\":\"read_file\",\"content\":\"not an answer\"}",
        "\"type\":\"todo\",\"todos\":[{\"content\":\"look around\",\"status\":\"done\"}]",
        "\"type\":\"agent\",\"agent\":{\"status\":\"working\",\"step\":null}",
        "\"type\":\"commit\",\"chat\":null",
    };
    struct buf inner;
    enum err err;

    buf_init(&inner, MESSAGE_MAX);
    err = buf_addf(&inner, "{\"id\":\"%s_act%zu\",%s}", id, n, kinds[n % COUNT_OF(kinds)]);
    if (!err)
        err = wrap(out, s, &inner);
    buf_deinit(&inner);
    return err;
}

/* ---- other messages ---- */

enum err sim_shape_state(struct buf *out, bool in_progress, bool cancelled, const char *task_id)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "type", STR("state"));
    json_w_key(&w, "state");
    json_w_object(&w);
    json_w_member_bool(&w, "inProgress", in_progress);
    if (cancelled)
        json_w_member_bool(&w, "cancelled", true);
    if (task_id)
        json_w_member_str(&w, "taskId", str_of(task_id));
    json_w_object_end(&w);
    json_w_object_end(&w);
    return json_w_end(&w);
}

enum err sim_shape_label(struct buf *out, struct str prompt)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "type", STR("label"));
    json_w_member_str(&w, "label", str_sub(prompt, 0, 40));
    json_w_object_end(&w);
    return json_w_end(&w);
}

static void write_content(struct json_writer *w, enum sim_history how, struct str content)
{
    json_w_key(w, "content");
    if (how == SIM_HISTORY_STRING) {
        json_w_str(w, content);
        return;
    }
    json_w_array(w);
    json_w_object(w);
    json_w_member_str(w, "type", STR("text"));
    json_w_member_str(w, "text", content);
    json_w_object_end(w);
    json_w_array_end(w);
}

enum err sim_shape_history(struct buf *out, enum sim_history how,
                           const struct sim_history_message *messages, size_t n)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "type", STR("history"));
    json_w_key(&w, "messages");
    json_w_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_w_object(&w);
        json_w_member_str(&w, "id", str_of(messages[i].id));
        json_w_member_str(&w, "role", messages[i].is_user ? STR("user") : STR("assistant"));
        write_content(&w, how, messages[i].content);
        json_w_object_end(&w);
    }
    json_w_array_end(&w);
    json_w_object_end(&w);
    return json_w_end(&w);
}

/* ---- pieces ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

/* How many bytes the next piece would have, at a character's end. */
static size_t piece_length(const struct sim_settings *s, struct str text)
{
    size_t max = s->piece_bytes > 0 ? (size_t)s->piece_bytes : PIECE_BYTES_MAX;
    size_t n = 0;
    int words = 0;

    while (n < text.n) {
        size_t step = utf8_sequence(str_sub(text, n, 4));

        if (step == 0)
            step = 1;
        if (n > 0 && n + step > max)
            break;
        n += step;
        if (s->piece_bytes > 0 || !is_space(text.p[n - 1]))
            continue;
        if ((n == text.n || !is_space(text.p[n])) && ++words == s->words)
            break;
    }
    return n;
}

/* The first character above U+FFFF in `text`, or its end. */
static size_t find_astral(struct str text)
{
    size_t n = 0;

    while (n < text.n && (unsigned char)text.p[n] < 0xf0)
        n++;
    return n;
}

bool sim_shape_cut(const struct sim_settings *s, struct str *rest, uint32_t *carry,
                   struct sim_piece *ret)
{
    size_t n = piece_length(s, *rest);
    size_t astral = find_astral(str_sub(*rest, 0, n));
    uint32_t c;

    if (rest->n == 0 && !*carry)
        return false;
    *ret = (struct sim_piece){ .text = str_sub(*rest, 0, n), .head = *carry };
    *carry = 0;
    if (!s->split_surrogates || astral + 4 > n) {
        *rest = str_from(*rest, n);
        return true;
    }
    c = code_point(rest->p + astral, 4) - 0x10000;
    ret->text.n = astral;
    ret->tail = 0xd800 + (c >> 10);
    *carry = 0xdc00 + (c & 0x3ff);
    *rest = str_from(*rest, astral + 4);
    return true;
}
