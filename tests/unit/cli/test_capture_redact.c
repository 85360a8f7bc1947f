/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a recording: its form, and nothing of whose it was. */
#include "test.h"

#include "base/encoding.h"
#include "cli/capture_redact.h"
#include "json/reader.h"
#include "json/writer.h"

static void body(struct redact *r, const char *in, struct buf *out)
{
    buf_clear(out);
    EXPECT_INT(redact_body(r, str_of(in), out), ERR_NONE);
}

static void replaces_by_what_it_is(void)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "{\"type\":\"state\",\"state\":{\"inProgress\":false}}",
          "{\"type\":\"state\",\"state\":{\"inProgress\":false}}" },
        { "{\"firstName\":\"Zoe\",\"plan\":\"Team 12\"}",
          "{\"firstName\":\"xxx\",\"plan\":\"xxxx 00\"}" },
        { "{\"email\":\"zoe@mail.example\"}", "{\"email\":\"xxx@xxxx.xxxxxxx\"}" },
        { "{\"n\":123456,\"big\":1234567,\"neg\":-12345678.5,\"e\":1.2345678e9}",
          "{\"n\":123456,\"big\":9999999,\"neg\":-99999999,\"e\":9}" },
        { "{\"id\":7,\"taskId\":123}", "{\"id\":9,\"taskId\":999}" },
        { "{\"status\":\"active\",\"role\":\"user\"}",
          "{\"status\":\"active\",\"role\":\"user\"}" },
        { "{\"status\":\"Zoe\",\"type\":\"Zoe\"}", "{\"status\":\"xxx\",\"type\":\"xxx\"}" },
        { "{\"content\":\"a\\u00e9 {b}\\n\"}", "{\"content\":\"xx (x)\\n\"}" },
        { "{\"zoe@mail\":true}", "{\"{id-1}\":true}" },
        { "{\"buffer\":\"{\\\"id\\\":\\\"msg_a1\\\",\\\"chat\\\":{\\\"content\\\":\\\"hey\\\"}}"
          "\\n\"}",
          "{\"buffer\":\"{\\\"id\\\":\\\"msg_{id-1}\\\",\\\"chat\\\":{\\\"content\\\":\\\"xxx\\\"}}"
          "\\n\"}" },
        { "{\"at\":\"2026-01-02T03:04:05Z\",\"etag\":\"ab12cd34\"}",
          "{\"at\":\"0000-00-00x00:00:00x\",\"etag\":\"{id-1}\"}" },
        { "pong", "\"pong\"" },
        { "<p>Zoe {x}</p>", "\"<x>xxx (x)</x>\"" },
        { "{\"half\":\"\\ud83d\"}", "{\"half\":\"x\"}" },
        { "", "\"\"" },
        { "[1,null,\"\"]", "[1,null,\"\"]" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct redact *r = redact_new();
        struct buf out;

        buf_init(&out, 65536);
        body(r, rows[i].in, &out);
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_deinit(&out);
        redact_free(r);
    }
}

static void one_string_is_one_placeholder(void)
{
    struct redact *r = redact_new();
    struct buf out;

    buf_init(&out, 65536);
    redact_learn_path(r, STR("/v1/client/sessions/sess_9/tokens"));
    redact_learn_path(r,
                      STR("/engine-agent/chat-histories/8f14e45f-ceea-467f-ab1c-02b0e3e1b9a0/x"));
    redact_learn_query(r, STR("token=user_7:org_8&workspaceId=w-1"));
    body(r, "{\"sid\":\"sess_9\",\"a\":[\"user_7\",\"org_8\",\"w-1\"],\"id\":\"user_77\"}", &out);
    EXPECT_STR(buf_str(&out), "{\"sid\":\"{session}\",\"a\":[\"{user}\",\"{organization}\","
                              "\"{workspace}\"],\"id\":\"user_{id-1}\"}");
    buf_clear(&out);
    EXPECT_INT(redact_path(r,
                           STR("/engine-agent/chat-histories/8f14e45f-ceea-467f-ab1c-02b0e3e1b9a0"
                               "/buffer/user_77"),
                           &out),
               ERR_NONE);
    EXPECT_STR(buf_str(&out), "\"/engine-agent/chat-histories/{chat}/buffer/user_{id-1}\"");
    buf_clear(&out);
    EXPECT_INT(
        redact_query(r, STR("token=user_7%3Aorg_8&__clerk_api_version=2025-04-10&q=Zoe"), &out),
        ERR_NONE);
    EXPECT_STR(buf_str(&out),
               "\"token={user}:{organization}&__clerk_api_version=2025-04-10&q={id-2}\"");
    buf_deinit(&out);
    redact_free(r);
}

