/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's protocol `project`, several accounts of one team, faults of one account. */
#include "live.h"

#include "base/encoding.h"

#define FAST "\"pacing\":{\"first_ms\":0,\"every_ms\":0}"

struct project {
    char id[64];
    char workspace[64];
};

static int call(struct live *v, const char *line, const char *body)
{
    char headers[1600];

    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nContent-Type: application/json\r\nOrigin: "
                   "https://cto.new\r\n",
                   v->jwt);
    return live_call(v, line, headers, body);
}

static int prefer(struct live *v, const char *key)
{
    char body[128];

    (void)snprintf(body, sizeof(body), "{\"modelKey\":\"%s\"}", key);
    return call(v, "PATCH /teams/preferred-model", body);
}

static void create(struct live *v, struct project *p)
{
    EXPECT_INT(call(v, "POST /projects/create-hosted", "{\"projectName\":\"mine\"}"), 201);
    live_find(v->body, p->id, sizeof(p->id), "projectId", NULL);
    live_find(v->body, p->workspace, sizeof(p->workspace), "workspaceId", NULL);
}

static int ask_offers(struct live *v, const char *chat)
{
    char body[160];

    (void)snprintf(body, sizeof(body), "{\"chatHistoryId\":\"%s\",\"surface\":\"ENGINE_AGENT\"}",
                   chat);
    return call(v, "POST /engine-agent/offers", body);
}

static int post_raw(struct live *v, const char *chat, const char *members)
{
    char headers[1600];
    char body[4096];

    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nContent-Type: application/json\r\nOrigin: "
                   "https://cto.new\r\nReferer: https://cto.new/%s\r\n",
                   v->jwt, chat);
    (void)snprintf(body, sizeof(body), "{\"chatHistoryId\":\"%s\",%s}", chat, members);
    return live_call(v, "POST /engine-agent/chat", headers, body);
}

static int post(struct live *v, const char *chat, const char *prompt)
{
    struct buf members;
    int status;

    buf_init(&members, 4096);
    EXPECT_INT(buf_add(&members, STR("\"encoded\":true,\"prompt\":\"")), ERR_NONE);
    EXPECT_INT(base64_add(&members, str_of(prompt)), ERR_NONE);
    EXPECT_INT(buf_add(&members, (struct str){ "\"", 2 }), ERR_NONE);
    status = post_raw(v, chat, members.p);
    buf_deinit(&members);
    return status;
}

static int open_socket(struct live *v, const char *chat, const char *workspace)
{
    int fd;

    (void)snprintf(v->token, sizeof(v->token), "%s:%s&workspaceId=%s", v->user, v->organization,
                   workspace);
    fd = live_open(v, chat);
    v->token[0] = '\0';
    return fd;
}

static void expect_answer(struct live *v, const struct project *p, const char *prompt,
                          const char *want)
{
    struct buf text;
    int fd = open_socket(v, p->id, p->workspace);

    buf_init(&text, LIVE_MAX);
    EXPECT_INT(v->status, 101);
    EXPECT_INT(post(v, p->id, prompt), 200);
    buf_clear(&v->in);
    EXPECT(live_gather(v, fd, &text));
    EXPECT_STR(buf_str(&text), want);
    close(fd);
    buf_deinit(&text);
}

static void plays_the_whole_way(void)
{
    struct project p;
    struct live v;

    live_begin(&v, "{" FAST "}");
    EXPECT_INT(prefer(&v, "gpt_5_4"), 200);
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    expect_answer(&v, &p, "!model", "gpt_5_4");
    expect_answer(&v, &p, "x\n!turn", "2");
    EXPECT_INT(live_count_log(&v, "", "violation"), 0);
    EXPECT_INT(live_count_log(&v, "?kind=post", "\"protocol\":\"project\""), 2);
    EXPECT_INT(live_count_log(&v, "?kind=post", "\"adapter\":\"gpt_5_4\""), 2);
    live_end(&v);
}

static void another_model_answers_when_the_preference_was_changed_meanwhile(void)
{
    struct project p;
    struct live v;

    live_begin(&v, "{" FAST "}");
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    expect_answer(&v, &p, "!model", "claude_sonnet_4_5");
    EXPECT_INT(prefer(&v, "gpt_5"), 200);
    EXPECT_INT(prefer(&v, "gemini_3_pro"), 200);
    expect_answer(&v, &p, "!model", "gemini_3_pro");
    EXPECT_INT(live_count_log(&v, "?kind=post", "\"adapter\":\"gemini_3_pro\""), 1);
    live_end(&v);
}

