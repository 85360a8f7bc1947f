/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_text.h"

#include "test.h"

static void each_is_another_and_ours(void)
{
    char a[KEY_TEXT_LEN + 1], b[KEY_TEXT_LEN + 1];

    key_text_new(a);
    key_text_new(b);
    EXPECT_INT(strlen(a), KEY_TEXT_LEN);
    EXPECT(strcmp(a, b) != 0);
    EXPECT_INT(key_text_judge(str_of(a)), KEY_TEXT_OURS);
    EXPECT_INT(key_text_judge(str_of(b)), KEY_TEXT_OURS);
}

/* CRC-32 of "sk-" and 32 letters A is 0xa4edf28f (zlib). */
static void the_checksum_is_crc_32_in_base_62(void)
{
    EXPECT_INT(key_text_judge(STR("sk-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA31GI4V")), KEY_TEXT_OURS);
}

static void any_wrong_letter_is_a_typo(void)
{
    char text[KEY_TEXT_LEN + 1];

    key_text_new(text);
    for (size_t i = 3; i < KEY_TEXT_LEN; i++) {
        char right = text[i];

        text[i] = right == 'x' ? 'y' : 'x';
        EXPECT_INT(key_text_judge(str_of(text)), KEY_TEXT_TYPO);
        text[i] = right;
    }
}

static void some_letters_too_few_or_many_are_a_typo(void)
{
    char text[KEY_TEXT_LEN + 5];

    key_text_new(text);
    memcpy(text + KEY_TEXT_LEN, "abcd", 5);
    for (size_t n = KEY_TEXT_LEN - 5; n <= KEY_TEXT_LEN + 4; n++)
        EXPECT_INT(key_text_judge(str_sub(str_of(text), 0, n)),
                   n < KEY_TEXT_LEN - 4 ? KEY_TEXT_FOREIGN
                   : n == KEY_TEXT_LEN  ? KEY_TEXT_OURS
                                        : KEY_TEXT_TYPO);
}

static void what_is_not_made_here_is_foreign(void)
{
    static const char *const texts[] = { "",
                                         "sk-",
                                         "my-key",
                                         "sk-proj-1234567890",
                                         "sk-a b",
                                         "sk-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1",
                                         "sk-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA31GI4VXXXXX",
                                         "sk-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA31GI4-",
                                         "SK-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA31GI4V" };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        EXPECT_INT(key_text_judge(str_of(texts[i])), KEY_TEXT_FOREIGN);
}

static const struct test suite[] = {
    { "each is another, and ours", each_is_another_and_ours },
    { "the checksum is CRC-32 in base 62", the_checksum_is_crc_32_in_base_62 },
    { "any wrong letter is a typo", any_wrong_letter_is_a_typo },
    { "some letters too few or many are a typo", some_letters_too_few_or_many_are_a_typo },
    { "what is not made here is foreign", what_is_not_made_here_is_foreign },
};
TEST_MAIN(suite)
