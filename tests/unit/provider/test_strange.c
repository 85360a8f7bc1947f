/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a message that nobody knows: its type and shape, and nothing that it holds. */
#include "provider/enginelabs/strange.h"
#include "test.h"

#define LONG_20 "abcdefghijklmnopqrst"

static void tells_type_and_shape(void)
{
    static const struct {
        const char *json;
        const char *want;
    } rows[] = {
        { "{\"type\":\"tool_run\",\"id\":\"secret\",\"n\":1,\"ok\":true,\"x\":null,\"l\":["
          "\"secret\"]}",
          "{type \"tool_run\", id string, n number, ok boolean, x null, l array}" },
        { "{\"type\":5,\"a\":{\"type\":\"b\",\"c\":{\"secret\":1}}}",
          "{type number, a {type \"b\", c object}}" },
        { "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"secret\":1}",
          "{a number, b number, c number, d number, e number, f number, g number, h number, ...}" },
        /* Names that may be words of somebody. */
        { "{\"my secret\":1,\"\":1,\"7\":1,\"\\u0061\\n\":1,\"" LONG_20 LONG_20 "\":1}",
          "{? number, ? number, ? number, ? number, ? number}" },
        { "{\"type\":\"a b\\u0001\\\"c\xc3\xa9\"}", "{type \"a?b?u0001??c??\"}" },
        { "{\"type\":\"" LONG_20 LONG_20 LONG_20 LONG_20 "\"}",
          "{type \"" LONG_20 LONG_20 LONG_20 "abcd\"}" },
        { "[1]", "no JSON object" },
        { "secret", "no JSON object" },
        { "", "no JSON object" },
        { "{\"a\":1,", "{a number} and no more JSON" },
    };
    char out[STRANGE_MAX];

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_Z(strange_describe(str_of(rows[i].json), out), rows[i].want);
}

static void is_bounded(void)
{
    char json[4096], out[STRANGE_MAX], name[64];
    size_t n = 1;

    json[0] = '{';
    for (int i = 0; i < 8; i++) {
        n += (size_t)snprintf(json + n, sizeof(json) - n, "%s\"k%d\":{", i ? "," : "", i);
        for (int k = 0; k < 8; k++) {
            snprintf(name, sizeof(name), "%s_%d_%d", LONG_20, i, k);
            n += (size_t)snprintf(json + n, sizeof(json) - n, "%s\"%s\":0", k ? "," : "", name);
        }
        n += (size_t)snprintf(json + n, sizeof(json) - n, "}");
    }
    (void)snprintf(json + n, sizeof(json) - n, "}");
    EXPECT_INT(strlen(strange_describe(str_of(json), out)), STRANGE_MAX - 1);
}

static void says_each_kind_once(void)
{
    char kind[32];

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < STRANGE_KINDS + 5; i++) {
            snprintf(kind, sizeof(kind), "kind %d", i);
            EXPECT_INT(strange_is_new(kind), round == 0 && i < STRANGE_KINDS);
        }
}

static const struct test suite[] = {
    { "tells type and shape", tells_type_and_shape },
    { "is bounded", is_bounded },
    { "says each kind once", says_each_kind_once },
};

TEST_MAIN(suite)
