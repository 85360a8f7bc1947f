/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text. Properties: what is accepted and written anew parses to the same; skipping judges
 * as reading does; all kinds of inner loops answer alike; any bytes, escaped, are a string
 * that reads back. The first byte of the input chooses depth and surrogates.
 */
#include "base/encoding.h"
#include "json/escape.h"
#include "json/reader.h"
#include "json/scan.h"
#include "json/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 24 };

static struct json start(struct str text, uint8_t choice)
{
    struct json j;

    json_init(&j, text, 1 + choice % JSON_DEPTH_MAX);
    j.lone_surrogates = choice >= 128;
    return j;
}

static void copy_string(const struct json_value *v, struct json_writer *w)
{
    struct arena a;
    struct str text;

    arena_init(&a);
    BUG_ON(json_text(v, &a, &text));
    BUG_ON(!utf8_is_valid(text));
    json_w_str(w, text);
    arena_deinit(&a);
}

/* The writer's own keys are plain names; this one may be anything. */
static void copy_key(struct str key, struct json_writer *w)
{
    struct json_value v = { JSON_STRING, { key.p - 1, key.n + 2 }, true };

    copy_string(&v, w);
    BUG_ON(buf_add_char(w->out, ':'));
    w->need_comma = false;
}

/* Writes anew what comes next; texts decoded, numbers as they stand. */
static void copy_value(struct json *j, struct json_writer *w)
{
    struct json_value v;
    struct str key;

    if (json_enter_object(j)) {
        json_w_object(w);
        while (json_next_member(j, &key)) {
            copy_key(key, w);
            copy_value(j, w);
        }
        json_w_object_end(w);
    } else if (json_enter_array(j)) {
        json_w_array(w);
        while (json_next_item(j))
            copy_value(j, w);
        json_w_array_end(w);
    } else if (!json_read(j, &v) || v.type == JSON_NULL) {
        json_w_null(w);
    } else if (v.type == JSON_STRING) {
        copy_string(&v, w);
    } else if (v.type == JSON_NUMBER) {
        json_w_raw(w, v.raw);
    } else {
        json_w_bool(w, v.type == JSON_TRUE);
    }
}

static void expect_an_end_without_checks(struct str text)
{
    struct json j;

    json_init_checked(&j, text);
    json_skip(&j);
    BUG_ON(json_end(&j));
}

static enum err rewrite(struct str text, uint8_t choice, struct buf *out)
{
    struct json j = start(text, choice);
    struct json skipped = j;
    struct json_writer w;
    enum err err;

    buf_init(out, OUT_MAX);
    json_w_init(&w, out);
    copy_value(&j, &w);
    BUG_ON(json_w_end(&w));
    err = json_end(&j);
    json_skip(&skipped);
    BUG_ON(json_end(&skipped) != err || json_offset(&skipped) != json_offset(&j));
    if (!err)
        expect_an_end_without_checks(text);
    return err;
}

/* Surrogates are no matter any more in what we wrote, so it must be right under the strict rule. */
static void expect_the_same_when_written_anew(struct str text, uint8_t choice)
{
    struct buf once;
    struct buf twice;

    if (rewrite(text, choice, &once) == ERR_NONE) {
        BUG_ON(rewrite(buf_str(&once), choice & 127, &twice));
        BUG_ON(!str_eq(buf_str(&once), buf_str(&twice)));
        buf_deinit(&twice);
    }
    buf_deinit(&once);
}

static void expect_all_kinds_alike(struct str s, bool lone)
{
    static const enum scan_kind kinds[] = { SCAN_BY_8, SCAN_SSE2, SCAN_AVX2 };
    const char *end = s.p + s.n;
    bool escaped;
    const char *stop = scan_string(s.p, end, lone, &escaped);

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        bool also_escaped;

        if (!scan_can(kinds[i]))
            continue;
        BUG_ON(scan_string_as(kinds[i], s.p, end, lone, &also_escaped) != stop);
        BUG_ON(escaped != also_escaped);
        BUG_ON(scan_utf8(s.p, end) != scan_utf8_as(kinds[i], s.p, end));
    }
    BUG_ON((scan_utf8(s.p, end) == end) != utf8_is_valid(s));
}

static void add_half(struct buf *out, uint32_t half)
{
    BUG_ON(half && buf_add(out, STR("\xEF\xBF\xBD")));
}

/* The two ways to decode, and the decoding of pieces, give the same text. */
static void expect_one_text(const struct json_value *v, struct str want)
{
    struct str middle;
    struct buf whole;
    struct buf piece;
    struct buf put_together;
    uint32_t head;
    uint32_t tail;

    buf_init(&whole, OUT_MAX);
    buf_init(&piece, OUT_MAX);
    buf_init(&put_together, OUT_MAX);
    BUG_ON(json_text_add(v, &whole));
    BUG_ON(json_text_add_piece(v, &piece, &head, &tail));
    middle = buf_str(&piece);
    add_half(&put_together, head);
    BUG_ON(buf_add(&put_together, middle));
    add_half(&put_together, tail);
    BUG_ON(!str_eq(buf_str(&whole), want) || !str_eq(buf_str(&put_together), want));
    buf_deinit(&whole);
    buf_deinit(&piece);
    buf_deinit(&put_together);
}

static void expect_strings_to_decode_alike(struct str text, uint8_t choice)
{
    struct json j = start(text, choice);
    struct json_value v;
    struct arena a;
    struct str decoded;

    if (!json_read(&j, &v) || v.type != JSON_STRING)
        return;
    arena_init(&a);
    BUG_ON(json_text(&v, &a, &decoded));
    expect_one_text(&v, decoded);
    BUG_ON(!json_key_eq((struct str){ v.raw.p + 1, v.raw.n - 2 }, decoded));
    arena_deinit(&a);
}

static void expect_any_bytes_to_read_back(struct str s)
{
    struct json_writer w;
    struct json_value v;
    struct arena a;
    struct buf out;
    struct str text;
    struct json j;

    arena_init(&a);
    buf_init(&out, OUT_MAX);
    json_w_init(&w, &out);
    json_w_str(&w, s);
    BUG_ON(json_w_end(&w));
    j = start(buf_str(&out), 0);
    BUG_ON(!json_read(&j, &v) || json_end(&j) || json_text(&v, &a, &text));
    BUG_ON(utf8_is_valid(s) != str_eq(text, s));
    buf_deinit(&out);
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text;

    if (n < 1)
        return 0;
    text = (struct str){ (const char *)p + 1, n - 1 };
    expect_the_same_when_written_anew(text, p[0]);
    expect_all_kinds_alike(text, p[0] >= 128);
    expect_strings_to_decode_alike(text, p[0]);
    expect_any_bytes_to_read_back(text);
    return 0;
}
