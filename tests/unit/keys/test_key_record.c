/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_record.h"

#include "test.h"

static struct arena arena;

static bool edit(struct key_record *k, const char *json, struct key_problem *problem)
{
    return key_record_edit(k, str_of(json), &arena, problem);
}

static struct key_record made(const char *json)
{
    struct key_problem problem;
    struct key_record k;
    char text[KEY_TEXT_LEN + 1];

    EXPECT(key_record_new(&k, str_of(json), 1000, &arena, text, &problem));
    return k;
}

#define ALL                                                                                      \
    "{\"name\":\"laptop\",\"expires\":2000,\"disabled\":true,\"models\":[\"GPT5\",\"local/*\"]," \
    "\"requests_per_minute\":100,\"tokens_per_minute\":5000,\"parallel_requests\":3,"            \
    "\"budgets\":[{\"unit\":\"tokens\",\"per\":\"month\",\"limit\":7},"                          \
    "{\"limit\":9,\"per\":\"ever\",\"unit\":\"money\"}]}"

static void expect_all(const struct key_record *k)
{
    EXPECT_STR(k->name, "laptop");
    EXPECT_INT(k->expires_s, 2000);
    EXPECT(k->disabled);
    EXPECT_INT(k->n_models, 2);
    EXPECT_STR(k->models[1], "local/*");
    EXPECT_INT(k->requests_per_minute, 100);
    EXPECT_INT(k->tokens_per_minute, 5000);
    EXPECT_INT(k->parallel_requests, 3);
    EXPECT_INT(k->n_budgets, 2);
    EXPECT_INT(k->budgets[0].per, KEY_MONTH);
    EXPECT_INT(k->budgets[1].unit, KEY_MONEY);
    EXPECT_INT(k->budgets[1].limit, 9);
}

static void a_record_is_read_as_it_was_written(void)
{
    struct key_record k, back;
    struct key_problem problem;
    char text[KEY_TEXT_LEN + 1];
    struct buf out;

    EXPECT(key_record_new(&k, STR(ALL), 1000, &arena, text, &problem));
    expect_all(&k);
    EXPECT(str_starts(k.id, STR("key_")));
    EXPECT_Z(k.hint, text + KEY_TEXT_LEN - KEY_HINT_LEN);
    buf_init(&out, 10000);
    EXPECT_INT(key_record_write(&k, &out), ERR_NONE);
    EXPECT(str_find(buf_str(&out), str_of(text)) == SIZE_MAX);
    EXPECT_INT(key_record_read(k.id, buf_str(&out), &arena, &back), ERR_NONE);
    expect_all(&back);
    EXPECT(memcmp(k.hash, back.hash, SHA256_LEN) == 0);
    EXPECT_INT(back.created_s, 1000);
    EXPECT_Z(back.hint, k.hint);
    buf_deinit(&out);
}

static void null_takes_a_member_away(void)
{
    struct key_record k = made(ALL);
    struct key_problem problem;

    EXPECT(edit(&k, "{\"requests_per_minute\":null,\"budgets\":null,\"models\":null}", &problem));
    EXPECT(!k.requests_per_minute && !k.n_budgets && !k.n_models);
    EXPECT_INT(k.tokens_per_minute, 5000);
    EXPECT(edit(&k, "{}", &problem));
    EXPECT_STR(k.name, "laptop");
}

static const struct {
    const char *json;
    const char *param;
    const char *text;
} wrongs[] = {
    { "[]", "", "object" },
    { "{\"name\":\"\"}", "name", "1 to 64 bytes" },
    { "{\"name\":7}", "name", "text" },
    { "{\"name\":null}", "name", "text" },
    { "{\"name\":\"a\\u0007b\"}", "name", "control" },
    { "{\"name\":\"master\"}", "name", "API_MASTER_KEY" },
    { "{\"expires\":\"tomorrow\"}", "expires", "whole number" },
    { "{\"expires\":-1}", "expires", "from 1" },
    { "{\"disabled\":1}", "disabled", "true or false" },
    { "{\"models\":\"GPT5\"}", "models", "list" },
    { "{\"models\":[1]}", "models", "text" },
    { "{\"models\":[\"\"]}", "models", "text" },
    { "{\"models\":[[\"GPT5\"]]}", "models", "text" },
    { "{\"models\":[\"GPT5\",{\"a\":[1]}]}", "models", "text" },
    { "{\"requests_per_minute\":0}", "requests_per_minute", "from 1" },
    { "{\"requests_per_minute\":1.5}", "requests_per_minute", "whole" },
    { "{\"parallel_requests\":1001}", "parallel_requests", "1000" },
    { "{\"budgets\":{}}", "budgets", "list" },
    { "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"week\",\"limit\":1}]}", "budgets", "per" },
    { "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":0}]}", "budgets", "limit" },
    { "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":9007199254740993}]}", "budgets",
      "limit" },
    { "{\"name\":\"a\x7f"
      "b\"}",
      "name", "control" },
    { "{\"expires\":9223372036854775808}", "expires", "whole number" },
    { "{\"expires\":253402300801}", "expires", "to 253402300800" }, /* of a millisecond's kind */
    { "{\"name\":\"a\\u009bb\"}", "name", "control" },
    { "{\"name\":\"  \"}", "name", "blank" },
    { "{\"models\":[\" \"]}", "models", "blank" },
    { "{\"budgets\":[1]}", "budgets", "object" },
    { "{\"budgets\":[{\"unit\":\"words\",\"per\":\"day\",\"limit\":1}]}", "budgets", "unit" },
    { "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\"}]}", "budgets", "limit" },
    { "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":1},"
      "{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":2}]}",
      "budgets", "same unit" },
    { "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":1,\"a\":[[[1]]]}]}", "budgets",
      "no other member" },
    { "{\"budgets\":[[[[1]]]]}", "budgets", "object" },
    { "{\"sha256\":\"00\"}", "sha256", "no such member" },
    { "{\"nmae\":\"x\"}", "nmae", "no such member" },
    { "{\"disabled\":true", "", "no JSON" },
};

