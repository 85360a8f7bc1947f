/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's native way: OAuth, sessions, tasks; embeddings and audio beside it. */
#include "live_sse.h"

#define PACE "\"pacing\":{\"first_ms\":0,\"every_ms\":0}"
#define JSON "Content-Type: application/json\r\n"
#define SESSION "x-session-id: ses_0123456789ab\r\nx-session-affinity: ses_0123456789ab\r\n"
#define BODY "{\"model\":\"gpt-5\",\"messages\":[{\"role\":\"user\",\"content\":\"!echo hi\"}]}"

struct native {
    struct live v;
    char refresh[128];
    char access[1200];
};

static bool has(struct str text, const char *what)
{
    bool found = str_find(text, str_of(what)) != SIZE_MAX;

    if (!found)
        print_error("no \"%s\" in: %.*s\n", what, STR_ARGS(text));
    return found;
}

static void read_state(struct native *n)
{
    struct str rest;

    live_control(&n->v, "GET /__sim/state", "", 200);
    rest = str_from(n->v.body, str_find(n->v.body, STR("\"refresh_token\":\"")) + 17);
    str_to_z(str_cut(rest, '"', &rest), n->refresh, sizeof(n->refresh));
}

static void begin(struct native *n, const char *scenario)
{
    live_begin(&n->v, scenario);
    read_state(n);
}

static int refresh(struct native *n, const char *token)
{
    char body[256];
    int status;

    (void)snprintf(body, sizeof(body),
                   "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"%s\"}", token);
    status = live_call(&n->v, "POST /oauth/token", JSON, body);
    if (status == 200)
        live_find(n->v.body, n->access, sizeof(n->access), "access_token", NULL);
    return status;
}

static int ask(struct native *n, const char *headers)
{
    char all[2048];

    (void)snprintf(all, sizeof(all), JSON "Authorization: Bearer %s\r\n%s", n->access, headers);
    return live_call(&n->v, "POST /chat/completions", all, BODY);
}

static void signs_in_and_answers(void)
{
    struct native n;

    begin(&n, "{" PACE "}");
    EXPECT_INT(refresh(&n, n.refresh), 200);
    EXPECT(has(n.v.body, "\"expires_in\":900"));
    EXPECT(has(n.v.body, "\"token_type\":\"Bearer\""));
    EXPECT_INT(ask(&n, SESSION), 200);
    EXPECT(has(n.v.body, "\"content\":\"hi\""));
    EXPECT_INT(live_count_log(&n.v, "?kind=completion", "\"protocol\":\"native\""), 1);
    EXPECT_INT(live_count_log(&n.v, "?kind=completion", "\"account\":0"), 1);
    EXPECT_INT(live_count_log(&n.v, "", "\"violation\""), 0);
    live_end(&n.v);
}

static void refresh_tokens_rotate(void)
{
    struct native n;
    char old[128];

    begin(&n, "{" PACE "}");
    str_to_z(str_of(n.refresh), old, sizeof(old));
    EXPECT_INT(refresh(&n, old), 200);
    EXPECT(str_find(n.v.body, str_of(old)) == SIZE_MAX);
    EXPECT_INT(refresh(&n, old), 401);
    EXPECT(has(n.v.body,
               "{\"error\":\"invalid_grant\",\"error_description\":\"the refresh token was "
               "rotated away\"}"));
    read_state(&n);
    EXPECT_INT(refresh(&n, n.refresh), 200);
    live_control(&n.v, "POST /__sim/settings", "{\"refresh_grace_s\":60}", 204);
    str_to_z(str_of(n.refresh), old, sizeof(old));
    EXPECT_INT(refresh(&n, old), 200);
    read_state(&n);
    EXPECT_INT(refresh(&n, old), 200);
    EXPECT(has(n.v.body, n.refresh));
    EXPECT_INT(refresh(&n, n.refresh), 200);
    EXPECT_INT(refresh(&n, old), 401);
    live_control(&n.v, "POST /__sim/settings",
                 "{\"refresh_grace_s\":-1,\"refresh_rotate\":false,\"expires_in\":false}", 204);
    EXPECT_INT(refresh(&n, old), 200);
    EXPECT(str_find(n.v.body, STR("refresh_token")) == SIZE_MAX);
    EXPECT(str_find(n.v.body, STR("expires_in")) == SIZE_MAX);
    live_end(&n.v);
}

