/* SPDX-License-Identifier: Apache-2.0 */
/* The list of models, and one of them by its name as a path writes it. */
#include "requests.h"

#define MODELS \
    "KNOWN_MODELS=[\"GPT5\",\"org/model:1\",\"two words\",\"caf\xc3\xa9\",\"q\\\"uote\",\"50%\"]"
#define MODEL(name) \
    "{\"id\":\"" name "\",\"object\":\"model\",\"created\":NOW,\"owned_by\":\"cto\"}"

/* `created` is when the gateway began, however late it is asked. */
static void lists_the_models_byte_for_byte(void)
{
    BEGIN("API_MASTER_KEY=sesame");
    pass(60000);
    request("GET", "/v1/models", HOST "X-Request-Id: r1\r\nAuthorization: Bearer sesame\r\n");
    EXPECT_Z(body(),
             "{\"object\":\"list\",\"data\":[" MODEL("ClaudeSonnet4_5") "," MODEL("GPT5") "]}");
    EXPECT_Z(head(), "HTTP/1.1 200 OK\r\ndate: DATE\r\nx-request-id: r1\r\n"
                     "content-type: application/json\r\ncontent-length: 175\r\n\r\n");
    end();
}

static void lists_names_of_any_kind(void)
{
    BEGIN(MODELS, "DEFAULT_MODEL=GPT5");
    request("GET", "/v1/models", HOST);
    EXPECT_Z(
        body(),
        "{\"object\":\"list\",\"data\":[" MODEL("GPT5") "," MODEL("org/model:1") "," MODEL(
            "two words") "," MODEL("caf\xc3\xa9") "," MODEL("q\\\"uote") "," MODEL("50%") "]}");
    end();
}

#define VERSION HOST "Anthropic-Version: 2023-06-01\r\n"

/* Anthropic's clients go from page to page; nothing is left out and nothing comes twice. */
static void lists_models_in_the_shape_of_anthropic(void)
{
    static const struct {
        const char *query, *first, *last, *more;
    } rows[] = {
        { "", "\"GPT5\"", "\"50%\"", "false" },
        { "?limit=100", "\"GPT5\"", "\"50%\"", "false" },
        { "?limit=2", "\"GPT5\"", "\"org/model:1\"", "true" },
        { "?limit=4&after_id=org/model:1", "\"two words\"", "\"50%\"", "false" },
        { "?limit=2&after_id=org%2Fmodel:1", "\"two words\"", "\"caf\xc3\xa9\"", "true" },
        { "?limit=1&before_id=two+words", "\"org/model:1\"", "\"org/model:1\"", "true" },
        { "?limit=2&before_id=two+words", "\"GPT5\"", "\"org/model:1\"", "false" },
        { "?after_id=50%25", "null", "null", "false" },
        { "?limit=1000", "\"GPT5\"", "\"50%\"", "false" },
    };
    char path[128], end_of_it[128];

    BEGIN(MODELS, "DEFAULT_MODEL=GPT5");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(path, sizeof(path), "/v1/models%s", rows[i].query);
        request("GET", path, VERSION);
        snprintf(end_of_it, sizeof(end_of_it), "],\"has_more\":%s,\"first_id\":%s,\"last_id\":%s}",
                 rows[i].more, rows[i].first, rows[i].last);
        if (!str_ends(str_of(body()), str_of(end_of_it)))
            fail_msg("%s: %s", path, body());
    }
    end();
}

static void refuses_pages_that_are_none(void)
{
    static const struct {
        const char *query, *param;
    } rows[] = {
        { "limit=0", "limit" },
        { "limit=1001", "limit" },
        { "limit=-1", "limit" },
        { "limit=", "limit" },
        { "limit=two", "limit" },
        { "limit=1.5", "limit" },
        { "after_id=none", "after_id" },
        { "after_id=", "after_id" },
        { "before_id=gpt5", "before_id" },
    };
    char path[128], want[128];

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(path, sizeof(path), "/v1/models?%s", rows[i].query);
        request("GET", path, VERSION "x-request-id: mine\r\n");
        EXPECT_INT(status(), 400);
        snprintf(want, sizeof(want),
                 "\"type\":\"invalid_request_error\",\"message\":\"%s: ", rows[i].param);
        EXPECT(has(str_of(body()), want));
        EXPECT(str_ends(str_of(body()), STR(",\"request_id\":\"mine\"}")));
    }
    end();
}