static void what_is_wrong_is_named(void)
{
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        struct key_record k = { 0 };
        struct key_problem problem = { "", "" };

        EXPECT(!edit(&k, wrongs[i].json, &problem));
        EXPECT_Z(problem.param, wrongs[i].param);
        EXPECT(strstr(problem.text, wrongs[i].text) != NULL);
    }
}

static void budgets_differ_in_unit_or_period(void)
{
    struct key_record k =
        made("{\"name\":\"x\",\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":1},"
             "{\"unit\":\"money\",\"per\":\"day\",\"limit\":2},"
             "{\"unit\":\"tokens\",\"per\":\"ever\",\"limit\":3,\"used\":7}]}");

    EXPECT_INT(k.n_budgets, 3);
    EXPECT_INT(k.budgets[2].limit, 3);
}

static void the_number_of_models_is_bounded(void)
{
    char json[2000] = "{\"models\":[\"m\"";
    struct key_record k = { 0 };
    struct key_problem problem;
    size_t n = strlen(json);

    for (int i = 1; i < KEY_MODELS_MAX; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n, ",\"m%d\"", i);
    snprintf(json + n, sizeof(json) - n, "]}");
    EXPECT(edit(&k, json, &problem));
    EXPECT_INT(k.n_models, KEY_MODELS_MAX);
    snprintf(json + n, sizeof(json) - n, ",\"more\"]}");
    EXPECT(!edit(&k, json, &problem));
    EXPECT(strstr(problem.text, "more than 64 names") != NULL);
}

/* Each of its limits alone is one. */
static void a_limit_of_any_kind_limits(void)
{
    static const char *const limits[] = {
        "\"requests_per_minute\":1",
        "\"tokens_per_minute\":1",
        "\"parallel_requests\":1",
        "\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":1}]",
    };

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        char json[200];
        struct key_record k;

        snprintf(json, sizeof(json), "{\"name\":\"x\",%s}", limits[i]);
        k = made(json);
        EXPECT(key_record_is_limited(&k));
    }
}

static void a_new_one_needs_a_name(void)
{
    struct key_record k;
    struct key_problem problem;
    char text[KEY_TEXT_LEN + 1];

    EXPECT(!key_record_new(&k, STR("{\"disabled\":false}"), 1, &arena, text, &problem));
    EXPECT_Z(problem.param, "name");
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void foreign_entries_are_no_records(void)
{
    static const char *const texts[] = { "",
                                         "[]",
                                         "{}",
                                         "{\"name\":\"a\"}",
                                         "{\"name\":\"a\",\"sha256\":\"00\"}",
                                         "{\"name\":\"a\",\"sha256\":\"zz\"}",
                                         "{\"name\":\"a\",\"sha256\":7}",
                                         "{\"name\":\"\",\"sha256\":\"" HASH "\"}",
                                         "{\"sha256\":\"" HASH "\"}",
                                         "{\"name\":\"a\",\"sha256\":\"" HASH "\"",
                                         "{\"name\":\"a\",\"sha256\":\"" HASH "z\"}" };
    struct key_record k;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        EXPECT_INT(key_record_read(STR("key_1"), str_of(texts[i]), &arena, &k), ERR_BAD_INPUT);
}

static void names_and_prefixes_of_models_are_allowed(void)
{
    struct key_record some = made(ALL), all = made("{\"name\":\"x\"}");

    EXPECT(key_record_allows(&some, STR("GPT5")) && key_record_allows(&some, STR("local/llama")));
    EXPECT(!key_record_allows(&some, STR("GPT")) && !key_record_allows(&some, STR("GPT55")));
    EXPECT(!key_record_allows(&some, STR("local")));
    EXPECT(key_record_allows(&all, STR("anything")));
    EXPECT(key_record_is_limited(&some) && !key_record_is_limited(&all));
}

static void a_copy_stands_alone(void)
{
    struct arena other;
    struct key_record from, to;
    struct key_problem problem;

    arena_init(&other);
    from = (struct key_record){ .id = arena_dup(&other, STR("key_1")) };
    EXPECT(key_record_edit(&from, STR(ALL), &other, &problem));
    key_record_copy(&to, &from, &arena);
    arena_deinit(&other);
    expect_all(&to);
    EXPECT_STR(to.id, "key_1");
}

static const struct test suite[] = {
    { "a record is read as it was written", a_record_is_read_as_it_was_written },
    { "null takes a member away", null_takes_a_member_away },
    { "what is wrong is named", what_is_wrong_is_named },
    { "budgets differ in unit or period", budgets_differ_in_unit_or_period },
    { "the number of models is bounded", the_number_of_models_is_bounded },
    { "a limit of any kind limits", a_limit_of_any_kind_limits },
    { "a new one needs a name", a_new_one_needs_a_name },
    { "foreign entries are no records", foreign_entries_are_no_records },
    { "names and prefixes of models are allowed", names_and_prefixes_of_models_are_allowed },
    { "a copy stands alone", a_copy_stands_alone },
};

int main(void)
{
    int failed;

    arena_init(&arena);
    failed = run_suite(__FILE__, suite, COUNT_OF(suite));
    arena_deinit(&arena);
    return failed;
}
