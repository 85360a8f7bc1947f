/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator on a loop, over real sockets: sign-in, prompts, streams and control. */
#include "live.h"

#define FAST "{\"pacing\":{\"first_ms\":0,\"every_ms\":0}}"

static void expect_turn(struct live *v, const char *chat, const char *prompt, const char *want)
{
    struct buf text;
    int fd = live_open(v, chat);

    buf_init(&text, LIVE_MAX);
    EXPECT_INT(v->status, 101);
    EXPECT_INT(live_post(v, chat, prompt), 200);
    buf_clear(&v->in);
    EXPECT(live_gather(v, fd, &text));
    EXPECT_STR(buf_str(&text), want);
    close(fd);
    buf_deinit(&text);
}

static void answers_and_remembers(void)
{
    struct live v;

    live_begin(&v, FAST);
    expect_turn(&v, CHAT_1, "!echo one two three four five", "one two three four five");
    expect_turn(&v, CHAT_1, "!turn", "2");
    expect_turn(&v, CHAT_1, "x\\n!history",
                "[\"!echo one two three four five\",\"!turn\",\"x\\n!history\"]");
    expect_turn(&v, CHAT_2, "!turn", "1");
    EXPECT_INT(live_count_log(&v, "", "violation"), 0);
    EXPECT_INT(live_count_log(&v, "?kind=post", "\"kind\":\"post\""), 4);
    live_end(&v);
}

static void sends_an_idle_state_on_connect(void)
{
    struct buf message;
    struct live v;
    int fd;

    live_begin(&v, FAST);
    buf_init(&message, 4096);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_TEXT);
    EXPECT_STR(buf_str(&message), "{\"type\":\"state\",\"state\":{\"inProgress\":false}}");
    close(fd);
    buf_deinit(&message);
    live_end(&v);
}

static void signs_in_only_as_the_service_would(void)
{
    static const char good[] = "Origin: https://cto.new\r\nReferer: https://cto.new/\r\n"
                               "Content-Type: application/x-www-form-urlencoded\r\n";
    static const char version[] = "?__clerk_api_version=2025-04-10";
    static const char *const no_dates[] = {
        "2025-4-10",  "2025-04-1x", "abcd-ef-gh", "2025-00-10",
        "2025-13-10", "2025-04-32", "2025-04-00", "2025/04/10"
    };
    struct live v;
    char line[256];
    char headers[1600];

    live_begin(&v, FAST);
    (void)snprintf(line, sizeof(line), "POST /v1/client/sessions/%s/tokens%s", v.session, version);
    EXPECT_INT(live_call(&v, line, good, ""), 401);
    EXPECT(str_find(v.body, STR("\"code\":\"signed_out\"")) != SIZE_MAX);
    (void)snprintf(headers, sizeof(headers), "%s%s", good, v.cookie);
    EXPECT_INT(live_call(&v, line, headers, "organization_id=org_other"), 403);
    EXPECT_INT(live_call(&v, line, headers, "organisation=x"), 422);
    (void)snprintf(line, sizeof(line), "organization_id=%s", v.organization);
    EXPECT_INT(live_call(&v,
                         "POST /v1/client/sessions/sess_other/tokens"
                         "?__clerk_api_version=2025-04-10",
                         headers, line),
               404);
    (void)snprintf(line, sizeof(line), "POST /v1/client/sessions/%s/tokens", v.session);
    EXPECT_INT(live_call(&v, line, headers, ""), 400);
    for (size_t i = 0; i < COUNT_OF(no_dates); i++) {
        (void)snprintf(line, sizeof(line),
                       "POST /v1/client/sessions/%s/tokens?__clerk_api_version=%s", v.session,
                       no_dates[i]);
        EXPECT_INT(live_call(&v, line, headers, ""), 400);
    }
    (void)snprintf(line, sizeof(line), "POST /v1/client/sessions/%s/tokens%s", v.session, version);
    (void)snprintf(headers, sizeof(headers), "%sOrigin: https://cto.new\r\n", v.cookie);
    EXPECT_INT(live_call(&v, line, headers, ""), 415);
    EXPECT_INT(live_call(&v, line, v.cookie, ""), 400);
    EXPECT_INT(live_call(&v, "GET /v1/client?__clerk_api_version=2025-04-10",
                         "Origin: https://cto.new\r\nCookie: __client=x\r\n", ""),
               200);
    EXPECT(str_find(v.body, STR("\"response\":null")) != SIZE_MAX);
    live_end(&v);
}

