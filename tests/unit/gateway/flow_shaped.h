/* SPDX-License-Identifier: Apache-2.0 */
/* The flow of answers that the gateway shapes, or asks for more than once. */
#pragma once

#include "flow_routes.h"

#include "chat/estimate.h"

#define TOOLS                                                            \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"," \
    "\"parameters\":{\"type\":\"object\",\"required\":[\"at\"],"         \
    "\"properties\":{\"at\":{\"type\":\"number\"}}}}}],"
#define JSON                                                                         \
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"," \
    "\"schema\":{\"type\":\"object\",\"required\":[\"a\"]}}},"
#define ASK_WHOLE(rest) "{\"model\":\"GPT5\"," rest HI "}"
#define ASK_STREAM(rest) "{\"model\":\"GPT5\",\"stream\":true," rest HI "}"
#define GOOD "<tool_call name=\"look\">\n{\"at\": 1}\n</tool_call>"
#define BAD "<tool_call name=\"look\">\n{\"to\": 1}\n</tool_call>"

static inline void finish_stop(void)
{
    finish(CHAT_FINISH_STOP);
}

static inline void done(void)
{
    finish_stop();
    settled();
    turn(f.l);
}

/* The answer ended before its upstream did: nothing is settled. */
static inline void expect_cut(const struct provider_call *c)
{
    EXPECT_INT(c->state, CALL_GONE);
    EXPECT_INT(c->n_releases, 1);
    EXPECT_INT(c->n_settles, 0);
}

static inline void expect_answer(const struct provider_call *c, const char *said,
                                 const struct chat_tool_call *calls, size_t n)
{
    static const struct fingerprint zero;
    struct fingerprint_said want = { .tool_calls = calls, .n_tool_calls = n };
    struct fingerprint print;

    fingerprint_text_init(&want.text);
    fingerprint_text_add(&want.text, str_of(said));
    fingerprint_answer(&zero, &want, &print);
    EXPECT_INT(c->verdict, SETTLE_EXACT);
    EXPECT(memcmp(&c->answer, &print, sizeof(print)) == 0);
}

/* The id of the n-th tool call that the client heard of. */
static inline struct str heard_id(size_t n)
{
    struct str rest = wire_str(&f.w);

    do {
        size_t at = str_find(rest, STR("\"id\":\"call_"));

        EXPECT(at != SIZE_MAX);
        rest = str_from(rest, at + strlen("\"id\":\""));
    } while (n-- > 0);
    return str_sub(rest, 0, str_find_char(rest, '"'));
}
