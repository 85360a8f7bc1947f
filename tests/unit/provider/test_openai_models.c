/* SPDX-License-Identifier: Apache-2.0 */
/* What models an upstream has: discovered or configured; and what `check` reports. */
#include "openai_rig.h"

static struct rig r;

#define LIST "{\"object\":\"list\",\"data\":[{\"id\":\"a\"},{\"id\":\"b\\u00e9\"},{\"x\":1},5]}"

static void expect_models(const char *want)
{
    const struct str *names;
    struct arena a;
    struct buf text;
    size_t n;

    arena_init(&a);
    buf_init(&text, 4096);
    n = openai_models(r.openai, &a, &names);
    for (size_t i = 0; i < n; i++)
        EXPECT(!buf_addf(&text, "%s%.*s", i ? "," : "", STR_ARGS(names[i])));
    EXPECT_STR(buf_str(&text), want);
    buf_deinit(&text);
    arena_deinit(&a);
}

static void discovers_models(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { LIST, "a,b\xc3\xa9" },
        { "{\"data\":[]}", "" },
        { "{\"models\":[{\"name\":\"llama3\",\"model\":\"x\"}]}", "llama3" },
        { "{\"data\":[{\"id\":\"\"},{\"id\":\"x\",\"name\":\"The X\"}]}", "x" },
    };
    char why[128];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_open(&r);
        r.config.models = NULL;
        rig_attach(&r);
        SAY(&r.up, UP_MODELS, .body = rows[i].body);
        EXPECT(!provider_openai.is_ready(r.openai, why));
        expect_models("");
        RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why));
        expect_models(rows[i].want);
        EXPECT_Z(r.up.at[UP_MODELS].target, "/v1/models");
        EXPECT_INT(r.up.at[UP_MODELS].count, 1);
        rig_end(&r);
    }
}

static void configured_models_are_not_asked_for(void)
{
    char why[128];

    rig_start(&r);
    EXPECT(provider_openai.is_ready(r.openai, why));
    expect_models("big,small");
    provider_openai.prepare(r.instance);
    for (unsigned i = 0; i < 20; i++)
        run_turn_now(r.loop);
    EXPECT_INT(r.up.at[UP_MODELS].count, 0);
    rig_end(&r);
}

static void turn_to(int64_t ms)
{
    loop_clock_set(r.loop, loop_now_ms(r.loop) + ms);
    run_turn_now(r.loop);
}

static void asks_again_after_a_failure_and_now_and_again(void)
{
    char why[128];

    rig_open(&r);
    r.config.models = NULL;
    loop_clock_set(r.loop, clock_now_ms());
    rig_attach(&r);
    SAY(&r.up, UP_MODELS, .status = 503, .body = "{\"error\":{\"message\":\"warming up\"}}");
    SAY(&r.up, UP_MODELS, .body = "{\"data\":7}");
    SAY(&r.up, UP_MODELS, .body = LIST);
    SAY(&r.up, UP_MODELS, .status = 500);
    RUN_UNTIL(r.loop, !provider_openai.is_ready(r.openai, why) && strstr(why, "status 503"));
    EXPECT(strstr(why, "warming up") != NULL);
    turn_to(14999);
    EXPECT_INT(r.up.at[UP_MODELS].count, 1);
    turn_to(15001);
    RUN_UNTIL(r.loop, !provider_openai.is_ready(r.openai, why) && strstr(why, "no list"));
    provider_openai.prepare(r.instance); /* not so soon */
    turn_to(1000);
    provider_openai.prepare(r.instance);
    RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why));
    expect_models("a,b\xc3\xa9");
    turn_to(299000);
    EXPECT_INT(r.up.at[UP_MODELS].count, 3);
    turn_to(301001);
    RUN_UNTIL(r.loop, r.up.at[UP_MODELS].count == 4);
    for (unsigned i = 0; i < 20; i++)
        run_turn_now(r.loop);
    expect_models("a,b\xc3\xa9"); /* what is known stays */
    EXPECT(provider_openai.is_ready(r.openai, why));
    rig_end(&r);
}

