/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops: the kind with vectors and the 8-byte kind must answer alike on all there is
 * of UTF-8 and on random mixtures of everything that matters to them.
 */
#include "json/scan.h"

#include "base/encoding.h"
#include "base/mem.h"
#include "test.h"
#include "json/escape.h"
#include "json/reader.h"
#include "json/skip.h"

enum { MIXTURES = 40000, MIXTURE_MAX = 200 };

static uint64_t seed = 0x9E3779B97F4A7C15;

/* xorshift64: the same numbers on every run. */
static size_t any_below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

static const char *const pieces[] = {
    "a",
    "plain text",
    "0123456789abcdef",
    "\"",
    "\\\\",
    "\\\"",
    "\\n",
    "\\/",
    "\\",
    "\\u0041",
    "\\uD83D",
    "\\uDE00",
    "\\u00",
    "\\x",
    "\n",
    "\x1F",
    "\x7F",
    "\xC3\xA9",
    "\xE2\x82\xAC",
    "\xE0\xA0\x80",
    "\xED\x9F\xBF",
    "\xF0\x9F\x98\x80",
    "\xF4\x8F\xBF\xBF",
    "\x80",
    "\xC3",
    "\xE2\x82",
    "\xF0\x9F",
    "\xC0\xAF",
    "\xED\xA0\x80",
    "\xE0\x9F\xBF",
    "\xF0\x8F\xBF\xBF",
    "\xF4\x90\x80\x80",
    "\xFF",
    "\\b\\f\\r\\t",
    "u",
    "\\\\\\\\\\\\\\",
};

/* Random pieces; mostly those which are right, so that texts get long. */
static size_t mix(char *out)
{
    size_t want = any_below(MIXTURE_MAX - 20);
    size_t n = 0;

    while (n < want) {
        const char *piece = pieces[any_below(any_below(8) ? 8 : COUNT_OF(pieces))];

        if (any_below(3) == 0)
            piece = pieces[17 + any_below(6)];
        if (*piece == '"' && any_below(4))
            continue;
        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

/* In memory of exactly its size. */
static char *exact(const char *text, size_t n)
{
    char *copy = mem_alloc(n ? n : 1);

    memcpy(copy, text, n);
    return copy;
}

/* Those of the program that this processor can do. */
static const enum scan_kind kinds[] = { SCAN_BY_8, SCAN_SSE2, SCAN_AVX2 };

static void all_kinds_stop_at(const char *string_stop, bool escaped, const char *utf8_stop,
                              const char *p, const char *end, bool lone)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        bool also_escaped;

        if (!scan_can(kinds[i]))
            continue;
        EXPECT(scan_string_as(kinds[i], p, end, lone, &also_escaped) == string_stop);
        EXPECT(also_escaped == escaped);
        EXPECT(scan_utf8_as(kinds[i], p, end) == utf8_stop);
    }
}

static void all_kinds_check_strings_alike(void)
{
    char text[MIXTURE_MAX];

    for (int i = 0; i < MIXTURES; i++) {
        size_t n = mix(text);
        char *copy = exact(text, n);
        bool lone = i & 1;
        bool escaped;
        const char *stop = scan_string(copy, copy + n, lone, &escaped);

        all_kinds_stop_at(stop, escaped, scan_utf8(copy, copy + n), copy, copy + n, lone);
        EXPECT((scan_utf8(copy, copy + n) == copy + n) == utf8_is_valid((struct str){ copy, n }));
        mem_free(copy);
    }
}

static void both_kinds_escape_alike(void)
{
    char text[MIXTURE_MAX];
    char out[6 * MIXTURE_MAX + ESCAPE_SLACK];
    char out_by_8[sizeof(out)];
    char back[MIXTURE_MAX + ESCAPE_SLACK];

    for (int i = 0; i < MIXTURES; i++) {
        size_t n = mix(text);
        char *copy = exact(text, n);
        char *to = out;
        char *to_by_8 = out_by_8;
        char *to_back = back;

        EXPECT(escape_encode(copy, copy + n, &to, out + sizeof(out)) == copy + n);
        EXPECT(escape_encode_by_8(copy, copy + n, &to_by_8, out_by_8 + sizeof(out)) == copy + n);
        EXPECT(to - out == to_by_8 - out_by_8);
        EXPECT(memcmp(out, out_by_8, (size_t)(to - out)) == 0);
        /* Nothing in the mixtures but \n and 0x1F is a control byte. */
        if (!memchr(copy, 0x1F, n)) {
            EXPECT(escape_decode(out, to, &to_back) == to);
            EXPECT((size_t)(to_back - back) == n && memcmp(back, copy, n) == 0);
        }
        mem_free(copy);
    }
}

