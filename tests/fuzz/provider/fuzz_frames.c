/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the answer stream, a line each. The first byte chooses the setting and the bound;
 * then a line is a message as it stands, or stands for one:
 *
 *     !        our POST is about to be sent         ?   it was sent before the stream was opened
 *     .        the stream was closed
 *     c0...    a chat update of message 0 with that JSON string as its content; t0... thinking,
 *              a0... of the assistant
 *     =...     the JSON of an update's buffer
 *
 * Properties: what comes out is valid UTF-8, never empty, and only in our turn; an update wrapped
 * as an object says the same as one in a string, and so does one in a string with white space
 * behind it, which is never like the one before; lost halves are as many as U+FFFD at most; all of
 * it may be fed again after the end.
 */
#include "base/encoding.h"
#include "base/mem.h"
#include "provider/enginelabs/frames.h"
#include "json/reader.h"
#include "json/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { BOUND_LARGE = 1 << 20, BOUND_SMALL = 3000, KINDS = 2 };

struct run {
    struct frames *frames;
    struct buf message;
    struct buf inner;
    bool as_string;
    unsigned padding; /* 0: none; else that of the next message */
    bool in_turn;
    enum err err;
    enum frames_end end;
    struct buf out[KINDS];
};

static void take(struct run *r, int kind, struct str text)
{
    BUG_ON(!r->in_turn || text.n == 0 || !utf8_is_valid(text));
    BUG_ON(buf_add(&r->out[kind], text));
}

static void on_text(void *arg, struct str text)
{
    take(arg, 0, text);
}

static void on_reasoning(void *arg, struct str text)
{
    take(arg, 1, text);
}

/* From memory of exactly its size. */
static void feed(struct run *r, struct str message)
{
    size_t padding = message.n > 0 && message.p[message.n - 1] == '}' ? r->padding : 0;
    enum frames_end end = FRAMES_RUNNING;
    char *copy = mem_alloc(message.n + padding);
    enum err err;

    if (message.n > 0)
        memcpy(copy, message.p, message.n);
    memset(copy + message.n, ' ', padding);
    if (padding > 0)
        r->padding = padding % 3 + 1;
    err = frames_feed(r->frames, (struct str){ copy, message.n + padding }, &end);
    mem_free(copy);
    BUG_ON(err && err != ERR_TOO_BIG && err != ERR_PROTOCOL);
    BUG_ON(end != FRAMES_RUNNING && !r->in_turn);
    if (err && !r->err)
        r->err = err;
    if (end != FRAMES_RUNNING && r->end == FRAMES_RUNNING)
        r->end = end;
}

static void add(struct buf *out, struct str s)
{
    BUG_ON(buf_add(out, s));
}

/* The two wrappings say the same only of JSON: a string may hold anything. */
static void feed_inner(struct run *r, struct str inner)
{
    struct json j;
    bool is_json;

    json_init(&j, inner, 60);
    j.lone_surrogates = true;
    json_skip(&j);
    is_json = json_end(&j) == ERR_NONE && utf8_is_valid(inner);
    buf_clear(&r->message);
    add(&r->message, STR("{\"type\":\"update\",\"buffer\":"));
    if (r->as_string && is_json) {
        add(&r->message, STR("\""));
        BUG_ON(json_escape_add(&r->message, inner));
        add(&r->message, STR("\""));
    } else {
        add(&r->message, inner);
    }
    add(&r->message, STR("}"));
    feed(r, buf_str(&r->message));
}

static void feed_piece(struct run *r, struct str line)
{
    const char *before = line.p[0] == 'a'   ? "\"role\":\"assistant\",\"content\":\""
                         : line.p[0] == 't' ? "\"type\":\"thinking\",\"chat\":{\"content\":\""
                                            : "\"type\":\"chat\",\"chat\":{\"content\":\"";

    buf_clear(&r->inner);
    add(&r->inner, STR("{\"id\":\"m"));
    add(&r->inner, str_sub(line, 1, 1));
    add(&r->inner, STR("\","));
    add(&r->inner, str_of(before));
    add(&r->inner, str_from(line, 2));
    add(&r->inner, line.p[0] == 'a' ? STR("\"}") : STR("\"}}"));
    feed_inner(r, buf_str(&r->inner));
}

