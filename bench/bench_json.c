/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the JSON room on the files of tests/data: each line is the best of many short
 * batches, which is what the code costs when nothing else runs on the machine.
 *
 *     cmake --build build/release --target bench_json && build/release/bench_json [folder]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/reader.h"
#include "json/scan.h"
#include "json/writer.h"

enum { BATCHES = 400, BATCH_US = 2000, FILE_MAX = 1 << 20 };

static struct buf scratch;
static struct buf frame_text;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_json: %s failed\n", what);
    exit(1);
}

static void load(const char *folder, const char *name, struct buf *ret)
{
    char path[512];
    char *room;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    must(f != NULL, path);
    buf_init(ret, FILE_MAX);
    must(buf_reserve(ret, FILE_MAX, &room) == ERR_NONE, path);
    buf_commit(ret, fread(room, 1, FILE_MAX, f));
    fclose(f);
}

static void scan(struct str text)
{
    struct json j;

    json_init(&j, text, 64);
    json_skip(&j);
    must(json_end(&j) == ERR_NONE, "scan");
}

/* As a dialect reads a request: all members looked at by name, contents as slices. */
static void walk_message(struct json *j)
{
    struct json_value v;
    struct str key;

    if (!json_enter_object(j))
        return;
    while (json_next_member(j, &key))
        if (json_key_eq(key, STR("role")) || json_key_eq(key, STR("content")))
            json_read(j, &v);
        else
            json_skip(j);
}

static void walk_chat(struct str text)
{
    struct json j;
    struct str key;

    json_init(&j, text, 64);
    json_enter_object(&j);
    while (json_next_member(&j, &key))
        if (json_key_eq(key, STR("messages")) && json_enter_array(&j))
            while (json_next_item(&j))
                walk_message(&j);
        else
            json_skip(&j);
    must(json_end(&j) == ERR_NONE, "walk");
}

/* The frame's text is JSON again. */
static void scan_frame(struct str text)
{
    struct json_value v;
    struct str key;
    struct json j;

    json_init(&j, text, 64);
    json_enter_object(&j);
    while (json_next_member(&j, &key)) {
        json_read(&j, &v);
        if (!json_key_eq(key, STR("buffer")))
            continue;
        buf_clear(&scratch);
        must(json_text_add(&v, &scratch) == ERR_NONE, "unescape");
    }
    must(json_end(&j) == ERR_NONE, "frame");
    scan(buf_str(&scratch));
}

static void escape(struct str text)
{
    buf_clear(&scratch);
    must(json_escape_add(&scratch, text) == ERR_NONE, "escape");
}

static void check(struct str text)
{
    bool escaped;

    must(*scan_string(text.p, text.p + text.n, false, &escaped) == '"', "string");
}

static void check_by_8(struct str text)
{
    bool escaped;

    must(*scan_string_as(SCAN_BY_8, text.p, text.p + text.n, false, &escaped) == '"', "string");
}

static int64_t batch_us(void (*run)(struct str), struct str text, int64_t rounds)
{
    int64_t start = clock_now_us();

    for (int64_t i = 0; i < rounds; i++)
        run(text);
    return clock_now_us() - start;
}

static void report(const char *name, void (*run)(struct str), struct str text)
{
    int64_t rounds = 1;
    int64_t best;

    while (batch_us(run, text, rounds) < BATCH_US)
        rounds *= 2;
    best = batch_us(run, text, rounds);
    for (int i = 0; i < BATCHES; i++) {
        int64_t us = batch_us(run, text, rounds);

        best = us < best ? us : best;
    }
    double each = (double)best / (double)rounds;
    printf("%-34s %9.3f us %8.2f GB/s\n", name, each, (double)text.n / each / 1e3);
}

/* `n` bytes of a string that repeats `piece`, and its closing quote. */
static void fill(struct buf *b, const char *piece, size_t n)
{
    enum err err = ERR_NONE;

    buf_init(b, FILE_MAX);
    while (b->n < n && !err)
        err = buf_add(b, str_of(piece));
    must(!err && buf_add_char(b, '"') == ERR_NONE, "fill");
}

static void report_strings(void)
{
    static const struct {
        const char *name;
        const char *piece;
    } rows[] = {
        { "ascii", "the quick brown fox jumps over the lazy dog " },
        { "code, an escape every 9 bytes", "int x;\\n\\tif\\\"" },
        { "chinese", "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c" },
        { "russian", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 " },
        { "emoji", "\xf0\x9f\x98\x80" },
        { "\\u escapes", "\\u4f60\\u597d" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf text;
        char name[64];

        fill(&text, rows[i].piece, 60000);
        snprintf(name, sizeof(name), "60k %s", rows[i].name);
        report(name, check, buf_str(&text));
        snprintf(name, sizeof(name), "60k %s, 8 at a time", rows[i].name);
        report(name, check_by_8, buf_str(&text));
        buf_deinit(&text);
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "tests/data";
    struct buf chat_100k;
    struct buf chat_2k;

    buf_init(&scratch, FILE_MAX);
    load(folder, "chat_100k.json", &chat_100k);
    load(folder, "chat_2k.json", &chat_2k);
    load(folder, "frame_200.json", &frame_text);

    report("chat_100k: scan", scan, buf_str(&chat_100k));
    report("chat_100k: read its messages", walk_chat, buf_str(&chat_100k));
    report("chat_2k: scan", scan, buf_str(&chat_2k));
    report("chat_2k: read its messages", walk_chat, buf_str(&chat_2k));
    report("frame_200: twice", scan_frame, buf_str(&frame_text));
    report("chat_2k: escape", escape, buf_str(&chat_2k));
    report("chat_100k: escape", escape, buf_str(&chat_100k));
    report_strings();
    buf_deinit(&chat_100k);
    buf_deinit(&chat_2k);
    buf_deinit(&frame_text);
    buf_deinit(&scratch);
    return 0;
}