static void ends_while_it_asks(void)
{
    for (unsigned turns = 0; turns < 8; turns++) {
        rig_open(&r);
        r.config.models = NULL;
        rig_attach(&r);
        SAY(&r.up, UP_MODELS, .end = UP_HOLD);
        for (unsigned i = 0; i < turns; i++)
            run_turn_now(r.loop);
        rig_end(&r);
    }
}

/* ---- check ---- */

static struct {
    bool is_done;
    bool is_usable;
    char text[4096];
} report;

static void on_report_of_test(void *arg, const struct provider_report *p)
{
    (void)arg;
    report.is_done = true;
    report.is_usable = p->usable;
    report.text[0] = '\0';
    for (size_t i = 0; i < p->n; i++) {
        size_t n = strlen(report.text);

        snprintf(report.text + n, sizeof(report.text) - n, "%s%.*s: %.*s\n",
                 p->facts[i].is_problem ? "! " : "", STR_ARGS(p->facts[i].name),
                 STR_ARGS(p->facts[i].value));
    }
}

static void check(void)
{
    report.is_done = false;
    provider_openai.check(r.instance, on_report_of_test, NULL);
    EXPECT(!report.is_done);
    RUN_UNTIL(r.loop, report.is_done);
}

static void reports_keys_and_models(void)
{
    rig_open(&r);
    rig_key(&r, "sk-1");
    rig_key(&r, "sk-2");
    rig_attach(&r);
    SAY(&r.up, UP_MODELS, .body = LIST);
    SAY(&r.up, UP_MODELS, .status = 401, .body = "{\"error\":{\"message\":\"bad key\"}}");
    check();
    EXPECT(report.is_usable);
    EXPECT_Z(report.text,
             "key 1: accepted\nmodels: 2: a, b\xc3\xa9\n! key 2: Upstream \"local\" answered with "
             "status 401: \"bad key\". It refuses our key: check the upstream's api_keys.\n");
    EXPECT_Z(r.up.at[UP_MODELS].authorization[1], "Bearer sk-2");
    rig_end(&r);
}

static void reports_what_cannot_be_used(void)
{
    static const struct {
        int status;
        const char *body;
        bool has_models;
        bool is_usable;
        const char *said;
    } rows[] = {
        { 401, "{}", true, false, "! no key: Upstream" },
        { 500, "{}", true, false, "! no key: Upstream" },
        { 404, "{}", true, true, "no key: not checked" },
        { 404, "{}", false, false, "! models: it lists none" },
        { 200, "{\"data\":[]}", false, false, "! models: it lists none" },
        { 200, "{\"data\":[]}", true, true, "models: 2: big, small" },
        { 200, "nonsense", true, true, "no key: accepted" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_open(&r);
        r.config.models = rows[i].has_models ? rig_models : NULL;
        rig_attach(&r);
        SAY(&r.up, UP_MODELS, .status = rows[i].status, .body = rows[i].body);
        check();
        EXPECT_INT(report.is_usable, rows[i].is_usable);
        if (!strstr(report.text, rows[i].said))
            fail_msg("row %zu: %s", i, report.text);
        rig_end(&r);
    }
}

static void is_detached_while_it_checks(void)
{
    for (unsigned turns = 0; turns < 6; turns++) {
        rig_start(&r);
        SAY(&r.up, UP_MODELS, .end = UP_HOLD);
        report.is_done = false;
        provider_openai.check(r.instance, on_report_of_test, NULL);
        for (unsigned i = 0; i < turns; i++)
            run_turn_now(r.loop);
        rig_end(&r);
        EXPECT(!report.is_done);
    }
}

static const struct test suite[] = {
    { "discovers models", discovers_models },
    { "configured models are not asked for", configured_models_are_not_asked_for },
    { "asks again after a failure, and now and again",
      asks_again_after_a_failure_and_now_and_again },
    { "ends while it asks", ends_while_it_asks },
    { "reports keys and models", reports_keys_and_models },
    { "reports what cannot be used", reports_what_cannot_be_used },
    { "is detached while it checks", is_detached_while_it_checks },
};

TEST_MAIN(suite)