static void names_the_session_in_memberships_when_asked_to(void)
{
    char headers[1600];
    struct live v;

    live_begin(&v, FAST);
    live_control(&v, "POST /__sim/settings", "{\"client_session\":false}", 204);
    (void)snprintf(headers, sizeof(headers), "%sOrigin: https://cto.new\r\n", v.cookie);
    EXPECT_INT(live_call(&v, "GET /v1/client?__clerk_api_version=2025-04-10", headers, ""), 200);
    EXPECT(str_find(v.body, STR("sess_")) == SIZE_MAX);
    EXPECT_INT(live_call(&v,
                         "GET /v1/me/organization_memberships?paginated=true&"
                         "__clerk_api_version=2025-04-10",
                         headers, ""),
               200);
    EXPECT(str_find(v.body, str_of(v.session)) != SIZE_MAX);
    live_end(&v);
}

static void refuses_improper_prompts(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { "{}", "body must have required property 'prompt'" },
        { "{\"prompt\":\"x\"}", "body must have required property 'chatHistoryId'" },
        { "{\"prompt\":\"x\",\"chatHistoryId\":\"" CHAT_1 "\"}",
          "body must have required property 'adapterName'" },
        { "{\"prompt\":1}", "body must have strings only: prompt" },
        { "{\"model\":\"x\"}", "body must NOT have additional properties: model" },
        { "{\"prompt\":\"x\",\"prompt\":\"y\"}",
          "body must NOT have additional properties: prompt" },
        { "[]", "body must be object" },
        { "{\"prompt\":\"x\"", "body must be valid JSON" },
        { "{\"prompt\":\"\",\"chatHistoryId\":\"" CHAT_1 "\",\"adapterName\":\"GPT5\"}",
          "body/prompt must NOT have fewer than 1 characters" },
        { "{\"prompt\":\"x\",\"chatHistoryId\":\"1\",\"adapterName\":\"GPT5\"}",
          "body/chatHistoryId must match format \\\"uuid\\\": 1" },
        { "{\"prompt\":\"x\",\"chatHistoryId\":\"" CHAT_1 "\",\"adapterName\":\"gpt-5\"}",
          "body/adapterName must be equal to one of the allowed values, not gpt-5" },
    };
    struct live v;
    char headers[1600];

    live_begin(&v, FAST);
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nContent-Type: application/json\r\nOrigin: "
                   "https://cto.new\r\nReferer: https://cto.new/" CHAT_1 "\r\n",
                   v.jwt);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(live_call(&v, "POST /engine-agent/chat", headers, rows[i].body), 500);
        if (str_find(v.body, str_of(rows[i].want)) == SIZE_MAX)
            EXPECT_STR(v.body, rows[i].want);
    }
    live_control(&v, "GET /__sim/state", "", 200);
    EXPECT(str_find(v.body, STR("\"offences\":11,\"banned\":false")) != SIZE_MAX);
    live_control(&v, "POST /__sim/settings", "{\"ban_after\":1}", 204);
    EXPECT_INT(live_call(&v, "POST /engine-agent/chat", headers, "{}"), 500);
    EXPECT_INT(live_call(&v, "POST /engine-agent/chat", headers, "{}"), 403);
    EXPECT(str_find(v.body, STR("Account suspended")) != SIZE_MAX);
    live_end(&v);
}

