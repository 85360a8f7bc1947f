/* SPDX-License-Identifier: Apache-2.0 */
/* Relays: what an upstream is given of a request, and the client of an answer. */
#include "base/series.h"
#include "flow_relay.h"

static void passes_a_small_body_on_as_a_whole(void)
{
    struct str all = STR(SMALL_REQUEST);

    for (size_t cut = 1; cut <= all.n; cut++) {
        begin_relays();
        EXPECT(wire_feed(&f.w, str_sub(all, 0, cut)));
        turn(f.l);
        if (cut < all.n) {
            EXPECT_INT(n_calls, 0);
            EXPECT(wire_feed(&f.w, str_from(all, cut)));
        }
        EXPECT_INT(n_calls, 1);
        EXPECT_Z(newest()->first, "{\"input\":\"x\",\"model\":\"ma\"}");
        EXPECT_Z(newest()->target, "/embeddings");
        EXPECT(!newest()->request.is_streamed);
        answer_head(HTTP_BODY_LENGTH, 3);
        answer_body("a\nb");
        relay_ends(NULL, false);
        expect_whole("a\nb");
        expect_books(1, 0, 0);
        end_relays();
    }
}

static void hands_on_a_long_body_as_there_is_room(void)
{
    begin_relays();
    send_big();
    EXPECT(newest()->request.is_streamed);
    EXPECT(newest()->request.length == HTTP_LENGTH_UNKNOWN);
    EXPECT_INT(newest()->n_first, BIG + 1); /* "ma" for "m" */
    EXPECT(!wire_feed_z(&f.w, "1\r\na\r\n"));
    EXPECT(mem_budget_used() > f.budget + BIG);
    room();
    EXPECT(mem_budget_used() < f.budget + 8192);
    EXPECT(wire_feed_z(&f.w, "3\r\nabc\r\n"));
    newest()->fills = true;
    EXPECT(wire_feed_z(&f.w, "3\r\ndef\r\n"));
    EXPECT(!wire_feed_z(&f.w, "3\r\nghi\r\n"));
    EXPECT_STR(buf_str(&newest()->came), "abcdef");
    room();
    EXPECT(wire_feed_z(&f.w, "3\r\nghi\r\n0\r\n\r\n"));
    EXPECT_STR(buf_str(&newest()->came), "abcdefghi");
    EXPECT(newest()->has_ended);
    answer_head(HTTP_BODY_CHUNKED, 0);
    answer_body("yes");
    relay_ends(NULL, false);
    expect_whole("yes");
    end_relays();
}

static void a_known_length_fits_the_edited_body(void)
{
    static char body[BIG];

    begin_relays();
    EXPECT(wire_feed_z(&f.w, HEAD("/v1/embeddings", "Content-Length: 100000\r\n")));
    memset(body, ' ', sizeof(body));
    memcpy(body, "{\"model\":\"m\"", 12);
    EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
    EXPECT_INT(n_calls, 1);
    EXPECT(newest()->request.length == 100001);
    EXPECT_INT(newest()->n_first, BIG + 1);
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    expect_books(0, 0, 1);
    end_relays();
}

static void looks_for_the_model_in_a_megabyte(void)
{
    begin_relays();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    send_chunk("{\"input\":\"", BIG);
    for (int i = 1; i < 11; i++) {
        EXPECT_INT(n_calls, 0);
        send_chunk("", BIG);
    }
    EXPECT_INT(n_calls, 0);
    send_chunk("\",\"model\":\"alone\"", BIG);
    EXPECT_INT(n_calls, 1);
    EXPECT(newest()->instance == &f.instances[0]);
    EXPECT(wire_end(&f.w, ERR_RESET));
    EXPECT(newest()->is_released);
    end_relays();
    begin_relays();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    for (int i = 0; i < 15; i++)
        send_chunk(i ? "" : "{\"input\":\"", BIG);
    EXPECT_INT(n_calls, 1); /* it is not looked for any further */
    EXPECT_INT(newest()->n_first, 15 * BIG);
    EXPECT(wire_end(&f.w, ERR_RESET));
    end_relays();
}

