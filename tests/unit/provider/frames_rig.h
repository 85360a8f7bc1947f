/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames fed from lines: "=" before the JSON of an update's buffer, which is then wrapped in one of
 * the ways in which an upstream may send it; "POST", "POSTED" and "CLOSE" for what happens beside;
 * all else as it stands. Messages lie in memory of exactly their size and are gone after the call.
 */
#pragma once

#include "provider/enginelabs/frames.h"
#include "units.h"
#include "json/writer.h"

enum wrap {
    WRAP_OBJECT,
    WRAP_STRING,
    WRAP_NEWLINE,
    WRAP_ESCAPED,
    WRAP_HALVES, /* surrogates escaped in the string, not in the JSON that it holds */
    WRAP_SWAPPED,
    WRAP_CROWDED,
    WRAPS
};

enum { RIG_BYTES = 65536 };

struct rig {
    struct frames *frames;
    struct buf text;
    struct buf reasoning;
    struct buf message;
    struct buf inner;
    enum frames_end end;
    bool is_closed; /* the last CLOSE was the end */
};

static inline void take(struct buf *out, struct str text)
{
    EXPECT(text.n > 0 && utf8_is_valid(text));
    EXPECT(!buf_add(out, text));
}

static inline void on_rig_text(void *arg, struct str text)
{
    take(&((struct rig *)arg)->text, text);
}

static inline void on_rig_reasoning(void *arg, struct str text)
{
    take(&((struct rig *)arg)->reasoning, text);
}

/* What the rig itself needs is taken here, so that a failing allocation is the code's own. */
static inline void rig_init(struct rig *r, enum enginelabs_content mode, size_t max_bytes)
{
    static const struct frames_sink sink = { .on_text = on_rig_text,
                                             .on_reasoning = on_rig_reasoning };
    struct buf *const bufs[] = { &r->text, &r->reasoning, &r->message, &r->inner };
    char *room;

    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < COUNT_OF(bufs); i++) {
        buf_init(bufs[i], RIG_BYTES);
        EXPECT(!buf_reserve(bufs[i], RIG_BYTES, &room));
    }
    r->frames = frames_new(mode, max_bytes, &sink, r);
}

static inline void rig_deinit(struct rig *r)
{
    frames_free(r->frames);
    buf_deinit(&r->text);
    buf_deinit(&r->reasoning);
    buf_deinit(&r->message);
    buf_deinit(&r->inner);
}

static inline void add(struct buf *out, const char *text)
{
    EXPECT(!buf_add(out, str_of(text)));
}

static inline void add_all_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x80)
            EXPECT(!buf_addf(out, "\\u%04X", (unsigned)s.p[i]));
        else
            EXPECT(!buf_add_char(out, s.p[i]));
}

static inline void add_halves_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool is_half = s.n - i > 5 && s.p[i] == '\\' && s.p[i + 1] == 'u' &&
                       (s.p[i + 2] | 0x20) == 'd' && s.p[i + 3] > '7' && s.p[i - 1] != '\\';

        if (is_half || (unsigned char)s.p[i] >= 0x80)
            EXPECT(!buf_add_char(out, s.p[i]));
        else
            EXPECT(!json_escape_add(out, str_sub(s, i, 1)));
    }
}

/* The whole message around `inner`. */
static inline void wrap(enum wrap how, struct str inner, struct buf *out)
{
    static const char *const before[WRAPS] = {
        [WRAP_OBJECT] = "{\"type\":\"update\",\"buffer\":",
        [WRAP_STRING] = "{\"type\":\"update\",\"buffer\":\"",
        [WRAP_NEWLINE] = "{\"type\":\"update\",\"buffer\":\"",
        [WRAP_ESCAPED] = "{\"type\":\"update\",\"buffer\":\"",
        [WRAP_HALVES] = "{\"type\":\"update\",\"buffer\":\"",
        [WRAP_SWAPPED] = "{\"buffer\":\"",
        [WRAP_CROWDED] =
            "\r\n{ \"d\" : [{\"buffer\":\"\\u0022\"}], \"type\"\t: \"update\", \"buffer\" : ",
    };
    static const char *const behind[WRAPS] = {
        [WRAP_OBJECT] = "}",
        [WRAP_STRING] = "\"}",
        [WRAP_NEWLINE] = "\\n\"}",
        [WRAP_ESCAPED] = "\"}",
        [WRAP_HALVES] = "\"}",
        [WRAP_SWAPPED] = "\",\"type\":\"update\"}",
        [WRAP_CROWDED] = " , \"chat\":{\"content\":\"no\"}, \"id\":\"no\" } \n",
    };

    add(out, before[how]);
    if (how == WRAP_OBJECT || how == WRAP_CROWDED)
        EXPECT(!buf_add(out, inner));
    else if (how == WRAP_ESCAPED)
        add_all_escaped(out, inner);
    else if (how == WRAP_HALVES)
        add_halves_escaped(out, inner);
    else
        EXPECT(!json_escape_add(out, inner));
    add(out, behind[how]);
}

static inline enum err rig_feed(struct rig *r, struct str message)
{
    enum frames_end end = FRAMES_RUNNING;
    char *copy = mem_alloc(message.n);
    enum err err;

    if (message.n > 0)
        memcpy(copy, message.p, message.n);
    err = frames_feed(r->frames, (struct str){ copy, message.n }, &end);
    mem_free(copy);
    if (!err && end != FRAMES_RUNNING)
        r->end = end;
    return err;
}