static void refuses_improper_headers(void)
{
    static const char *const dropped[] = { "Authorization", "Content-Type", "Origin", "Referer" };
    static const int want[] = { 401, 415, 403, 403 };
    char body[256];
    struct live v;

    live_begin(&v, FAST);
    (void)snprintf(body, sizeof(body),
                   "{\"prompt\":\"x\",\"chatHistoryId\":\"%s\",\"adapterName\":\"GPT5\"}", CHAT_1);
    for (size_t i = 0; i < COUNT_OF(dropped); i++) {
        char headers[1600];
        char *at;

        (void)snprintf(headers, sizeof(headers),
                       "Authorization: Bearer %s\r\nContent-Type: application/json\r\nOrigin: "
                       "https://cto.new\r\nReferer: https://cto.new/%s\r\n",
                       v.jwt, CHAT_1);
        at = strstr(headers, dropped[i]);
        at[0] = 'X';
        EXPECT_INT(live_call(&v, "POST /engine-agent/chat", headers, body), want[i]);
    }
    EXPECT_INT(live_count_log(&v, "?kind=post", "\"violation\""), COUNT_OF(dropped));
    live_end(&v);
}

static void tokens_expire(void)
{
    struct live v;

    live_begin(&v, "{\"token_life_s\":0}");
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 401);
    EXPECT(str_find(v.body, STR("expired")) != SIZE_MAX);
    live_end(&v);
}

static void rotates_cookies(void)
{
    char headers[1600];
    struct live v;
    struct str rest;
    size_t at;

    live_begin(&v, "{\"rotate_every\":2}");
    live_token(&v);
    at = str_find(buf_str(&v.in), STR("set-cookie: __client="));
    EXPECT(at != SIZE_MAX);
    live_token(&v); /* the old one, once */
    (void)snprintf(headers, sizeof(headers), "%sOrigin: https://cto.new\r\n", v.cookie);
    EXPECT_INT(live_call(&v, "GET /v1/client?__clerk_api_version=2025-04-10", headers, ""), 200);
    EXPECT(str_find(v.body, STR("\"response\":null")) != SIZE_MAX);
    (void)snprintf(v.cookie, sizeof(v.cookie), "Cookie: %s\r\n", "__client=x");
    live_control(&v, "GET /__sim/state", "", 200);
    at = str_find(v.body, STR("__client="));
    rest = str_from(v.body, at);
    rest.n = str_find_char(rest, '"');
    (void)snprintf(v.cookie, sizeof(v.cookie), "Cookie: %.*s\r\n", STR_ARGS(rest));
    live_token(&v);
    EXPECT_INT(live_count_log(&v, "?kind=token", "\"cookie\":1"), 1);
    live_end(&v);
}

static void guards_the_stream(void)
{
    struct live v;
    char user[64];
    int fd;

    live_begin(&v, FAST);
    memcpy(user, v.user, sizeof(user));
    v.user[6] ^= 1;
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(v.status, 401);
    close(fd);
    memcpy(v.user, user, sizeof(user));
    v.cookie[0] = 'X';
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(v.status, 401);
    close(fd);
    live_control(&v, "POST /__sim/settings", "{\"ws_cookie\":false}", 204);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(v.status, 101);
    close(fd);
    live_control(&v, "POST /__sim/settings", "{\"ws_needs_chat\":true}", 204);
    fd = live_open(&v, CHAT_2);
    EXPECT_INT(v.status, 404);
    close(fd);
    fd = live_open(&v, "not-a-uuid");
    EXPECT_INT(v.status, 404);
    close(fd);
    live_end(&v);
}

static void tells_when_a_client_leaves(void)
{
    struct live v;
    int fd;

    live_begin(&v, FAST);
    fd = live_open(&v, CHAT_1);
    live_send(fd, WIRE_FIN | WIRE_CLOSE, STR("\x03\xe8"));
    while (live_read(fd, &v.in) > 0)
        ;
    close(fd);
    EXPECT_INT(live_count_log(&v, "?kind=ws_close", "\"close_code\":1000"), 1);
    EXPECT_INT(live_count_log(&v, "?kind=ws_close", "\"by\":\"client\""), 1);
    fd = live_open(&v, CHAT_1);
    close(fd);
    while (live_count_log(&v, "?kind=ws_close", "\"close_code\":1006") == 0)
        ;
    live_control(&v, "DELETE /__sim/log", "", 204);
    EXPECT_INT(live_count_log(&v, "", "\"n\":"), 0);
    live_control(&v, "GET /__sim/state", "", 200);
    EXPECT(str_starts(v.body, STR("{\"sockets\":0,\"tasks\":0,\"chats\":0,")));
    live_end(&v);
}

