/* SPDX-License-Identifier: Apache-2.0 */
/* What values mean: texts, halves of surrogate pairs, numbers, names, members. */
#include <math.h>

#include "base/mem.h"
#include "test.h"
#include "json/reader.h"

enum { SHIFTS = 40, TEXT_MAX = 4096 };

/* Reads the one value of `text`. */
static struct json_value value_of(struct str text)
{
    struct json_value v;
    struct json j;

    json_init(&j, text, 64);
    j.lone_surrogates = true;
    EXPECT(json_read(&j, &v));
    EXPECT(json_end(&j) == ERR_NONE);
    return v;
}

static const struct {
    const char *raw;
    const char *want;
} texts[] = {
    { "", "" },
    { "plain", "plain" },
    { "caf\xC3\xA9", "caf\xC3\xA9" },
    { "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
    { "a\\nb\\nc", "a\nb\nc" },
    { "\\\\n", "\\n" },
    { "\\\\\\n", "\\\n" },
    { "\\\\u0041", "\\u0041" },
    { "\\\\\\u0041", "\\A" },
    { "\\u0041\\u00e9\\u20AC\\uFFFF", "A\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF" },
    { "\\u007F\\u0080\\u07ff\\u0800", "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80" },
    { "\\uD83D\\uDE00", "\xF0\x9F\x98\x80" },
    { "\\ud800\\udc00\\uDBFF\\uDFFF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF" },
    { "x\\uD83D\\uDE00\\ny", "x\xF0\x9F\x98\x80\ny" },
    /* halves that lone_surrogates lets through */
    { "a\\uD83Db", "a\xEF\xBF\xBD"
                   "b" },
    { "a\\uDE00b", "a\xEF\xBF\xBD"
                   "b" },
    { "\\uDE00\\uD83D", "\xEF\xBF\xBD\xEF\xBF\xBD" },
    { "\\uD83D\\uD83D\\uDE00", "\xEF\xBF\xBD\xF0\x9F\x98\x80" },
    { "\\uD83D\\u0041", "\xEF\xBF\xBD"
                        "A" },
    { "\\uD83D\\n", "\xEF\xBF\xBD\n" },
    { "\\uD83D\\\\uDE00", "\xEF\xBF\xBD\\uDE00" },
};

static void add_piece(void *arg, struct str piece)
{
    EXPECT(buf_add(arg, piece) == ERR_NONE);
}

/* `raw` in quotes between `before` and `after` letters, in memory of exactly that size. */
static struct str quoted(const char *raw, size_t before, size_t after)
{
    size_t n = before + strlen(raw) + after + 2;
    char *p = mem_alloc(n);

    memset(p, 'x', n);
    p[0] = '"';
    memcpy(p + 1 + before, raw, strlen(raw));
    p[n - 1] = '"';
    return (struct str){ p, n };
}

static void expect_middle(struct str got, const char *want, size_t before, size_t after)
{
    EXPECT_INT(got.n, before + strlen(want) + after);
    EXPECT_STR(str_sub(got, before, strlen(want)), want);
    for (size_t i = 0; i < before; i++)
        EXPECT(got.p[i] == 'x');
    for (size_t i = got.n - after; i < got.n; i++)
        EXPECT(got.p[i] == 'x');
}

static void decodes_at_every_offset(void)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t before = 0; before < SHIFTS; before++) {
            size_t after = before * 7 % SHIFTS;
            struct str raw = quoted(texts[i].raw, before, after);
            struct json_value v = value_of(raw);
            struct arena a;
            struct buf out;
            struct str text;

            arena_init(&a);
            buf_init(&out, TEXT_MAX);
            EXPECT(json_text(&v, &a, &text) == ERR_NONE);
            expect_middle(text, texts[i].want, before, after);
            EXPECT(json_text_add(&v, &out) == ERR_NONE);
            expect_middle(buf_str(&out), texts[i].want, before, after);
            buf_clear(&out);
            json_text_pieces(&v, add_piece, &out);
            expect_middle(buf_str(&out), texts[i].want, before, after);
            buf_deinit(&out);
            arena_deinit(&a);
            mem_free((void *)(uintptr_t)raw.p);
        }
}

