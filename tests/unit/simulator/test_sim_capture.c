/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded exchanges played again: whose they are, and what stands for what. */
#include "live.h"

#include "simulator/capture.h"

static struct sim_capture *read_capture(const char *json)
{
    char what[256];
    struct sim_capture *c;
    struct json j;

    json_init(&j, str_of(json), 16);
    EXPECT_INT(sim_capture_read(&j, 1, &c, what), ERR_NONE);
    EXPECT_INT(json_end(&j), ERR_NONE);
    return c;
}

static void expect_filled(struct sim_capture *c, const char *text, const char *want)
{
    struct buf out;

    buf_init(&out, 65536);
    EXPECT_INT(sim_capture_fill(c, str_of(text), 1000, &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), want);
    buf_deinit(&out);
}

#define ITEM(method, path, body)                                                                   \
    "{\"request\":{\"method\":\"" method "\",\"path\":\"" path "\"},\"response\":{\"status\":200," \
    "\"body\":\"" body "\"}}"

static void takes_exchanges_in_order(void)
{
    struct sim_capture *c = read_capture("[" ITEM("GET", "/a", "1") "," ITEM(
        "POST", "/a", "2") "," ITEM("GET", "/a", "3") "," ITEM("GET", "/a/{x}", "4") "]");

    EXPECT_STR(sim_capture_take(c, false, STR("GET"), STR("/a"))->body, "1");
    EXPECT(sim_capture_is_used(c, 0) && !sim_capture_is_used(c, 2));
    EXPECT_STR(sim_capture_take(c, false, STR("GET"), STR("/a"))->body, "3");
    EXPECT_STR(sim_capture_take(c, false, STR("GET"), STR("/a"))->body, "3");
    EXPECT_STR(sim_capture_take(c, false, STR("POST"), STR("/a"))->body, "2");
    EXPECT(!sim_capture_take(c, false, STR("PUT"), STR("/a")));
    EXPECT(!sim_capture_take(c, true, STR("GET"), STR("/a")));
    EXPECT(!sim_capture_take(c, false, STR("GET"), STR("/a/")));
    EXPECT(!sim_capture_take(c, false, STR("GET"), STR("/a/b/c")));
    EXPECT_STR(sim_capture_take(c, false, STR("GET"), STR("/a/b"))->body, "4");
    sim_capture_free(c);
}

static void a_placeholder_is_one_value(void)
{
    struct sim_capture *c = read_capture("[" ITEM("GET", "/s/sess_{id-1}/{id-2}:x/end", "") "]");
    struct buf token;
    struct sim_claims claims;

    EXPECT(!sim_capture_take(c, false, STR("GET"), STR("/s/sess_/b:x/end")));
    EXPECT(!sim_capture_take(c, false, STR("GET"), STR("/s/sess_a/b:y/end")));
    EXPECT(!sim_capture_take(c, false, STR("GET"), STR("/s/sess_a/b/c:x/end")));
    EXPECT(sim_capture_take(c, false, STR("GET"), STR("/s/sess_a/b:x/end")));
    EXPECT(!sim_capture_take(c, false, STR("GET"), STR("/s/sess_c/b:x/end")));
    EXPECT(sim_capture_take(c, false, STR("GET"), STR("/s/sess_a/b:x/end")));
    expect_filled(c, "{\"id\":\"sess_{id-1}\",\"b\":{},\"c\":\"{id-2}{id-1}{\"",
                  "{\"id\":\"sess_a\",\"b\":{},\"c\":\"ba{\"");
    expect_filled(c, "{id-3} {id-3}", "61e290ecbec2 61e290ecbec2");
    expect_filled(c, "{chat} {chat}",
                  "fc9ea517-124d-41fa-919d-2b76271002c3 fc9ea517-124d-41fa-919d-2b76271002c3");
    buf_init(&token, 65536);
    EXPECT_INT(sim_capture_fill(c, STR("{jwt-1}"), 1000, &token), ERR_NONE);
    EXPECT_INT(sim_token_read(1, buf_str(&token), &claims), ERR_NONE);
    EXPECT_INT(claims.expires_s, 1060);
    buf_clear(&token);
    EXPECT_INT(sim_capture_fill(c, STR("{user}"), 1000, &token), ERR_NONE);
    EXPECT_STR(buf_str(&token), claims.user);
    buf_deinit(&token);
    sim_capture_free(c);
}