static void answers_pings_of_both_kinds(void)
{
    struct buf message;
    struct live v;
    int fd;

    live_begin(&v, "{\"connect_state\":\"none\"}");
    buf_init(&message, 4096);
    fd = live_open(&v, CHAT_1);
    live_send(fd, WIRE_FIN | WIRE_TEXT, STR("ping"));
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_TEXT);
    live_send(fd, WIRE_FIN | WIRE_PING, STR("!"));
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_PONG);
    EXPECT_STR(buf_str(&message), "pong!");
    live_write(fd, STR("\x81\x01x"));
    buf_clear(&message);
    EXPECT_INT(live_frame(&v, fd, &message), WIRE_CLOSE);
    EXPECT_STR(buf_str(&message), "\x03\xea");
    close(fd);
    buf_deinit(&message);
    live_end(&v);
}

static void takes_no_other_message_than_ping(void)
{
    static const struct {
        unsigned first;
        const char *payload;
        const char *why;
    } rows[] = {
        { WIRE_FIN | WIRE_TEXT, "hello", "other than ping" },
        { WIRE_FIN | WIRE_TEXT, "", "other than ping" },
        { WIRE_FIN | WIRE_TEXT, "ping ", "other than ping" },
        { WIRE_FIN | WIRE_BINARY, "ping", "a binary message" },
        { WIRE_TEXT, "ping", "a fragmented message" },
        { WIRE_TEXT, "pi", "a fragmented message" },
        { WIRE_FIN | WIRE_CONTINUATION, "ping", "a fragmented message" },
    };
    struct buf message;
    struct live v;

    live_begin(&v, "{\"connect_state\":\"none\"}");
    buf_init(&message, 4096);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = live_open(&v, CHAT_1);

        buf_clear(&message);
        live_send(fd, rows[i].first, str_of(rows[i].payload));
        EXPECT_INT(live_frame(&v, fd, &message), WIRE_CLOSE);
        EXPECT_STR(buf_str(&message), "\x03\xf0"); /* 1008 */
        close(fd);
        while (live_count_log(&v, "?kind=ws_close", "\"kind\"") == 0)
            ;
        EXPECT_INT(live_count_log(&v, "?kind=ws_close", rows[i].why), 1);
        EXPECT_INT(live_count_log(&v, "?kind=ws_message", "\"kind\""), 1);
        live_control(&v, "DELETE /__sim/log", "", 204);
    }
    buf_deinit(&message);
    live_end(&v);
}

static void replays_to_whoever_comes_late(void)
{
    static const char *const ways[] = { "{\"replay\":\"always\"}", "{\"history\":\"string\"}",
                                        "{\"history\":\"blocks\"}" };
    struct live v;
    int fd;

    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct buf message;

        live_begin(&v, FAST);
        buf_init(&message, 65536);
        live_control(&v, "POST /__sim/settings", ways[i], 204);
        EXPECT_INT(live_post(&v, CHAT_1, "!echo late words"), 200);
        do
            live_control(&v, "GET /__sim/state", "", 200);
        while (str_find(v.body, STR("\"tasks\":0,\"chats\":1")) == SIZE_MAX);
        fd = live_open(&v, CHAT_1);
        while (str_find(buf_str(&message), STR("late words")) == SIZE_MAX)
            EXPECT_INT(live_frame(&v, fd, &message), WIRE_TEXT);
        while (str_find(buf_str(&message), STR("inProgress\":false")) == SIZE_MAX)
            EXPECT_INT(live_frame(&v, fd, &message), WIRE_TEXT);
        close(fd);
        buf_deinit(&message);
        live_end(&v);
    }
}

