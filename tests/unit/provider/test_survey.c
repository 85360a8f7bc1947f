/* SPDX-License-Identifier: Apache-2.0 */
/* How often /billing is asked, and who hears of it. */
#include "provider/enginelabs/survey.h"
#include "site_rig.h"

static struct told {
    unsigned n;
    struct plan plan;
    struct survey_port *close; /* in the callback */
} told;

static void on_told(void *arg, const struct plan *plan)
{
    struct told *t = arg;

    t->n++;
    t->plan = *plan;
    if (t->close)
        survey_port_close(t->close);
}

static struct survey_port *open_port(struct site *r, struct survey *s)
{
    const struct survey_params params = { .config = &r->config,
                                          .account = r->port,
                                          .client = r->client,
                                          .connect_timeout_ms = 4 * SITE_TIMEOUT_MS,
                                          .answer_timeout_ms = 4 * SITE_TIMEOUT_MS,
                                          .told = on_told,
                                          .arg = &told };

    return survey_port_open(s, &params);
}

/* The clock stands still from now on, so a question needs no time. */
static void begin(struct site *r, struct survey **s, struct survey_port **p)
{
    told = (struct told){ 0 };
    site_start(r);
    loop_clock_set(r->loop, loop_now_ms(r->loop));
    *s = survey_new();
    *p = open_port(r, *s);
}

static void end(struct site *r, struct survey *s, struct survey_port *p)
{
    survey_port_close(p);
    survey_free(s);
    site_end(r);
}

static void pass(struct site *r, int64_t ms)
{
    loop_clock_set(r->loop, loop_now_ms(r->loop) + ms);
}

/* So many have come at least, and a moment has passed in which more could. */
static void await_questions(struct site *r, unsigned n)
{
    int64_t until;

    RUN_UNTIL(r->loop, r->fake.at[FAKE_BILLING].count >= n);
    until = clock_now_ms() + 30;
    while (clock_now_ms() < until)
        run_turn(r->loop);
}

static void expect_questions(struct site *r, unsigned n)
{
    await_questions(r, n);
    EXPECT_INT(r->fake.at[FAKE_BILLING].count, n);
}

static void the_owner_is_told_the_plan(void)
{
    struct survey_port *p;
    struct survey *s;
    struct site r;

    begin(&r, &s, &p);
    survey_poll(p);
    EXPECT_INT(told.n, 0);
    RUN_UNTIL(r.loop, told.n);
    EXPECT_INT(told.plan.daily_limit, 300);
    EXPECT_INT(told.plan.daily_usage, 12);
    EXPECT_INT(told.plan.tier_rank, 0);
    end(&r, s, p);
}

static void it_is_asked_every_five_minutes_at_most(void)
{
    struct survey_port *p, *other;
    struct survey *s;
    struct site r;

    begin(&r, &s, &p);
    other = open_port(&r, s);
    survey_poll(p);
    survey_poll(p);
    survey_poll(other);
    expect_questions(&r, 1);
    pass(&r, SURVEY_MS - 1);
    survey_poll(p);
    survey_poll(other);
    expect_questions(&r, 1);
    pass(&r, 1);
    survey_poll(other);
    survey_poll(p);
    expect_questions(&r, 2);
    EXPECT_INT(told.n, 2);
    survey_port_close(other);
    end(&r, s, p);
}

static void a_reached_limit_asks_once_more(void)
{
    struct survey_port *p;
    struct survey *s;
    struct site r;

    begin(&r, &s, &p);
    survey_poll(p);
    expect_questions(&r, 1);
    survey_limit_reached(p); /* too soon */
    expect_questions(&r, 1);
    pass(&r, SURVEY_AFTER_LIMIT_MS);
    survey_poll(p);
    expect_questions(&r, 2);
    pass(&r, SURVEY_MS - 1);
    survey_poll(p);
    expect_questions(&r, 2);
    survey_limit_reached(p);
    survey_limit_reached(p);
    expect_questions(&r, 3);
    end(&r, s, p);
}

static void one_question_at_a_time(void)
{
    struct survey_port *p, *other;
    struct survey *s;
    struct site r;

    begin(&r, &s, &p);
    other = open_port(&r, s);
    fake_say(&r.fake, FAKE_BILLING, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_BILLING, 0, NULL);
    survey_poll(p);
    RUN_UNTIL(r.loop, r.fake.at[FAKE_BILLING].held);
    pass(&r, SURVEY_AFTER_LIMIT_MS);
    survey_limit_reached(other);
    expect_questions(&r, 1);
    survey_port_close(p); /* then another port may ask */
    survey_poll(other);
    RUN_UNTIL(r.loop, told.n);
    EXPECT_INT(r.fake.at[FAKE_BILLING].count, 2);
    end(&r, s, other);
}

static void what_fails_changes_nothing(void)
{
    static const struct fake_line rows[] = {
        { 404, NULL, NULL, NULL },     { 429, NULL, NULL, NULL }, { FAKE_DROP, NULL, NULL, NULL },
        { 200, "<html>", NULL, NULL }, { 200, "[]", NULL, NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct survey_port *p;
        struct survey *s;
        struct site r;

        begin(&r, &s, &p);
        r.fake.at[FAKE_BILLING].lines[0] = rows[i];
        r.fake.at[FAKE_BILLING].n_lines = 1;
        survey_poll(p);
        await_questions(&r, 1);
        EXPECT_INT(told.n, 0);
        fake_reset(&r.fake, FAKE_BILLING);
        pass(&r, SURVEY_MS);
        survey_poll(p);
        RUN_UNTIL(r.loop, told.n);
        end(&r, s, p);
    }
}

static void who_is_told_may_close(void)
{
    struct survey_port *p;
    struct survey *s;
    struct site r;

    begin(&r, &s, &p);
    told.close = p;
    survey_poll(p);
    RUN_UNTIL(r.loop, told.n);
    survey_free(s);
    site_end(&r);
}

static const struct test suite[] = {
    { "the owner is told the plan", the_owner_is_told_the_plan },
    { "it is asked every five minutes at most", it_is_asked_every_five_minutes_at_most },
    { "a reached limit asks once more", a_reached_limit_asks_once_more },
    { "one question at a time", one_question_at_a_time },
    { "what fails changes nothing", what_fails_changes_nothing },
    { "who is told may close", who_is_told_may_close },
};

TEST_MAIN(suite)
