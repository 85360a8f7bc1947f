/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that fail: every kind before the head, behind it, and in the middle; what is said, what is
 * sent again, and what is not. */
#include "openai_rig.h"

static struct rig r;
static struct watch w;

#define ERROR "{\"error\":{\"message\":\"no such\\nluck\",\"x\":1e400}}"

/* ---- statuses ---- */

static const struct {
    int status;
    enum failure_kind kind;
    bool is_as_it_is;
} statuses[] = {
    { 302, FAILURE_PROTOCOL, false },      { 400, FAILURE_BAD_REQUEST, true },
    { 401, FAILURE_UPSTREAM_AUTH, false }, { 402, FAILURE_QUOTA, false },
    { 403, FAILURE_UPSTREAM_AUTH, false }, { 404, FAILURE_NOT_FOUND, true },
    { 408, FAILURE_REQUEST_SLOW, true },   { 409, FAILURE_BAD_REQUEST, true },
    { 413, FAILURE_BODY_TOO_LARGE, true }, { 418, FAILURE_BAD_REQUEST, true },
    { 422, FAILURE_BAD_REQUEST, true },    { 429, FAILURE_RATE_LIMIT, true },
    { 500, FAILURE_UNAVAILABLE, false },   { 503, FAILURE_UNAVAILABLE, false },
    { 529, FAILURE_UNAVAILABLE, false },
};

static void hands_statuses_back_by_the_table(void)
{
    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        for (unsigned stream = 0; stream < 2; stream++) {
            up_reset(&r.up, UP_CHAT);
            SAY(&r.up, UP_CHAT, .status = statuses[i].status, .body = ERROR,
                .header = "retry-after", .value = "7");
            RUN(&w, &r, stream ? ASK_STREAM : ASK_WHOLE, stream);
            EXPECT(w.is_failed);
            EXPECT_INT(w.failure.kind, statuses[i].kind);
            EXPECT_INT(w.failure.status, statuses[i].is_as_it_is ? statuses[i].status : 0);
            EXPECT_Z(w.body, statuses[i].is_as_it_is ? ERROR : "");
            EXPECT_INT(w.failure.retry_after_ms, 7000);
            EXPECT(!w.failure.prompt_accepted);
            EXPECT(strstr(w.text, "\"no such luck\"") != NULL);
            EXPECT(strstr(w.text, "\"local\"") != NULL);
            EXPECT_INT(w.seen.n, 0);
            EXPECT_INT(w.phases[w.n_phases - 1], PHASE_SENT);
            watch_end(&w);
            EXPECT_INT(r.up.at[UP_CHAT].count, 1);
        }
    }
    rig_end(&r);
}

/* It is asked of this network, and says nothing of the key. */
static void knows_a_browser_check(void)
{
    static const int codes[] = { 403, 503, 429 };

    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .status = codes[i], .type = "text/html", .body = "<html>Just a moment",
            .header = "cf-mitigated", .value = "challenge");
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT_INT(w.failure.kind, FAILURE_CHALLENGE);
        EXPECT_INT(w.failure.status, 0);
        EXPECT(strstr(w.text, "browser") != NULL);
        watch_end(&w);
        EXPECT_INT(r.up.at[UP_CHAT].count, 1);
    }
    rig_end(&r);
}

