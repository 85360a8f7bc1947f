/* SPDX-License-Identifier: Apache-2.0 */
/* The encodings against the vectors of their RFCs, and against themselves. */
#include "base/encoding.h"

#include "base/mem.h"
#include "test.h"

static void encodes_the_vectors_of_rfc_4648(void)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;

        buf_init(&b, 8);
        EXPECT_INT(base64_add(&b, str_of(rows[i][0])), ERR_NONE);
        EXPECT_STR(buf_str(&b), rows[i][1]);
        buf_clear(&b);
        EXPECT_INT(base64_decode(&b, str_of(rows[i][1])), ERR_NONE);
        EXPECT_STR(buf_str(&b), rows[i][0]);
        buf_deinit(&b);
    }
}

static void decodes_base64_with_or_without_padding(void)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: refused */
    } rows[] = {
        { "Zg", "f" },
        { "Zm8", "fo" },
        { "Zm9v", "foo" },
        { "_-__", "\xff\xef\xff" },
        { "/+//", "\xff\xef\xff" },
        { "Zh==", "f" },
        { "Z", NULL },
        { "Zm9vZ", NULL },
        { "Zg=", NULL },
        { "Zg===", NULL },
        { "=", NULL },
        { "====", NULL },
        { "Z===", NULL },
        { "Zm9v=", NULL },
        { "Zm=v", NULL },
        { "Zg==Zg==", NULL },
        { "Zm 9v", NULL },
        { "Zm9v\n", NULL },
        { "Zm\x80v", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;

        buf_init(&b, 64);
        EXPECT_INT(buf_add(&b, STR("<")), ERR_NONE);
        EXPECT_INT(base64_decode(&b, str_of(rows[i].text)),
                   rows[i].want ? ERR_NONE : ERR_BAD_INPUT);
        EXPECT_STR(str_from(buf_str(&b), 1), rows[i].want ? rows[i].want : "");
        buf_deinit(&b);
    }
}

static void gets_all_bytes_back_from_base64(void)
{
    unsigned char bytes[256];
    struct buf text;
    struct buf back;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7);
    buf_init(&text, 1024);
    buf_init(&back, 1024);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct str in = { (const char *)bytes, n };

        buf_clear(&text);
        buf_clear(&back);
        EXPECT_INT(base64_add(&text, in), ERR_NONE);
        EXPECT_INT(base64_decode(&back, buf_str(&text)), ERR_NONE);
        EXPECT(str_eq(buf_str(&back), in));
    }
    buf_deinit(&text);
    buf_deinit(&back);
}

static void keeps_to_the_bound_of_the_buffer(void)
{
    struct buf b;

    buf_init(&b, 3);
    EXPECT_INT(base64_add(&b, STR("x")), ERR_TOO_BIG);
    EXPECT_INT(base64_decode(&b, STR("Zm9vYg")), ERR_TOO_BIG);
    EXPECT_INT(percent_add(&b, STR("a b")), ERR_TOO_BIG);
    EXPECT_INT(b.n, 0);
    mem_fail_nth(1);
    EXPECT_INT(percent_add(&b, STR(" ")), ERR_NOMEM);
    EXPECT_INT(percent_add(&b, STR(" ")), ERR_NONE);
    buf_deinit(&b);
}

static void writes_hex_and_percent(void)
{
    char hex[9];
    struct buf b;

    hex_encode("\x00\x7f\xab\xff", 4, hex);
    EXPECT_Z(hex, "007fabff");
    buf_init(&b, 100);
    EXPECT_INT(percent_add(&b, STR("aZ09-._~ /?&=%+\xc3\xa4")), ERR_NONE);
    EXPECT_STR(buf_str(&b), "aZ09-._~%20%2F%3F%26%3D%25%2B%C3%A4");
    buf_deinit(&b);
}

static void decodes_percent_or_leaves_the_buffer(void)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: refused */
    } rows[] = {
        { "", "" },       { "a+b", "a+b" }, { "%41%7a%2F", "Az/" }, { "%c3%A4", "\xc3\xa4" },
        { "x%", NULL },   { "x%4", NULL },  { "%4g", NULL },        { "%G4", NULL },
        { "%%41", NULL }, { "%+1", NULL },  { "a%2", NULL },        { "%25%32", "%2" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b;

        buf_init(&b, 64);
        EXPECT_INT(buf_add(&b, STR("<")), ERR_NONE);
        EXPECT_INT(percent_decode(&b, str_of(rows[i].text)),
                   rows[i].want ? ERR_NONE : ERR_BAD_INPUT);
        EXPECT_STR(str_from(buf_str(&b), 1), rows[i].want ? rows[i].want : "");
        buf_deinit(&b);
    }
}

static void gets_all_bytes_back_from_percent(void)
{
    char bytes[256];
    struct str in = { bytes, sizeof(bytes) };
    struct buf text;
    struct buf back;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    buf_init(&text, 1024);
    buf_init(&back, sizeof(bytes));
    EXPECT_INT(percent_add(&text, in), ERR_NONE);
    EXPECT_INT(percent_decode(&back, buf_str(&text)), ERR_NONE);
    EXPECT(str_eq(buf_str(&back), in));
    EXPECT_INT(percent_decode(&back, STR("x")), ERR_TOO_BIG);
    EXPECT_INT(back.n, sizeof(bytes));
    buf_deinit(&text);
    buf_deinit(&back);
}

static const struct test suite[] = {
    { "encodes the vectors of RFC 4648", encodes_the_vectors_of_rfc_4648 },
    { "decodes base64 with or without padding", decodes_base64_with_or_without_padding },
    { "gets all bytes back from base64", gets_all_bytes_back_from_base64 },
    { "keeps to the bound of the buffer", keeps_to_the_bound_of_the_buffer },
    { "writes hex and percent", writes_hex_and_percent },
    { "decodes percent or leaves the buffer", decodes_percent_or_leaves_the_buffer },
    { "gets all bytes back from percent", gets_all_bytes_back_from_percent },
};

TEST_MAIN(suite)
