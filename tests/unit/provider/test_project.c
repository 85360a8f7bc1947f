/* SPDX-License-Identifier: Apache-2.0 */
/* What goes before a prompt of protocol `project`. */
#include "provider/enginelabs/project.h"
#include "site_rig.h"

struct outcome {
    unsigned n;
    enum failure_kind kind;
    char message[512];
    char what[64];
    struct api_status status;
    struct project_ids ids;
};

static void on_outcome(void *arg, const struct project_result *result)
{
    struct outcome *o = arg;

    o->n++;
    o->ids = result->ids;
    o->status = result->status;
    if (!result->failure)
        return;
    o->kind = result->failure->kind;
    str_to_z(result->failure->message, o->message, sizeof(o->message));
    str_to_z(str_of(result->what), o->what, sizeof(o->what));
}

static struct project *start(struct site *r, const struct project_ids *ids, struct outcome *o)
{
    const struct project_params params = { .config = &r->config,
                                           .client = r->client,
                                           .jwt = STR("a.b.c"),
                                           .model_key = STR("gpt_5\""),
                                           .ids = ids,
                                           .connect_timeout_ms = SITE_TIMEOUT_MS,
                                           .answer_timeout_ms = SITE_TIMEOUT_MS };

    *o = (struct outcome){ 0 };
    return project_start(&params, on_outcome, o);
}

static void run(struct site *r, const struct project_ids *ids, struct outcome *o)
{
    start(r, ids, o);
    EXPECT_INT(o->n, 0);
    RUN_UNTIL(r->loop, o->n);
    run_turn_now(r->loop);
    EXPECT_INT(o->n, 1);
}

static void a_new_chat_gets_its_project(void)
{
    const struct fake_at *at;
    struct outcome o;
    struct site r;

    site_start(&r);
    run(&r, NULL, &o);
    EXPECT_INT(o.kind, FAILURE_NONE);
    EXPECT_Z(o.ids.chat, "proj_1");
    EXPECT_Z(o.ids.workspace, "ws_1");
    EXPECT(o.ids.has_offers);
    at = &r.fake.at[FAKE_PREFER];
    EXPECT_INT(at->method, HTTP_PATCH);
    EXPECT_Z(at->body, "{\"modelKey\":\"gpt_5\\\"\"}");
    EXPECT_Z(at->authorization, "Bearer a.b.c");
    EXPECT_Z(at->origin, "https://cto.test");
    at = &r.fake.at[FAKE_PROJECT];
    EXPECT_INT(at->method, HTTP_POST);
    EXPECT(strncmp(at->body, "{\"projectName\":\"chat-", 21) == 0);
    EXPECT_INT(strlen(at->body), 21 + 8 + 2);
    at = &r.fake.at[FAKE_OFFERS];
    EXPECT_INT(at->method, HTTP_POST);
    EXPECT_Z(at->body, "{\"chatHistoryId\":\"proj_1\",\"surface\":\"ENGINE_AGENT\"}");
    site_end(&r);
}

static void a_known_chat_is_only_given_the_model(void)
{
    static const struct project_ids ids = { "proj_9", "ws_9", true };
    struct outcome o;
    struct site r;

    site_start(&r);
    run(&r, &ids, &o);
    EXPECT_INT(o.kind, FAILURE_NONE);
    EXPECT_Z(o.ids.chat, "proj_9");
    EXPECT_Z(o.ids.workspace, "ws_9");
    EXPECT_INT(r.fake.at[FAKE_PREFER].count, 1);
    EXPECT_INT(r.fake.at[FAKE_PROJECT].count, 0);
    EXPECT_INT(r.fake.at[FAKE_OFFERS].count, 0);
    site_end(&r);
}

#define PREFER "PATCH /teams/preferred-model"
#define CREATE "POST /projects/create-hosted"
#define OFFERS "POST /engine-agent/offers"

static const struct {
    enum fake_place place;
    struct fake_line line;
    enum failure_kind kind;
    int status;
    const char *what;
    unsigned counts[3]; /* of the three places */
    const char *chat;   /* made all the same */
} failing[] = {
    { FAKE_PREFER, { .status = 401 }, FAILURE_UPSTREAM_AUTH, 401, PREFER, { 1, 0, 0 }, "" },
    { FAKE_PREFER, { 429, NULL, "retry-after", "7" }, FAILURE_QUOTA, 429, PREFER, { 1, 0, 0 }, "" },
    { FAKE_PREFER,
      { 307, NULL, "location", "/x" },
      FAILURE_PROTOCOL,
      307,
      PREFER,
      { 1, 0, 0 },
      "" },
    { FAKE_PREFER, { .status = FAKE_DROP }, FAILURE_UNAVAILABLE, 0, PREFER, { 1, 0, 0 }, "" },
    { FAKE_PROJECT, { .status = 403 }, FAILURE_QUOTA, 403, CREATE, { 1, 1, 0 }, "" },
    { FAKE_PROJECT, { .status = FAKE_DROP }, FAILURE_UNAVAILABLE, 0, CREATE, { 1, 1, 0 }, "" },
    { FAKE_OFFERS, { .status = 500 }, FAILURE_UNAVAILABLE, 500, OFFERS, { 1, 1, 1 }, "proj_1" },
    { FAKE_OFFERS,
      { 403, NULL, "cf-mitigated", "challenge" },
      FAILURE_CHALLENGE,
      403,
      OFFERS,
      { 1, 1, 1 },
      "proj_1" },
    { FAKE_OFFERS, { .status = FAKE_DROP }, FAILURE_UNAVAILABLE, 0, OFFERS, { 1, 1, 1 }, "proj_1" },
};