static void quotes_what_is_said_in_other_ways(void)
{
    static const struct {
        const char *body;
        const char *said;
        bool has_error; /* it can stand in a stream */
        const char *type;
    } rows[] = {
        { "{\"error\":\"plain\"}", "\"plain\"", true, NULL },
        { "{\"error\":\"\"}", "status 422", false, NULL },
        { "{\"error\":{\"code\":7}}", "422: \"{\"error\":{\"code\":7}}\". ", false, NULL },
        { "{\"message\":\"flat\"}", "\"flat\"", false, NULL },
        { "{\"detail\":\"of fastapi\"}", "\"of fastapi\"", false, NULL },
        { "{\"detail\":[{\"loc\":1}]}", "422: \"{\"detail\":[{\"loc\":1}]}\". ", false, NULL },
        { "  just text\n", "\"just text\"", false, "text/plain; charset=utf-8" },
        { "<html>", "status 422. ", false, "text/html" },
        { "", "status 422. ", false, "text/html" },
        { "{\"error\":", "422: \"{\"error\":\". ", false, NULL },
        { "[1]", "422: \"[1]\". ", false, NULL },
    };

    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .status = 422, .body = rows[i].body, .type = rows[i].type);
        RUN(&w, &r, ASK_STREAM, true);
        if (!strstr(w.text, rows[i].said))
            fail_msg("row %zu: %s", i, w.text);
        EXPECT_INT(w.failure.status, 422);
        EXPECT_Z(w.body, rows[i].body);
        EXPECT_Z(w.type, !rows[i].body[0] ? "" : rows[i].type ? rows[i].type : "application/json");
        EXPECT_INT(w.failure.body_has_error, rows[i].has_error);
        watch_end(&w);
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .status = 429, .body = rows[i].body, .type = rows[i].type);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT_INT(w.failure.status, 429);
        EXPECT_Z(w.body, str_ends(str_of(rows[i].body), STR("}")) ? rows[i].body : "");
        EXPECT_Z(w.type, "");
        watch_end(&w);
    }
    rig_end(&r);
}

/* What is large is the client's as well; what is larger than the bound is not, as it would be cut.
 */
static void hands_large_errors_back(void)
{
    static const size_t sizes[] = { 100 << 10, (1 << 20) - 1, 1 << 20, 2 << 20 };
    char *large = mem_alloc((2 << 20) + 1);

    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memset(large, 'x', sizes[i]);
        large[sizes[i]] = '\0';
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .status = 422, .body = large, .type = "text/plain");
        watch_init(&w, &r);
        watch_start(&w, ASK_WHOLE, false);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT_INT(w.failure.status, 422);
        EXPECT_INT(w.body_n, sizes[i] < 1 << 20 ? sizes[i] : 0);
        EXPECT(strstr(w.text, "status 422: \"xxx") != NULL);
        watch_end(&w);
    }
    rig_end(&r);
    mem_free(large);
}

/* An error's body that never ends, or is cut, or is endless, is taken as far as it came. */
static void does_not_wait_for_the_rest_of_an_error(void)
{
    static const enum up_end ends[] = { UP_CUT, UP_OPEN };
    char *endless = mem_alloc((1 << 20) + 1);

    memset(endless, 'x', 1 << 20);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .status = 400, .body = ERROR, .end = ends[i]);
        loop_clock_set(r.loop, 1000);
        watch_init(&w, &r);
        watch_start(&w, ASK_STREAM, true);
        RUN_UNTIL(r.loop, w.n_activity > 0);
        for (unsigned k = 0; k < 20 && !watch_is_over(&w); k++)
            run_turn_now(r.loop);
        EXPECT_INT(watch_is_over(&w), ends[i] == UP_CUT);
        loop_clock_set(r.loop, 4000);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT_INT(w.failure.status, 400);
        EXPECT_Z(w.type, ""); /* it may have been cut */
        watch_end(&w);
        rig_end(&r);
    }
    rig_start(&r);
    loop_clock_set(r.loop, 1000); /* stands: only the size can end it */
    SAY(&r.up, UP_CHAT, .status = 400, .body = endless, .type = "text/plain", .end = UP_OPEN);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.status, 400);
    EXPECT(strlen(w.text) < 700);
    watch_end(&w);
    rig_end(&r);
    mem_free(endless);
}

/* ---- connections ---- */

/* After two connections: nothing of the request was sent on the first. */
static void tells_that_nobody_listens(void)
{
    int64_t before = metric_get(METRIC_CONNECT_FAILURES);
    uint16_t port;
    int fd;

    rig_open(&r);
    fd = listen_loopback(&port);
    close(fd);
    r.config.base.endpoint.port = port;
    rig_attach(&r);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_UNAVAILABLE);
    EXPECT(!w.failure.prompt_accepted);
    EXPECT_INT(metric_get(METRIC_CONNECT_FAILURES) - before, 2);
    watch_end(&w);
    rig_end(&r);
}