static void refuses_what_is_no_capture(void)
{
    static const char *const rows[] = {
        "{}",
        "[5]",
        "[{}]",
        "[{\"request\":{\"method\":\"GET\"},\"response\":{\"status\":200}}]",
        "[{\"request\":{\"path\":\"/\"},\"response\":{\"status\":200}}]",
        "[{\"request\":{\"method\":\"GET\",\"path\":\"x\"},\"response\":{\"status\":200}}]",
        "[{\"request\":{\"method\":\"GET\",\"path\":\"/\"}}]",
        "[{\"request\":{\"method\":\"GET\",\"path\":\"/\"},\"response\":{}}]",
        "[{\"request\":{\"method\":\"GET\",\"path\":\"/\"},\"response\":{\"status\":101}}]",
        "[{\"request\":{\"method\":\"GET\",\"path\":\"/\"},\"response\":{\"status\":200,"
        "\"headers\":{\"a b\":\"c\"}}}]",
        "[{\"request\":{\"method\":\"GET\",\"path\":\"/\"},\"response\":{\"status\":200,"
        "\"headers\":{\"a\":\"b\\r\\nc\"}}}]",
        "[{\"websocket\":{\"path\":\"/\"}}]",
        "[{\"websocket\":{\"path\":\"/\"},\"frames\":[{\"dir\":\"up\",\"text\":\"\"}]}]",
        "[{\"websocket\":{\"path\":\"/\"},\"frames\":[{\"dir\":\"in\",\"after_ms\":-1}]}]",
        "[{\"websocket\":{\"path\":\"/\"},\"frames\":[{\"dir\":\"in\",\"close\":5}]}]",
    };
    char what[256];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sim_capture *c = NULL;
        struct json j;

        json_init(&j, str_of(rows[i]), 16);
        what[0] = '\0';
        EXPECT_INT(sim_capture_read(&j, 1, &c, what), ERR_BAD_INPUT);
        EXPECT(what[0]);
    }
}

static const char scenario[] =
    "{\"capture\":["
    "{\"request\":{\"method\":\"GET\",\"path\":\"/billing\"},\"response\":{\"status\":418,"
    "\"headers\":{\"X-A\":\"{id-1}\",\"Content-Length\":\"7\",\"set-cookie\":[\"a=1\",\"b=2\"]},"
    "\"body\":{\"plan\":\"{id-1}\"}}},"
    "{\"websocket\":{\"path\":\"/engine-agent/chat-histories/{chat}/buffer/stream\"},\"frames\":["
    "{\"dir\":\"in\",\"after_ms\":0,\"text\":\"{\\\"type\\\":\\\"hello {chat}\\\"}\"},"
    "{\"dir\":\"out\",\"after_ms\":1,\"text\":\"ping\"},"
    "{\"dir\":\"in\",\"after_ms\":1,\"exchange\":2,\"text\":\"after\"},"
    "{\"dir\":\"in\",\"close\":1001}]},"
    "{\"request\":{\"method\":\"POST\",\"path\":\"/engine-agent/chat\"},"
    "\"response\":{\"status\":202}}]}";

static void plays_what_was_recorded(void)
{
    struct buf message;
    struct live v;
    int fd;

    live_begin(&v, scenario);
    EXPECT_INT(live_call(&v, "GET /billing", "", ""), 418);
    EXPECT_STR(v.body, "{\"plan\":\"d9f4ecf952a7\"}");
    EXPECT(str_find(buf_str(&v.in), STR("\r\nX-A: d9f4ecf952a7\r\nset-cookie: a=1\r\nset-cookie: "
                                        "b=2\r\n")) != SIZE_MAX);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(v.status, 101);
    buf_init(&message, 65536);
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_TEXT);
    EXPECT_STR(buf_str(&message), "{\"type\":\"hello " CHAT_1 "\"}");
    {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        EXPECT_INT(poll(&p, 1, 50), 0);
    }
    EXPECT_INT(live_call(&v, "POST /engine-agent/chat", "", "{}"), 202);
    buf_clear(&v.in);
    buf_clear(&message);
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_TEXT);
    EXPECT_STR(buf_str(&message), "after");
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_CLOSE);
    close(fd);
    buf_deinit(&message);
    EXPECT_INT(live_count_log(&v, "", "\"by\":\"capture\""), 3);
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 0);
    live_end(&v);
}

static void the_rest_is_answered_as_ever(void)
{
    struct live v;
    int fd;

    live_begin(&v, scenario);
    EXPECT_INT(live_call(&v, "GET /chat/adapters", "", ""), 401);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(v.status, 101);
    close(live_open(&v, CHAT_2));
    EXPECT_INT(v.status, 101);
    EXPECT_INT(live_count_log(&v, "?kind=ws_open", "\"by\":\"capture\""), 1);
    live_control(&v, "POST /__sim/settings", "{\"capture\":[]}", 204);
    {
        struct buf in;
        ssize_t n;

        buf_init(&in, LIVE_MAX);
        while ((n = live_read(fd, &in)) > 0)
            ;
        EXPECT(n < 0);
        buf_deinit(&in);
    }
    close(fd);
    EXPECT_INT(live_call(&v, "GET /billing", "", ""), 401);
    live_control(&v, "POST /__sim/reset", "", 204);
    EXPECT_INT(live_call(&v, "GET /billing", "", ""), 418);
    live_control(&v, "POST /__sim/settings", "{\"capture\":[5]}", 400);
    EXPECT_INT(live_call(&v, "GET /billing", "", ""), 418);
    live_end(&v);
}

static const struct test suite[] = {
    { "takes exchanges in order", takes_exchanges_in_order },
    { "a placeholder is one value", a_placeholder_is_one_value },
    { "refuses what is no capture", refuses_what_is_no_capture },
    { "plays what was recorded", plays_what_was_recorded },
    { "the rest is answered as ever", the_rest_is_answered_as_ever },
};

TEST_MAIN(suite)