static void what_fails_ends_it_and_says_how(void)
{
    for (size_t i = 0; i < COUNT_OF(failing); i++) {
        struct outcome o;
        struct site r;

        site_start(&r);
        r.fake.at[failing[i].place].lines[0] = failing[i].line;
        r.fake.at[failing[i].place].n_lines = 1;
        run(&r, NULL, &o);
        EXPECT_INT(o.kind, failing[i].kind);
        EXPECT_INT(o.status.status, failing[i].status);
        EXPECT_INT(o.status.retry_after_ms, failing[i].status == 429 ? 7000 : 0);
        EXPECT_Z(o.what, failing[i].what);
        EXPECT(strstr(o.message, failing[i].what));
        EXPECT_Z(o.ids.chat, failing[i].chat);
        EXPECT(!o.ids.has_offers);
        for (size_t k = 0; k < 3; k++)
            EXPECT_INT(r.fake.at[FAKE_PREFER + k].count, failing[i].counts[k]);
        site_end(&r);
    }
}

/* After 401 at the last step: another token, the same project. */
static void the_next_attempt_makes_no_second_project(void)
{
    struct outcome first, second;
    struct site r;

    site_start(&r);
    fake_say(&r.fake, FAKE_OFFERS, 401, NULL);
    fake_say(&r.fake, FAKE_OFFERS, 0, NULL);
    run(&r, NULL, &first);
    EXPECT_INT(first.status.status, 401);
    run(&r, &first.ids, &second);
    EXPECT_INT(second.kind, FAILURE_NONE);
    EXPECT_Z(second.ids.chat, "proj_1");
    EXPECT(second.ids.has_offers);
    EXPECT_INT(r.fake.at[FAKE_PREFER].count, 2);
    EXPECT_INT(r.fake.at[FAKE_PROJECT].count, 1);
    EXPECT_INT(r.fake.at[FAKE_OFFERS].count, 2);
    site_end(&r);
}

static void only_sane_ids_are_used(void)
{
    static const struct {
        const char *body;
        bool is_good;
    } rows[] = {
        { "{\"projectId\":\"a-B_9\",\"workspaceId\":\"w\"}", true },
        { "{\"projectId\":17,\"workspaceId\":4}", true },
        { "{\"projectId\":1.5,\"workspaceId\":4}", false },
        { "{\"projectId\":\"..\",\"workspaceId\":\"w\"}", false },
        { "{\"projectId\":\"a/b\",\"workspaceId\":\"w\"}", false },
        { "{\"projectId\":\"a\",\"workspaceId\":\"w&x=1\"}", false },
        { "{\"projectId\":\"a\"}", false },
        { "{\"workspaceId\":\"w\"}", false },
        { "{\"projectId\":\"\",\"workspaceId\":\"w\"}", false },
        { "{\"projectId\":{},\"workspaceId\":\"w\"}", false },
        { "", false },
        { "<html>", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outcome o;
        struct site r;

        site_start(&r);
        fake_say(&r.fake, FAKE_PROJECT, 201, rows[i].body);
        run(&r, NULL, &o);
        EXPECT_INT(o.kind, rows[i].is_good ? FAILURE_NONE : FAILURE_PROTOCOL);
        EXPECT_INT(o.ids.chat[0] != '\0', rows[i].is_good);
        EXPECT_INT(r.fake.at[FAKE_OFFERS].count, rows[i].is_good);
        site_end(&r);
    }
}

static void ids_are_bounded(void)
{
    char id[FIELD_ID_MAX + 1];

    memset(id, 'x', sizeof(id));
    EXPECT(project_id_is_sane((struct str){ id, FIELD_ID_MAX - 1 }));
    EXPECT(!project_id_is_sane((struct str){ id, FIELD_ID_MAX }));
    EXPECT(!project_id_is_sane(STR("")));
    EXPECT(!project_id_is_sane(STR("a b")));
    EXPECT(!project_id_is_sane(STR("a.b")));
    EXPECT(!project_id_is_sane(STR("\xc3\xa9")));
}

/* Nobody listens: it is tried once more, and then said. */
static void what_was_not_sent_is_tried_once_more(void)
{
    struct outcome o;
    struct site r;

    site_start(&r);
    r.config.api.endpoint.port = 1;
    run(&r, NULL, &o);
    EXPECT_INT(o.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(o.status.status, 0);
    site_end(&r);
}

static void may_be_canceled_anywhere(void)
{
    static const enum fake_place places[] = { FAKE_PREFER, FAKE_PROJECT, FAKE_OFFERS };

    for (size_t i = 0; i <= COUNT_OF(places); i++) {
        struct project *p;
        struct outcome o;
        struct site r;

        site_start(&r);
        if (i < COUNT_OF(places))
            fake_say(&r.fake, places[i], FAKE_HOLD, NULL);
        p = start(&r, NULL, &o);
        if (i < COUNT_OF(places))
            RUN_UNTIL(r.loop, r.fake.at[places[i]].held);
        project_cancel(p);
        project_cancel(NULL);
        run_for(r.loop, 20);
        EXPECT_INT(o.n, 0);
        site_end(&r);
    }
}

static const struct test suite[] = {
    { "a new chat gets its project", a_new_chat_gets_its_project },
    { "a known chat is only given the model", a_known_chat_is_only_given_the_model },
    { "what fails ends it and says how", what_fails_ends_it_and_says_how },
    { "the next attempt makes no second project", the_next_attempt_makes_no_second_project },
    { "only sane ids are used", only_sane_ids_are_used },
    { "ids are bounded", ids_are_bounded },
    { "what was not sent is tried once more", what_was_not_sent_is_tried_once_more },
    { "may be canceled anywhere", may_be_canceled_anywhere },
};

TEST_MAIN(suite)