static void only_adapters_keys_may_be_preferred(void)
{
    static const char *const bodies[] = {
        "{\"modelKey\":\"GPT5\"}",
        "{\"modelKey\":\"retired_1\"}",
        "{\"modelKey\":\"gpt-5\"}",
        "{\"modelKey\":\"\"}",
        "{\"modelKey\":5}",
        "{}",
        "{\"model\":\"gpt_5\"}",
        "{\"modelKey\":\"gpt_5\",\"x\":\"y\"}",
        "[]",
    };
    struct live v;

    live_begin(&v, "{}");
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        EXPECT_INT(call(&v, "PATCH /teams/preferred-model", bodies[i]), 500);
    live_control(&v, "GET /__sim/state", "", 200);
    EXPECT(str_find(v.body, STR("\"offences\":9")) != SIZE_MAX);
    EXPECT_INT(live_call(&v, "PATCH /teams/preferred-model", "", "{\"modelKey\":\"gpt_5\"}"), 401);
    live_end(&v);
}

static void a_prompt_needs_project_and_offers(void)
{
    struct project p;
    struct live v;

    live_begin(&v, "{" FAST "}");
    EXPECT_INT(post(&v, CHAT_1, "x"), 404);
    EXPECT_INT(ask_offers(&v, CHAT_1), 404);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 200);
    EXPECT_INT(post(&v, CHAT_2, "x"), 404);
    create(&v, &p);
    EXPECT_INT(post(&v, p.id, "x"), 400);
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 4);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    EXPECT_INT(live_post(&v, p.id, "x"), 400);
    EXPECT_INT(post(&v, p.id, "x"), 200);
    live_control(&v, "POST /__sim/lose", "", 204);
    live_control(&v, "DELETE /__sim/log", "", 204);
    EXPECT_INT(post(&v, p.id, "x"), 404);
    EXPECT_INT(ask_offers(&v, p.id), 404);
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 0);
    live_end(&v);
}

static void refuses_malformed_prompts(void)
{
    static const char *const members[] = {
        "\"encoded\":false,\"prompt\":\"aGk=\"",
        "\"encoded\":\"true\",\"prompt\":\"aGk=\"",
        "\"encoded\":true,\"prompt\":\"aGk\"",
        "\"encoded\":true,\"prompt\":\"a_-=\"",
        "\"encoded\":true,\"prompt\":\"/w==\"",
        "\"encoded\":true,\"prompt\":\"\"",
        "\"encoded\":true",
        "\"encoded\":true,\"encoded\":true,\"prompt\":\"aGk=\"",
        "\"encoded\":true,\"prompt\":\"aGk=\",\"adapterName\":\"GPT5\"",
        "\"prompt\":\"aGk=\"",
        "\"encoded\":true,\"prompt\":\"aGk=\",\"imageUrls\":\"https://x\"",
        "\"encoded\":true,\"prompt\":\"aGk=\",\"imageUrls\":[\"http://x\"]",
        "\"prompt\":\"aGk=\",\"imageUrls\":[],\"adapterName\":\"GPT5\"",
    };
    struct project p;
    struct live v;

    live_begin(&v, "{" FAST "}");
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        EXPECT_INT(post_raw(&v, p.id, members[i]), 500);
    EXPECT_INT(
        post_raw(&v, p.id, "\"encoded\":true,\"prompt\":\"aGk=\",\"imageUrls\":[\"https://x/y\"]"),
        200);
    live_end(&v);
}

static void the_handshake_needs_the_projects_workspace(void)
{
    struct project p;
    struct project q;
    struct live v;

    live_begin(&v, "{" FAST "}");
    create(&v, &p);
    create(&v, &q);
    EXPECT(strcmp(p.workspace, q.workspace) != 0);
    close(open_socket(&v, p.id, q.workspace));
    EXPECT_INT(v.status, 403);
    close(live_open(&v, p.id));
    EXPECT_INT(v.status, 403);
    live_control(&v, "POST /__sim/settings", "{\"ws_needs_chat\":true}", 204);
    close(open_socket(&v, p.id, p.workspace));
    EXPECT_INT(v.status, 101);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    live_end(&v);
}

static void each_protocol_can_be_switched_off(void)
{
    struct project p;
    struct live v;

    live_begin(&v, "{\"project\":false," FAST "}");
    EXPECT_INT(prefer(&v, "gpt_5"), 404);
    EXPECT_INT(post(&v, CHAT_1, "x"), 500);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 200);
    live_control(&v, "POST /__sim/settings", "{\"project\":true,\"classic\":false}", 204);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 500);
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    EXPECT_INT(post(&v, p.id, "x"), 200);
    live_end(&v);
}

