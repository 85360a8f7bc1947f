/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: every code point there and back, the malformed at every place of a word. */
#include "base/encoding.h"

#include "test.h"

static const char *const malformed[] = {
    "\x80",         "\xbf",          "\xc0\x80",         "\xc1\xbf",         "\xc3",
    "\xc3(",        "\xe0\x80\x80",  "\xe0\x9f\xbf",     "\xe2\x82",         "\xe2(\xa1",
    "\xe2\x82(",    "\xed\xa0\x80",  "\xed\xbf\xbf",     "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
    "\xf0\x9f\x98", "\xf0\x9f\x98(", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
    "\xfe",         "\xff",
};

static bool is_surrogate(uint32_t c)
{
    return c >= 0xd800 && c < 0xe000;
}

static void every_code_point_goes_there_and_back(void)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[4];
        struct str s;

        if (is_surrogate(c))
            continue;
        s = (struct str){ text, utf8_put(c, text) };
        EXPECT_INT(utf8_sequence(s), s.n);
        EXPECT(utf8_is_valid(s));
        EXPECT_INT(utf8_count(s), 1);
        EXPECT_INT(utf8_count_utf16(s), c >= 0x10000 ? 2 : 1);
        for (size_t cut = 1; cut < s.n; cut++)
            EXPECT_INT(utf8_sequence(str_sub(s, 0, cut)), 0);
    }
}

static void refuses_the_malformed_at_every_place(void)
{
    for (size_t i = 0; i < COUNT_OF(malformed); i++)
        for (int before = 0; before < 20; before++)
            for (int after = 0; after < 10; after++) {
                char text[64];
                int n = snprintf(text, sizeof(text), "%.*s%s%.*s", before, "aaaaaaaaaaaaaaaaaaaaaa",
                                 malformed[i], after, "bbbbbbbbbbb");

                EXPECT(!utf8_is_valid((struct str){ text, (size_t)n }));
            }
}

static void accepts_valid_text_of_any_length(void)
{
    struct str text =
        STR("plain ascii text, then \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 and more of it");
    size_t tail = utf8_count(STR(" and more of it"));

    EXPECT(utf8_is_valid((struct str){ NULL, 0 }));
    EXPECT(utf8_is_valid(STR("a\0b")));
    EXPECT_INT(utf8_sequence(STR("")), 0);
    EXPECT_INT(utf8_count(text), 23 + 3 + tail);
    EXPECT_INT(utf8_count_utf16(text), 23 + 4 + tail);
    for (size_t n = 0; n <= text.n; n++) {
        bool is_cut_within = n == 24 || n == 26 || n == 27 || (n > 28 && n < 32);

        EXPECT_INT(utf8_is_valid(str_sub(text, 0, n)), !is_cut_within);
    }
}

static void sees_each_byte_of_long_text(void)
{
    char text[100];

    memset(text, 'a', sizeof(text));
    for (size_t n = 2; n <= sizeof(text); n++)
        for (size_t at = 0; at + 1 < n; at++) {
            struct str s = { text, n };

            text[at] = '\xc3';
            EXPECT(!utf8_is_valid(s));
            text[at + 1] = '\xa4';
            EXPECT(utf8_is_valid(s));
            text[at] = 'a';
            EXPECT(!utf8_is_valid(s));
            text[at + 1] = 'a';
        }
}

static const struct test suite[] = {
    { "every code point goes there and back", every_code_point_goes_there_and_back },
    { "refuses the malformed at every place", refuses_the_malformed_at_every_place },
    { "accepts valid text of any length", accepts_valid_text_of_any_length },
    { "sees each byte of long text", sees_each_byte_of_long_text },
};

TEST_MAIN(suite)