/* The request may have arrived: it does not go out again. */
static void a_request_that_was_sent_is_not_sent_again(void)
{
    for (unsigned stream = 0; stream < 2; stream++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .end = UP_DROP);
        RUN(&w, &r, stream ? ASK_STREAM : ASK_WHOLE, stream);
        EXPECT_INT(w.failure.kind, FAILURE_UNAVAILABLE);
        EXPECT(w.failure.prompt_accepted);
        watch_end(&w);
        EXPECT_INT(r.up.at[UP_CHAT].count, 1);
        rig_end(&r);
    }
}

/* A server may close a kept connection just when it is used again: the request goes out once more,
 * on a new one, and no further. */
static void a_kept_connection_that_broke_is_replaced_once(void)
{
    for (unsigned good = 0; good < 2; good++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .body = hello);
        SAY(&r.up, UP_CHAT, .end = UP_DROP);
        if (good)
            SAY(&r.up, UP_CHAT, .body = hello);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT(w.is_finished);
        watch_end(&w);
        EXPECT_INT(http_client_idle(r.client), 1);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT_INT(w.is_finished, good);
        EXPECT_INT(w.failure.kind, good ? FAILURE_NONE : FAILURE_UNAVAILABLE);
        EXPECT_INT(w.failure.prompt_accepted, !good);
        watch_end(&w);
        EXPECT_INT(r.up.at[UP_CHAT].count, 3);
        rig_end(&r);
    }
}

/* ---- behind a good status ---- */

static const struct {
    const char *body;
    const char *type;
    enum up_end end;
    bool stream;
    enum failure_kind kind;
} nonsense[] = {
    /* asked for a stream */
    { "{\"choices\":[]}", "application/json", UP_WHOLE, true, FAILURE_PROTOCOL },
    { "<html>", "text/html", UP_WHOLE, true, FAILURE_PROTOCOL },
    { "{\"error\":{\"message\":\"x\"}}", "application/json", UP_WHOLE, true, FAILURE_INTERRUPTED },
    { "{\"error\":{\"code\":429}}", "application/json", UP_WHOLE, true, FAILURE_RATE_LIMIT },
    { "data: hello\n\n", "text/event-stream", UP_OPEN, true, FAILURE_PROTOCOL },
    { EVENT("{\"error\":[\"a\"]}") DONE, "text/event-stream", UP_WHOLE, true, FAILURE_INTERRUPTED },
    { EVENT("{\"object\":\"error\",\"message\":\"x\",\"code\":429}") DONE, "text/event-stream",
      UP_WHOLE, true, FAILURE_RATE_LIMIT },
    { "event: error\ndata: out of memory\n\n", "text/event-stream", UP_OPEN, true,
      FAILURE_INTERRUPTED },
    { "data: []\n\n", "text/event-stream", UP_WHOLE, true, FAILURE_PROTOCOL },
    { "", "text/event-stream", UP_WHOLE, true, FAILURE_INTERRUPTED },
    { "", "text/event-stream", UP_CUT, true, FAILURE_INTERRUPTED },
    { ": alive\n\n", "text/event-stream", UP_CUT, true, FAILURE_INTERRUPTED },
    { EVENT(CHOICE("\"role\":\"assistant\"")), "text/event-stream", UP_CUT, true,
      FAILURE_INTERRUPTED },
    { EVENT("{\"error\":{\"message\":\"x\"}}"), "text/event-stream", UP_OPEN, true,
      FAILURE_INTERRUPTED },
    { EVENT("{\"error\":\"x\"}"), "text/event-stream", UP_OPEN, true, FAILURE_INTERRUPTED },
    { EVENT("{\"error\":{\"code\":503}}"), "text/event-stream", UP_OPEN, true,
      FAILURE_UNAVAILABLE },
    { "event: error\n" EVENT("{\"message\":\"x\"}"), "text/event-stream", UP_OPEN, true,
      FAILURE_INTERRUPTED },
    /* asked for a whole answer */
    { "", "application/json", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "<html>", "text/html", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "[]", "application/json", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "{}", "application/json", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "{\"data\":[{\"id\":\"a\"}]}", "application/json", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "{\"choices\":[]}", "application/json", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "{\"choices\":[]", "application/json", UP_WHOLE, false, FAILURE_PROTOCOL },
    { "{\"choices\":[]", "application/json", UP_CUT, false, FAILURE_INTERRUPTED },
    { "{\"choices\":[]}", "application/json", UP_CUT, false, FAILURE_INTERRUPTED },
    { "{\"error\":{\"message\":\"x\"}}", "application/json", UP_WHOLE, false, FAILURE_INTERRUPTED },
    { EVENT("{}"), "text/event-stream", UP_WHOLE, false, FAILURE_PROTOCOL },
};

