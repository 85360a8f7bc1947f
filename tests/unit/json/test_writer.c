/* SPDX-License-Identifier: Apache-2.0 */
/* Commas, escapes, limits, and that all that is written can be read. */
#include "json/writer.h"

#include "base/encoding.h"
#include "base/mem.h"
#include "test.h"
#include "json/reader.h"

enum { OUT_MAX = 1 << 20 };

static void writes_a_document(void)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, OUT_MAX);
    json_w_init(&w, &out);
    json_w_object(&w);
    json_w_member_str(&w, "id", STR("a\"b"));
    json_w_member_int(&w, "n", -5);
    json_w_member_bool(&w, "yes", true);
    json_w_key(&w, "list");
    json_w_array(&w);
    json_w_int(&w, 1);
    json_w_array(&w);
    json_w_array_end(&w);
    json_w_object(&w);
    json_w_object_end(&w);
    json_w_null(&w);
    json_w_bool(&w, false);
    json_w_str(&w, STR(""));
    json_w_raw(&w, STR("{\"k\":[1, 2]}"));
    json_w_array_end(&w);
    json_w_key(&w, "last");
    json_w_object(&w);
    json_w_key(&w, "x");
    json_w_null(&w);
    json_w_object_end(&w);
    json_w_object_end(&w);
    EXPECT(json_w_end(&w) == ERR_NONE);
    EXPECT_STR(buf_str(&out), "{\"id\":\"a\\\"b\",\"n\":-5,\"yes\":true,\"list\":[1,[],{},null,"
                              "false,\"\",{\"k\":[1, 2]}],\"last\":{\"x\":null}}");
    buf_deinit(&out);
}

static void writes_whole_numbers(void)
{
    static const struct {
        int64_t value;
        const char *want;
    } rows[] = {
        { 0, "0" },
        { 9, "9" },
        { 10, "10" },
        { -1, "-1" },
        { 1234567890, "1234567890" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_writer w;
        struct buf out;

        buf_init(&out, 32);
        json_w_init(&w, &out);
        json_w_int(&w, rows[i].value);
        EXPECT(json_w_end(&w) == ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_deinit(&out);
    }
}

static void escapes_what_must_be_escaped_at_every_offset(void)
{
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        { "", "" },
        { "plain", "plain" },
        { "\"\\/", "\\\"\\\\/" },
        { "\b\f\n\r\t", "\\b\\f\\n\\r\\t" },
        { "\x01\x1F\x7F", "\\u0001\\u001f\x7F" },
        { "\x0B\x0E", "\\u000b\\u000e" },
        { "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
          "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80" },
        { "a\xFFz", "a\xEF\xBF\xBDz" },
        { "a\xC0\xAFz", "a\xEF\xBF\xBD\xEF\xBF\xBDz" },
        { "\xE2\x82z\n", "\xEF\xBF\xBD\xEF\xBF\xBDz\\n" },
        { "\xED\xA0\x80z", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz" },
        { "\xC3\"", "\xEF\xBF\xBD\\\"" },
    };
    char text[128];
    char want[128];

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t shift = 0; shift < 80; shift++) {
            size_t before = shift % 40;
            size_t after = shift < 40 ? 0 : 20;
            struct buf out;

            memset(text, 'x', sizeof(text));
            memset(want, 'x', sizeof(want));
            memcpy(text + before, rows[i].text, strlen(rows[i].text));
            memcpy(want + before, rows[i].want, strlen(rows[i].want));
            want[before + strlen(rows[i].want) + after] = '\0';
            buf_init(&out, OUT_MAX);
            EXPECT(json_escape_add(&out, (struct str){ text, before + strlen(rows[i].text) +
                                                                 after }) == ERR_NONE);
            EXPECT_STR(buf_str(&out), want);
            buf_deinit(&out);
        }
}

static void writes_every_byte_so_that_it_can_be_read(void)
{
    struct arena a;

    arena_init(&a);
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;
        struct json_writer w;
        struct json_value v;
        struct json j;
        struct str text;
        struct buf out;

        buf_init(&out, OUT_MAX);
        json_w_init(&w, &out);
        json_w_str(&w, (struct str){ &byte, 1 });
        EXPECT(json_w_end(&w) == ERR_NONE);
        json_init(&j, buf_str(&out), 1);
        EXPECT(json_read(&j, &v));
        EXPECT(json_end(&j) == ERR_NONE);
        EXPECT(json_text(&v, &a, &text) == ERR_NONE);
        EXPECT(str_eq(text, c < 128 ? (struct str){ &byte, 1 } : STR("\xEF\xBF\xBD")));
        buf_deinit(&out);
    }
    arena_deinit(&a);
}

/* Longer than what is escaped at a time, special bytes at every offset of the seams. */
static void escapes_long_texts(void)
{
    for (size_t period = 1; period < 700; period += period < 20 ? 1 : 10) {
        struct buf text;
        struct buf want;
        struct buf out;

        buf_init(&text, OUT_MAX);
        buf_init(&want, OUT_MAX);
        buf_init(&out, OUT_MAX);
        for (size_t i = 0; i < 3000; i++) {
            struct str c = i % 5 ? STR("a") : STR("\xE2\x82\xAC");

            EXPECT(buf_add(&text, i % period ? c : STR("\x01")) == ERR_NONE);
            EXPECT(buf_add(&want, i % period ? c : STR("\\u0001")) == ERR_NONE);
        }
        EXPECT(json_escape_add(&out, buf_str(&text)) == ERR_NONE);
        EXPECT(str_eq(buf_str(&out), buf_str(&want)));
        buf_deinit(&text);
        buf_deinit(&want);
        buf_deinit(&out);
    }
}

