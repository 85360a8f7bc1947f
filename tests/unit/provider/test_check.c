/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `check`. */
#include "call_rig.h"
#include "test.h"

struct seen_report {
    bool is_done;
    bool usable;
    char text[2048]; /* "name=value" or "name!value" for a problem, each on a line */
};

static void on_reported(void *arg, const struct provider_report *report)
{
    struct seen_report *s = arg;

    EXPECT(!s->is_done);
    s->is_done = true;
    s->usable = report->usable;
    for (size_t i = 0; i < report->n; i++) {
        const struct provider_fact *f = &report->facts[i];
        size_t n = strlen(s->text);

        snprintf(s->text + n, sizeof(s->text) - n, "%.*s%c%.*s\n", STR_ARGS(f->name),
                 f->is_problem ? '!' : '=', STR_ARGS(f->value));
    }
}

static void check(struct rig *r, struct seen_report *s)
{
    *s = (struct seen_report){ 0 };
    provider_enginelabs.check(r->instance, on_reported, s);
    EXPECT(!s->is_done);
    RUN_UNTIL(r->loop, s->is_done);
}

static void a_good_account_is_told_in_full(void)
{
    struct seen_report s;
    struct rig r;

    rig_start(&r);
    check(&r, &s);
    EXPECT(s.usable);
    EXPECT_Z(s.text, "account=default\nstate=signed in\norganization=org_1\nplan=tier 0\n"
                     "quota=12 of 300 used today, 900 a week\nmodels=GPT5\n");
    EXPECT(strncmp(r.fake.at[FAKE_BILLING].authorization, "Bearer aGVhZA.", 14) == 0);
    EXPECT_Z(r.fake.at[FAKE_ADAPTERS].origin, "https://cto.test");
    rig_end(&r);
}

static void a_check_signs_in_anew(void)
{
    struct seen_report s;
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, 401, "{}");
    fake_say(&r.fake, FAKE_CLIENT, 0, NULL);
    check(&r, &s);
    EXPECT(!s.usable);
    EXPECT(strstr(s.text, "state!"));
    EXPECT(strstr(s.text, "CLERK_COOKIE"));
    check(&r, &s);
    EXPECT(s.usable);
    rig_end(&r);
}

static void each_account_is_told(void)
{
    struct seen_report s;
    struct rig r;

    rig_open(&r);
    rig_add_account(&r, "spare", "__client=second");
    rig_attach(&r);
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    fake_say(&r.fake, FAKE_TOKEN, 401, "{\"errors\":[{\"code\":\"signed_out\"}]}");
    check(&r, &s);
    EXPECT(!s.usable);
    EXPECT(strstr(s.text, "account=default\nstate=signed in\n"));
    EXPECT(strstr(s.text, "account=spare\nstate!Account \"spare\""));
    rig_end(&r);
}

/* The user may have done something about it: it is tried again at once. */
static void a_check_ends_rests(void)
{
    struct seen_report s;
    struct watch w;
    struct rig r;

    rig_start(&r);
    fake_say_header(&r.fake, FAKE_POST, 429, "Retry-After", "600");
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    FAILED(&r, &w, FAILURE_QUOTA, "u:Hi");
    FAILED(&r, &w, FAILURE_QUOTA, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    check(&r, &s);
    EXPECT(s.usable);
    EXPECT(strstr(s.text, "rested=GPT5 for "));
    ANSWERED(&r, &w, "u:Hi");
    rig_end(&r);
}

static void models_that_are_not_told_are_those_of_the_settings(void)
{
    static const char *const models[] = { "ClaudeSonnet4_5", "GPT5", NULL };
    struct seen_report s;
    struct rig r;

    rig_open(&r);
    r.config.models = models;
    rig_attach(&r);
    fake_say(&r.fake, FAKE_ADAPTERS, 404, "{}");
    fake_say(&r.fake, FAKE_BILLING, 404, "{}");
    check(&r, &s);
    EXPECT(s.usable);
    EXPECT(strstr(s.text, "models=ClaudeSonnet4_5, GPT5 (from the settings"));
    EXPECT(strstr(s.text, "quota="));
    rig_end(&r);
}

static void models_that_are_not_offered_are_named(void)
{
    static const char *const models[] = { "Old", "GPT5", "Other", NULL };
    static const char *const defaults[] = { "GPT5", "Old", NULL };
    struct seen_report s;

    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        struct rig r;

        rig_open(&r);
        r.config.models = models;
        r.config.default_model = defaults[i];
        rig_attach(&r);
        check(&r, &s);
        EXPECT(strstr(s.text, "models=GPT5\n"));
        EXPECT(strstr(s.text, i == 1 ? "not offered!Old, Other:" : "not offered=Old, Other:"));
        EXPECT_INT(s.usable, i != 1);
        rig_end(&r);
    }
}

static void what_a_prompt_would_meet_too_is_a_problem(void)
{
    static const struct {
        enum fake_place place;
        struct fake_line line;
        const char *want;
    } rows[] = {
        { FAKE_BILLING, { 403, NULL, "cf-mitigated", "challenge" }, "quota!" },
        { FAKE_BILLING, { 401, NULL, NULL, NULL }, "quota!" },
        { FAKE_BILLING, { FAKE_DROP, NULL, NULL, NULL }, "quota!" },
        { FAKE_ADAPTERS, { FAKE_DROP, NULL, NULL, NULL }, "models!" },
        { FAKE_BILLING, { 402, "{\"message\":\"Upgrade your plan\"}", NULL, NULL }, "quota!" },
        { FAKE_BILLING,
          { 200, "{\"dailyLimit\":300,\"dailyUsage\":300,\"hasReachedLimit\":true}", NULL, NULL },
          "quota!used up, 300 of 300 used today" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct seen_report s;
        struct rig r;

        rig_start(&r);
        r.fake.at[rows[i].place].lines[0] = rows[i].line;
        r.fake.at[rows[i].place].n_lines = 1;
        check(&r, &s);
        EXPECT(!s.usable);
        EXPECT(strstr(s.text, rows[i].want));
        rig_end(&r);
    }
}

static void a_check_ends_with_its_instance(void)
{
    static const enum fake_place places[] = { FAKE_BILLING, FAKE_ADAPTERS };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct seen_report s = { 0 };
        struct rig r;

        rig_start(&r);
        fake_say(&r.fake, places[i], FAKE_HOLD, NULL);
        provider_enginelabs.check(r.instance, on_reported, &s);
        RUN_UNTIL(r.loop, r.fake.at[places[i]].held);
        rig_end(&r);
        EXPECT(!s.is_done);
    }
}

static const struct test suite[] = {
    { "a good account is told in full", a_good_account_is_told_in_full },
    { "a check signs in anew", a_check_signs_in_anew },
    { "each account is told", each_account_is_told },
    { "a check ends rests", a_check_ends_rests },
    { "models that are not told are those of the settings",
      models_that_are_not_told_are_those_of_the_settings },
    { "models that are not offered are named", models_that_are_not_offered_are_named },
    { "what a prompt would meet too is a problem", what_a_prompt_would_meet_too_is_a_problem },
    { "a check ends with its instance", a_check_ends_with_its_instance },
};

TEST_MAIN(suite)
