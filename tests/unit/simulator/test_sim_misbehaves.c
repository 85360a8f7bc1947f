/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on demand, seen from the other end of the wire. */
#include "live.h"

#define FAST "{\"pacing\":{\"first_ms\":0,\"every_ms\":0}}"

static void arm(struct live *v, const char *json)
{
    live_control(v, "POST /__sim/faults", json, 204);
}

static void answers_with_errors_as_told(void)
{
    static const struct {
        const char *fault;
        int status;
        const char *want; /* in head or body */
    } rows[] = {
        { "{\"where\":\"post\",\"status\":401}", 401, "jwt expired" },
        { "{\"where\":\"post\",\"status\":402}", 402, "Payment Required" },
        { "{\"where\":\"post\",\"status\":429}", 429, "daily limit" },
        { "{\"where\":\"post\",\"status\":429,\"retry_after\":\"7\"}", 429, "retry-after: 7" },
        { "{\"where\":\"post\",\"status\":429,\"retry_after\":\"Wed, 21 Oct 2035 07:28:00 GMT\"}",
          429, "retry-after: Wed, 21 Oct 2035" },
        { "{\"where\":\"post\",\"status\":503,\"body\":\"oops\",\"type\":\"text/plain\"}", 503,
          "content-type: text/plain" },
        { "{\"where\":\"post\",\"kind\":\"schema\"}", 500, "body must have required property" },
        { "{\"where\":\"post\",\"kind\":\"challenge\"}", 403, "cf-mitigated: challenge" },
        { "{\"where\":\"post\",\"kind\":\"challenge\",\"status\":503}", 503, "Just a moment" },
        { "{\"where\":\"post\",\"kind\":\"redirect\"}", 307, "location: https://cto.new/" },
        { "{\"where\":\"post\",\"kind\":\"wrong_type\"}", 200, "content-type: text/html" },
        { "{\"where\":\"post\",\"kind\":\"no_body\"}", 200, "content-length: 0" },
        { "{\"where\":\"post\",\"kind\":\"late\",\"delay_ms\":1}", 200, "content-length: 0" },
        { "{\"where\":\"post\",\"kind\":\"delay\",\"delay_ms\":1}", 200, "content-length: 0" },
        { "{\"where\":\"post\",\"kind\":\"huge\",\"bytes\":100000}", 200,
          "content-length: 100002" },
    };
    struct live v;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        live_control(&v, "POST /__sim/reset", "", 204);
        arm(&v, rows[i].fault);
        EXPECT_INT(live_post(&v, CHAT_1, "x"), rows[i].status);
        if (str_find(buf_str(&v.in), str_of(rows[i].want)) == SIZE_MAX)
            EXPECT_STR(buf_str(&v.in), rows[i].want);
        EXPECT_INT(live_post(&v, CHAT_2, "x"), 200);
    }
    live_end(&v);
}

static void breaks_connections_as_told(void)
{
    static const struct {
        const char *fault;
        const char *in_log;
    } rows[] = {
        { "{\"where\":\"post\",\"kind\":\"reset\"}", "\"kind\":\"post\"" },
        { "{\"where\":\"post\",\"kind\":\"close\"}", "\"kind\":\"post\"" },
        { "{\"where\":\"post\",\"kind\":\"reset_early\"}", "\"kind\":\"post\"" },
        { "{\"where\":\"post\",\"kind\":\"close_early\"}", "\"kind\":\"post\"" },
        { "{\"where\":\"post\",\"kind\":\"lost\"}", "\"turn\":1" },
        { "{\"where\":\"post\",\"kind\":\"truncated\"}", "\"turn\":1" },
        { "{\"where\":\"accept\",\"kind\":\"reset\"}", "\"kind\":\"accept\"" },
        { "{\"where\":\"accept\",\"kind\":\"close\"}", "\"kind\":\"accept\"" },
    };
    struct live v;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        live_control(&v, "POST /__sim/reset", "", 204);
        arm(&v, rows[i].fault);
        EXPECT_INT(live_post(&v, CHAT_1, "x"), -1);
        EXPECT_INT(live_count_log(&v, "", rows[i].in_log), 1);
        EXPECT_INT(live_post(&v, CHAT_2, "x"), 200);
    }
    live_end(&v);
}

/* Nothing comes until the client gives up; the simulator lets go with it. */
static void hangs_as_told(void)
{
    static const char *const faults[] = { "{\"where\":\"accept\",\"kind\":\"hang\"}",
                                          "{\"where\":\"client\",\"kind\":\"hang\"}" };
    struct live v;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct pollfd p = { .events = POLLIN };
        int fd;

        arm(&v, faults[i]);
        fd = live_connect(&v);
        live_write(fd, STR("GET /v1/client?__clerk_api_version=2025-04-10 HTTP/1.1\r\nHost: x\r\n"
                           "Origin: https://cto.new\r\n\r\n"));
        p.fd = fd;
        EXPECT_INT(poll(&p, 1, 30), 0);
        close(fd);
    }
    live_end(&v);
}

