/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in pieces: what the service is handed and when, wherever the bytes are cut; back-pressure,
 * deadlines, refusals, and answers that come before the end. */
#include "server_test.h"

static struct upload_service {
    struct buf got;
    unsigned n_last;
    unsigned n_pieces;
    unsigned n_gone;
    int refused;
    bool pauses;      /* after each piece */
    bool replies;     /* at the end */
    bool replies_now; /* in on_request */
    struct http_request *r;
} u;

static void upload_gone(void *arg)
{
    struct http_request *r = arg;

    u.n_gone++;
    u.refused = r->refused;
    u.r = NULL;
}

static void on_piece(void *arg, struct str piece, bool is_last)
{
    struct http_request *r = arg;

    EXPECT_INT(u.n_last, 0);
    EXPECT(piece.n > 0 || is_last);
    EXPECT(buf_add(&u.got, piece) == ERR_NONE);
    u.n_pieces++;
    u.n_last += is_last;
    if (u.pauses)
        http_request_pause(r);
    if (is_last && u.replies) {
        u.r = NULL;
        reply_text(r, 200, "done");
    }
}

static void upload_head(void *arg, struct http_request *r, size_t *max_body)
{
    on_head(arg, r, max_body);
    r->streams_body = is_path(r, "/up");
}

static void upload_request(void *arg, struct http_request *r)
{
    if (!r->streams_body) {
        on_request(arg, r);
        return;
    }
    EXPECT_INT(r->body.n, 0);
    r->on_body = on_piece;
    r->on_gone = upload_gone;
    r->arg = r;
    u.r = r;
    u.n_last = 0;
    if (u.replies_now) {
        u.r = NULL;
        reply_text(r, 400, "no");
    }
}

static const struct http_service upload_service = {
    .on_head = upload_head,
    .on_request = upload_request,
    .write_error = write_error,
};

static void begin_upload(void)
{
    struct http_server_limits limits = test_limits();

    memset(&f, 0, sizeof(f));
    u = (struct upload_service){ .replies = true };
    buf_init(&u.got, 1 << 20);
    f.l = loop_new();
    loop_clock_set(f.l, 1000);
    f.s = http_server_new(f.l, &upload_service, NULL, &limits);
    open_wire(&f.w);
}

static void end_upload(void)
{
    buf_deinit(&u.got);
    end();
}

#define SIZED "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
#define CHUNKED "POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNKS "4\r\n0123\r\n6;x=y\r\n456789\r\n0\r\nT: 1\r\n\r\n"

/* Two answers: that of the upload, and of what stands behind it. */
static void expect_both(void)
{
    struct response a, b;
    struct str in = wire_str(&f.w);

    EXPECT(response_read(&in, HTTP_POST, &a));
    EXPECT(response_read(&in, HTTP_GET, &b));
    EXPECT_Z(a.body, "done");
    EXPECT_Z(b.body, "GET /x ");
    EXPECT_INT(in.n, 0);
    response_free(&a);
    response_free(&b);
    EXPECT_STR(buf_str(&u.got), "0123456789");
    EXPECT_INT(u.n_last, 1);
}

static void resume_all(void)
{
    for (int i = 0; i < 100 && u.r; i++) {
        http_request_resume(u.r);
        turn(f.l);
    }
}

static void try_cut(const char *text, size_t cut, bool pauses)
{
    struct str all = str_of(text);

    begin_upload();
    u.pauses = pauses;
    EXPECT(wire_feed(&f.w, str_sub(all, 0, cut)));
    if (pauses)
        resume_all();
    turn(f.l);
    if (cut < all.n)
        EXPECT(wire_feed(&f.w, str_from(all, cut)));
    if (pauses)
        resume_all();
    turn(f.l);
    expect_both();
    end_upload();
}

static void hands_on_the_same_wherever_it_is_cut(void)
{
    static const char *const texts[] = { SIZED "0123456789" GET("/x"), CHUNKED CHUNKS GET("/x") };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t cut = 1; cut <= strlen(texts[i]); cut++) {
            try_cut(texts[i], cut, false);
            try_cut(texts[i], cut, true);
        }
}

