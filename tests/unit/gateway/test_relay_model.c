/* SPDX-License-Identifier: Apache-2.0 */
/* Which model a body names, at every cut, and how another takes its place. */
#include "gateway/relay_model.h"

#include "test.h"

#define FORM "multipart/form-data; boundary=b1"
#define PART(head, value) "--b1\r\n" head "\r\n\r\n" value "\r\n"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\""
#define FILE_PART PART(FIELD("file") "; filename=\"x; name=\\\"model\\\"\"", "RIFF\r\n--b\r\nmodel")
#define MODEL PART(FIELD("model"), "whisper-1")
#define LONG(x) x x x x x x x x x x x x x x x x

/* content type, body, the name (NULL: there is none), the body with "other" in its place */
static const struct row {
    const char *type;
    const char *body;
    const char *name;
    const char *replaced;
} rows[] = {
    { "application/json", "{\"model\":\"a\",\"input\":[]}", "a",
      "{\"model\":\"other\",\"input\":[]}" },
    { "Application/JSON; charset=utf-8",
      " {\n\"input\" : [1e400,{\"model\":\"no\"}] , \"model\" : "
      "\"a\\u00e9\\n\" }",
      "a\xc3\xa9\n", " {\n\"input\" : [1e400,{\"model\":\"no\"}] , \"model\" : \"other\" }" },
    { "application/json", "{\"model\":\"a\",\"model\":\"b\"}", "a",
      "{\"model\":\"other\",\"model\":\"b\"}" },
    { "application/json", "{\"mod\\u0065l\":\"a\"}", "a", "{\"mod\\u0065l\":\"other\"}" },
    { "application/json", "{\"input\":\"model\"}", NULL, NULL },
    { "application/json", "{\"model\":12}", NULL, NULL },
    { "application/json", "{\"model\":null}", NULL, NULL },
    { "application/json", "{\"model\":\"\"}", NULL, NULL },
    { "application/json", "{}", NULL, NULL },
    { "application/json", "[\"model\"]", NULL, NULL },
    { "application/json", "{\"model\":\"\xff\"}", NULL, NULL },
    { "application/json", "{\"a\":,\"model\":\"a\"}", NULL, NULL },
    { "application/json", "{\"model\":\"" LONG("0123456789abcdef") "\"}", LONG("0123456789abcdef"),
      "{\"model\":\"other\"}" },
    { "application/json", "{\"model\":\"" LONG("0123456789abcdef") "x\"}", NULL, NULL },
    { "text/plain", "{\"model\":\"a\"}", NULL, NULL },
    { "", "{\"model\":\"a\"}", NULL, NULL },
    { FORM, MODEL FILE_PART "--b1--\r\n", "whisper-1",
      PART(FIELD("model"), "other") FILE_PART "--b1--\r\n" },
    { FORM, FILE_PART MODEL "--b1--\r\n", "whisper-1",
      FILE_PART PART(FIELD("model"), "other") "--b1--\r\n" },
    { "multipart/form-data; x=y; BOUNDARY=\"b1\"; z", "preamble\r\n" MODEL "--b1--", "whisper-1",
      "preamble\r\n" PART(FIELD("model"), "other") "--b1--" },
    { FORM, PART("X: y\r\ncontent-disposition:form-data;name=model", "w") "--b1--", "w",
      PART("X: y\r\ncontent-disposition:form-data;name=model", "other") "--b1--" },
    { FORM, PART(FIELD("a"), "") MODEL "--b1--", "whisper-1",
      PART(FIELD("a"), "") PART(FIELD("model"), "other") "--b1--" },
    { FORM, "--b1\r\n\r\nno head\r\n" MODEL "--b1--", "whisper-1",
      "--b1\r\n\r\nno head\r\n" PART(FIELD("model"), "other") "--b1--" },
    { FORM, "--b1\r\n" FIELD("a") "\r\n\r\n" MODEL "--b1--", "whisper-1",
      "--b1\r\n" FIELD("a") "\r\n\r\n" PART(FIELD("model"), "other") "--b1--" },
    { FORM,
      PART("Content-Disposition: form-data; x=\"\\\"; name=model; y=\"; name=\"file\"",
           "no") "--b1--",
      NULL, NULL },
    { FORM, FILE_PART "--b1--\r\n" MODEL, NULL, NULL },
    { FORM, PART(FIELD("model"), "") "--b1--", NULL, NULL },
    { FORM, "--b1\r\n" FIELD("model") "\r\n\r\n" MODEL "--b1--", NULL, NULL },
    { FORM, PART(FIELD("model") "; filename=\"m\"", "a") "--b1--", NULL, NULL },
    { FORM, PART(FIELD("Model"), "a") "--b1--", NULL, NULL },
    { FORM, PART(FIELD("model"), LONG("0123456789abcdef") "x") "--b1--", NULL, NULL },
    { FORM, "--b1x\r\n" FIELD("model") "\r\n\r\na\r\n--b1--", NULL, NULL },
    { FORM, "no form", NULL, NULL },
    { "multipart/form-data", MODEL "--b1--", NULL, NULL },
    { "multipart/form-data; boundary=" LONG("0123456789"), "", NULL, NULL },
};

