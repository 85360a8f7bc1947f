/* SPDX-License-Identifier: Apache-2.0 */
/* A log line is one line and well-formed, whatever the values hold. */
#include "base/log_line.h"

#include "base/encoding.h"
#include "base/secret.h"
#include "test.h"

/* 2026-11-22 12:34:56.789 UTC */
static const int64_t wall_ms = INT64_C(1795350896789);

static struct str line_of(enum log_format format, const struct log_field *fields, size_t n)
{
    static char out[LOG_LINE_MAX];
    struct log_entry e = { LOG_WARN, wall_ms, "request failed", fields, n };

    return (struct str){ out, log_line(out, format, false, &e) };
}

static void writes_json(void)
{
    const struct log_field fields[] = { LOG_Z("model", "a \"b\""), LOG_INT("status", -1),
                                        LOG_SECRET("cookie"), LOG_STR("none", str_of(NULL)) };

    EXPECT_STR(line_of(LOG_JSON, fields, COUNT_OF(fields)),
               "{\"time\":\"2026-11-22T12:34:56.789Z\",\"level\":\"warn\","
               "\"message\":\"request failed\",\"model\":\"a \\\"b\\\"\",\"status\":-1,"
               "\"cookie\":\"***\",\"none\":\"\"}\n");
}

static void writes_text(void)
{
    const struct log_field fields[] = { LOG_Z("model", "gpt-5"), LOG_Z("said", "no way"),
                                        LOG_INT("status", 502),  LOG_SECRET("cookie"),
                                        LOG_Z("none", ""),       LOG_Z("sum", "a=b") };

    EXPECT_STR(line_of(LOG_TEXT, fields, COUNT_OF(fields)),
               "12:34:56.789 WARN  request failed model=gpt-5 said=\"no way\" status=502 "
               "cookie=*** none=\"\" sum=\"a=b\"\n");
}

static void colors_the_level_only_when_asked(void)
{
    char out[LOG_LINE_MAX];
    struct log_entry e = { LOG_ERROR, wall_ms, "m", NULL, 0 };
    size_t n = log_line(out, LOG_TEXT, true, &e);

    EXPECT_STR(((struct str){ out, n }), "12:34:56.789 \033[31mERROR\033[0m m\n");
    n = log_line(out, LOG_TEXT, false, &e);
    EXPECT_STR(((struct str){ out, n }), "12:34:56.789 ERROR m\n");
}