static void tells_nonsense_from_answers(void)
{
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        for (unsigned raw = 0; raw < 2; raw++) {
            rig_start(&r);
            SAY(&r.up, UP_CHAT, .body = nonsense[i].body, .type = nonsense[i].type,
                .end = nonsense[i].end);
            RUN(&w, &r, raw ? ASK_STREAM : NULL, nonsense[i].stream);
            if (!w.is_failed || w.failure.kind != nonsense[i].kind)
                fail_msg("row %zu: %s", i, w.text);
            EXPECT(w.failure.prompt_accepted);
            EXPECT_INT(w.failure.status, 0);
            EXPECT_INT(w.seen.n, 0);
            watch_end(&w);
            EXPECT_INT(r.up.at[UP_CHAT].count, 1);
            rig_end(&r);
        }
    }
}

/* ---- in the middle ---- */

static void what_breaks_in_the_middle_is_told(void)
{
    static const struct {
        const char *more;
        bool is_cut;
        enum failure_kind kind;
        const char *body;
    } rows[] = {
        { "", true, FAILURE_INTERRUPTED, "" },
        { "", false, FAILURE_INTERRUPTED, "" },
        { "data: {\"choices\":[{\"delta\":", true, FAILURE_INTERRUPTED, "" },
        { "data: nonsense\n\n", false, FAILURE_PROTOCOL, "" },
        { EVENT("{\"error\":{\"message\":\"x\"}}"), false, FAILURE_INTERRUPTED,
          "{\"error\":{\"message\":\"x\"}}" },
        { EVENT("{\"error\":\"x\"}"), false, FAILURE_INTERRUPTED, "{\"error\":\"x\"}" },
        /* what a client would not take for an error is told in words of ours */
        { EVENT("{\"error\":{}}") DONE, false, FAILURE_INTERRUPTED, "" },
        { EVENT("{\"error\":[\"x\"]}") DONE, false, FAILURE_INTERRUPTED, "" },
        { EVENT("{\"object\":\"error\",\"message\":\"x\",\"code\":400}") DONE, false,
          FAILURE_BAD_REQUEST, "" },
        { "event: error\n" EVENT("{\"message\":\"x\"}"), false, FAILURE_INTERRUPTED, "" },
        { "event: error\ndata: x\n\n", false, FAILURE_INTERRUPTED, "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned raw = 0; raw < 2; raw++) {
            rig_start(&r);
            SAY(&r.up, UP_CHAT, .body = EVENT(CHOICE("\"content\":\"a\"")), .end = UP_OPEN);
            watch_init(&w, &r);
            watch_start(&w, raw ? ASK_STREAM : NULL, true);
            RUN_UNTIL(r.loop, w.seen.n > 0);
            up_more(&r.up, rows[i].more);
            up_end(&r.up, rows[i].is_cut);
            RUN_UNTIL(r.loop, watch_is_over(&w));
            EXPECT_INT(w.failure.kind, rows[i].kind);
            EXPECT(w.failure.prompt_accepted);
            EXPECT_Z(w.body, rows[i].body);
            EXPECT_INT(w.failure.body_has_error, rows[i].body[0] != '\0');
            EXPECT_STR(buf_str(&w.seen), raw ? MINE("\"content\":\"a\"") : "a");
            watch_end(&w);
            EXPECT_INT(r.up.at[UP_CHAT].count, 1);
            rig_end(&r);
        }
    }
}

