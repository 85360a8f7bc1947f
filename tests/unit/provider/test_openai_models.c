/* SPDX-License-Identifier: Apache-2.0 */
/* What models an upstream has: discovered or configured; and what `check` reports. */
#include <fcntl.h>
#include <stdlib.h>

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
        { "{\"models\":[],\"data\":null}", "" },
        { "{\"data\":[{\"id\":5},{\"id\":\"y\",\"id\":7}]}", "" },
        { "{\"models\":[{\"name\":\"llama3\",\"model\":\"x\"}]}", "llama3" },
        { "{\"data\":[{\"id\":\"\"},{\"id\":\"x\",\"name\":\"The X\"}]}", "x" },
        { "{\"x\":\"\\udc00\",\"data\":[{\"id\":\"a\"},{\"id\":\"b\\ud800\"},{\"id\":\"c\",\"x\":"
          "\"\\ud800\"}]}",
          "a,c" },
        { "{\"models\":[{\"name\":\"y\"}],\"data\":[{\"id\":\"x\"}]}", "x" },
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

/* Whoever names its models can ask for them. */
static void needs_no_list_of_models(void)
{
    static const int statuses[] = { 404, 405, 501, 500, 401 };

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        char why[128] = "";

        rig_open(&r);
        r.config.models = NULL;
        rig_attach(&r);
        SAY(&r.up, UP_MODELS, .status = statuses[i]);
        EXPECT(!provider_openai.is_ready(r.openai, why));
        RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why) || strstr(why, "status"));
        EXPECT_INT(provider_openai.is_ready(r.openai, why), i < 3);
        expect_models("");
        rig_end(&r);
    }
}

static void what_was_discovered_is_handed_down(void)
{
    struct openai_config fixed, elsewhere;
    struct openai *heirs[3];
    const struct str *names;
    struct arena a;
    char why[128];

    rig_open(&r);
    r.config.models = NULL;
    rig_attach(&r);
    SAY(&r.up, UP_MODELS, .body = LIST);
    RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why));
    fixed = elsewhere = r.config;
    fixed.models = (const char *const[]){ "own", NULL };
    elsewhere.base.endpoint.port ^= 1;
    heirs[0] = openai_new(&r.config, r.openai);
    heirs[1] = openai_new(&fixed, r.openai);
    heirs[2] = openai_new(&elsewhere, r.openai);
    arena_init(&a);
    EXPECT_INT(openai_models(heirs[0], &a, &names), 2);
    EXPECT_STR(names[1], "b\xc3\xa9");
    EXPECT(provider_openai.is_ready(heirs[0], why));
    EXPECT_INT(openai_models(heirs[1], &a, &names), 1);
    EXPECT_INT(openai_models(heirs[2], &a, &names), 0);
    EXPECT(!provider_openai.is_ready(heirs[2], why));
    arena_deinit(&a);
    for (size_t i = 0; i < COUNT_OF(heirs); i++)
        openai_free(heirs[i]);
    rig_end(&r);
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

static void one_worker_asks_for_all(void)
{
    struct provider_env env;
    struct provider_instance *other;
    char why[128];

    rig_open(&r);
    r.config.models = NULL;
    rig_attach(&r);
    env = (struct provider_env){ .loop = r.loop,
                                 .client = r.client,
                                 .connect_timeout_ms = RIG_TIMEOUT_MS,
                                 .accept_timeout_ms = RIG_TIMEOUT_MS };
    other = provider_openai.attach(r.openai, &env);
    SAY(&r.up, UP_MODELS, .body = LIST);
    RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why));
    for (unsigned i = 0; i < 20; i++)
        run_turn_now(r.loop);
    EXPECT_INT(r.up.at[UP_MODELS].count, 1);
    provider_openai.detach(other, on_rig_detached, &r);
    RUN_UNTIL(r.loop, r.is_detached);
    r.is_detached = false;
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
             "key 1: accepted\nmodels: 2: a, b\xc3\xa9\n"
             "not listed: 2: big, small: in its models here, but not in the upstream's list\n"
             "! key 2: Upstream \"local\" answered with "
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
        bool is_named;
        bool is_usable;
        const char *said;
    } rows[] = {
        { 401, "{}", true, false, false, "! no key: Upstream" },
        { 500, "{}", true, false, false, "! no key: Upstream" },
        { 404, "{}", true, false, true, "no key: not checked" },
        { 404, "{}", false, false, false, "! models: it lists none" },
        { 200, "{\"data\":[]}", false, false, false, "! models: it lists none" },
        { 200, "{\"data\":[]}", true, false, true, "models: 2: big, small" },
        { 200, "nonsense", true, false, true, "no key: accepted" },
        { 404, "{}", false, true, true, "models: it lists none: those" },
        { 200, "{\"data\":[]}", false, true, true, "models: it lists none: those" },
        { 401, "{}", false, true, false, "! no key: Upstream" },
        { 200, "{\"data\":[{\"id\":\"big\"},{\"id\":\"x\"}]}", true, false, true,
          "models: 2: big, x\nnot listed: 1: small: in its models here, but not in the" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_open(&r);
        r.config.models = rows[i].has_models ? rig_models : NULL;
        r.config.is_named = rows[i].is_named;
        rig_attach(&r);
        SAY(&r.up, UP_MODELS, .status = rows[i].status, .body = rows[i].body);
        check();
        EXPECT_INT(report.is_usable, rows[i].is_usable);
        if (!strstr(report.text, rows[i].said))
            fail_msg("row %zu: %s", i, report.text);
        rig_end(&r);
    }
}