static void finds_it_at_every_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct str body = str_of(row->body);
        bool is_found = false;

        for (size_t n = 0; n <= body.n; n++) {
            struct relay_model m;
            struct arena a;
            enum relay_verdict verdict;

            arena_init(&a);
            verdict = relay_model_find(str_of(row->type), str_sub(body, 0, n), &a, &m);
            EXPECT(!is_found || verdict == RELAY_MODEL_FOUND);
            is_found = verdict == RELAY_MODEL_FOUND;
            EXPECT(!row->name || verdict != RELAY_MODEL_NONE);
            EXPECT(row->name || !is_found);
            if (is_found)
                EXPECT_STR(m.name, row->name);
            arena_deinit(&a);
        }
        EXPECT_INT(is_found, row->name != NULL);
    }
}

/* What is said of the beginning of a body holds for all of it. */
static void a_number_at_the_end_may_go_on(void)
{
    static const struct {
        const char *body;
        enum relay_verdict verdict;
    } cases[] = {
        { "{\"model\":2", RELAY_MODEL_UNKNOWN },
        { "{\"model\":2e", RELAY_MODEL_UNKNOWN },
        { "{\"model\":2embed\"", RELAY_MODEL_UNKNOWN },
        { "{\"model\":-0.5", RELAY_MODEL_UNKNOWN },
        { "{\"model\":2 ", RELAY_MODEL_NONE },
        { "{\"model\":2}", RELAY_MODEL_NONE },
        { "{\"n\":2", RELAY_MODEL_UNKNOWN },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct relay_model m;
        struct arena a;

        arena_init(&a);
        EXPECT_INT(relay_model_find(STR("application/json"), str_of(cases[i].body), &a, &m),
                   cases[i].verdict);
        arena_deinit(&a);
    }
}

/* Of a body in pieces of a byte. */
static void looks_seldom(void)
{
    size_t looked = 0;
    size_t n_looks = 0;
    size_t bytes = 0;

    for (size_t n = 1; n <= RELAY_START_MAX; n++) {
        if (!relay_model_is_due(looked, n))
            continue;
        EXPECT(looked || n == RELAY_START_MIN);
        EXPECT(!looked || n - looked >= RELAY_START_STEP || n == RELAY_START_MAX);
        looked = n;
        n_looks++;
        bytes += n;
    }
    EXPECT_INT(looked, RELAY_START_MAX);
    EXPECT(n_looks <= 10);
    EXPECT(bytes <= (size_t)4 * RELAY_START_MAX);
    EXPECT(relay_model_is_due(0, 100000)); /* in larger pieces */
    EXPECT(!relay_model_is_due(100000, 149999));
    EXPECT(relay_model_is_due(100000, 150000));
}

