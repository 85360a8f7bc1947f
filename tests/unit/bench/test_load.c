/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator on the upstream of its own, over real sockets: what is wrong is counted. */
#include "bench/load.h"

#include <pthread.h>
#include <unistd.h>

#include "bench/upstream.h"
#include "test.h"

#define EVENT(text) "data: {\"content\":\"" text "\"}\n\n"
#define STREAM EVENT("one ") EVENT("two ") EVENT("three") "data: [DONE]\n\n"
#define WHOLE "{\"content\":\"one two three\"}"

struct rig {
    struct upstream *upstream;
    struct load_params params;
    struct load_result result;
    pthread_t thread;
    int stop[2];
};

static void *run_upstream(void *arg)
{
    upstream_run(arg);
    return NULL;
}

static void begin(struct rig *r, struct upstream_params p)
{
    EXPECT_INT(pipe(r->stop), 0);
    p.stop_fd = r->stop[0];
    r->upstream = upstream_new(&p);
    EXPECT_INT(pthread_create(&r->thread, NULL, run_upstream, r->upstream), 0);
    r->params = (struct load_params){
        .port = upstream_port(r->upstream),
        .request = STR("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
        .want = { STR("one two three"), p.answer },
        .connections = 4,
        .requests = 40,
        .time_us = 30000000,
    };
}

static void stop_upstream(struct rig *r)
{
    if (r->stop[1] < 0)
        return;
    close(r->stop[1]);
    r->stop[1] = -1;
    pthread_join(r->thread, NULL);
}

static void run(struct rig *r)
{
    struct load *l = load_new(&r->params);

    load_run(l, &r->result);
    load_free(l);
    stop_upstream(r);
}

static void end(struct rig *r)
{
    load_result_deinit(&r->result);
    upstream_free(r->upstream);
    close(r->stop[0]);
}

static void counts_answers_that_are_right(void)
{
    struct rig r;

    begin(&r, (struct upstream_params){ .answer = STR(WHOLE) });
    run(&r);
    EXPECT_INT(r.result.whole, 40);
    EXPECT_INT(r.result.wrong + r.result.broken, 0);
    EXPECT_INT(r.result.connects, 4);
    EXPECT_INT(r.result.answer.n, 40);
    EXPECT_INT(upstream_answered(r.upstream), 40);
    end(&r);
}

static void counts_pieces_of_streams_and_gaps(void)
{
    for (int in_one_write = 0; in_one_write < 2; in_one_write++) {
        struct rig r;

        begin(&r, (struct upstream_params){
                      .answer = STR(STREAM), .is_stream = true, .in_one_write = in_one_write });
        run(&r);
        EXPECT_INT(r.result.whole, 40);
        EXPECT_INT(r.result.pieces, 120);
        EXPECT_INT(r.result.first.n, 40);
        EXPECT_INT(r.result.gap.n, 80);
        end(&r);
    }
}

static void finds_the_one_letter_that_is_wrong(void)
{
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        struct rig r;

        begin(&r, (struct upstream_params){ .answer = is_stream ? STR(STREAM) : STR(WHOLE),
                                            .is_stream = is_stream,
                                            .spoil_nth = 17 });
        r.params.want.body = STR(""); /* the text alone shows it */
        run(&r);
        EXPECT_INT(r.result.whole, 39);
        EXPECT_INT(r.result.wrong, 1);
        EXPECT_Z(r.result.fault, "the text differs");
        end(&r);
    }
}

static void finds_the_answer_that_breaks_off(void)
{
    struct rig r;

    begin(&r, (struct upstream_params){ .answer = STR(STREAM), .is_stream = true, .break_nth = 5 });
    run(&r);
    EXPECT_INT(r.result.whole, 39);
    EXPECT_INT(r.result.broken, 1);
    EXPECT_INT(r.result.connects, 5);
    end(&r);
}

static void the_pace_of_the_upstream_is_seen(void)
{
    struct rig r;

    begin(&r, (struct upstream_params){
                  .answer = STR(STREAM), .is_stream = true, .delay_us = 30000, .every_us = 20000 });
    r.params.requests = 4;
    run(&r);
    samples_sort(&r.result.first);
    samples_sort(&r.result.answer);
    EXPECT_INT(r.result.whole, 4);
    EXPECT(samples_percentile_us(&r.result.first, 0) >= 30000);
    EXPECT(samples_percentile_us(&r.result.answer, 0) >= 30000 + 2 * 20000);
    end(&r);
}

static void a_rate_is_kept(void)
{
    struct rig r;

    begin(&r, (struct upstream_params){ .answer = STR(WHOLE) });
    r.params.requests = 20;
    r.params.rate = 100;
    run(&r);
    EXPECT_INT(r.result.whole, 20);
    EXPECT(r.result.us >= 190000);
    end(&r);
}

static void both_ends_note_when_clients_leave(void)
{
    struct rig r;
    size_t n = 0;

    begin(&r,
          (struct upstream_params){ .answer = STR(STREAM), .is_stream = true, .every_us = 50000 });
    r.params.requests = 4;
    r.params.cancel_after = 1;
    run(&r);
    const int64_t *us = upstream_left_us(r.upstream, &n);
    EXPECT_INT(r.result.canceled, 4);
    EXPECT_INT(r.result.wrong + r.result.broken, 0);
    EXPECT_INT(n, 4);
    for (size_t i = 0; i < n; i++)
        EXPECT(us[i] >= r.result.begun_us + r.result.left.us[0]);
    end(&r);
}

static void connections_are_kept_for_the_next_run(void)
{
    struct rig r;

    begin(&r, (struct upstream_params){ .answer = STR(WHOLE) });
    r.params.connections = r.params.requests = 10;
    struct load *l = load_new(&r.params);
    for (int i = 0; i < 2; i++) {
        load_run(l, &r.result);
        EXPECT_INT(r.result.whole, 10);
        EXPECT_INT(r.result.connects, i == 0 ? 10 : 0);
        load_result_deinit(&r.result);
    }
    load_free(l);
    stop_upstream(&r);
    end(&r);
}

static void an_upstream_that_is_gone_is_no_answer(void)
{
    struct rig r;

    begin(&r, (struct upstream_params){ .answer = STR(WHOLE) });
    stop_upstream(&r);
    upstream_free(r.upstream);
    r.upstream = NULL;
    r.params.requests = 3;
    r.params.connections = 1;
    run(&r);
    EXPECT_INT(r.result.whole, 0);
    EXPECT_INT(r.result.broken, 3);
    load_result_deinit(&r.result);
    close(r.stop[0]);
}

static const struct test suite[] = {
    { "counts answers that are right", counts_answers_that_are_right },
    { "counts pieces of streams, and gaps", counts_pieces_of_streams_and_gaps },
    { "finds the one letter that is wrong", finds_the_one_letter_that_is_wrong },
    { "finds the answer that breaks off", finds_the_answer_that_breaks_off },
    { "the pace of the upstream is seen", the_pace_of_the_upstream_is_seen },
    { "a rate is kept", a_rate_is_kept },
    { "both ends note when clients leave", both_ends_note_when_clients_leave },
    { "connections are kept for the next run", connections_are_kept_for_the_next_run },
    { "an upstream that is gone is no answer", an_upstream_that_is_gone_is_no_answer },
};

TEST_MAIN(suite)