static void a_token_is_known_with_what_it_says(void)
{
    struct redact *r = redact_new();
    struct buf token, out;

    buf_init(&token, 65536);
    buf_init(&out, 65536);
    EXPECT_INT(buf_add(&token, STR("{\"jwt\":\"eyJhbGciOiJSUzI1NiJ9.")), ERR_NONE);
    EXPECT_INT(
        base64_add(&token, STR("{\"sub\":\"zoe-1\",\"sid\":\"s-22\",\"o\":{\"id\":\"o-333\"}}"
                               "  ")),
        ERR_NONE);
    EXPECT_INT(buf_add(&token, STR(".c2lnbmF0dXJl\"}")), ERR_NONE);
    EXPECT_INT(buf_add_char(&token, '\0'), ERR_NONE);
    redact_learn_body(r, str_of(token.p));
    body(r, token.p, &out);
    EXPECT_STR(buf_str(&out), "{\"jwt\":\"{jwt}\"}");
    body(r, "[\"zoe-1\",\"s-22\",\"o-333\"]", &out);
    EXPECT_STR(buf_str(&out), "[\"{user}\",\"{session}\",\"{organization}\"]");
    EXPECT(redact_leaks(r, str_of(token.p)));
    EXPECT(!redact_leaks(r, buf_str(&out)));
    buf_deinit(&token);
    buf_deinit(&out);
    redact_free(r);
}

static void models_keep_their_names(void)
{
    static const char list[] =
        "{\"chatAdapters\":[{\"key\":\"gpt_5_4\",\"model\":\"gpt-5.4\",\"engineAgentKey\":"
        "\"GPT5_4\",\"provider\":\"openai\",\"owner\":\"Zoe\"}]}";
    struct redact *r = redact_new();
    struct buf out;

    buf_init(&out, 65536);
    redact_learn_body(r, str_of(list));
    body(r, list, &out);
    EXPECT(str_find(buf_str(&out), STR("\"key\":\"gpt_5_4\",\"model\":\"gpt-5.4\"")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&out), STR("Zoe")) == SIZE_MAX);
    body(r, "{\"preferredModel\":\"gpt_5_4\",\"other\":\"gpt_5_4\",\"model\":\"zoes-own-1\"}",
         &out);
    EXPECT_STR(buf_str(&out),
               "{\"preferredModel\":\"gpt_5_4\",\"other\":\"xxx_0_0\",\"model\":\"{id-1}\"}");
    body(r, list, &out);
    EXPECT(str_find(buf_str(&out), STR("\"key\":\"gpt_5_4\"")) != SIZE_MAX);
    buf_deinit(&out);
    redact_free(r);
}

static void a_string_is_no_members_name_either(void)
{
    struct redact *r = redact_new();
    struct buf out;

    buf_init(&out, 65536);
    body(r, "{\"first\":\"zoefitz\",\"by\":{\"zoefitz\":1}}", &out);
    redact_restart(r);
    body(r, "{\"by\":{\"zoefitz\":1},\"first\":\"zoefitz\"}", &out);
    EXPECT(str_find(buf_str(&out), STR("zoefitz")) == SIZE_MAX);
    buf_deinit(&out);
    redact_free(r);
}