static void refuses_improper_grants(void)
{
    static const struct {
        const char *body;
        int status;
        const char *want;
    } rows[] = {
        { "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"rt_x\"}", 401, "invalid_grant" },
        { "{\"grant_type\":\"password\",\"refresh_token\":\"x\"}", 400, "unsupported_grant_type" },
        { "{\"grant_type\":\"refresh_token\"}", 400, "invalid_request" },
        { "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"x\",\"y\":\"z\"}", 400,
          "invalid_request" },
        { "grant_type=refresh_token", 400, "invalid_request" },
    };
    struct native n;

    begin(&n, "{}");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(live_call(&n.v, "POST /oauth/token", JSON, rows[i].body), rows[i].status);
        EXPECT(has(n.v.body, rows[i].want));
    }
    EXPECT_INT(live_call(&n.v, "POST /oauth/token", "", "{}"), 415);
    live_control(&n.v, "POST /__sim/faults", "{\"where\":\"oauth\",\"status\":503}", 204);
    EXPECT_INT(refresh(&n, n.refresh), 503);
    EXPECT_INT(refresh(&n, n.refresh), 200);
    live_control(&n.v, "POST /__sim/settings", "{\"native\":false}", 204);
    EXPECT_INT(refresh(&n, n.refresh), 404);
    live_end(&n.v);
}

static void sessions_and_tokens_are_checked(void)
{
    static const char *const wrong[] = {
        "",
        "x-session-id: ses_0123456789ab\r\n",
        "x-session-affinity: ses_0123456789ab\r\n",
        "x-session-id: sess_123456789\r\nx-session-affinity: ses_0123456789ab\r\n",
        "x-session-id: ses_1\r\nx-session-affinity: ses_0123456789ab\r\n",
        "x-session-id: ses_0123456-89ab\r\nx-session-affinity: ses_0123456789ab\r\n",
    };
    struct native n;

    begin(&n, "{" PACE "}");
    EXPECT_INT(refresh(&n, n.refresh), 200);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT_INT(ask(&n, wrong[i]), 400);
        EXPECT(has(n.v.body, "\"code\":\"invalid_session\""));
    }
    str_to_z(str_of(n.access), n.v.jwt, sizeof(n.v.jwt));
    EXPECT_INT(live_post(&n.v, CHAT_1, "x"), 401);
    live_token(&n.v);
    str_to_z(str_of(n.v.jwt), n.access, sizeof(n.access));
    EXPECT_INT(ask(&n, SESSION), 401);
    live_control(&n.v, "POST /__sim/settings", "{\"access_life_s\":-1}", 204);
    read_state(&n);
    EXPECT_INT(refresh(&n, n.refresh), 200);
    EXPECT_INT(ask(&n, SESSION), 401);
    EXPECT(has(n.v.body, "expired"));
    live_control(&n.v, "POST /__sim/settings", "{\"api_keys\":\"*\"}", 204);
    EXPECT_INT(ask(&n, SESSION), 401);
    live_end(&n.v);
}