/* ---- several keys ---- */

static void open_two_keys(void)
{
    rig_open(&r);
    rig_key(&r, "sk-1");
    rig_key(&r, "sk-2");
    rig_attach(&r);
}

static void the_next_key_is_tried(void)
{
    static const struct {
        int status;
        bool is_next;
    } rows[] = { { 400, false }, { 401, true }, { 402, true },  { 403, true },
                 { 404, false }, { 408, true }, { 409, true },  { 413, false },
                 { 422, false }, { 429, true }, { 500, false }, { 503, false } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_two_keys();
        SAY(&r.up, UP_CHAT, .status = rows[i].status, .body = ERROR);
        SAY(&r.up, UP_CHAT, .body = hello);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT_INT(w.is_finished, rows[i].is_next);
        EXPECT_INT(r.up.at[UP_CHAT].count, rows[i].is_next ? 2 : 1);
        EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer sk-1");
        EXPECT_Z(r.up.at[UP_CHAT].authorization[1], rows[i].is_next ? "Bearer sk-2" : "");
        watch_end(&w);
        rig_end(&r);
    }
}

/* Each once; then the last answer is handed back, and none is asked until the first is back. */
static void keys_that_are_all_limited_rest(void)
{
    open_two_keys();
    SAY(&r.up, UP_CHAT, .status = 429, .body = ERROR, .header = "retry-after", .value = "60");
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_RATE_LIMIT);
    EXPECT_INT(w.failure.status, 429);
    EXPECT_Z(w.body, ERROR);
    EXPECT_INT(r.up.at[UP_CHAT].count, 2);
    watch_end(&w);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_RATE_LIMIT);
    EXPECT_INT(w.failure.status, 0);
    EXPECT(w.failure.retry_after_ms > 50000 && w.failure.retry_after_ms <= 60000);
    EXPECT_INT(r.up.at[UP_CHAT].count, 2);
    watch_end(&w);
    rig_end(&r);
}

/* What one client asked for is no reason to refuse what others ask. */
static void a_refusal_of_one_request_is_not_for_the_next(void)
{
    static const int statuses_of_keys[] = { 401, 402, 403, 429 };

    for (size_t i = 0; i < COUNT_OF(statuses_of_keys); i++) {
        open_two_keys();
        SAY(&r.up, UP_CHAT, .status = statuses_of_keys[i], .body = ERROR);
        SAY(&r.up, UP_CHAT, .status = statuses_of_keys[i], .body = ERROR);
        SAY(&r.up, UP_CHAT, .body = hello);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT(w.is_failed);
        EXPECT_INT(r.up.at[UP_CHAT].count, 2);
        watch_end(&w);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT(w.is_finished);
        EXPECT_INT(r.up.at[UP_CHAT].count, 3);
        watch_end(&w);
        rig_end(&r);
    }
}

/* Content that one key may not send goes to the next, this time; the key is as good as before. */
static void a_key_that_may_not_does_not_rest(void)
{
    char why[128] = "";

    open_two_keys();
    SAY(&r.up, UP_CHAT, .status = 403, .body = ERROR);
    SAY(&r.up, UP_CHAT, .body = hello);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT(w.is_finished);
    watch_end(&w);
    EXPECT(provider_openai.is_ready(r.openai, why));
    EXPECT_Z(why, "");
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_Z(r.up.at[UP_CHAT].authorization[2], "Bearer sk-1");
    watch_end(&w);
    rig_end(&r);
}