static void limits_tasks_and_size(void)
{
    char prompt[3000];
    struct live v;

    live_begin(&v, "{\"task_limit\":1,\"max_message_bytes\":1000}");
    memset(prompt, 'x', sizeof(prompt) - 1);
    prompt[sizeof(prompt) - 1] = '\0';
    EXPECT_INT(live_post(&v, CHAT_1, prompt), 413);
    EXPECT_INT(live_post(&v, CHAT_1, "!fault frames silence"), 200);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 409);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 429);
    live_control(&v, "POST /__sim/reset", "", 204);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 200);
    live_end(&v);
}

static void counts_the_characters_of_a_message(void)
{
    struct live v;

    live_begin(&v, "{\"max_message_chars\":4}");
    EXPECT_INT(live_post(&v, CHAT_1, "four"), 200);
    EXPECT_INT(live_post(&v, CHAT_2, "fives"), 413);
    EXPECT(str_find(v.body, STR("Message too large")) != SIZE_MAX);
    /* Two units each, however they are written. */
    EXPECT_INT(live_post(&v, CHAT_2, "\xF0\x9F\x98\x80\\ud83d\\ude00."), 413);
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 2);
    EXPECT_INT(live_post(&v, CHAT_2, "\xF0\x9F\x98\x80\\ud83d\\ude00"), 200);
    live_control(&v, "POST /__sim/reset", "", 204);
    live_control(&v, "POST /__sim/settings", "{\"max_message_chars\":0}", 204);
    EXPECT_INT(live_post(&v, CHAT_1, "as long as it likes"), 200);
    live_end(&v);
}

static void serves_models_quota_and_deleting(void)
{
    char headers[1600];
    struct live v;

    live_begin(&v, FAST);
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nOrigin: https://cto.new\r\n", v.jwt);
    EXPECT_INT(live_call(&v, "GET /chat/adapters", headers, ""), 200);
    EXPECT(str_find(v.body, STR("\"engineAgentKey\":\"ClaudeSonnet4_5\"")) != SIZE_MAX);
    expect_turn(&v, CHAT_1, "!turn", "1");
    EXPECT_INT(live_call(&v, "GET /billing", headers, ""), 200);
    EXPECT(str_find(v.body, STR("\"dailyUsage\":1,\"dailyLimit\":300")) != SIZE_MAX);
    EXPECT_INT(live_call(&v, "DELETE /engine-agent/chat-histories/" CHAT_1, headers, ""), 204);
    EXPECT_INT(live_call(&v, "DELETE /engine-agent/chat-histories/" CHAT_1, headers, ""), 404);
    expect_turn(&v, CHAT_2, "!turn", "1");
    live_control(&v, "POST /__sim/settings",
                 "{\"billing_old\":true,\"daily_limit\":2,\"enforce_limit\":true}", 204);
    EXPECT_INT(live_call(&v, "GET /billing", headers, ""), 200);
    EXPECT(str_find(v.body, STR("\"taskCreditsLimit\":2,\"taskCreditsUsage\":2")) != SIZE_MAX);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 429);
    live_control(&v, "POST /__sim/settings", "{\"chunked\":true}", 204);
    EXPECT_INT(live_call(&v, "GET /billing", headers, ""), 200);
    EXPECT(str_find(buf_str(&v.in), STR("transfer-encoding: chunked")) != SIZE_MAX);
    live_end(&v);
}

static int open_status(struct live *v, const char *chat)
{
    close(live_open(v, chat));
    return v->status;
}

static void remembers_what_was_deleted(void)
{
    char headers[1600];
    struct live v;
    int fd;

    live_begin(&v, FAST);
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nOrigin: https://cto.new\r\n", v.jwt);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, "!fault frames silence"), 200);
    EXPECT_INT(live_call(&v, "DELETE /engine-agent/chat-histories/" CHAT_1, headers, ""), 204);
    live_control(&v, "GET /__sim/state", "", 200);
    EXPECT(str_find(v.body, STR("\"tasks\":0,\"chats\":0,\"gone\":1,")) != SIZE_MAX);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 404);
    EXPECT_INT(open_status(&v, CHAT_1), 404);
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 0);
    close(fd);
    live_control(&v, "POST /__sim/reset", "", 204);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 200);
    live_end(&v);
}

