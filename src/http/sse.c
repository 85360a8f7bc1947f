/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (WHATWG HTML 9.2.5 and 9.2.6). Lines that are whole in the input are read
 * where they lie; only one that is cut is gathered. Limits are judged by the line and the event
 * alone, never by how the input came.
 */
#include "http/sse.h"

void sse_init(struct sse *s, size_t max, sse_on_event *on_event, void *arg)
{
    *s = (struct sse){ .on_event = on_event, .arg = arg };
    buf_init(&s->line, max);
    buf_init(&s->type, max);
    /* Each line of an event is kept with its '\n', the last of which is not part of the data. */
    buf_init(&s->data, max < SIZE_MAX ? max + 1 : max);
}

void sse_deinit(struct sse *s)
{
    buf_deinit(&s->line);
    buf_deinit(&s->type);
    buf_deinit(&s->data);
}

static enum err dispatch(struct sse *s)
{
    enum err err = ERR_NONE;

    if (!buf_is_empty(&s->data)) {
        struct sse_event ev = {
            .type = buf_is_empty(&s->type) ? STR("message") : buf_str(&s->type),
            .data = str_sub(buf_str(&s->data), 0, s->data.n - 1),
        };
        err = s->on_event(s->arg, &ev);
    }
    buf_clear(&s->type);
    buf_clear(&s->data);
    return err;
}

static enum err add_data(struct sse *s, struct str value)
{
    enum err err = buf_add(&s->data, value);

    return err ? err : buf_add_char(&s->data, '\n');
}

/* id and retry are for clients that reconnect: passed over like unknown fields. */
static enum err on_field(struct sse *s, struct str name, struct str value)
{
    if (str_eq(name, STR("data")))
        return add_data(s, value);
    if (str_eq(name, STR("event"))) {
        buf_clear(&s->type);
        return buf_add(&s->type, value);
    }
    return ERR_NONE;
}

/* One line without its end. */
static enum err on_line(struct sse *s, struct str line)
{
    struct str value;

    if (!s->started) {
        s->started = true;
        if (str_starts(line, STR("\xEF\xBB\xBF")))
            line = str_from(line, 3);
    }
    if (line.n == 0)
        return dispatch(s);
    if (line.p[0] == ':')
        return ERR_NONE;
    struct str name = str_cut(line, ':', &value);
    if (value.n > 0 && value.p[0] == ' ')
        value = str_from(value, 1);
    return on_field(s, name, value);
}

/* The line that `rest` ends, a part of which may have come before. */
static enum err end_line(struct sse *s, struct str rest)
{
    enum err err;

    if (buf_is_empty(&s->line)) {
        if (rest.n > s->line.max)
            return ERR_TOO_BIG;
        return on_line(s, rest);
    }
    err = buf_add(&s->line, rest);
    if (err)
        return err;
    err = on_line(s, buf_str(&s->line));
    buf_clear(&s->line);
    return err;
}

/* The first CR or LF of [p, end), or NULL. *lf is the first LF from p on (end: none), searched anew
 * only when passed, so that lines ended by CR cost no more than others. */
static const char *find_line_end(const char *p, const char *end, const char **lf)
{
    if (!*lf || *lf < p) {
        *lf = memchr(p, '\n', (size_t)(end - p));
        if (!*lf)
            *lf = end;
    }
    const char *cr = memchr(p, '\r', (size_t)(*lf - p));
    if (cr)
        return cr;
    return *lf < end ? *lf : NULL;
}

static enum err feed(struct sse *s, const char *p, const char *end)
{
    const char *lf = NULL;

    while (p < end) {
        if (s->skip_lf && *p == '\n')
            p++;
        s->skip_lf = false;
        if (p == end)
            return ERR_NONE;
        const char *stop = find_line_end(p, end, &lf);
        if (!stop)
            return buf_add(&s->line, (struct str){ p, (size_t)(end - p) });
        enum err err = end_line(s, (struct str){ p, (size_t)(stop - p) });
        if (err)
            return err;
        s->skip_lf = *stop == '\r';
        p = stop + 1;
    }
    return ERR_NONE;
}

enum err sse_feed(struct sse *s, struct str in)
{
    if (!s->failed && in.n > 0)
        s->failed = feed(s, in.p, in.p + in.n);
    return s->failed;
}

static enum err add_line(struct buf *out, struct str prefix, struct str line)
{
    char *room;
    enum err err = buf_reserve(out, prefix.n + line.n + 1, &room);

    if (err)
        return err;
    memcpy(room, prefix.p, prefix.n);
    if (line.n > 0)
        memcpy(room + prefix.n, line.p, line.n);
    room[prefix.n + line.n] = '\n';
    buf_commit(out, prefix.n + line.n + 1);
    return ERR_NONE;
}

/* `text` line by line, each after `prefix`, then an empty line. A CR alone ends a line for the
 * reader too, so none may get through. */
static enum err add_lines(struct buf *out, struct str prefix, struct str text)
{
    const char *p = text.p;
    const char *end = text.n > 0 ? text.p + text.n : text.p;
    const char *lf = NULL;

    for (;;) {
        const char *stop = p < end ? find_line_end(p, end, &lf) : NULL;
        size_t n = stop ? (size_t)(stop - p) : (size_t)(end - p);
        enum err err = add_line(out, prefix, (struct str){ p, n });

        if (err)
            return err;
        if (!stop)
            return buf_add_char(out, '\n');
        p = stop + 1;
        if (*stop == '\r' && p < end && *p == '\n')
            p++;
    }
}

static enum err add_block(struct buf *out, struct str prefix, struct str text)
{
    size_t before = out->n;
    enum err err = add_lines(out, prefix, text);

    if (err)
        buf_truncate(out, before);
    return err;
}

enum err sse_write_data(struct buf *out, struct str data)
{
    return add_block(out, STR("data: "), data);
}

enum err sse_write_comment(struct buf *out, struct str text)
{
    return add_block(out, STR(": "), text);
}