static char path[64];
static const char *files[] = { path };

/* An upstream with a sign-in that has `life_ms` left. */
static void begin_signed_in(int64_t life_ms)
{
    char text[256];
    int n = snprintf(text, sizeof(text),
                     "{\"accessToken\":\"old\",\"refreshToken\":\"r\",\"expiresAt\":%lld}",
                     (long long)(clock_wall_ms() + life_ms));
    int fd;

    snprintf(path, sizeof(path), "/tmp/test_openai.XXXXXX");
    fd = mkstemp(path);
    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, text, (size_t)n), n);
    close(fd);
    rig_open(&r);
    r.config.credentials_files = files;
    r.config.n_credentials_files = 1;
    rig_attach(&r);
}

static void reports_sign_ins(void)
{
    static const struct {
        int64_t life_ms;
        int first; /* status of the first GET /models */
        int token; /* of the renewal */
        bool is_usable;
        unsigned asked;
        unsigned renewed;
    } rows[] = {
        { 3600000, 200, 200, true, 1, 0 },  { -1, 200, 200, true, 1, 1 },
        { 3600000, 401, 200, true, 2, 1 },  { -1, 200, 400, false, 0, 1 },
        { 3600000, 401, 503, false, 1, 3 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_signed_in(rows[i].life_ms);
        SAY(&r.up, UP_MODELS, .status = rows[i].first, .body = LIST);
        SAY(&r.up, UP_MODELS, .body = LIST);
        SAY(&r.up, UP_TOKEN, .status = rows[i].token,
            .body = "{\"access_token\":\"new\",\"expires_in\":3600}");
        check();
        EXPECT_INT(report.is_usable, rows[i].is_usable);
        EXPECT_INT(r.up.at[UP_MODELS].count, rows[i].asked);
        EXPECT_INT(r.up.at[UP_TOKEN].count, rows[i].renewed);
        EXPECT(strstr(report.text, path) != NULL);
        check(); /* a sign-in that just failed is not tried again at once */
        EXPECT_INT(report.is_usable, rows[i].is_usable);
        EXPECT_INT(r.up.at[UP_TOKEN].count, rows[i].renewed);
        rig_end(&r);
        unlink(path);
    }
}

static void is_detached_while_it_waits_for_a_token(void)
{
    begin_signed_in(-1);
    SAY(&r.up, UP_TOKEN, .end = UP_HOLD, .body = "{\"access_token\":\"new\"}");
    report.is_done = false;
    provider_openai.check(r.instance, on_report_of_test, NULL);
    RUN_UNTIL(r.loop, r.up.at[UP_TOKEN].count == 1);
    provider_openai.detach(r.instance, on_rig_detached, &r);
    up_let_go(&r.up, UP_TOKEN);
    RUN_UNTIL(r.loop, r.is_detached);
    r.is_detached = false;
    EXPECT(!report.is_done);
    openai_free(r.openai);
    rig_attach(&r);
    rig_end(&r);
    unlink(path);
}

static void reports_that_nobody_listens(void)
{
    uint16_t port;
    int fd = listen_loopback(&port);

    close(fd);
    rig_open(&r);
    r.config.base.endpoint.port = port;
    rig_attach(&r);
    check();
    EXPECT(!report.is_usable);
    EXPECT(strstr(report.text, "did not answer GET /models") != NULL);
    rig_end(&r);
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
    { "needs no list of models", needs_no_list_of_models },
    { "what was discovered is handed down", what_was_discovered_is_handed_down },
    { "configured models are not asked for", configured_models_are_not_asked_for },
    { "asks again after a failure, and now and again",
      asks_again_after_a_failure_and_now_and_again },
    { "one worker asks for all", one_worker_asks_for_all },
    { "ends while it asks", ends_while_it_asks },
    { "reports keys and models", reports_keys_and_models },
    { "reports what cannot be used", reports_what_cannot_be_used },
    { "reports sign-ins", reports_sign_ins },
    { "is detached while it waits for a token", is_detached_while_it_waits_for_a_token },
    { "reports that nobody listens", reports_that_nobody_listens },
    { "is detached while it checks", is_detached_while_it_checks },
};

TEST_MAIN(suite)