static void loses_chats_when_told(void)
{
    static const char *const wrong[] = { "{}", "[]", "{\"chats\":1}", "{\"chats\":[\"x\"]}", "{" };
    struct live v;
    int fd;

    live_begin(&v, FAST);
    expect_turn(&v, CHAT_1, "!turn", "1");
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        live_control(&v, "POST /__sim/lose", wrong[i], 400);
    live_control(&v, "POST /__sim/lose", "{\"chats\":[\"" CHAT_2 "\"]}", 204);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 404);
    expect_turn(&v, CHAT_1, "!turn", "2");
    fd = live_open(&v, CHAT_1);
    live_control(&v, "POST /__sim/lose", "", 204);
    while (live_read(fd, &v.in) > 0)
        ; /* its sockets end */
    close(fd);
    EXPECT_INT(open_status(&v, CHAT_1), 101);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 404);
    live_control(&v, "POST /__sim/settings", "{\"ws_needs_chat\":true}", 204);
    EXPECT_INT(open_status(&v, CHAT_1), 404);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 404);
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 0);
    live_end(&v);
}

static void keeps_accounts_apart(void)
{
    struct buf cookie;
    struct live v;
    int fd;

    live_begin(&v, "{\"accounts\":2}");
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 200);
    buf_init(&cookie, SIMULATOR_COOKIE_MAX);
    EXPECT_INT(simulator_cookie(1, 1, &cookie), ERR_NONE);
    (void)snprintf(v.cookie, sizeof(v.cookie), "Cookie: %.*s\r\n", STR_ARGS(buf_str(&cookie)));
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(v.status, 403);
    close(fd);
    buf_deinit(&cookie);
    live_end(&v);
}

static void says_what_it_is(void)
{
    struct live v;

    live_begin(&v, FAST);
    EXPECT_INT(live_call(&v, "GET /", "", ""), 200);
    EXPECT(str_find(v.body, STR("enginelabs-simulator")) != SIZE_MAX);
    EXPECT_INT(live_call(&v, "GET /nothing", "", ""), 404);
    EXPECT_INT(live_call(&v, "POST /billing", "", ""), 405);
    EXPECT_INT(live_call(&v, "POST /__sim/settings", "", "{\"colour\":1}"), 400);
    EXPECT(str_find(v.body, STR("there is no setting \\\"colour\\\"")) != SIZE_MAX);
    EXPECT_INT(live_call(&v, "POST /__sim/faults", "", "[{}]"), 400);
    live_end(&v);
}

static const struct test suite[] = {
    { "answers and remembers", answers_and_remembers },
    { "sends an idle state on connect", sends_an_idle_state_on_connect },
    { "signs in only as the service would", signs_in_only_as_the_service_would },
    { "names the session in memberships when asked to",
      names_the_session_in_memberships_when_asked_to },
    { "refuses improper prompts", refuses_improper_prompts },
    { "refuses improper headers", refuses_improper_headers },
    { "tokens expire", tokens_expire },
    { "rotates cookies", rotates_cookies },
    { "guards the stream", guards_the_stream },
    { "tells when a client leaves", tells_when_a_client_leaves },
    { "answers pings of both kinds", answers_pings_of_both_kinds },
    { "takes no other message than ping", takes_no_other_message_than_ping },
    { "replays to whoever comes late", replays_to_whoever_comes_late },
    { "limits tasks and size", limits_tasks_and_size },
    { "counts the characters of a message", counts_the_characters_of_a_message },
    { "serves models, quota and deleting", serves_models_quota_and_deleting },
    { "remembers what was deleted", remembers_what_was_deleted },
    { "loses chats when told", loses_chats_when_told },
    { "keeps accounts apart", keeps_accounts_apart },
    { "says what it is", says_what_it_is },
};

TEST_MAIN(suite)
