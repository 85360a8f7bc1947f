/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of requests, under which labels. */
#include "base/clock.h"
#include "base/series.h"
#include "flow_routes.h"

static struct buf out;

/* The value of a series as it is exported; 0 where there is none. */
static double value(const char *series)
{
    struct exposition e;
    size_t at;
    double n = 0;

    buf_init(&out, 1 << 20);
    exposition_init(&e, &out, EXPOSITION_PROMETHEUS);
    series_write(&e);
    EXPECT(!exposition_end(&e));
    EXPECT(!buf_add_char(&out, '\0'));
    at = str_find(buf_str(&out), str_of(series));
    if (at != SIZE_MAX)
        n = strtod(out.p + at + strlen(series), NULL);
    buf_deinit(&out);
    return n;
}

#define ENDED(upstream, model, outcome)                                                     \
    "enginelabs2api_requests_total{dialect=\"openai_chat\",endpoint=\"/chat/completions\"," \
    "upstream=\"" upstream "\",model=\"" model "\",outcome=\"" outcome "\"} "

static void whole_answer(void)
{
    text("Hi");
    usage(10, 4, 3);
    finish(CHAT_FINISH_STOP);
    settled();
    again();
}

static void counts_by_target_model_and_outcome(void)
{
    struct failure bad = { .kind = FAILURE_BAD_REQUEST, .message = STR("No.") };

    begin_routes();
    ask(ASK("alone", ""));
    whole_answer();
    EXPECT(value(ENDED("a", "alone", "completed")) == 1);
    EXPECT(value(ENDED("a", "alone", "failed")) == 0);
    ask(ASK("alone", ""));
    error(&bad);
    again();
    EXPECT(value(ENDED("a", "alone", "failed")) == 1);
    EXPECT(value("request_failures_total{upstream=\"a\",code=\"none\"} ") == 1);
    ask(ASK("alone", ""));
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    turn(f.l);
    again();
    EXPECT(value(ENDED("a", "alone", "canceled")) == 1);
    end();
}

/* It is the target that answered which counts. */
static void a_request_that_moved_on_counts_once(void)
{
    double b = value(ENDED("b", "m", "completed"));

    begin_routes();
    ask(M);
    break_it();
    whole_answer();
    EXPECT(value(ENDED("b", "m", "completed")) == b + 1);
    EXPECT(value(ENDED("a", "m", "failed")) == 0);
    end();
}

/* What a client can write as it likes is never a label. */
static void only_names_that_exist_are_labels(void)
{
    begin_routes();
    ask(ASK("m-latest", ""));
    whole_answer();
    EXPECT(value(ENDED("a", "m", "completed")) == 1);
    ask(ASK("star/anything", ""));
    whole_answer();
    ask(ASK("star/at-all", ""));
    whole_answer();
    EXPECT(value(ENDED("b", "other", "completed")) == 2);
    ask(ASK("nobody-has-this", ""));
    EXPECT(value("nobody-has-this") == 0);
    end();
}

static void counts_tokens_and_details(void)
{
    double in = value("tokens_total{upstream=\"a\",model=\"alone\",direction=\"input\"} ");
    double reasoning =
        value("token_details_total{upstream=\"a\",model=\"alone\",detail=\"reasoning\"} ");

    begin_routes();
    ask(ASK("alone", ""));
    whole_answer();
    EXPECT(value("tokens_total{upstream=\"a\",model=\"alone\",direction=\"input\"} ") == in + 10);
    EXPECT(value("token_details_total{upstream=\"a\",model=\"alone\",detail=\"reasoning\"} ") ==
           reasoning + 3);
    end();
}

static struct histogram read_of(enum series s)
{
    struct histogram h;

    series_histogram(s, &h);
    return h;
}

static void observes_how_long_it_took(void)
{
    struct histogram first, duration;

    begin_routes();
    first = read_of(SERIES_FIRST_TOKEN);
    duration = read_of(SERIES_DURATION);
    ask(ASK("alone", ""));
    phase(PHASE_SENT);
    pass(700);
    text("Hi");
    pass(1300);
    finish(CHAT_FINISH_STOP);
    settled();
    again();
    EXPECT_INT(read_of(SERIES_FIRST_TOKEN).sum_us - first.sum_us, 700000);
    EXPECT_INT(read_of(SERIES_DURATION).sum_us - duration.sum_us, 2000000);
    end();
}

/* By the real clock, as overhead is. */
static void waiting_for_an_account_is_no_overhead(void)
{
    struct histogram queue, overhead;
    int64_t until;

    begin_routes();
    queue = read_of(SERIES_QUEUE);
    overhead = read_of(SERIES_OVERHEAD);
    ask(ASK("alone", ""));
    phase(PHASE_QUEUED);
    for (until = clock_now_us() + 200000; clock_now_us() < until;)
        continue;
    whole_answer();
    EXPECT(read_of(SERIES_QUEUE).sum_us - queue.sum_us >= 199000);
    EXPECT(read_of(SERIES_OVERHEAD).sum_us - overhead.sum_us < 150000);
    end();
}

static const struct test suite[] = {
    { "counts by target, model and outcome", counts_by_target_model_and_outcome },
    { "a request that moved on counts once", a_request_that_moved_on_counts_once },
    { "only names that exist are labels", only_names_that_exist_are_labels },
    { "counts tokens and details", counts_tokens_and_details },
    { "observes how long it took", observes_how_long_it_took },
    { "waiting for an account is no overhead", waiting_for_an_account_is_no_overhead },
};

TEST_MAIN(suite)