static void running_answers_are_tasks(void)
{
    struct native n;
    char headers[2048];
    struct buf in;
    int fd;

    begin(&n, "{\"task_limit\":1,\"billing_old\":true,\"first_ms\":60000}");
    EXPECT_INT(refresh(&n, n.refresh), 200);
    (void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n%s", n.access, SESSION);
    fd = sse_send(&n.v, "/chat/completions", headers,
                  "{\"model\":\"gpt-5\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                  "\"content\":\"x\"}]}");
    buf_init(&in, LIVE_MAX);
    while (str_find(buf_str(&in), STR("assistant")) == SIZE_MAX)
        EXPECT(live_read(fd, &in) > 0);
    buf_deinit(&in);
    EXPECT_INT(ask(&n, SESSION), 429);
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nOrigin: https://cto.new\r\n", n.v.jwt);
    EXPECT_INT(live_call(&n.v, "GET /billing", headers, ""), 200);
    EXPECT(has(n.v.body, "\"taskConcurrencyLimit\":1,\"taskConcurrencyUsage\":1"));
    close(fd);
    live_control(&n.v, "POST /__sim/settings", "{\"first_ms\":0}", 204);
    while (ask(&n, SESSION) == 429)
        poll(NULL, 0, 5);
    EXPECT_INT(n.v.status, 200);
    live_control(&n.v, "GET /__sim/state", "", 200);
    EXPECT(has(n.v.body, "\"tasks\":0,\"used\":2"));
    live_end(&n.v);
}

static void embeds(void)
{
    static const char keys[] = JSON "Authorization: Bearer k\r\n";
    struct live v;
    char first[256];

    live_begin(&v, "{\"api_keys\":\"k\"}");
    EXPECT_INT(live_call(&v, "POST /v1/embeddings", keys, "{\"model\":\"e\",\"input\":\"a b\"}"),
               200);
    EXPECT(has(v.body, "\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}"));
    EXPECT(has(v.body, "\"model\":\"e\""));
    str_to_z(str_from(v.body, str_find(v.body, STR("\"embedding\":["))), first, 70);
    EXPECT_INT(
        live_call(&v, "POST /v1/embeddings", keys, "{\"model\":\"e\",\"input\":[\"c\",\"a b\"]}"),
        200);
    EXPECT(has(v.body, "\"index\":1,"));
    EXPECT(has(str_from(v.body, str_find(v.body, STR("\"index\":1,"))), first));
    EXPECT(str_find(str_sub(v.body, 0, str_find(v.body, STR("\"index\":1,"))), str_of(first)) ==
           SIZE_MAX);
    EXPECT_INT(live_call(&v, "POST /v1/embeddings", keys,
                         "{\"model\":\"e\",\"input\":\"a\",\"encoding_format\":\"base64\"}"),
               200);
    EXPECT(has(v.body, "\"embedding\":\"K4dWP/T91Dy0yDY/iUHgviuHVr9g5ZC+rkfhPjeJIb8=\""));
    EXPECT_INT(live_call(&v, "POST /v1/embeddings", keys, "{\"model\":\"e\",\"input\":[]}"), 400);
    EXPECT_INT(live_call(&v, "POST /v1/embeddings", keys, "{\"input\":\"x\"}"), 400);
    EXPECT_INT(live_call(&v, "POST /v1/embeddings", JSON, "{}"), 401);
    live_end(&v);
}

static void hears_what_it_received(void)
{
    static const char headers[] = "Authorization: Bearer k\r\n"
                                  "Content-Type: multipart/form-data; boundary=\"b--1\"\r\n";
    static const char body[] =
        "--b--1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n"
        "--b--1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
        "Content-Type: audio/wav\r\n\r\nabc\r\n--b--1--\r\n";
    struct live v;

    live_begin(&v, "{\"api_keys\":\"k\"}");
    EXPECT_INT(live_call(&v, "POST /v1/audio/transcriptions", headers, body), 200);
    EXPECT(has(v.body, "\"parts\":[{\"name\":\"model\",\"filename\":\"\",\"bytes\":7,\"sha256\":"));
    EXPECT(has(v.body, "{\"name\":\"file\",\"filename\":\"a.wav\",\"bytes\":3,\"sha256\":\"ba7816bf"
                       "8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]"));
    EXPECT(has(v.body, "\"model\":\"whisper\""));
    EXPECT_INT(live_call(&v, "POST /v1/audio/transcriptions", headers, "--b--1"), 400);
    EXPECT_INT(live_call(&v, "POST /v1/audio/transcriptions", headers, "--b--1--\r\n"), 400);
    EXPECT_INT(live_call(&v, "POST /v1/audio/transcriptions", headers, "--c"), 400);
    EXPECT_INT(live_call(&v, "POST /v1/audio/transcriptions", "Authorization: Bearer k\r\n", "x"),
               400);
    live_end(&v);
}

static const struct test suite[] = {
    { "signs in and answers", signs_in_and_answers },
    { "refresh tokens rotate", refresh_tokens_rotate },
    { "refuses improper grants", refuses_improper_grants },
    { "sessions and tokens are checked", sessions_and_tokens_are_checked },
    { "running answers are tasks", running_answers_are_tasks },
    { "embeds", embeds },
    { "hears what it received", hears_what_it_received },
};

TEST_MAIN(suite)