static void handshakes_go_wrong_as_told(void)
{
    static const struct {
        const char *fault;
        int status;
        const char *want;
    } rows[] = {
        { "{\"where\":\"ws\",\"status\":404}", 404, "" },
        { "{\"where\":\"ws\",\"status\":401}", 401, "" },
        { "{\"where\":\"ws\",\"kind\":\"challenge\"}", 403, "" },
        { "{\"where\":\"ws\",\"kind\":\"no_upgrade\"}", 200, "" },
        { "{\"where\":\"ws\",\"kind\":\"reset\"}", -1, "" },
        { "{\"where\":\"ws\",\"kind\":\"open_close\",\"code\":1013}", 101, "\x88\x02\x03\xf5" },
    };
    struct live v;
    int fd;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        arm(&v, rows[i].fault);
        fd = live_open(&v, CHAT_1);
        EXPECT_INT(v.status, rows[i].status);
        while (rows[i].want[0] && v.in.n < 4)
            EXPECT(live_read(fd, &v.in) > 0);
        if (rows[i].want[0])
            EXPECT_STR(buf_str(&v.in), rows[i].want);
        close(fd);
    }
    live_end(&v);
}

static void sends_the_wrong_accept_key_or_extension(void)
{
    struct live v;
    struct buf head;
    int fd;

    live_begin(&v, FAST);
    buf_init(&head, LIVE_MAX);
    arm(&v, "[{\"where\":\"ws\",\"kind\":\"wrong_accept\"},"
            "{\"where\":\"ws\",\"kind\":\"extension\"}]");
    for (int i = 0; i < 2; i++) {
        char request[3000];

        fd = live_connect(&v);
        (void)snprintf(request, sizeof(request),
                       "GET /engine-agent/chat-histories/%s/buffer/stream?token=%s HTTP/1.1\r\n"
                       "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nOrigin: https://cto.new\r\n%s"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       CHAT_1, v.user, v.cookie);
        live_write(fd, str_of(request));
        buf_clear(&head);
        while (str_find(buf_str(&head), STR("\r\n\r\n")) == SIZE_MAX)
            EXPECT(live_read(fd, &head) > 0);
        EXPECT((str_find(buf_str(&head), STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) == SIZE_MAX) ==
               (i == 0));
        EXPECT((str_find(buf_str(&head), STR("permessage-deflate")) != SIZE_MAX) == (i == 1));
        close(fd);
    }
    buf_deinit(&head);
    live_end(&v);
}

static void streams_break_off_as_told(void)
{
    static const struct {
        const char *fault;
        int want; /* what live_frame() gives at the end */
    } rows[] = {
        { "frames reset at=2", -2 },
        { "frames cut at=2", -1 },
        { "frames close at=2 code=1001", WIRE_CLOSE },
        { "frames no_final", WIRE_CLOSE },
    };
    struct live v;

    live_begin(&v, "{\"pacing\":{\"first_ms\":0,\"every_ms\":1,\"words\":1}}");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char prompt[128];
        struct buf text;
        int opcode;
        int fd;

        live_control(&v, "POST /__sim/reset", "", 204);
        buf_init(&text, 65536);
        fd = live_open(&v, CHAT_1);
        (void)snprintf(prompt, sizeof(prompt), "!fault %s\\n!echo a b c d", rows[i].fault);
        EXPECT_INT(live_post(&v, CHAT_1, prompt), 200);
        buf_clear(&v.in);
        do
            opcode = live_frame(&v, fd, &text);
        while (opcode == WIRE_TEXT);
        EXPECT_INT(opcode, rows[i].want);
        EXPECT(str_find(buf_str(&text), STR("inProgress\":false,\"task")) == SIZE_MAX);
        close(fd);
        buf_deinit(&text);
    }
    live_end(&v);
}

/* The task goes on without its socket, and the next one hears it from the start. */
static void an_answer_can_be_resumed_after_a_reset(void)
{
    struct live v;
    struct buf text;
    int fd;

    live_begin(&v, "{\"pacing\":{\"first_ms\":0,\"every_ms\":20,\"words\":1},"
                   "\"replay\":\"always\"}");
    buf_init(&text, 65536);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, "!fault frames reset at=2\\n!echo a b c d"), 200);
    buf_clear(&v.in);
    EXPECT(!live_gather(&v, fd, &text));
    close(fd);
    buf_clear(&text);
    fd = live_open(&v, CHAT_1);
    EXPECT(live_gather(&v, fd, &text));
    EXPECT_STR(buf_str(&text), "a b c d");
    close(fd);
    buf_deinit(&text);
    live_end(&v);
}