static void says_which_headers_may_stay(void)
{
    EXPECT(redact_header(STR("Content-Type"), STR("application/json")));
    EXPECT(redact_header(STR("retry-after"), STR("30")));
    EXPECT(redact_header(STR("Server"), STR("cloudflare")));
    EXPECT(redact_header(STR("cf-mitigated"), STR("challenge")));
    EXPECT(!redact_header(STR("Server"), STR("zoes-box")));
    EXPECT(!redact_header(STR("Retry-After"), STR("Wed, 25 Nov 2026 19:24:26 GMT")));
    EXPECT(!redact_header(STR("cf-ray"), STR("8f14e45fceea467f")));
    EXPECT(!redact_header(STR("x-user"), STR("zoe")));
}

/* ---- properties ---- */

static uint32_t rnd_state;

static uint32_t rnd(uint32_t below)
{
    rnd_state = rnd_state * 1664525U + 1013904223U;
    return (rnd_state >> 8) % below;
}

static const char *const secrets[] = {
    "zoe.fitzgerald+work@mail.example",
    "Zo\xc3\xab Fitz\"Gerald\\",
    "sess_2xY9kQwErTyUiOp",
    "user_2aBcDeFgHiJkLmN",
    "8f14e45f-ceea-467f-ab1c-02b0e3e1b9a0",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ6b2UtMTIzIn0.c2lnbmF0dXJlLXNpZw",
    "https://img.example/zoe/portrait 1.png?x=1&y=/",
    "__client=eyJh.bcdefgh.ijklmno; theme=dark7",
    "plan_enterprise_gold",
    "the quick brown fox, twice",
    "4929123412341234",
    "fitzgeraldholdings",
};

enum { N_SECRETS = sizeof(secrets) / sizeof(secrets[0]) };

static const char *const keys[] = { "id",    "type",     "status",  "content", "buffer", "name",
                                    "email", "userId",   "tier",    "key",     "model",  "state",
                                    "x",     "deep_key", "message", "code",    "object", "role" };

static void put_value(struct json_writer *w, unsigned depth);

static void put_object(struct json_writer *w, unsigned depth)
{
    json_w_object(w);
    for (uint32_t i = 0, n = rnd(4); i < n; i++) {
        json_w_key(w, keys[rnd(COUNT_OF(keys))]);
        put_value(w, depth);
    }
    json_w_object_end(w);
}

/* A secret, alone or with text around. */
static void put_secret(struct json_writer *w)
{
    const char *s = secrets[rnd(N_SECRETS)];
    struct buf text;

    buf_init(&text, 4096);
    if (rnd(3) == 0)
        EXPECT_INT(buf_addf(&text, "say %s now", s), ERR_NONE);
    else
        EXPECT_INT(buf_add(&text, str_of(s)), ERR_NONE);
    json_w_str(w, buf_str(&text));
    buf_deinit(&text);
}

static void put_nested(struct json_writer *w, unsigned depth)
{
    struct json_writer inner;
    struct buf text;

    buf_init(&text, 1 << 20);
    json_w_init(&inner, &text);
    put_object(&inner, depth);
    EXPECT_INT(json_w_end(&inner), ERR_NONE);
    json_w_str(w, buf_str(&text));
    buf_deinit(&text);
}

static void put_value(struct json_writer *w, unsigned depth)
{
    switch (depth == 0 ? 2 + rnd(4) : rnd(6)) {
    case 0:
        put_object(w, depth - 1);
        break;
    case 1:
        put_nested(w, depth - 1);
        break;
    case 2:
        json_w_int(w, 4929123412341234 + rnd(9));
        break;
    case 3:
        json_w_bool(w, rnd(2));
        break;
    default:
        put_secret(w);
    }
}

static void expect_absent(struct str out, struct str secret,
                          enum err (*encode)(struct buf *, struct str))
{
    struct buf form;

    buf_init(&form, 65536);
    EXPECT_INT(encode(&form, secret), ERR_NONE);
    while (form.n > 0 && form.p[form.n - 1] == '=')
        form.n--;
    if (str_find(out, buf_str(&form)) != SIZE_MAX)
        print_error("%.*s\nhas %.*s\n", STR_ARGS(out), STR_ARGS(buf_str(&form)));
    EXPECT(str_find(out, buf_str(&form)) == SIZE_MAX);
    buf_deinit(&form);
}