/* Between two looks it is not searched: that would be a megabyte for each byte that comes. */
static void looks_again_only_when_the_beginning_has_grown(void)
{
    begin_relays();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    send_chunk("{\"input\":\"", BIG);
    send_chunk("\",\"model\":\"alone\"", BIG / 2 - 1);
    EXPECT_INT(n_calls, 0);
    send_chunk("", 1);
    EXPECT_INT(n_calls, 1);
    EXPECT(newest()->instance == &f.instances[0]);
    EXPECT(wire_end(&f.w, ERR_RESET));
    end_relays();
    begin_relays();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    send_chunk("{\"input\":\"", BIG);
    send_chunk("\",\"model\":\"alone\"}", 100);
    EXPECT_INT(n_calls, 0);
    EXPECT(wire_feed_z(&f.w, "0\r\n\r\n")); /* at its end it is */
    EXPECT_INT(n_calls, 1);
    EXPECT(!newest()->request.is_streamed);
    EXPECT(wire_end(&f.w, ERR_RESET));
    end_relays();
}

static void refuses_what_servers_read_in_different_ways(void)
{
    static const char *const requests[] = {
        HEAD("/v1/embeddings", "Content-Length: 25\r\ncontent-type: text/plain\r\n") SMALL,
        HEAD("/v1/embeddings", "Content-Length: 25\r\n") "{\"model\":1,  \"model\":\"m\"}",
        HEAD("/v1/embeddings", "Content-Length: 25\r\n") "{\"model\":\"m\",\"model\":\"x\"}",
    };

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        begin_relays();
        EXPECT(wire_feed_z(&f.w, requests[i]));
        turn(f.l);
        EXPECT_INT(n_calls, 0);
        expect_refusal(400, NULL);
        EXPECT(has(str_of(body()), i ? "more than once" : "more than one Content-Type"));
        EXPECT_INT(has(str_of(body()), "\"param\":\"model\""), i > 0);
        end_relays();
    }
}

