/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in the name of an account, and their tokens. */
#include "provider/enginelabs/visit.h"
#include "site_rig.h"

struct seen_answer {
    unsigned n;
    enum failure_kind kind;
    int status;
    bool certainly_unsent;
    char body[256];
};

static void on_seen(void *arg, const struct errand_result *result)
{
    struct seen_answer *s = arg;

    s->n++;
    s->kind = result->failure ? result->failure->kind : FAILURE_NONE;
    s->status = result->status.status;
    s->certainly_unsent = result->certainly_unsent;
    str_to_z(result->body, s->body, sizeof(s->body));
}

static struct visit *start(struct site *r, struct seen_answer *s)
{
    const struct visit_params params = { .config = &r->config,
                                         .account = r->port,
                                         .client = r->client,
                                         .method = HTTP_GET,
                                         .target = STR(API_BILLING_TARGET),
                                         .what = "GET " API_BILLING_TARGET,
                                         .connect_timeout_ms = SITE_TIMEOUT_MS,
                                         .answer_timeout_ms = SITE_TIMEOUT_MS };

    *s = (struct seen_answer){ 0 };
    return visit_start(&params, on_seen, s);
}

static void goes_with_a_token(void)
{
    struct seen_answer s;
    struct site r;

    site_start(&r);
    start(&r, &s);
    EXPECT_INT(s.n, 0);
    RUN_UNTIL(r.loop, s.n);
    EXPECT_INT(s.kind, FAILURE_NONE);
    EXPECT_INT(s.status, 200);
    EXPECT(strstr(s.body, "dailyLimit"));
    EXPECT(strncmp(r.fake.at[FAKE_BILLING].authorization, "Bearer aGVhZA.", 14) == 0);
    EXPECT_Z(r.fake.at[FAKE_BILLING].origin, "https://cto.test");
    EXPECT_Z(r.fake.at[FAKE_BILLING].referer, "https://cto.test/");
    site_end(&r);
}

static void a_refused_token_is_renewed_once(void)
{
    struct seen_answer s;
    struct site r;

    site_start(&r);
    fake_say(&r.fake, FAKE_BILLING, 401, NULL);
    fake_say(&r.fake, FAKE_BILLING, 0, NULL);
    start(&r, &s);
    RUN_UNTIL(r.loop, s.n);
    EXPECT_INT(s.kind, FAILURE_NONE);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    EXPECT_INT(r.fake.at[FAKE_BILLING].count, 2);
    fake_reset(&r.fake, FAKE_BILLING);
    fake_say(&r.fake, FAKE_BILLING, 401, NULL);
    start(&r, &s);
    RUN_UNTIL(r.loop, s.n);
    EXPECT_INT(s.kind, FAILURE_UPSTREAM_AUTH);
    EXPECT_INT(s.status, 401);
    EXPECT_INT(r.fake.at[FAKE_BILLING].count, 2);
    site_end(&r);
}

static void what_fails_says_how(void)
{
    static const struct {
        enum fake_place place;
        struct fake_line line;
        enum failure_kind kind;
        int status;
    } rows[] = {
        { FAKE_BILLING, { 503, NULL, NULL, NULL }, FAILURE_UNAVAILABLE, 503 },
        { FAKE_BILLING, { 302, NULL, "location", "/billing" }, FAILURE_PROTOCOL, 302 },
        { FAKE_BILLING, { 200, NULL, "cf-mitigated", "challenge" }, FAILURE_CHALLENGE, 200 },
        { FAKE_BILLING, { 401, NULL, "cf-mitigated", "challenge" }, FAILURE_CHALLENGE, 401 },
        { FAKE_BILLING, { FAKE_DROP, NULL, NULL, NULL }, FAILURE_UNAVAILABLE, 0 },
        { FAKE_CLIENT, { 401, NULL, NULL, NULL }, FAILURE_UPSTREAM_AUTH, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct seen_answer s;
        struct site r;

        site_start(&r);
        r.fake.at[rows[i].place].lines[0] = rows[i].line;
        r.fake.at[rows[i].place].n_lines = 1;
        start(&r, &s);
        RUN_UNTIL(r.loop, s.n);
        EXPECT_INT(s.kind, rows[i].kind);
        EXPECT_INT(s.status, rows[i].status);
        EXPECT_INT(s.certainly_unsent, rows[i].place == FAKE_CLIENT);
        EXPECT(r.fake.at[FAKE_BILLING].count <= (rows[i].line.status == FAKE_DROP ? 2 : 1));
        site_end(&r);
    }
}

static void may_be_canceled_anywhere(void)
{
    static const enum fake_place places[] = { FAKE_CLIENT, FAKE_TOKEN, FAKE_BILLING };

    for (size_t i = 0; i <= COUNT_OF(places); i++) {
        struct seen_answer s;
        struct visit *v;
        struct site r;

        site_start(&r);
        if (i < COUNT_OF(places))
            fake_say(&r.fake, places[i], FAKE_HOLD, NULL);
        v = start(&r, &s);
        if (i < COUNT_OF(places))
            RUN_UNTIL(r.loop, r.fake.at[places[i]].held);
        visit_cancel(v);
        visit_cancel(NULL);
        if (i < COUNT_OF(places) && places[i] != FAKE_BILLING)
            fake_let_go(&r.fake, places[i], 0);
        run_for(r.loop, 20);
        EXPECT_INT(s.n, 0);
        site_end(&r);
    }
}

static const struct test suite[] = {
    { "goes with a token", goes_with_a_token },
    { "a refused token is renewed once", a_refused_token_is_renewed_once },
    { "what fails says how", what_fails_says_how },
    { "may be canceled anywhere", may_be_canceled_anywhere },
};

TEST_MAIN(suite)