static void expect_no_secret(struct str out)
{
    for (size_t i = 0; i < N_SECRETS; i++) {
        expect_absent(out, str_of(secrets[i]), buf_add);
        expect_absent(out, str_of(secrets[i]), percent_add);
        expect_absent(out, str_of(secrets[i]), base64_add);
        expect_absent(out, str_of(secrets[i]), json_escape_add);
    }
}

static void no_secret_is_left_in_any_form(void)
{
    struct buf in, out, path;

    buf_init(&in, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_init(&path, 65536);
    for (uint32_t seed = 1; seed <= 3000; seed++) {
        struct redact *r = redact_new();
        struct json_writer w;
        struct json_value v;
        struct json j;

        rnd_state = seed;
        buf_clear(&in);
        json_w_init(&w, &in);
        put_object(&w, 4);
        EXPECT_INT(json_w_end(&w), ERR_NONE);
        for (unsigned pass = 0; pass < 3; pass++) {
            buf_clear(&out);
            if (pass == 0)
                redact_learn_body(r, buf_str(&in));
            else
                EXPECT_INT(redact_body(r, buf_str(&in), &out), ERR_NONE);
            redact_restart(r);
        }
        json_init(&j, buf_str(&out), JSON_DEPTH_MAX);
        EXPECT(json_read(&j, &v) && !json_end(&j));
        expect_no_secret(buf_str(&out));
        EXPECT(!redact_leaks(r, buf_str(&out)));
        redact_free(r);
    }
    buf_deinit(&in);
    buf_deinit(&out);
    buf_deinit(&path);
}

static void paths_and_queries_keep_no_secret(void)
{
    for (size_t i = 0; i < N_SECRETS; i++) {
        struct redact *r = redact_new();
        struct buf in, out;

        buf_init(&in, 65536);
        buf_init(&out, 65536);
        EXPECT_INT(buf_add(&in, STR("/v1/")), ERR_NONE);
        EXPECT_INT(percent_add(&in, str_of(secrets[i])), ERR_NONE);
        EXPECT_INT(redact_path(r, buf_str(&in), &out), ERR_NONE);
        buf_clear(&in);
        EXPECT_INT(buf_add(&in, STR("q=")), ERR_NONE);
        EXPECT_INT(percent_add(&in, str_of(secrets[i])), ERR_NONE);
        EXPECT_INT(buf_add(&in, STR("&limit=")), ERR_NONE);
        EXPECT_INT(percent_add(&in, str_of(secrets[i])), ERR_NONE);
        EXPECT_INT(redact_query(r, buf_str(&in), &out), ERR_NONE);
        EXPECT_INT(redact_body(r, str_of(secrets[i]), &out), ERR_NONE);
        expect_no_secret(buf_str(&out));
        buf_deinit(&in);
        buf_deinit(&out);
        redact_free(r);
    }
}

/* ---- pieces ---- */

static void covered_content(struct redact *r, const char *id, const char *text, struct buf *ret)
{
    struct json_value v;
    struct json_writer w;
    struct buf in, out;

    buf_init(&in, 65536);
    buf_init(&out, 65536);
    json_w_init(&w, &in);
    json_w_object(&w);
    json_w_member_str(&w, "id", str_of(id));
    json_w_member_str(&w, "content", str_of(text));
    json_w_object_end(&w);
    EXPECT_INT(json_w_end(&w), ERR_NONE);
    EXPECT_INT(redact_body(r, buf_str(&in), &out), ERR_NONE);
    EXPECT_INT(json_find(buf_str(&out), &v, "content", NULL), ERR_NONE);
    buf_clear(ret);
    EXPECT_INT(json_text_add(&v, ret), ERR_NONE);
    buf_deinit(&in);
    buf_deinit(&out);
}

/* Whether a piece is longer than the one before and begins with it is the same on both sides. */
static void grows_if_and_only_if_it_did(void)
{
    struct buf was, is;

    buf_init(&was, 65536);
    buf_init(&is, 65536);
    for (uint32_t seed = 1; seed <= 500; seed++) {
        struct redact *r = redact_new();
        char before[64] = "", text[64];

        rnd_state = seed;
        buf_clear(&was);
        for (unsigned i = 0; i < 12; i++) {
            size_t n = rnd(3) ? strlen(before) : 0;

            n = n < 40 ? n : 0;
            memcpy(text, before, n);
            for (uint32_t more = rnd(5); more > 0; more--)
                text[n++] = "ab1 ,"[rnd(5)];
            text[n] = '\0';
            covered_content(r, "msg_1", text, &is);
            EXPECT_INT(is.n, n);
            if (i > 0 && before[0] && n > strlen(before))
                EXPECT_INT(str_starts(buf_str(&is), buf_str(&was)),
                           str_starts(str_of(text), str_of(before)));
            buf_clear(&was);
            EXPECT_INT(buf_add(&was, buf_str(&is)), ERR_NONE);
            memcpy(before, text, sizeof(before));
        }
        redact_free(r);
    }
    buf_deinit(&was);
    buf_deinit(&is);
}

/* ---- streams of events ---- */

static void events_keep_their_form(void)
{
    static const char in[] = ": for zoe@mail\r\nevent: Zoe\n\n"
                             "data: {\"id\":\"msg_a1b2c3d4\",\"object\":\"chat.completion.chunk\","
                             "\"choices\":[{\"delta\":{\"content\":\"Hi Zoe\"},"
                             "\"finish_reason\":\"stop\"}]} \n\ndata: no JSON\n\ndata: [DONE]\n";
    static const char want[] =
        "\": xxx xxx@xxxx\\r\\nevent: xxx\\n\\n"
        "data: {\\\"id\\\":\\\"msg_{id-1}\\\",\\\"object\\\":\\\"chat.completion.chunk\\\","
        "\\\"choices\\\":[{\\\"delta\\\":{\\\"content\\\":\\\"xx xxx\\\"},"
        "\\\"finish_reason\\\":\\\"stop\\\"}]} \\n\\ndata: xx xxxx\\n\\ndata: [DONE]\\n\"";
    struct redact *r = redact_new();
    struct buf out;

    buf_init(&out, 4096);
    redact_learn_events(r, str_of(in));
    EXPECT_INT(redact_events(r, str_of(in), &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), want);
    buf_deinit(&out);
    redact_free(r);
}

static void tokens_of_a_sign_in_are_named(void)
{
    static const char in[] = "{\"access_token\":\"some/words+only\",\"token_type\":\"Bearer\","
                             "\"refresh_token\":\"only words\",\"expires_in\":900}";
    struct redact *r = redact_new();
    struct buf out;

    buf_init(&out, 4096);
    redact_learn_body(r, str_of(in));
    EXPECT_INT(redact_body(r, str_of(in), &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), "{\"access_token\":\"{access}\",\"token_type\":\"Bearer\","
                              "\"refresh_token\":\"{refresh}\",\"expires_in\":900}");
    buf_deinit(&out);
    redact_free(r);
}

static const struct test suite[] = {
    { "replaces by what it is", replaces_by_what_it_is },
    { "one string is one placeholder", one_string_is_one_placeholder },
    { "a token is known with what it says", a_token_is_known_with_what_it_says },
    { "models keep their names", models_keep_their_names },
    { "a string is no member's name either", a_string_is_no_members_name_either },
    { "says which headers may stay", says_which_headers_may_stay },
    { "no secret is left in any form", no_secret_is_left_in_any_form },
    { "paths and queries keep no secret", paths_and_queries_keep_no_secret },
    { "events keep their form", events_keep_their_form },
    { "tokens of a sign-in are named", tokens_of_a_sign_in_are_named },
    { "grows if and only if it did", grows_if_and_only_if_it_did },
};

TEST_MAIN(suite)