/* Longer than what is decoded at a time, with escapes at every offset of the seams. */
static void decodes_long_texts(void)
{
    for (size_t period = 1; period < 700; period += period < 20 || period / 20 == 12 ? 1 : 10) {
        struct buf raw;
        struct buf want;
        struct buf out;
        struct json_value v;

        buf_init(&raw, 1 << 20);
        buf_init(&want, 1 << 20);
        buf_init(&out, 1 << 20);
        EXPECT(buf_add_char(&raw, '"') == ERR_NONE);
        for (size_t i = 0; i < 2500; i++) {
            bool wide = i / period % 4;

            EXPECT(buf_add(&raw, i % period ? STR("a") : wide ? STR("\\u20AC") : STR("\\\\")) == 0);
            EXPECT(buf_add(&want, i % period ? STR("a")
                                  : wide     ? STR("\xE2\x82\xAC")
                                             : STR("\\")) == ERR_NONE);
        }
        EXPECT(buf_add_char(&raw, '"') == ERR_NONE);
        v = value_of(buf_str(&raw));
        EXPECT(json_text_add(&v, &out) == ERR_NONE);
        EXPECT(str_eq(buf_str(&out), buf_str(&want)));
        buf_clear(&out);
        json_text_pieces(&v, add_piece, &out);
        EXPECT(str_eq(buf_str(&out), buf_str(&want)));
        buf_deinit(&raw);
        buf_deinit(&want);
        buf_deinit(&out);
    }
}

static void hands_out_plain_text_without_a_copy(void)
{
    struct str in = STR("\"plain\"");
    struct json_value v = value_of(in);
    struct arena a;
    struct str text;

    arena_init(&a);
    EXPECT(json_text(&v, &a, &text) == ERR_NONE);
    EXPECT(text.p == in.p + 1 && text.n == 5);
    EXPECT_INT(a.used, 0);
    arena_deinit(&a);
}

static void keeps_nul_in_text(void)
{
    struct json_value v = value_of(STR("\"a\\u0000b\""));
    struct arena a;
    struct str text;

    arena_init(&a);
    EXPECT(json_text(&v, &a, &text) == ERR_NONE);
    EXPECT(text.n == 3 && memcmp(text.p, "a\0b", 3) == 0);
    arena_deinit(&a);
}

static void holds_the_limit_against_the_decoded_text(void)
{
    static const char *const rows[] = { "\"12345\"", "\"\\u0031\\n345\"", "\"\\u20ac\\u0041\\n\"" };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t max = 0; max < 12; max++) {
            struct json_value v = value_of(str_of(rows[i]));
            enum err want = max < 7 ? ERR_TOO_BIG : ERR_NONE;
            uint32_t head;
            uint32_t tail;
            struct buf out;

            buf_init(&out, max);
            if (max >= 2)
                EXPECT(buf_add(&out, STR("ab")) == ERR_NONE);
            EXPECT_INT(json_text_add(&v, &out), want);
            EXPECT_INT(out.n, want ? (max >= 2 ? 2 : 0) : 7);
            buf_truncate(&out, max >= 2 ? 2 : 0);
            EXPECT_INT(json_text_add_piece(&v, &out, &head, &tail), want);
            buf_deinit(&out);
        }
}

static void leaves_the_buffer_alone_when_a_later_piece_does_not_fit(void)
{
    struct buf raw;
    struct buf out;
    struct json_value v;

    buf_init(&raw, 8192);
    buf_init(&out, 3000);
    EXPECT(buf_add_char(&raw, '"') == ERR_NONE);
    for (int i = 0; i < 4000; i++)
        EXPECT(buf_add(&raw, STR("\\n")) == ERR_NONE);
    EXPECT(buf_add_char(&raw, '"') == ERR_NONE);
    v = value_of(buf_str(&raw));
    EXPECT(buf_add(&out, STR("ab")) == ERR_NONE);
    EXPECT(json_text_add(&v, &out) == ERR_TOO_BIG);
    EXPECT_STR(buf_str(&out), "ab");
    buf_deinit(&raw);
    buf_deinit(&out);
}