static void shows_a_model_in_the_shape_of_anthropic(void)
{
    begin();
    request("GET", "/v1/models/GPT5", VERSION);
    EXPECT(has(str_of(body()), "{\"type\":\"model\",\"id\":\"GPT5\",\"display_name\":\"GPT5\","
                               "\"created_at\":\"20"));
    request("GET", "/v1/models/none", VERSION);
    EXPECT_INT(status(), 404);
    EXPECT(has(str_of(body()), "\"type\":\"not_found_error\""));
    end();
}

static void finds_a_model_by_its_name_as_a_path_writes_it(void)
{
    static const struct {
        const char *path, *want;
    } rows[] = {
        { "/v1/models/GPT5", MODEL("GPT5") },
        { "/v1/models/GPT5?x=y", MODEL("GPT5") },
        { "/v1/models/%47PT5", MODEL("GPT5") },
        { "/v1/models/org/model:1", MODEL("org/model:1") },
        { "/v1/models/org%2Fmodel%3a1", MODEL("org/model:1") },
        { "/v1/models/two%20words", MODEL("two words") },
        { "/v1/models/caf%C3%A9", MODEL("caf\xc3\xa9") },
        { "/v1/models/q%22uote", MODEL("q\\\"uote") },
        { "/v1/models/50%25", MODEL("50%") },
        { "/v1/models/50%", MODEL("50%") }, /* no escape: taken as it is */
    };

    BEGIN(MODELS, "DEFAULT_MODEL=GPT5");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        request("GET", rows[i].path, HOST);
        EXPECT_INT(status(), 200);
        EXPECT_Z(body(), rows[i].want);
    }
    end();
}

/* A name and what is said of it, as JSON. */
static void says_which_model_does_not_exist(void)
{
    static const struct {
        const char *path, *name;
    } rows[] = {
        { "/v1/models/gpt5", "gpt5" },       { "/v1/models/GPT5/", "GPT5/" },
        { "/v1/models/GPT", "GPT" },         { "/v1/models/two+words", "two+words" },
        { "/v1/models/GPT5%00", "GPT5%00" }, { "/v1/models/GPT5%00x", "GPT5%00x" },
        { "/v1/models/%22%0a", "\\\"\\n" },  { "/v1/models/%ff", "\xef\xbf\xbd" },
        { "/v1/models/%zz", "%zz" },
    };
    char want[256];

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        request("GET", rows[i].path, HOST);
        expect_error(404, "model_not_found");
        snprintf(want, sizeof(want), "The model \\\"%s\\\" does not exist here.", rows[i].name);
        EXPECT(has(str_of(body()), want));
    }
    end();
}

/* Only the whole name counts, however long it is. */
static void bears_long_names(void)
{
    enum { KNOWN = MODEL_NAME_MAX, LONG = 3000 };
    char setting[KNOWN + 64], path[LONG + 64];

    memset(path, 'a', sizeof(path));
    snprintf(setting, sizeof(setting), "KNOWN_MODELS=%.*s", KNOWN, path);
    BEGIN(setting, "DEFAULT_MODEL=GPT5");
    for (int n = KNOWN - 1; n <= LONG; n = n < KNOWN + 2 ? n + 1 : n * 2) {
        char asked[LONG + 64];

        snprintf(asked, sizeof(asked), "/v1/models/%.*s", n, path);
        request("GET", asked, HOST);
        EXPECT_INT(status(), n == KNOWN ? 200 : 404);
        EXPECT(strlen(body()) < 600);
    }
    end();
}

static const struct test suite[] = {
    { "lists the models byte for byte", lists_the_models_byte_for_byte },
    { "lists names of any kind", lists_names_of_any_kind },
    { "lists models in the shape of Anthropic", lists_models_in_the_shape_of_anthropic },
    { "refuses pages of models that are none", refuses_pages_that_are_none },
    { "shows a model in the shape of Anthropic", shows_a_model_in_the_shape_of_anthropic },
    { "finds a model by its name as a path writes it",
      finds_a_model_by_its_name_as_a_path_writes_it },
    { "says which model does not exist", says_which_model_does_not_exist },
    { "bears long names", bears_long_names },
};

TEST_MAIN(suite)