static void faults_hit_the_new_places(void)
{
    struct project p;
    struct live v;

    live_begin(&v, "{\"faults\":[{\"where\":\"preferred_model\",\"status\":503},"
                   "{\"where\":\"project\",\"status\":429,\"retry_after\":\"7\"},"
                   "{\"where\":\"offers\",\"kind\":\"reset\"}]," FAST "}");
    EXPECT_INT(prefer(&v, "gpt_5"), 503);
    EXPECT_INT(prefer(&v, "gpt_5"), 200);
    EXPECT_INT(call(&v, "POST /projects/create-hosted", "{\"projectName\":\"x\"}"), 429);
    EXPECT(str_find(buf_str(&v.in), STR("retry-after: 7\r\n")) != SIZE_MAX);
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), -1);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    live_end(&v);
}

static void a_team_has_one_preferred_model(void)
{
    char organization[64];
    struct project p;
    struct live v;

    live_begin(&v, "{\"accounts\":3,\"team_size\":2," FAST "}");
    str_to_z(str_of(v.organization), organization, sizeof(organization));
    EXPECT_INT(prefer(&v, "gpt_5"), 200);
    live_sign_in_as(&v, 1);
    EXPECT_Z(v.organization, organization);
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    expect_answer(&v, &p, "!model", "gpt_5");
    live_sign_in_as(&v, 2);
    EXPECT(strcmp(v.organization, organization) != 0);
    EXPECT_INT(post(&v, p.id, "x"), 404);
    create(&v, &p);
    EXPECT_INT(ask_offers(&v, p.id), 200);
    expect_answer(&v, &p, "!model", "claude_sonnet_4_5");
    live_end(&v);
}

static void a_fault_hits_one_account(void)
{
    struct live v;

    live_begin(&v, "{\"accounts\":2," FAST "}");
    live_control(&v, "POST /__sim/faults",
                 "[{\"where\":\"post\",\"status\":402,\"account\":1,\"times\":-1},"
                 "{\"where\":\"token\",\"kind\":\"signed_out\",\"account\":0}]",
                 204);
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 200);
    live_sign_in_as(&v, 1);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 402);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 402);
    EXPECT_INT(live_count_log(&v, "?kind=token", "signed_out"), 0);
    live_control(&v, "POST /__sim/faults", "{\"where\":\"post\",\"status\":402,\"account\":64}",
                 400);
    live_end(&v);
}

static void billing_shows_tasks_that_nobody_listens_to(void)
{
    char headers[1600];
    struct live v;

    live_begin(&v, "{\"accounts\":2,\"billing_old\":true,\"task_limit\":3,\"first_ms\":60000}");
    close(live_open(&v, CHAT_1));
    EXPECT_INT(live_post(&v, CHAT_1, "x"), 200);
    EXPECT_INT(live_post(&v, CHAT_2, "x"), 200);
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nOrigin: https://cto.new\r\n", v.jwt);
    EXPECT_INT(live_call(&v, "GET /billing", headers, ""), 200);
    EXPECT(str_find(v.body, STR("\"taskConcurrencyLimit\":3,\"taskConcurrencyUsage\":2")) !=
           SIZE_MAX);
    live_sign_in_as(&v, 1);
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nOrigin: https://cto.new\r\n", v.jwt);
    EXPECT_INT(live_call(&v, "GET /billing", headers, ""), 200);
    EXPECT(str_find(v.body, STR("\"taskConcurrencyUsage\":0")) != SIZE_MAX);
    live_end(&v);
}

static const struct test suite[] = {
    { "plays the whole way", plays_the_whole_way },
    { "another model answers when the preference was changed meanwhile",
      another_model_answers_when_the_preference_was_changed_meanwhile },
    { "only adapters' keys may be preferred", only_adapters_keys_may_be_preferred },
    { "a prompt needs project and offers", a_prompt_needs_project_and_offers },
    { "refuses malformed prompts", refuses_malformed_prompts },
    { "the handshake needs the project's workspace", the_handshake_needs_the_projects_workspace },
    { "each protocol can be switched off", each_protocol_can_be_switched_off },
    { "faults hit the new places", faults_hit_the_new_places },
    { "a team has one preferred model", a_team_has_one_preferred_model },
    { "a fault hits one account", a_fault_hits_one_account },
    { "billing shows tasks that nobody listens to", billing_shows_tasks_that_nobody_listens_to },
};

TEST_MAIN(suite)