static void sees_whether_there_are_two(void)
{
    static const struct {
        const char *type;
        const char *body;
        bool is_doubled;
    } cases[] = {
        { "application/json", "{\"model\":\"a\",\"model\":\"a\"}", true },
        { "application/json", "{\"model\":null,\"n\":[{}],\"mod\\u0065l\":\"b\"", true },
        { "application/json", "{\"model\":\"a\",\"Model\":\"b\"}", false },
        { "application/json", "{\"model\":\"a\",\"x\":{\"model\":\"b\"}}", false },
        { "application/json", "[{\"model\":\"a\",\"model\":\"b\"}]", false },
        { "application/json", "", false },
        { FORM, MODEL FILE_PART MODEL "--b1--\r\n", true },
        { FORM, PART(FIELD("model"), "") MODEL "--b1--\r\n", true },
        { FORM, PART(FIELD("model"), LONG("0123456789abcdef") "x") MODEL "--b1--", true },
        { FORM, MODEL PART(FIELD("model") "; filename=\"m\"", "a") "--b1--", false },
        { FORM, MODEL "--b1--\r\n" MODEL "--b1--", false },
        { "multipart/form-data", MODEL MODEL "--b1--", false },
        { "text/plain", "{\"model\":\"a\",\"model\":\"a\"}", false },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        EXPECT_INT(relay_model_is_doubled(str_of(cases[i].type), str_of(cases[i].body)),
                   cases[i].is_doubled);
}

static void is_sure_of_what_all_understand(void)
{
    static const struct {
        const char *type;
        const char *body;
        bool is_sure;
    } cases[] = {
        { "application/json; charset=utf-8", "{\"n\":[{}],\"model\":\"a\"}\n", true },
        { "application/json", "{\"model\":\"a\",\"model\":\"a\"}", false },
        { "application/json", "{\"model\":\"a\",\"n\":NaN,\"model\":\"b\"}", false },
        { "application/json", "{\"model\":\"a\"", false },
        { "application/json", "{\"model\":\"a\"}{\"model\":\"b\"}", false },
        { "application/json", "{\"n\":1}", false },
        { "application/json", "\xef\xbb\xbf{\"model\":\"a\"}", false },
        { "text/json", "{\"model\":\"a\"}", false },
        { FORM, FILE_PART MODEL "--b1--\r\n", true },
        { FORM, MODEL FILE_PART MODEL "--b1--\r\n", false },
        { FORM, MODEL FILE_PART, false },
        { FORM, MODEL "--b1\nContent-Disposition: x\r\n", false },
        { FORM, FILE_PART "--b1--\r\n", false },
        { "multipart/form-data", MODEL "--b1--", false },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        EXPECT_INT(relay_model_is_sure(str_of(cases[i].type), str_of(cases[i].body)),
                   cases[i].is_sure);
}

static void puts_another_in_its_place(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct str body = str_of(row->body);
        struct relay_model m;
        struct arena a;
        struct buf out;

        if (!row->name)
            continue;
        arena_init(&a);
        buf_init(&out, 1 << 20);
        EXPECT_INT(relay_model_find(str_of(row->type), body, &a, &m), RELAY_MODEL_FOUND);
        EXPECT(relay_model_replace(&m, body, STR("other"), &out) == ERR_NONE);
        EXPECT_STR(buf_str(&out), row->replaced);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void a_name_must_fit_into_its_place(void)
{
    struct str json = STR("{\"model\":\"a\"}");
    struct str form = STR(MODEL "--b1--");
    struct relay_model m;
    struct arena a;
    struct buf out;

    arena_init(&a);
    buf_init(&out, 1 << 10);
    EXPECT_INT(relay_model_find(STR("application/json"), json, &a, &m), RELAY_MODEL_FOUND);
    EXPECT(relay_model_replace(&m, json, STR("a\"\r\n"), &out) == ERR_NONE);
    EXPECT_STR(buf_str(&out), "{\"model\":\"a\\\"\\r\\n\"}");
    EXPECT_INT(relay_model_find(STR(FORM), form, &a, &m), RELAY_MODEL_FOUND);
    EXPECT(relay_model_replace(&m, form, STR("a\r\nb"), &out) == ERR_BAD_INPUT);
    buf_deinit(&out);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "finds it at every cut", finds_it_at_every_cut },
    { "a number at the end may go on", a_number_at_the_end_may_go_on },
    { "looks seldom", looks_seldom },
    { "sees whether there are two", sees_whether_there_are_two },
    { "is sure of what all understand", is_sure_of_what_all_understand },
    { "puts another in its place", puts_another_in_its_place },
    { "a name must fit into its place", a_name_must_fit_into_its_place },
};

TEST_MAIN(suite)