/* A whole turn that nobody listens to. */
static void say_unheard(struct live *v, const char *prompt)
{
    EXPECT_INT(live_post(v, CHAT_1, prompt), 200);
    do
        live_control(v, "GET /__sim/state", "", 200);
    while (str_find(v->body, STR("\"tasks\":0,")) == SIZE_MAX);
}

/* Appends frames to `all` until `what` came. */
static void read_until(struct live *v, int fd, struct buf *all, const char *what)
{
    while (str_find(buf_str(all), str_of(what)) == SIZE_MAX)
        EXPECT_INT(live_frame(v, fd, all), WIRE_TEXT);
}

static void the_last_turn_is_replayed_late(void)
{
    struct buf all;
    struct live v;
    int fd;

    live_begin(&v, "{\"pacing\":{\"first_ms\":0,\"every_ms\":0},\"replay\":\"always\","
                   "\"late_replay_ms\":100}");
    buf_init(&all, 65536);
    say_unheard(&v, "!echo the old");
    fd = live_open(&v, CHAT_1);
    read_until(&v, fd, &all, "inProgress");
    EXPECT_STR(buf_str(&all), "{\"type\":\"state\",\"state\":{\"inProgress\":false}}");
    read_until(&v, fd, &all, "the old");
    close(fd);
    /* The next turn does not keep it back, and who leaves misses it. */
    buf_clear(&all);
    close(live_open(&v, CHAT_1));
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, "!pacing 300 0\\n!echo the new"), 200);
    buf_clear(&v.in);
    read_until(&v, fd, &all, "the old");
    read_until(&v, fd, &all, "the new");
    close(fd);
    buf_deinit(&all);
    live_end(&v);
}

static void the_history_comes_late(void)
{
    struct buf all;
    struct live v;
    struct str seen;
    size_t at;
    int fd;

    live_begin(&v, "{\"pacing\":{\"first_ms\":0,\"every_ms\":0,\"words\":1},"
                   "\"history\":\"string\",\"late_history\":2}");
    buf_init(&all, 65536);
    say_unheard(&v, "!echo first answer");
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, "!echo aa bb cc dd"), 200);
    buf_clear(&v.in);
    read_until(&v, fd, &all, "dd\\\"");
    seen = buf_str(&all);
    at = str_find(seen, STR("\"type\":\"history\""));
    EXPECT(at != SIZE_MAX);
    EXPECT(str_find(str_sub(seen, 0, at), STR("bb ")) != SIZE_MAX);
    EXPECT(str_find(str_sub(seen, 0, at), STR("cc ")) == SIZE_MAX);
    seen = str_from(seen, at);
    EXPECT(str_find(seen, STR("\"first answer\"")) < str_find(seen, STR("\"!echo aa bb cc dd\"")));
    EXPECT(str_find(seen, STR("\"aa bb \"")) != SIZE_MAX);
    EXPECT(str_find(str_from(seen, 1), STR("\"type\":\"history\"")) == SIZE_MAX);
    close(fd);
    buf_deinit(&all);
    live_end(&v);
}

static void a_slow_reader_gets_every_byte(void)
{
    struct live v;
    struct buf text;
    int fd;

    live_begin(&v, FAST);
    buf_init(&text, LIVE_MAX);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, "!bytes 4000000 9"), 200);
    buf_clear(&v.in);
    live_control(&v, "GET /__sim/state", "", 200);
    EXPECT(str_find(v.body, STR("\"sockets\":1,\"tasks\":1")) != SIZE_MAX);
    buf_clear(&v.in);
    EXPECT(live_gather(&v, fd, &text));
    EXPECT_INT(text.n, 4000000);
    close(fd);
    buf_deinit(&text);
    live_end(&v);
}

static const struct test suite[] = {
    { "answers with errors as told", answers_with_errors_as_told },
    { "breaks connections as told", breaks_connections_as_told },
    { "hangs as told", hangs_as_told },
    { "handshakes go wrong as told", handshakes_go_wrong_as_told },
    { "sends the wrong accept key or extension", sends_the_wrong_accept_key_or_extension },
    { "streams break off as told", streams_break_off_as_told },
    { "an answer can be resumed after a reset", an_answer_can_be_resumed_after_a_reset },
    { "the last turn is replayed late", the_last_turn_is_replayed_late },
    { "the history comes late", the_history_comes_late },
    { "a slow reader gets every byte", a_slow_reader_gets_every_byte },
};

TEST_MAIN(suite)