static void without_a_body_it_goes_to_the_default(void)
{
    begin_relays();
    EXPECT(wire_feed_z(&f.w, "GET /files/a?x=y HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_INT(n_calls, 1);
    EXPECT_Z(newest()->target, "/files/a?x=y");
    EXPECT(newest()->instance == &f.instances[0]);
    EXPECT_INT(newest()->request.method, HTTP_GET);
    answer_head(HTTP_BODY_LENGTH, 0);
    relay_ends(NULL, false);
    expect_whole("");
    EXPECT(has(str_of(head()), "Content-Type: a/b\r\n"));
    EXPECT(!has(str_of(head()), "Set-Cookie"));
    end_relays();
}

static void pauses_the_answer_for_a_slow_client(void)
{
    static char text[100001];

    begin_relays();
    send_small();
    memset(text, 'x', sizeof(text) - 1);
    f.w.room = 0;
    answer_head(HTTP_BODY_CHUNKED, 0);
    answer_body(text);
    EXPECT(newest()->is_paused);
    answer_body("more"); /* what was read already */
    turn(f.l);
    wire_give_room(&f.w, SIZE_MAX);
    EXPECT(!newest()->is_paused);
    relay_ends(NULL, false);
    turn(f.l);
    end_relays();
}

static void an_answer_to_head_keeps_its_length(void)
{
    begin_relays();
    EXPECT(wire_feed_z(&f.w, "HEAD /files/a HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_INT(n_calls, 1);
    EXPECT_INT(newest()->request.method, HTTP_HEAD);
    answer_with(HTTP_BODY_NONE, 1234, (struct http_header){ STR("Content-Length"), STR("1234") });
    relay_ends(NULL, false);
    EXPECT(heard("content-length: 1234\r\n"));
    end_relays();
    begin_relays();
    EXPECT(wire_feed_z(&f.w, "HEAD /files/a HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    answer_head(HTTP_BODY_NONE, 0); /* it does not say */
    relay_ends(NULL, false);
    EXPECT(heard("Content-Type: a/b\r\n"));
    EXPECT(!heard("content-length:"));
    end_relays();
}

static void paths_go_on_when_all_mean_the_same_by_them(void)
{
    static const struct {
        const char *path;
        bool is_safe;
    } cases[] = {
        { "/files/a%20b.txt", true }, { "/files/a%2etxt", true }, { "/files/%2e%2ea", true },
        { "/files/...", true },       { "/files/..%20", true },   { "/files/%41/b.c", true },
        { "/files/%2e", false },      { "/files/%2E%2e", false }, { "/files/.%2e/a", false },
        { "/files/%2e./a", false },   { "/files/a%2fb", false },  { "/files/a.b%5cc", false },
        { "/files/..", false },       { "/files/./a", false },    { "/files/a%252e", false },
        { "/files/a%3bb.c", false },  { "/files/a%00.b", false }, { "/files/a//b", false },
        { "/files/%2", false },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[128];

        begin_relays();
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", cases[i].path);
        EXPECT(wire_feed_z(&f.w, text));
        EXPECT_INT(n_calls, cases[i].is_safe);
        if (cases[i].is_safe) {
            EXPECT_Z(newest()->target, cases[i].path);
            EXPECT(wire_end(&f.w, ERR_RESET));
        } else {
            expect_refusal(400, NULL);
        }
        end_relays();
    }
}

static void says_who_could_when_nobody_can(void)
{
    begin_relays();
    for (size_t i = 0; i < 2; i++)
        f.providers[i].relay = NULL;
    EXPECT(wire_feed_z(&f.w, SMALL_REQUEST));
    expect_refusal(404, "not_found");
    EXPECT(has(str_of(body()), "provider: openai"));
    wire_clear(&f.w);
    f.providers[1].relay = &fake_relay;
    EXPECT(wire_feed_z(&f.w,
                       HEAD("/v1/embeddings", "Content-Length: 17\r\n") "{\"model\":\"alone\"}"));
    expect_refusal(400, NULL);
    EXPECT(has(str_of(body()), "one that may have it: \\\"b\\\"."));
    EXPECT_INT(n_calls, 0);
    end_relays();
}

static void counts_by_endpoint(void)
{
    struct exposition e;
    struct buf out;

    begin_relays();
    send_small();
    answer_head(HTTP_BODY_LENGTH, 0);
    relay_ends(NULL, false);
    buf_init(&out, 1 << 20);
    exposition_init(&e, &out, EXPOSITION_PROMETHEUS);
    series_write(&e);
    EXPECT(!exposition_end(&e));
    EXPECT(has(buf_str(&out), "requests_total{dialect=\"relay\",endpoint=\"/embeddings\","));
    EXPECT(!has(buf_str(&out), "healthz"));
    buf_deinit(&out);
    wire_clear(&f.w);
    end_relays();
}

static const struct test suite[] = {
    { "passes a small body on as a whole", passes_a_small_body_on_as_a_whole },
    { "hands on a long body as there is room", hands_on_a_long_body_as_there_is_room },
    { "a known length fits the edited body", a_known_length_fits_the_edited_body },
    { "looks for the model in a megabyte", looks_for_the_model_in_a_megabyte },
    { "looks again only when the beginning has grown",
      looks_again_only_when_the_beginning_has_grown },
    { "refuses what servers read in different ways", refuses_what_servers_read_in_different_ways },
    { "without a body it goes to the default", without_a_body_it_goes_to_the_default },
    { "pauses the answer for a slow client", pauses_the_answer_for_a_slow_client },
    { "an answer to HEAD keeps its length", an_answer_to_head_keeps_its_length },
    { "paths go on when all mean the same by them", paths_go_on_when_all_mean_the_same_by_them },
    { "says who could when nobody can", says_who_could_when_nobody_can },
    { "counts by endpoint", counts_by_endpoint },
};

TEST_MAIN(suite)