static void tells_of_a_body_that_is_empty(void)
{
    static const char *const texts[] = {
        "POST /up HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", CHUNKED "0\r\n\r\n"
    };

    begin_upload();
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        EXPECT(wire_feed_z(&f.w, texts[i]));
        EXPECT_INT(u.n_last, 1);
        expect_answer(HTTP_POST, 200, "done");
    }
    end_upload();
}

static void reads_no_more_while_paused(void)
{
    begin_upload();
    u.pauses = true;
    EXPECT(wire_feed_z(&f.w, SIZED "012"));
    EXPECT_INT(u.got.n, 3);
    EXPECT(!wire_feed_z(&f.w, "345"));
    pass(1000000); /* it is not the client that is slow */
    EXPECT_INT(f.w.n, 0);
    http_request_resume(u.r);
    http_request_resume(u.r);
    pass(29000);
    EXPECT(wire_feed_z(&f.w, "345"));
    EXPECT_INT(u.got.n, 6);
    http_request_pause(u.r);
    u.pauses = false;
    http_request_resume(u.r);
    EXPECT(wire_feed_z(&f.w, "6789"));
    expect_answer(HTTP_POST, 200, "done");
    end_upload();
}

static void notices_who_leaves_while_paused(void)
{
    begin_upload();
    u.pauses = true;
    EXPECT(wire_feed_z(&f.w, SIZED "012"));
    EXPECT_INT(u.n_gone, 0);
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    EXPECT_INT(u.n_gone, 1);
    EXPECT_INT(u.refused, 0);
    end_upload();
}

static void notices_who_leaves_in_the_middle(void)
{
    begin_upload();
    EXPECT(wire_feed_z(&f.w, CHUNKED "4\r\n0123\r\n"));
    EXPECT(wire_end(&f.w, ERR_RESET));
    EXPECT_INT(u.n_gone, 1);
    EXPECT_INT(u.n_last, 0);
    end_upload();
}

static void refuses_what_takes_too_long(void)
{
    begin_upload();
    EXPECT(wire_feed_z(&f.w, SIZED "012"));
    pass(29999);
    EXPECT(wire_feed_z(&f.w, "3"));
    pass(30001);
    EXPECT_INT(u.n_gone, 1);
    EXPECT_INT(u.refused, 408);
    expect_status(408);
    end_upload();
}

static void refuses_more_than_the_limit(void)
{
    static char piece[MAX_BODY / 2 + 1];

    begin_upload();
    EXPECT(wire_feed_z(&f.w, "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n"));
    EXPECT(!u.r);
    expect_status(413);
    end_upload();
    begin_upload();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    for (int i = 0; i < 2; i++) {
        EXPECT(wire_feed_z(&f.w, "c351\r\n"));
        EXPECT(wire_feed(&f.w, (struct str){ piece, sizeof(piece) }));
        if (i == 0)
            EXPECT(wire_feed_z(&f.w, "\r\n"));
    }
    EXPECT_INT(u.refused, 413);
    EXPECT_INT(u.n_last, 0);
    expect_status(413);
    end_upload();
}

static void refuses_broken_chunks(void)
{
    begin_upload();
    EXPECT(wire_feed_z(&f.w, CHUNKED "4\r\n0123\r\nx"));
    EXPECT_INT(u.refused, 400);
    expect_status(400);
    end_upload();
}

static void refuses_endless_sizes(void)
{
    static const char *const chunks[] = {
        CHUNKED "8000000000000000\r\n",
        CHUNKED "00000000000000003\r\nabc\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(chunks); i++) {
        begin_upload();
        EXPECT(wire_feed_z(&f.w, chunks[i]));
        EXPECT_INT(u.refused, 413);
        expect_status(413);
        end_upload();
    }
}

/* The answer has begun: no other can be given. */
static void cuts_an_answer_that_has_begun(void)
{
    struct response r;
    struct str in;

    begin_upload();
    EXPECT(wire_feed_z(&f.w, CHUNKED "4\r\n0123\r\n"));
    http_reply_begin(u.r, 200, &text_type, 1);
    http_reply_write(u.r, STR("a"));
    turn(f.l);
    EXPECT(wire_feed_z(&f.w, "x"));
    EXPECT_INT(u.refused, 400);
    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_POST, &r));
    EXPECT(!r.is_whole);
    EXPECT_Z(r.body, "a");
    response_free(&r);
    end_upload();
}