static inline enum err rig_feed_inner(struct rig *r, enum wrap how, struct str inner)
{
    buf_clear(&r->message);
    wrap(how, inner, &r->message);
    return rig_feed(r, buf_str(&r->message));
}

static inline enum err rig_say(struct rig *r, enum wrap how, const char *line)
{
    if (line[0] == '=')
        return rig_feed_inner(r, how, str_of(line + 1));
    if (strcmp(line, "POST") == 0)
        frames_turn_begins(r->frames);
    else if (strcmp(line, "POSTED") == 0)
        frames_turn_began(r->frames);
    else if (strcmp(line, "CLOSE") == 0)
        r->is_closed = frames_closed(r->frames);
    else
        return rig_feed(r, str_of(line));
    return ERR_NONE;
}

/* ---- messages ---- */

#define CHAT(id, text) "={\"id\":\"" id "\",\"type\":\"chat\",\"chat\":{\"content\":\"" text "\"}}"
#define THINKING(id, text) \
    "={\"id\":\"" id "\",\"type\":\"thinking\",\"chat\":{\"content\":\"" text "\"}}"
#define TOOL(id) \
    "={\"id\":\"" id "\",\"type\":\"tool_run\",\"tool\":{\"content\":\"no\"},\"content\":\"no\"}"
#define USER(id, text)                                                                             \
    "={\"id\":\"" id "\",\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" text "\"}" \
    "]}"
#define SAID(id, text) "={\"id\":\"" id "\",\"role\":\"assistant\",\"content\":\"" text "\"}"
#define BLOCKS(id, blocks) "={\"id\":\"" id "\",\"role\":\"assistant\",\"content\":[" blocks "]}"
#define BLOCK(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define STATE(members) "{\"type\":\"state\",\"state\":{" members "}}"
#define BUSY STATE("\"inProgress\":true")
#define IDLE STATE("\"inProgress\":false")
#define CANCELLED STATE("\"inProgress\":false,\"cancelled\":true")
#define HISTORY(messages) "{\"type\":\"history\",\"messages\":[" messages "]}"
#define PAST(id, role, content) "{\"id\":\"" id "\",\"role\":\"" role "\",\"content\":" content "}"
#define LABEL "{\"type\":\"label\",\"label\":\"a title\"}"

/* ---- rows ---- */

enum { ROW_LINES = 10 };

#define SMILE "\xF0\x9F\x98\x80"
#define LOST "\xEF\xBF\xBD"

struct row {
    const char *lines[ROW_LINES];
    const char *text; /* NULL: none */
    const char *reasoning;
    enum frames_end end;
    bool is_closed;
    uint64_t unknown;
    uint64_t lost;
};

/* All that a row is judged by, in one line. */
static inline void describe(char *out, size_t cap, struct str text, struct str reasoning,
                            const struct row *row)
{
    snprintf(out, cap, "\"%.*s\" \"%.*s\" end %d, closed %d, unknown %d, lost %d, answer %d",
             STR_ARGS(text), STR_ARGS(reasoning), row->end, row->is_closed, (int)row->unknown,
             (int)row->lost, text.n + reasoning.n > 0);
}

static inline void run_row(enum enginelabs_content mode, const struct row *row, enum wrap how)
{
    char want[256];
    char got[256];
    struct row seen;
    struct rig r;

    rig_init(&r, mode, RIG_BYTES);
    for (size_t i = 0; i < ROW_LINES && row->lines[i]; i++)
        EXPECT_INT(rig_say(&r, how, row->lines[i]), ERR_NONE);
    seen = (struct row){ .end = r.end,
                         .is_closed = r.is_closed,
                         .unknown = frames_unknown(r.frames),
                         .lost = frames_surrogates_lost(r.frames) };
    describe(got, sizeof(got), buf_str(&r.text), buf_str(&r.reasoning), &seen);
    describe(want, sizeof(want), str_of(row->text ? row->text : ""),
             str_of(row->reasoning ? row->reasoning : ""), row);
    EXPECT_INT(frames_has_answer(r.frames), r.text.n + r.reasoning.n > 0);
    rig_deinit(&r);
    if (strcmp(got, want) == 0)
        return;
    for (size_t i = 0; i < ROW_LINES && row->lines[i]; i++)
        print_error("    %s\n", row->lines[i]);
    EXPECT_Z(got, want);
}

static inline void run_rows(enum enginelabs_content mode, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int how = 0; how < WRAPS; how++)
            run_row(mode, &rows[i], (enum wrap)how);
}

/* ---- strings of units ---- */

static inline void add_escape(struct buf *out, uint32_t unit)
{
    EXPECT(!buf_addf(out, "\\u%04x", (unsigned)unit));
}

/* As a JSON string; characters are escaped or not by chance, halves always. */
static inline void add_string(uint64_t *seed, struct buf *out, const struct units *t)
{
    char bytes[4];

    EXPECT(!buf_add_char(out, '"'));
    for (size_t at = 0; at < t->n;) {
        size_t from = at;
        uint32_t c = units_next(t, &at, t->n);

        if (is_high(c) || is_low(c) || chance(seed, 4) == 0)
            for (; from < at; from++)
                add_escape(out, t->u[from]);
        else
            EXPECT(!json_escape_add(out, (struct str){ bytes, utf8_put(c, bytes) }));
    }
    EXPECT(!buf_add_char(out, '"'));
}