static void escapes_what_could_forge_a_line(void)
{
    static const struct {
        const char *value;
        const char *json;
        const char *text;
    } rows[] = {
        { "a\nb\r\t", "\"a\\nb\\r\\t\"", "\"a\\nb\\r\\t\"" },
        { "\033[2J", "\"\\u001b[2J\"", "\"\\u001b[2J\"" },
        { "\x7f", "\"\\u007f\"", "\"\\u007f\"" },
        { "\xc2\x9b", "\"\\u009b\"", "\"\\u009b\"" },
        { "\xe2\x80\xae", "\"\\u202e\"", "\"\\u202e\"" },
        { "\xe2\x80\xa8", "\"\\u2028\"", "\"\\u2028\"" },
        { "\xff", "\"\\ufffd\"", "\"\\xff\"" },
        { "\xe2\x82", "\"\\ufffd\\ufffd\"", "\"\\xe2\\x82\"" },
        { "\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\"",
          "\"\xc3\xa4\xf0\x9f\x98\x80\"" },
        { "\\", "\"\\\\\"", "\"\\\\\"" },
        { "x\" level=info", "\"x\\\" level=info\"", "\"x\\\" level=info\"" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct log_field field = LOG_Z("v", rows[i].value);
        struct str json = line_of(LOG_JSON, &field, 1);
        struct str text;

        EXPECT_STR(str_sub(json, str_find(json, STR("\"v\":")) + 4, strlen(rows[i].json)),
                   rows[i].json);
        text = line_of(LOG_TEXT, &field, 1);
        EXPECT_STR(str_sub(text, str_find(text, STR("v=")) + 2, strlen(rows[i].text)),
                   rows[i].text);
    }
}

/* Any bytes at all: one line end, at the end; no other control character; valid UTF-8. */
static void any_value_gives_one_clean_line(void)
{
    unsigned seed = 7;

    for (int round = 0; round < 3000; round++) {
        char value[64];
        const struct log_field fields[] = { LOG_STR("v", ((struct str){ value, sizeof(value) })) };
        struct str line;

        for (size_t i = 0; i < sizeof(value); i++) {
            seed = seed * 1664525 + 1013904223;
            value[i] = (char)(seed >> 16);
        }
        line = line_of(round % 2 ? LOG_JSON : LOG_TEXT, fields, 1);
        EXPECT(utf8_is_valid(line));
        for (size_t i = 0; i + 1 < line.n; i++)
            EXPECT((unsigned char)line.p[i] >= ' ' && line.p[i] != 0x7f);
        EXPECT_INT(line.p[line.n - 1], '\n');
    }
}

static void cuts_a_long_value_between_characters(void)
{
    static char value[3000];
    const struct log_field field = LOG_STR("v", ((struct str){ value, sizeof(value) }));

    for (size_t shift = 0; shift < 3; shift++) {
        struct str line;

        memset(value, 'a', sizeof(value));
        for (size_t i = shift; i + 3 <= sizeof(value); i += 3)
            memcpy(value + i, "\xe2\x82\xac", 3);
        line = line_of(LOG_JSON, &field, 1);
        EXPECT(line.n > 1024 && line.n < 1200);
        EXPECT(str_ends(line, STR("\xe2\x82\xac...\"}\n")));
        EXPECT(str_find(line, STR("\\ufffd")) == SIZE_MAX);
    }
}

static void leaves_out_what_does_not_fit_and_says_so(void)
{
    static char value[1024];
    struct log_field fields[8];
    struct str line;

    memset(value, '\001', sizeof(value));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        fields[i] = LOG_STR("v", ((struct str){ value, i == 3 ? 1024 : 100 }));
    for (size_t n = 0; n <= COUNT_OF(fields); n++) {
        line = line_of(LOG_JSON, fields, n);
        EXPECT(line.n <= LOG_LINE_MAX);
        EXPECT_INT(str_ends(line, STR("\",\"truncated\":true}\n")), n > 3);
        line = line_of(LOG_TEXT, fields, n);
        EXPECT(line.n <= LOG_LINE_MAX);
        EXPECT_INT(str_ends(line, STR(" truncated=true\n")), n > 3);
    }
}

static void a_message_fits_even_fully_escaped(void)
{
    static char message[2000];
    char out[LOG_LINE_MAX];
    struct log_entry e = { LOG_INFO, wall_ms, message, NULL, 0 };

    memset(message, '\001', sizeof(message) - 1);
    EXPECT(log_line(out, LOG_JSON, false, &e) <= LOG_LINE_MAX);
    EXPECT(log_line(out, LOG_TEXT, true, &e) <= LOG_LINE_MAX);
}

static struct str value_in(struct str value, char out[LOG_LINE_MAX])
{
    const struct log_field field = LOG_STR("v", value);
    struct log_entry e = { LOG_WARN, wall_ms, "m", &field, 1 };
    struct str line = { out, log_line(out, LOG_JSON, false, &e) };
    size_t from = str_find(line, STR("\"v\":\"")) + 5;

    return str_sub(line, from, line.n - from - STR("\"}\n").n);
}

static void escapes_a_byte_wherever_it_stands(void)
{
    enum { PLACES = 20 };
    char alone[LOG_LINE_MAX], among[LOG_LINE_MAX];

    for (int c = 1; c <= UINT8_MAX; c++) {
        char byte = (char)c;
        struct str want = value_in((struct str){ &byte, 1 }, alone);

        for (size_t at = 0; at < PLACES; at++) {
            char value[PLACES];
            struct str got;

            memset(value, '~', sizeof(value));
            value[at] = byte;
            got = value_in((struct str){ value, sizeof(value) }, among);
            EXPECT_INT(got.n, PLACES - 1 + want.n);
            EXPECT(str_eq(str_sub(got, at, want.n), want));
            EXPECT(at == 0 || got.p[at - 1] == '~');
            EXPECT(at == PLACES - 1 || got.p[at + want.n] == '~');
        }
    }
}

static const struct test suite[] = {
    { "writes JSON", writes_json },
    { "writes text", writes_text },
    { "colors the level only when asked", colors_the_level_only_when_asked },
    { "escapes what could forge a line", escapes_what_could_forge_a_line },
    { "escapes a byte wherever it stands", escapes_a_byte_wherever_it_stands },
    { "any value gives one clean line", any_value_gives_one_clean_line },
    { "cuts a long value between characters", cuts_a_long_value_between_characters },
    { "leaves out what does not fit and says so", leaves_out_what_does_not_fit_and_says_so },
    { "a message fits even fully escaped", a_message_fits_even_fully_escaped },
};

TEST_MAIN(suite)