static void answers_before_the_end(void)
{
    begin_upload();
    u.pauses = true;
    EXPECT(wire_feed_z(&f.w, SIZED "012"));
    reply_text(u.r, 200, "early");
    expect_answer(HTTP_POST, 200, "early");
    EXPECT(wire_feed_z(&f.w, "3456789" GET("/x"))); /* what is left is dropped */
    expect_answer(HTTP_GET, 200, "GET /x ");
    EXPECT_INT(u.got.n, 3);
    u.replies_now = true;
    EXPECT(wire_feed_z(&f.w, SIZED "0123456789" GET("/x")));
    EXPECT_INT(u.got.n, 3);
    end_upload();
}

static void answers_while_the_body_comes(void)
{
    struct response r;
    struct str in;

    begin_upload();
    u.replies = false;
    EXPECT(wire_feed_z(&f.w, SIZED "012"));
    http_reply_begin_sized(u.r, 200, &text_type, 1, 4);
    http_reply_write(u.r, STR("ab"));
    turn(f.l);
    EXPECT(wire_feed_z(&f.w, "3456789"));
    EXPECT_INT(u.n_last, 1);
    http_reply_write(u.r, STR("cd"));
    http_reply_end(u.r);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_POST, &r));
    EXPECT(r.is_whole);
    EXPECT_Z(r.body, "abcd");
    EXPECT_STR(http_value(&r.head, "content-length"), "4");
    EXPECT(!http_find(&r.head, "transfer-encoding"));
    response_free(&r);
    end_upload();
}

static void a_sized_answer_that_is_cut_is_too_short(void)
{
    struct response r;
    struct str in;

    begin_upload();
    u.replies = false;
    EXPECT(wire_feed_z(&f.w, SIZED "0123456789"));
    http_reply_begin_sized(u.r, 200, &text_type, 1, 4);
    http_reply_write(u.r, STR("ab"));
    http_reply_abort(u.r);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_POST, &r));
    EXPECT(!r.is_whole);
    EXPECT_Z(r.body, "ab");
    response_free(&r);
    end_upload();
}

static void says_continue_when_the_body_is_wanted(void)
{
    static const char text[] = "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
                               "Expect: 100-continue\r\n\r\n";

    begin_upload();
    EXPECT(wire_feed_z(&f.w, text));
    EXPECT_STR(wire_str(&f.w), "HTTP/1.1 100 Continue\r\n\r\n");
    wire_clear(&f.w);
    EXPECT(wire_feed_z(&f.w, "0123456789"));
    expect_answer(HTTP_POST, 200, "done");
    u.replies_now = true;
    EXPECT(wire_feed_z(&f.w, text));
    expect_answer(HTTP_POST, 400, "no");
    end_upload();
}

static void an_upload_is_refused_when_the_server_ends(void)
{
    begin_upload();
    EXPECT(wire_feed_z(&f.w, SIZED "012"));
    http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
    turn(f.l);
    EXPECT_INT(u.n_gone, 0);
    http_server_refuse_rest(f.s);
    EXPECT_INT(u.refused, 503);
    expect_status(503);
    end_upload();
}

static const struct test suite[] = {
    { "hands on the same wherever it is cut", hands_on_the_same_wherever_it_is_cut },
    { "tells of a body that is empty", tells_of_a_body_that_is_empty },
    { "reads no more while paused", reads_no_more_while_paused },
    { "notices who leaves while paused", notices_who_leaves_while_paused },
    { "notices who leaves in the middle", notices_who_leaves_in_the_middle },
    { "refuses what takes too long", refuses_what_takes_too_long },
    { "refuses more than the limit", refuses_more_than_the_limit },
    { "refuses broken chunks", refuses_broken_chunks },
    { "refuses endless sizes", refuses_endless_sizes },
    { "cuts an answer that has begun", cuts_an_answer_that_has_begun },
    { "answers before the end", answers_before_the_end },
    { "answers while the body comes", answers_while_the_body_comes },
    { "a sized answer that is cut is too short", a_sized_answer_that_is_cut_is_too_short },
    { "says continue when the body is wanted", says_continue_when_the_body_is_wanted },
    { "an upload is refused when the server ends", an_upload_is_refused_when_the_server_ends },
};

TEST_MAIN(suite)