static void feed_line(struct run *r, struct str line)
{
    bool is_piece = line.n > 1 && line.p[1] >= '0' && line.p[1] <= '9';

    if (str_eq(line, STR("!"))) {
        r->in_turn = true;
        frames_turn_begins(r->frames);
    } else if (str_eq(line, STR("?"))) {
        r->in_turn = true;
        frames_turn_began(r->frames);
    } else if (str_eq(line, STR("~")) && r->in_turn) {
        frames_restart(r->frames);
        for (int k = 0; k < KINDS; k++)
            buf_clear(&r->out[k]);
    } else if (str_eq(line, STR("."))) {
        BUG_ON(frames_closed(r->frames) && !r->in_turn);
    } else if (line.n > 0 && line.p[0] == '=') {
        feed_inner(r, str_from(line, 1));
    } else if (is_piece && (line.p[0] == 'c' || line.p[0] == 't' || line.p[0] == 'a')) {
        feed_piece(r, line);
    } else {
        feed(r, line);
    }
}

static void on_rewind(void *arg)
{
    buf_clear(&((struct run *)arg)->out[0]);
}

static void run_init(struct run *r, uint8_t how, bool as_string)
{
    static const struct frames_sink sink = { .on_text = on_text,
                                             .on_reasoning = on_reasoning,
                                             .on_rewind = on_rewind };
    const enum enginelabs_content modes[] = { CONTENT_AUTO, CONTENT_DELTA, CONTENT_SNAPSHOT,
                                              CONTENT_AUTO };

    *r = (struct run){ .as_string = as_string };
    buf_init(&r->message, SIZE_MAX);
    buf_init(&r->inner, SIZE_MAX);
    for (int k = 0; k < KINDS; k++)
        buf_init(&r->out[k], SIZE_MAX);
    r->frames = frames_new(modes[how & 3], how & 4 ? BOUND_SMALL : BOUND_LARGE, &sink, r);
}

static void run_deinit(struct run *r)
{
    frames_free(r->frames);
    buf_deinit(&r->message);
    buf_deinit(&r->inner);
    for (int k = 0; k < KINDS; k++)
        buf_deinit(&r->out[k]);
}

static void run_lines(struct run *r, struct str in)
{
    while (in.n > 0 && !r->err) {
        struct str line = str_cut(in, '\n', &in);

        feed_line(r, line);
    }
}

static void expect_same(const struct run *a, const struct run *b)
{
    BUG_ON(a->err != b->err || a->end != b->end);
    for (int k = 0; k < KINDS; k++)
        BUG_ON(!str_eq(buf_str(&a->out[k]), buf_str(&b->out[k])));
    BUG_ON(frames_unknown(a->frames) != frames_unknown(b->frames));
    BUG_ON(frames_surrogates_lost(a->frames) != frames_surrogates_lost(b->frames));
}

static void check_answer(const struct run *r)
{
    BUG_ON(frames_has_answer(r->frames) != (r->out[0].n + r->out[1].n > 0));
    for (int k = 0; k < KINDS; k++)
        BUG_ON(!utf8_is_valid(buf_str(&r->out[k])));
    BUG_ON(frames_surrogates_lost(r->frames) > (r->out[0].n + r->out[1].n) / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 1)
        return 0;
    struct str in = { (const char *)p + 1, n - 1 };
    struct run object;
    struct run string;
    struct run padded;

    run_init(&object, p[0], false);
    run_init(&string, p[0], true);
    run_init(&padded, p[0], true);
    padded.padding = 1;
    run_lines(&object, in);
    run_lines(&string, in);
    run_lines(&padded, in);
    check_answer(&object);
    check_answer(&string);
    expect_same(&string, &padded);
    /* The bound holds for what a string is decoded to as well. */
    if (!(p[0] & 4))
        expect_same(&object, &string);
    string.err = ERR_NONE;
    run_lines(&string, in);
    check_answer(&string);
    run_deinit(&object);
    run_deinit(&string);
    run_deinit(&padded);
    return 0;
}