static void one_prompt_goes_out_with_three_keys_at_most(void)
{
    static const int statuses_of_keys[] = { 401, 403, 408, 429 };

    for (size_t i = 0; i < COUNT_OF(statuses_of_keys); i++) {
        rig_open(&r);
        for (unsigned k = 0; k < RIG_KEYS; k++)
            rig_key(&r, "sk");
        rig_attach(&r);
        SAY(&r.up, UP_CHAT, .status = statuses_of_keys[i], .body = ERROR);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT(w.is_failed);
        EXPECT_INT(r.up.at[UP_CHAT].count, 3);
        watch_end(&w);
        rig_end(&r);
    }
}

/* The key that was limited first is not the first to be used again. */
static void the_key_limited_longest_ago_is_chosen(void)
{
    open_two_keys();
    SAY(&r.up, UP_CHAT, .status = 408, .body = ERROR);
    SAY(&r.up, UP_CHAT, .body = hello);
    RUN(&w, &r, ASK_STREAM, true);
    watch_end(&w);
    RUN(&w, &r, ASK_STREAM, true); /* 408 does not make a key rest */
    watch_end(&w);
    EXPECT_Z(r.up.at[UP_CHAT].authorization[2], "Bearer sk-1");
    up_reset(&r.up, UP_CHAT);
    SAY(&r.up, UP_CHAT, .status = 401, .body = ERROR);
    SAY(&r.up, UP_CHAT, .body = hello);
    for (unsigned i = 0; i < 3; i++) {
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT(w.is_finished);
        watch_end(&w);
    }
    EXPECT_INT(r.up.at[UP_CHAT].count, 4);
    EXPECT_Z(r.up.at[UP_CHAT].authorization[3], "Bearer sk-2");
    rig_end(&r);
}

static void a_key_that_is_alone_is_never_held_back(void)
{
    char why[128];

    rig_open(&r);
    rig_key(&r, "sk-1");
    rig_attach(&r);
    SAY(&r.up, UP_CHAT, .status = 429, .body = ERROR);
    SAY(&r.up, UP_CHAT, .status = 401, .body = ERROR);
    SAY(&r.up, UP_CHAT, .body = hello);
    EXPECT(provider_openai.is_ready(r.openai, why));
    RUN(&w, &r, ASK_STREAM, true);
    watch_end(&w);
    EXPECT(provider_openai.is_ready(r.openai, why));
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_UPSTREAM_AUTH);
    watch_end(&w);
    EXPECT(!provider_openai.is_ready(r.openai, why));
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT(w.is_finished);
    watch_end(&w);
    EXPECT(provider_openai.is_ready(r.openai, why));
    rig_end(&r);
}

static const struct test suite[] = {
    { "hands statuses back by the table", hands_statuses_back_by_the_table },
    { "knows a browser check", knows_a_browser_check },
    { "quotes what is said in other ways", quotes_what_is_said_in_other_ways },
    { "hands large errors back", hands_large_errors_back },
    { "does not wait for the rest of an error", does_not_wait_for_the_rest_of_an_error },
    { "tells that nobody listens", tells_that_nobody_listens },
    { "a request that was sent is not sent again", a_request_that_was_sent_is_not_sent_again },
    { "a kept connection that broke is replaced once",
      a_kept_connection_that_broke_is_replaced_once },
    { "tells nonsense from answers", tells_nonsense_from_answers },
    { "what breaks in the middle is told", what_breaks_in_the_middle_is_told },
    { "the next key is tried", the_next_key_is_tried },
    { "keys that are all limited rest", keys_that_are_all_limited_rest },
    { "the key limited longest ago is chosen", the_key_limited_longest_ago_is_chosen },
    { "a refusal of one request is not for the next",
      a_refusal_of_one_request_is_not_for_the_next },
    { "a key that may not does not rest", a_key_that_may_not_does_not_rest },
    { "one prompt goes out with three keys at most", one_prompt_goes_out_with_three_keys_at_most },
    { "a key that is alone is never held back", a_key_that_is_alone_is_never_held_back },
};

TEST_MAIN(suite)
