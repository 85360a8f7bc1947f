/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/adapters.h"
#include "test.h"

static struct adapter out[ADAPTERS_MAX];

static void reads_all_fields(void)
{
    const struct adapter *a = &out[0];
    size_t n = 0;

    EXPECT_INT(
        adapters_read(STR("{\"more\":{},\"chatAdapters\":[{\"key\":\"gpt_5_4\",\"model\":"
                          "\"gpt-5.4\",\"engineAgentKey\":\"GPT5_4\",\"provider\":\"openai\","
                          "\"minimumTier\":2,\"enabled\":true,\"usageMultiplier\":3,"
                          "\"supportsImages\":true,\"new\":[1]}]}"),
                      out, &n),
        ERR_NONE);
    EXPECT_INT(n, 1);
    EXPECT_Z(a->key, "gpt_5_4");
    EXPECT_Z(a->model, "gpt-5.4");
    EXPECT_Z(a->agent_key, "GPT5_4");
    EXPECT_Z(a->provider, "openai");
    EXPECT_INT(a->minimum_tier, 2);
    EXPECT_INT(a->usage_multiplier * 10, 30);
    EXPECT(a->is_enabled && a->supports_images);
    EXPECT_STR(adapter_name(a, PROTOCOL_CLASSIC), "GPT5_4");
    EXPECT_STR(adapter_name(a, PROTOCOL_PROJECT), "gpt_5_4");
}

static void what_is_not_told_is_not_there(void)
{
    static const struct {
        const char *item;
        const char *name; /* NULL: it is passed over */
        bool is_enabled;
        int tier;
        int tenths;
    } rows[] = {
        { "{\"engineAgentKey\":\"A\"}", "A", true, -1, 0 },
        { "{\"engineAgentKey\":\"A\",\"enabled\":false}", "A", false, -1, 0 },
        { "{\"engineAgentKey\":\"A\",\"minimumTier\":0,\"usageMultiplier\":0.5}", "A", true, 0, 5 },
        { "{\"engineAgentKey\":\"A\",\"minimumTier\":\"x\",\"usageMultiplier\":-1}", "A", true, -1,
          0 },
        { "{\"engineAgentKey\":\"A\",\"minimumTier\":-7,\"usageMultiplier\":1e999}", "A", true, -1,
          0 },
        { "{\"engineAgentKey\":\"A\",\"engineAgentKey\":\"B\"}", "A", true, -1, 0 },
        { "{\"engine\\u0041gentKey\":\"A\",\"key\":7}", "A", true, -1, 0 },
        { "{\"engineAgentKey\":\"a\\nb\"}", NULL, true, -1, 0 },
        { "{\"engineAgentKey\":\"\",\"model\":\"m\"}", NULL, true, -1, 0 },
        { "{}", NULL, true, -1, 0 },
        { "7", NULL, true, -1, 0 },
        { "[[]]", NULL, true, -1, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[256];
        size_t n = 9;

        snprintf(body, sizeof(body), "{\"chatAdapters\":[%s]}", rows[i].item);
        EXPECT_INT(adapters_read(str_of(body), out, &n), ERR_NONE);
        EXPECT_INT(n, rows[i].name ? 1 : 0);
        if (!rows[i].name)
            continue;
        EXPECT_Z(out[0].agent_key, rows[i].name);
        EXPECT_INT(out[0].is_enabled, rows[i].is_enabled);
        EXPECT_INT(out[0].minimum_tier, rows[i].tier);
        EXPECT_INT(out[0].usage_multiplier * 10, rows[i].tenths);
    }
}

static void a_name_that_is_too_long_is_none(void)
{
    char body[512];
    char name[ADAPTER_NAME_MAX + 1];
    size_t n = 9;

    for (size_t len = ADAPTER_NAME_MAX - 1; len <= ADAPTER_NAME_MAX; len++) {
        memset(name, 'x', len);
        name[len] = '\0';
        snprintf(body, sizeof(body), "{\"chatAdapters\":[{\"key\":\"%s\"}]}", name);
        EXPECT_INT(adapters_read(str_of(body), out, &n), ERR_NONE);
        EXPECT_INT(n, len < ADAPTER_NAME_MAX);
    }
}

static void refuses_what_is_no_list(void)
{
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"chatAdapters\":{}}",
        "{\"chatAdapters\":[",
        "{\"chatAdapters\":[]} x",
        "{\"chatAdapters\":[{\"key\":}]}",
        "<html>",
    };
    size_t n = 9;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(adapters_read(str_of(rows[i]), out, &n), ERR_BAD_INPUT);
    EXPECT_INT(n, 9);
}

static void refuses_more_than_there_is_room_for(void)
{
    struct buf b;
    size_t n = 9;

    buf_init(&b, 65536);
    EXPECT(!buf_add(&b, STR("{\"chatAdapters\":[{\"key\":\"k\"}")));
    for (int i = 1; i < ADAPTERS_MAX; i++)
        EXPECT(!buf_add(&b, STR(",{\"key\":\"k\"}")));
    EXPECT(!buf_add(&b, STR("]}")));
    EXPECT_INT(adapters_read(buf_str(&b), out, &n), ERR_NONE);
    EXPECT_INT(n, ADAPTERS_MAX);
    buf_truncate(&b, b.n - 2);
    EXPECT(!buf_add(&b, STR(",{\"key\":\"one more\"}]}")));
    n = 9;
    EXPECT_INT(adapters_read(buf_str(&b), out, &n), ERR_TOO_BIG);
    EXPECT_INT(n, 9);
    buf_deinit(&b);
}

static const struct test suite[] = {
    { "reads all fields", reads_all_fields },
    { "what is not told is not there", what_is_not_told_is_not_there },
    { "a name that is too long is none", a_name_that_is_too_long_is_none },
    { "refuses what is no list", refuses_what_is_no_list },
    { "refuses more than there is room for", refuses_more_than_there_is_room_for },
};

TEST_MAIN(suite)