static void reports_memory_that_runs_out(void)
{
    struct json_value v = value_of(STR("\"a\\n\""));
    struct arena a;
    struct buf out;
    struct str text;

    arena_init(&a);
    buf_init(&out, 64);
    mem_fail_nth(1);
    EXPECT(json_text(&v, &a, &text) == ERR_NOMEM);
    mem_fail_nth(1);
    EXPECT(json_text_add(&v, &out) == ERR_NOMEM);
    EXPECT(buf_is_empty(&out));
    mem_fail_nth(0);
    buf_deinit(&out);
    arena_deinit(&a);
}

static void refuses_what_is_of_another_type(void)
{
    static const char *const rows[] = { "null", "true", "[\"a\"]", "{\"a\":1}", "\"1\"", "1" };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_value v = value_of(str_of(rows[i]));
        enum err text_want = v.type == JSON_STRING ? ERR_NONE : ERR_BAD_INPUT;
        enum err number_want = v.type == JSON_NUMBER ? ERR_NONE : ERR_BAD_INPUT;
        uint32_t head;
        uint32_t tail;
        struct arena a;
        struct buf out;
        struct str text;
        int64_t whole;
        double number;

        arena_init(&a);
        buf_init(&out, 64);
        EXPECT(json_text(&v, &a, &text) == text_want);
        EXPECT(json_text_add(&v, &out) == text_want);
        EXPECT(json_text_add_piece(&v, &out, &head, &tail) == text_want);
        EXPECT(json_int(&v, &whole) == number_want);
        EXPECT(json_double(&v, &number) == number_want);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void cuts_halves_off_the_ends_of_pieces(void)
{
    static const struct {
        const char *raw;
        const char *want;
        uint32_t head;
        uint32_t tail;
    } rows[] = {
        { "", "", 0, 0 },
        { "plain", "plain", 0, 0 },
        { "a\\n", "a\n", 0, 0 },
        { "\\uD83D", "", 0, 0xD83D },
        { "\\uDE00", "", 0xDE00, 0 },
        { "\\uDE00\\uD83D", "", 0xDE00, 0xD83D },
        { "\\uDE00a\\uD83D", "a", 0xDE00, 0xD83D },
        { "a\\uD83D", "a", 0, 0xD83D },
        { "\\udc00a", "a", 0xDC00, 0 },
        { "\\udfffa\\udbff", "a", 0xDFFF, 0xDBFF },
        { "\\uD83D\\uDE00", "\xF0\x9F\x98\x80", 0, 0 },
        { "\\uD83D\\uD83D\\uDE00", "\xEF\xBF\xBD\xF0\x9F\x98\x80", 0, 0 },
        { "\\uD83D\\uDE00\\uD83D", "\xF0\x9F\x98\x80", 0, 0xD83D },
        { "\\uDE00\\uD83D\\uDE00", "\xF0\x9F\x98\x80", 0xDE00, 0 },
        { "\\uDE00\\uDE00", "\xEF\xBF\xBD", 0xDE00, 0 },
        { "\\uD83D\\uD83D", "\xEF\xBF\xBD", 0, 0xD83D },
        { "\\\\uD83D", "\\uD83D", 0, 0 },
        { "\\\\\\uD83D", "\\", 0, 0xD83D },
        { "\\\\\\\\uD83D", "\\\\uD83D", 0, 0 },
        { "\\\\uDE00", "\\uDE00", 0, 0 },
        { "a\\\\uD83D", "a\\uD83D", 0, 0 },
        { "\\uD83Da",
          "\xEF\xBF\xBD"
          "a",
          0, 0 },
        { "\\u0041", "A", 0, 0 },
        { "uD83D", "uD83D", 0, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str raw = quoted(rows[i].raw, 0, 0);
        struct json_value v = value_of(raw);
        uint32_t head = 1;
        uint32_t tail = 1;
        struct buf out;

        buf_init(&out, 64);
        EXPECT(json_text_add_piece(&v, &out, &head, &tail) == ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        EXPECT_INT(head, rows[i].head);
        EXPECT_INT(tail, rows[i].tail);
        buf_deinit(&out);
        mem_free((void *)(uintptr_t)raw.p);
    }
}

static void knows_what_is_plain(void)
{
    char text[40];

    for (size_t n = 0; n <= sizeof(text); n++) {
        memset(text, 'a', sizeof(text));
        EXPECT(json_is_plain((struct str){ text, n }));
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                text[at] = (char)c;
                EXPECT_INT(json_is_plain((struct str){ text, n }),
                           c >= 0x20 && c < 0x80 && c != '"' && c != '\\');
                text[at] = 'a';
            }
    }
    EXPECT(json_is_plain((struct str){ NULL, 0 }));
}

static void reads_whole_numbers(void)
{
    static const struct {
        const char *text;
        enum err err;
        int64_t want;
    } rows[] = {
        { "0", ERR_NONE, 0 },
        { "-0", ERR_NONE, 0 },
        { "7", ERR_NONE, 7 },
        { "-12", ERR_NONE, -12 },
        { "9223372036854775807", ERR_NONE, INT64_MAX },
        { "-9223372036854775808", ERR_NONE, INT64_MIN },
        { "9223372036854775808", ERR_TOO_BIG, 0 },
        { "-9223372036854775809", ERR_TOO_BIG, 0 },
        { "18446744073709551616", ERR_TOO_BIG, 0 },
        { "99999999999999999999999", ERR_TOO_BIG, 0 },
        { "1.0", ERR_BAD_INPUT, 0 },
        { "1e3", ERR_BAD_INPUT, 0 },
        { "-1.5", ERR_BAD_INPUT, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_value v = value_of(str_of(rows[i].text));
        int64_t got = 0;

        EXPECT_INT(json_int(&v, &got), rows[i].err);
        EXPECT(got == rows[i].want);
    }
}

static void reads_doubles(void)
{
    static const struct {
        const char *text;
        double want;
    } rows[] = {
        { "0", 0.0 },
        { "0.7", 0.7 },
        { "-1.5e3", -1500.0 },
        { "1E-2", 0.01 },
        { "1e-400", 0.0 },
        { "1e400", HUGE_VAL },
        { "-1e400", -HUGE_VAL },
        { "0.1000000000000000000000000000000000000000000000000000000000000000", 0.1 },
        { "10000000000000000000000000000000000000000000000000000000000000000", 1e64 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_value v = value_of(str_of(rows[i].text));
        double got;

        EXPECT(json_double(&v, &got) == ERR_NONE);
        EXPECT(memcmp(&got, &rows[i].want, sizeof(got)) == 0);
        mem_fail_nth(1);
        EXPECT_INT(json_double(&v, &got), v.raw.n < 64 ? ERR_NONE : ERR_NOMEM);
        mem_fail_nth(0);
    }
}

static void reads_numbers_of_any_length(void)
{
    char text[300];

    for (size_t n = 3; n < sizeof(text); n++) {
        struct json_value v;
        double got = 0;

        memset(text, '0', n);
        text[0] = '3';
        text[1] = '.';
        v = value_of((struct str){ text, n });
        EXPECT(json_double(&v, &got) == ERR_NONE);
        EXPECT(got > 2.9 && got < 3.1);
    }
}

static void compares_keys_by_what_they_spell(void)
{
    static const struct {
        const char *raw;
        const char *name;
        bool want;
    } rows[] = {
        { "model", "model", true },
        { "model", "mode", false },
        { "mode", "model", false },
        { "model", "motel", false },
        { "", "", true },
        { "", "a", false },
        { "a", "", false },
        { "\\u006dodel", "model", true },
        { "mode\\u006c", "model", true },
        { "\\u006d\\u006f\\u0064\\u0065\\u006C", "model", true },
        { "\\u006dodel", "motel", false },
        { "\\u006dodels", "model", false },
        { "\\u006dode", "model", false },
        { "a\\nb", "a\nb", true },
        { "a\\nb", "a\\nb", false },
        { "a\\\\nb", "a\\nb", true },
        { "a\\/b", "a/b", true },
        { "\\uD83D\\uDE00", "\xF0\x9F\x98\x80", true },
        { "\\uD83D\\uDE00", "\xF0\x9F\x98", false },
        { "\xC3\xA9\\u00e9", "\xC3\xA9\xC3\xA9", true },
        { "\\uD83D", "\xEF\xBF\xBD", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT(json_key_eq(str_of(rows[i].raw), str_of(rows[i].name)) == rows[i].want);
}

static void finds_members_by_path(void)
{
    static const char text[] = "{\"x\":[{\"id\":1}], \"response\": {\"no\":{}, \"\\u0069d\":\"r1\","
                               "\"id\":\"r2\"}, \"n\":5}";
    struct str whole = str_of(text);
    struct json_value v;

    EXPECT(json_find(whole, &v, "response", "id", NULL) == ERR_NONE);
    EXPECT_STR(v.raw, "\"r1\"");
    EXPECT(json_find(whole, &v, "n", NULL) == ERR_NONE);
    EXPECT_STR(v.raw, "5");
    EXPECT(json_find(whole, &v, "response", "no", NULL) == ERR_NONE);
    EXPECT(v.type == JSON_OBJECT);
    EXPECT(json_find(whole, &v, NULL) == ERR_NONE);
    EXPECT(str_eq(v.raw, whole));
    EXPECT(json_find(whole, &v, "response", "none", NULL) == ERR_NONE);
    EXPECT(v.type == JSON_NONE);
    EXPECT(json_find(whole, &v, "n", "id", "deep", NULL) == ERR_NONE);
    EXPECT(v.type == JSON_NONE);
    EXPECT(json_find(whole, &v, "x", "id", NULL) == ERR_NONE);
    EXPECT(v.type == JSON_NONE);
    EXPECT(json_find(STR("[1]"), &v, "x", NULL) == ERR_NONE);
    EXPECT(v.type == JSON_NONE);
}

static void finds_nothing_in_a_text_that_breaks_later(void)
{
    struct json_value v = { .type = JSON_TRUE };

    EXPECT(json_find(STR("{\"a\":1, \"b\":}"), &v, "a", NULL) == ERR_BAD_INPUT);
    EXPECT(json_find(STR("{\"a\":1} x"), &v, "a", NULL) == ERR_BAD_INPUT);
    EXPECT(json_find(STR("{\"a\":\"\\uD83D\"}"), &v, "a", NULL) == ERR_BAD_INPUT);
    EXPECT(json_find(STR(""), &v, "a", NULL) == ERR_BAD_INPUT);
    EXPECT(v.type == JSON_TRUE);
}

static const struct test suite[] = {
    { "decodes at every offset", decodes_at_every_offset },
    { "decodes long texts", decodes_long_texts },
    { "hands out plain text without a copy", hands_out_plain_text_without_a_copy },
    { "keeps NUL in text", keeps_nul_in_text },
    { "holds the limit against the decoded text", holds_the_limit_against_the_decoded_text },
    { "leaves the buffer alone when a later piece does not fit",
      leaves_the_buffer_alone_when_a_later_piece_does_not_fit },
    { "reports memory that runs out", reports_memory_that_runs_out },
    { "refuses what is of another type", refuses_what_is_of_another_type },
    { "cuts halves off the ends of pieces", cuts_halves_off_the_ends_of_pieces },
    { "knows what is plain", knows_what_is_plain },
    { "reads whole numbers", reads_whole_numbers },
    { "reads doubles", reads_doubles },
    { "reads numbers of any length", reads_numbers_of_any_length },
    { "compares keys by what they spell", compares_keys_by_what_they_spell },
    { "finds members by path", finds_members_by_path },
    { "finds nothing in a text that breaks later", finds_nothing_in_a_text_that_breaks_later },
};

TEST_MAIN(suite)