static void both_kinds_unescape_alike(void)
{
    char text[MIXTURE_MAX + 1];
    char out[MIXTURE_MAX + ESCAPE_SLACK];
    char out_by_8[sizeof(out)];
    bool escaped;

    for (int i = 0; i < MIXTURES; i++) {
        size_t n = mix(text);
        const char *end = scan_string(text, text + n, true, &escaped);
        char *copy = exact(text, (size_t)(end - text));
        char *to = out;
        char *to_by_8 = out_by_8;
        const char *stop;

        n = (size_t)(end - text);
        stop = escape_decode(copy, copy + n, &to);
        EXPECT(stop == escape_decode_by_8(copy, copy + n, &to_by_8));
        EXPECT(stop == copy + n || memcmp(stop, "\\u", 2) == 0);
        EXPECT(to - out == to_by_8 - out_by_8);
        EXPECT(memcmp(out, out_by_8, (size_t)(to - out)) == 0);
        mem_free(copy);
    }
}

/* Each byte behind a backslash, in a block and across its end. */
static void all_kinds_know_the_letters_of_escapes(void)
{
    static const size_t places[] = { 0, 15, 31, 32, 62, 63, 64 };
    char text[96];
    const char *end = text + sizeof(text);

    for (size_t i = 0; i < COUNT_OF(places); i++)
        for (int c = 0; c < 256; c++) {
            bool is_letter = c > 0 && strchr("\"\\/bfnrt", c);
            const char *stop;
            bool escaped;

            memset(text, 'x', sizeof(text));
            text[places[i]] = '\\';
            text[places[i] + 1] = (char)c;
            text[sizeof(text) - 1] = '"';
            stop = scan_string_as(SCAN_BY_8, text, end, false, &escaped);
            EXPECT(stop == (is_letter ? end - 1 : text + places[i]));
            all_kinds_stop_at(stop, escaped, scan_utf8_as(SCAN_BY_8, text, end), text, end, false);
        }
}

/* All of two bytes, and of three and four those at the edges of RFC 3629's table. */
static void knows_all_of_utf8(void)
{
    static const unsigned char edges[] = { 0x22, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                           0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
                                           0xED, 0xEF, 0xF0, 0xF4, 0xF5 };
    enum { EDGES = sizeof(edges) };
    char text[96];

    for (size_t at = 10; at < 66; at = at == 17 ? 58 : at + 1)
        for (unsigned i = 0; i < EDGES * EDGES * EDGES * EDGES; i += at == 62 ? 1 : 31) {
            struct str all = { text, sizeof(text) };
            const char *stop;

            memset(text, 'x', sizeof(text));
            text[at] = (char)edges[i % EDGES];
            text[at + 1] = (char)edges[i / EDGES % EDGES];
            text[at + 2] = (char)edges[i / EDGES / EDGES % EDGES];
            text[at + 3] = (char)edges[i / EDGES / EDGES / EDGES];
            stop = scan_utf8(text, text + sizeof(text));
            if ((stop == text + sizeof(text)) != utf8_is_valid(all)) {
                print_error("%02x %02x %02x %02x at %zu\n", text[at] & 255, text[at + 1] & 255,
                            text[at + 2] & 255, text[at + 3] & 255, at);
                _fail(__FILE__, __LINE__);
            }
            for (size_t k = 0; k < COUNT_OF(kinds); k++)
                if (scan_can(kinds[k]))
                    EXPECT(scan_utf8_as(kinds[k], text, text + sizeof(text)) == stop);
        }
}

/* Each pattern of backslashes and letters that 17 bytes can have, across a block's end. */
static void pairs_up_every_run_of_backslashes(void)
{
    char text[96];

    for (unsigned pattern = 0; pattern < 1u << 17; pattern++) {
        size_t at = pattern & 1 ? 54 : 55;
        const char *stop;
        bool escaped;

        memset(text, 'n', sizeof(text));
        for (size_t i = 0; i < 17; i++)
            if (pattern >> i & 1)
                text[at + i] = '\\';
        text[sizeof(text) - 1] = '"';
        stop = scan_string(text, text + sizeof(text), false, &escaped);
        EXPECT(escaped == (pattern != 0));
        all_kinds_stop_at(stop, escaped, text + sizeof(text), text, text + sizeof(text), false);
    }
}

