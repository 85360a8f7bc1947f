/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/price.h"

#include "test.h"

static const struct {
    const char *text;
    enum err err;
    int64_t micros;
} texts[] = {
    { "0", ERR_NONE, 0 },
    { "1", ERR_NONE, 1000000 },
    { "1.25", ERR_NONE, 1250000 },
    { "0.000001", ERR_NONE, 1 },
    { "0.0000001", ERR_BAD_INPUT, 0 },
    { "1000000", ERR_NONE, 1000000000000 },
    { "1000000.000001", ERR_TOO_BIG, 0 },
    { "999999999999999999999", ERR_BAD_INPUT, 0 },
    { "", ERR_BAD_INPUT, 0 },
    { ".5", ERR_BAD_INPUT, 0 },
    { "5.", ERR_BAD_INPUT, 0 },
    { "-1", ERR_BAD_INPUT, 0 },
    { "1,5", ERR_BAD_INPUT, 0 },
    { "1e3", ERR_BAD_INPUT, 0 },
    { "1.2.3", ERR_BAD_INPUT, 0 },
};

static void reads_money_exactly(void)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int64_t micros = 0;
        enum err err = price_parse(str_of(texts[i].text), &micros);

        EXPECT_INT(err, texts[i].err);
        if (!err)
            EXPECT_INT(micros, texts[i].micros);
    }
}

static void the_name_or_the_longest_prefix_fits(void)
{
    const struct price list[] = { { .model = STR("*"), .input = 1 },
                                  { .model = STR("local/*"), .input = 2 },
                                  { .model = STR("local/big*"), .input = 3 },
                                  { .model = STR("local/bigger"), .input = 4 } };
    static const struct {
        const char *model;
        int64_t input;
    } wants[] = { { "GPT5", 1 }, { "local/a", 2 }, { "local/big", 3 }, { "local/bigger", 4 } };

    for (size_t i = 0; i < COUNT_OF(wants); i++)
        EXPECT_INT(price_find(list, COUNT_OF(list), str_of(wants[i].model))->input, wants[i].input);
    EXPECT(price_find(list + 1, 3, STR("GPT5")) == NULL);
    EXPECT(price_find(NULL, 0, STR("GPT5")) == NULL);
}

static void costs_are_exact_to_a_millionth(void)
{
    const struct price p = { .input = 1250000, .cached_input = 125000, .output = 10000000 };

    EXPECT_INT(price_cost(&p, 1000000, 0, 0), 1250000);
    EXPECT_INT(price_cost(&p, 1000000, 400000, 0), 750000 + 50000);
    EXPECT_INT(price_cost(&p, 0, 0, 7), 70);
    EXPECT_INT(price_cost(&p, 1, 0, 0), 1);   /* 1.25 */
    EXPECT_INT(price_cost(&p, 2, 0, 0), 3);   /* 2.5 */
    EXPECT_INT(price_cost(&p, 10, 20, 0), 1); /* not more cached than there were */
    EXPECT_INT(price_cost(NULL, 10, 0, 10), 0);
    EXPECT_INT(price_cost(&p, INT64_MAX, 0, INT64_MAX), INT64_C(1) << 53);
}

static const struct test suite[] = {
    { "reads money exactly", reads_money_exactly },
    { "the name or the longest prefix fits", the_name_or_the_longest_prefix_fits },
    { "costs are exact to a millionth", costs_are_exact_to_a_millionth },
};
TEST_MAIN(suite)