/* However much room the buffer has at the moment, which decides how a string is written. */
static void writes_short_strings_into_any_room(void)
{
    static const char *const texts[] = { "plain", "\x01\x02\x03", "a\"b", "a\xFFz",
                                         "caf\xC3\xA9\n" };
    enum { CAP = 1024 };
    char text[100], filling[CAP] = { 0 };

    for (size_t i = 0; i < COUNT_OF(texts) * sizeof(text); i++) {
        const char *word = texts[i % COUNT_OF(texts)];
        size_t n = i / COUNT_OF(texts);
        struct buf want;

        for (size_t k = 0; k < n; k++)
            text[k] = word[k % strlen(word)];
        buf_init(&want, OUT_MAX);
        EXPECT(json_escape_add(&want, (struct str){ text, n }) == ERR_NONE);
        for (size_t left = 0; left <= CAP; left += 1 + left / 7) {
            struct json_writer w = { .need_comma = i % 2 };
            size_t size = want.n + 2 + w.need_comma;
            struct buf out;

            buf_init(&out, CAP);
            EXPECT(buf_add(&out, (struct str){ filling, CAP - left }) == ERR_NONE);
            w.out = &out;
            json_w_str(&w, (struct str){ text, n });
            EXPECT(json_w_end(&w) == (size <= left ? ERR_NONE : ERR_TOO_BIG));
            if (size <= left) {
                EXPECT_INT(out.n, CAP - left + size);
                EXPECT(memcmp(out.p + out.n - 1 - want.n, want.p ? want.p : "", want.n) == 0);
                EXPECT(out.p[out.n - 1] == '"' && out.p[out.n - want.n - 2] == '"');
                EXPECT(!w.need_comma || size == want.n + 2 || out.p[CAP - left] == ',');
            }
            buf_deinit(&out);
        }
        buf_deinit(&want);
    }
}

static void leaves_the_buffer_alone_when_text_does_not_fit(void)
{
    char text[2000];
    struct buf out;

    memset(text, '\n', sizeof(text));
    for (size_t max = 2; max <= 2 + 2 * sizeof(text); max += 7) {
        buf_init(&out, max);
        EXPECT(buf_add(&out, STR("ab")) == ERR_NONE);
        EXPECT(json_escape_add(&out, (struct str){ text, sizeof(text) }) == ERR_TOO_BIG);
        EXPECT_STR(buf_str(&out), "ab");
        buf_deinit(&out);
    }
    buf_init(&out, 2 * sizeof(text));
    EXPECT(json_escape_add(&out, (struct str){ text, sizeof(text) }) == ERR_NONE);
    buf_clear(&out);
    EXPECT(json_escape_add(&out, (struct str){ NULL, 0 }) == ERR_NONE);
    EXPECT(buf_is_empty(&out));
    buf_deinit(&out);
}

static void adds_text_between_what_stands_around_it(void)
{
    const char *const texts[][2] = {
        { "", "" },
        { "plain", "plain" },
        { "a\nb\xFF\xC3\xA9", "a\\nb\xEF\xBF\xBD\xC3\xA9" },
        { "of more than sixty-four bytes, and all of it may stand for itself in a string",
          "of more than sixty-four bytes, and all of it may stand for itself in a string" },
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct str text = str_of(texts[i][0]);
        char want[128];
        size_t full = (size_t)snprintf(want, sizeof(want), "ab\"<%s>\"", texts[i][1]);

        for (size_t max = 2; max <= full; max++) {
            struct buf out;
            enum err err;

            buf_init(&out, max);
            EXPECT(buf_add(&out, STR("ab")) == ERR_NONE);
            err = json_escape_add_between(&out, STR("\"<"), text, STR(">\""));
            EXPECT_INT(err, max < full ? ERR_TOO_BIG : ERR_NONE);
            EXPECT_STR(buf_str(&out), max < full ? "ab" : want);
            buf_deinit(&out);
        }
    }
}

static enum err write_some(struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "text", STR("a\nb\xFF"));
    json_w_member_int(&w, "n", 12);
    json_w_object_end(&w);
    return json_w_end(&w);
}

static void keeps_the_first_failure(void)
{
    struct buf out;
    size_t full;

    buf_init(&out, OUT_MAX);
    EXPECT(write_some(&out) == ERR_NONE);
    full = out.n;
    buf_deinit(&out);
    for (size_t max = 0; max < full; max++) {
        buf_init(&out, max);
        EXPECT(write_some(&out) == ERR_TOO_BIG);
        EXPECT(out.n <= max);
        buf_deinit(&out);
    }
    buf_init(&out, OUT_MAX);
    mem_fail_nth(1);
    EXPECT(write_some(&out) == ERR_NOMEM);
    mem_fail_nth(0);
    buf_deinit(&out);
}

static const struct test suite[] = {
    { "writes a document", writes_a_document },
    { "writes whole numbers", writes_whole_numbers },
    { "escapes what must be escaped at every offset",
      escapes_what_must_be_escaped_at_every_offset },
    { "writes every byte so that it can be read", writes_every_byte_so_that_it_can_be_read },
    { "escapes long texts", escapes_long_texts },
    { "writes short strings into any room", writes_short_strings_into_any_room },
    { "leaves the buffer alone when text does not fit",
      leaves_the_buffer_alone_when_text_does_not_fit },
    { "adds text between what stands around it", adds_text_between_what_stands_around_it },
    { "keeps the first failure", keeps_the_first_failure },
};

TEST_MAIN(suite)