/* An array of strings full of brackets, quotes and backslashes, and of brackets beside them. */
static size_t nest(char *out, size_t size)
{
    static const char *const inside[] = { "[",    "]{",  "}", "\\\\",
                                          "\\\"", "\\n", "a", "\xC3\xA9 text" };
    static const char *const outside[] = { "[", "{", "]", "}", ",", ":1" };
    size_t want = any_below(size - 32);
    size_t n = 1;

    out[0] = '[';
    while (n < want) {
        const char *piece = outside[any_below(COUNT_OF(outside))];

        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
        out[n++] = '"';
        for (size_t left = any_below(8); left > 0 && n < want; left--) {
            piece = inside[any_below(COUNT_OF(inside))];
            memcpy(out + n, piece, strlen(piece));
            n += strlen(piece);
        }
        out[n++] = '"';
    }
    return n;
}

static void both_kinds_find_the_end_of_what_is_nested(void)
{
    enum { NESTED_MAX = 400 };
    char text[NESTED_MAX];
    size_t closed = 0;

    for (int i = 0; i < MIXTURES; i++) {
        size_t n = nest(text, sizeof(text));
        char *copy = exact(text, n);
        const char *end = skip_nested_by_1(copy, copy + n);

        EXPECT(skip_nested(copy, copy + n) == end);
        closed += end < copy + n;
        mem_free(copy);
    }
    EXPECT(closed > MIXTURES / 4 && closed < MIXTURES);
}

static void checked_text_is_read_as_any_other(void)
{
    struct str text =
        STR("{\"a\":[1,{\"]\":\"\\\\\"}],\"b\":{\"c\":\"}\\\"\"} ,\"d\":\"\\ud83d\"}");
    static const char *const want[] = { "[1,{\"]\":\"\\\\\"}]", "{\"c\":\"}\\\"\"}",
                                        "\"\\ud83d\"" };
    struct json_value v;
    struct str key;
    struct json j;
    size_t n = 0;

    json_init_checked(&j, text);
    EXPECT(json_enter_object(&j));
    while (json_next_member(&j, &key) && json_read(&j, &v))
        EXPECT_STR(v.raw, want[n++]);
    EXPECT_INT(n, COUNT_OF(want));
    EXPECT_INT(json_end(&j), ERR_NONE);
}

static void reads_the_units_of_escapes(void)
{
    static const struct {
        const char *text;
        int32_t want;
    } rows[] = {
        { "\\u0000", 0 },      { "\\u00e9", 0xE9 },
        { "\\uABCD", 0xABCD }, { "\\uabcd", 0xABCD },
        { "\\uFFFF", 0xFFFF }, { "\\u9f0A", 0x9F0A },
        { "\\u000", -1 },      { "\\u00g0", -1 },
        { "\\u00:0", -1 },     { "\\u00/0", -1 },
        { "\\u00@0", -1 },     { "\\u00`0", -1 },
        { "\\u00G0", -1 },     { "\\x0041", -1 },
        { "u00410", -1 },      { "", -1 },
        { "\\u+123", -1 },     { "\\u\x10\x11\x12\x13", -1 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(escape_unit(rows[i].text, rows[i].text + strlen(rows[i].text)), rows[i].want);
}

static const struct test suite[] = {
    { "both kinds find the end of what is nested", both_kinds_find_the_end_of_what_is_nested },
    { "checked text is read as any other", checked_text_is_read_as_any_other },
    { "all kinds check strings alike", all_kinds_check_strings_alike },
    { "all kinds know the letters of escapes", all_kinds_know_the_letters_of_escapes },
    { "both kinds escape alike", both_kinds_escape_alike },
    { "both kinds unescape alike", both_kinds_unescape_alike },
    { "knows all of UTF-8", knows_all_of_utf8 },
    { "pairs up every run of backslashes", pairs_up_every_run_of_backslashes },
    { "reads the units of escapes", reads_the_units_of_escapes },
};

TEST_MAIN(suite)
