/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file whose values have the wrong kind, length or characters. */
#include "settings_test.h"

#define OPENAI(rest) "upstreams: [{name: a, provider: openai, base_url: http://h" rest "}]\n"
#define CTO(rest) "upstreams: [{name: a, provider: enginelabs, " rest "}]\n"
#define MODELS(rest) OPENAI(", models: [m]") "models:\n" rest "\n"
#define TARGET(rest) MODELS("- {name: r, targets: [{upstream: a, model: m, " rest "}]}")
#define KEY(rest) "keys: [{name: a, key: x" rest "}]\n"
#define PRICE "model: m, input: 1, output: 2"

#define C16 "aaaaaaaaaaaaaaaa"
#define C64 C16 C16 C16 C16
#define C256 C64 C64 C64 C64

static const struct {
    const char *text;
    const char *told; /* behind "settings.yaml line "; NULL: it is taken */
} rows[] = {
    /* names */
    { "upstreams: [{name: aZz09-_.A, provider: openai, base_url: http://h}]\n", NULL },
    { "upstreams: [{name: " C64 ", provider: openai, base_url: http://h}]\n", NULL },
    { "upstreams: [{name: b" C64 ", provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: a name has letters" },
    { "upstreams: [{name: \"a{\", provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: a name has letters" },
    { "upstreams: [{name: \"a@\", provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: a name has letters" },
    { "upstreams: [{name: \"a`\", provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: a name has letters" },
    { "upstreams: [{name: \"\xc3\xa4\", provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: a name has letters" },
    { "upstreams: [{name: ' ', provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: it is blank" },
    { "upstreams: [{name: [a], provider: openai, base_url: http://h}]\n",
      "1: upstreams[0].name: expected one value" },
    { "upstreams: [{name: , provider: openai, base_url: http://h}]\n",
      "1: upstreams[0]: name is missing" },
    /* keys of clients */
    { "keys: {a: b}\n", "1: keys: expected a list" },
    { "keys: [a]\n", "1: keys[0]: expected keys and values" },
    { "keys: [{key: x}]\n", "1: keys[0]: name is missing" },
    { "keys: [{name: a b, key: x}]\n", "1: keys[0].name: a name has letters" },
    { "keys: [{key: x}, {name: b, key: y}]\n", "1: keys[0]: name is missing" },
    { KEY(", money_per_month: 0"), "1: keys[0].money_per_month: expected an amount of money" },
    { KEY(", money_per_month: 1e2"), "1: keys[0].money_per_month: expected an amount of money" },
    { KEY(", models: []"), "1: keys[0].models: the list is empty" },
    { KEY(", key_file: /x"), "1: keys[0].key_file: it is given here too" },
    { KEY(", key_file: [/x]"), "1: keys[0].key_file: expected one value" },
    { "keys: [{name: a, key: [hush]}]\n", "1: keys[0].key: expected one value" },
    { "keys: [{name: a, key_file: /nonexistent}]\n", "1: keys[0].key_file: /nonexistent cannot" },
    { "keys: [{name: a, key_files: x}]\n", "1: keys[0].key_files: there is no such key here" },
    { "keys: [{name: a, name_file: x, key: y}]\n", "1: keys[0].name_file: there is no such" },
    /* prices */
    { "prices: [{" PRICE "}, {model: n, input: 0, cached_input: 0.5, output: 1.000001}]\n", NULL },
    { "prices: {a: b}\n", "1: prices: expected a list" },
    { "prices: []\n", "1: prices: the list is empty" },
    { "prices: [a]\n", "1: prices[0]: expected keys and values" },
    { "prices: [{model: m}]\n", "1: prices[0]: input is missing" },
    { "prices: [{model: m, input: 1}]\n", "1: prices[0]: output is missing" },
    { "prices: [{input: 1, output: 2}]\n", "1: prices[0]: model is missing" },
    { "prices: [{model: m, input: -1, output: 2}]\n", "1: prices[0].input: expected money" },
    { "prices: [{model: m, input: 1, output: 1.0000001}]\n", "1: prices[0].output: expected" },
    { "prices: [{" PRICE ", cached_input: x}]\n", "1: prices[0].cached_input: expected money" },
    { "prices:\n- {" PRICE "}\n- {" PRICE "}\n", "3: prices[1]: prices[0] is for the same model" },
    /* an upstream with OpenAI's API */
    { OPENAI(", headers: {aZz09-_A: x}"), NULL },
    { OPENAI(", headers: [a]"), "1: upstreams[0].headers: expected keys and values" },
    { OPENAI(", headers: {'': x}"), "1: upstreams[0].headers[0]: the name of a header has 1 to" },
    { OPENAI(", headers: {" C64 ": x}"), NULL },
    { OPENAI(", headers: {b" C64 ": x}"), "the name of a header has 1 to 64 characters" },
    { OPENAI(", headers: {\"a{\": x}"), "1: upstreams[0].headers[0]: the name of a header has" },
    { OPENAI(", headers: {\"a@\": x}"), "1: upstreams[0].headers[0]: the name of a header has" },
    { OPENAI(", headers: {\"a/\": x}"), "1: upstreams[0].headers[0]: the name of a header has" },
    { OPENAI(", headers: {A: {fil: x}}"), "1: upstreams[0].headers.A: expected a value, or" },
    { OPENAI(", headers: {A: [x]}"), "1: upstreams[0].headers.A: expected one value" },
    { OPENAI(", headers: {A: {file: [x]}}"), "1: upstreams[0].headers.A.file: expected one" },
    { OPENAI(", headers: {A: {file: /nonexistent}}"), "headers.A.file: /nonexistent cannot" },
    { OPENAI(", headers: {A: ' '}"), "1: upstreams[0].headers.A: it is blank" },
    { OPENAI(", api_key: [hush]"), "1: upstreams[0].api_key: expected one value" },
    { OPENAI(", api_key: ' '"), "1: upstreams[0].api_key: it is blank" },
    { OPENAI(", api_key_file: [x]"), "1: upstreams[0].api_key_file: expected one value" },
    { OPENAI(", api_key: hush, api_key_file: /x"), "1: upstreams[0].api_key_file: give one of" },
    { OPENAI(", api_keys: []"), "1: upstreams[0].api_keys: the list is empty" },
    { OPENAI(", api_keys: [a, ' ']"), "1: upstreams[0].api_keys[1]: it is blank" },
    { OPENAI(", api_keys_file: {a: b}"), "1: upstreams[0].api_keys_file: expected one value" },
    { OPENAI(", any_model: [true]"), "1: upstreams[0].any_model: expected one value" },
    /* accounts */
    { CTO("accounts: {}"), "1: upstreams[0].accounts: expected a list" },
    { CTO("accounts: [x]"), "1: upstreams[0].accounts[0]: expected keys and values" },
    { "upstreams: [{provider: enginelabs}, {name: b, provider: enginelabs}]\n",
      "the account of CLERK_COOKIE is that of another upstream" },
    { "clerk_cookie: c\n" CTO("accounts: "), NULL },
    { CTO("accounts: [{name: x, cookie: , cookie_file: }]"), "cookie or cookie_file is missing" },
    { CTO("accounts: [{name: x, cookie: [hush]}]"), "accounts[0].cookie: expected one value" },
    { CTO("accounts: [{name: x, cookie_file: [/y]}]"), "accounts[0].cookie_file: expected one" },
    { CTO("accounts: [{name: x, cookie_file: /nonexistent}]"), "/nonexistent cannot" },
    { CTO("accounts: [{cookie: a}, {name: y, cookie: b}]"), "accounts[0]: name is missing" },
    { CTO("protocol: native, accounts: [{name: x, credentials_file: /c}, "
          "{name: y, credentials_file: /c}]"),
      "1: upstreams[0].accounts[1]: accounts[0] has the same credentials_file" },
    /* models and their targets */
    { "models: {a: b}\n", "1: models: expected a list" },
    { MODELS("- r"), "3: models[0]: expected keys and values" },
    { MODELS("- {targets: [{upstream: a, model: m}]}"), "3: models[0]: name is missing" },
    { MODELS("- {name: \"a\\x07\", targets: [{upstream: a, model: m}]}"), "control characters" },
    { MODELS("- {name: " C256 ", targets: [{upstream: a, model: m}]}"),
      "3: models[0].name: a model's name has 1 to" },
    { MODELS("- {name: r, aliases: [" C256 "], targets: [{upstream: a, model: m}]}"),
      "3: models[0].aliases: a model's name has 1 to" },
    { MODELS("- {name: \"*\", targets: [{upstream: a, model: \"*\"}]}"), NULL },
    { MODELS("- {name: ' r', targets: [{upstream: a, model: \" m\"}]}"), NULL },
    { MODELS("- {name: \"a\\x7f\", targets: [{upstream: a, model: m}]}"), "control characters" },
    { MODELS("- {name: r, targets: {a: b}}"), "3: models[0].targets: expected a list" },
    { MODELS("- {name: r, targets: [a]}"), "3: models[0].targets[0]: expected keys and values" },
    { MODELS("- {name: r, targets: [{upstream: [a], model: m}]}"),
      "3: models[0].targets[0].upstream: expected one value" },
    { MODELS("- {name: r, targets: [{upstream: a}]}"),
      "3: models[0].targets[0]: model is missing" },
    { MODELS("- {name: r, targets: [{upstream: a, model: " C256 "}]}"),
      "3: models[0].targets[0].model: a model's name has 1 to" },
    { TARGET("weight: [1]"), "3: models[0].targets[0].weight: expected one value" },
    { TARGET("weight: x"), "3: models[0].targets[0].weight: expected a whole number, 1 to" },
    { TARGET("drop: a"), "3: models[0].targets[0].drop: expected a list" },
    { TARGET("drop: [[a]]"), "3: models[0].targets[0].drop[0]: expected the name of a member" },
    { TARGET("drop: [\"a\\x7f\"]"), "3: models[0].targets[0].drop[0]: expected the name of a" },
    { TARGET("drop: [\"a\\\\\"]"), "3: models[0].targets[0].drop[0]: expected the name of a" },
    { TARGET("rename: [a]"), "3: models[0].targets[0].rename: expected keys and values" },
    { TARGET("rename: {stream: a}"), "3: models[0].targets[0].rename.stream: stream cannot" },
    { TARGET("set: [a]"), "3: models[0].targets[0].set: expected keys and values" },
    { TARGET("system_prompt: [a]"), "3: models[0].targets[0].system_prompt: expected one value" },
    { TARGET("system_prompt: \"a\\0b\""), "system_prompt: it is blank, or has a NUL in it" },
};

static void says_of_each_value_what_was_expected(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct settings s;
        enum err err = load_yaml(rows[i].text, &s);

        if (!err)
            settings_deinit(&s);
        if ((err == ERR_NONE) != !rows[i].told || (err && !strstr(problems, rows[i].told)))
            fail_msg("%swant: %s\ntold: %s", rows[i].text, rows[i].told ? rows[i].told : "nothing",
                     problems);
        if (strstr(problems, "hush"))
            fail_msg("a secret is shown: %s", problems);
    }
}

static void a_secret_is_given_once(void)
{
    char text[300];
    struct settings s;

    begin_dir();
    write_file("secret", "hush\n");
    snprintf(text, sizeof(text), CTO("accounts: [{name: x, cookie_file: %s/secret, cookie: c}]"),
             dir);
    EXPECT_INT(load_yaml(text, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "accounts[0].cookie: it is given in a file too; remove one of them"));
    snprintf(text, sizeof(text), OPENAI(", api_keys: [a], api_keys_file: %s/secret"), dir);
    EXPECT_INT(load_yaml(text, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "upstreams[0].api_keys_file: give one of"));
    write_file("secret", "a\x01z\n");
    snprintf(text, sizeof(text), CTO("accounts: [{name: x, cookie_file: %s/secret}]"), dir);
    EXPECT_INT(load_yaml(text, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "accounts[0].cookie_file: control characters"));
}

/* What YAML takes for a number goes out as one, or not at all. */
static void a_value_is_set_as_json_has_it(void)
{
    static const struct {
        const char *yaml;
        const char *json; /* NULL: refused */
    } values[] = {
        { "-1.5e+3", "-1.5e+3" },
        { "0", "0" },
        { "1_000", NULL },
        { "+1", NULL },
        { "01", NULL },
        { "1.", NULL },
        { "1.2.3", NULL },
        { "1-1", NULL },
        { "e5", "\"e5\"" },
        { "E5", "\"E5\"" },
        { "_5", "\"_5\"" },
        { "-", "\"-\"" },
        { "+", "\"+\"" },
        { "1a", "\"1a\"" },
        { "\"1\\0\"", "\"1\\u0000\"" },
        { "'1_000'", "\"1_000\"" },
        { "True", "true" },
        { "FALSE", "false" },
        { "tRUE", "\"tRUE\"" },
        { "'true'", "\"true\"" },
        { "{a: [~, {}]}", "{\"a\":[null,{}]}" },
    };

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char text[300];
        struct settings s;
        enum err err;

        snprintf(text, sizeof(text),
                 MODELS("- {name: r, targets: [{upstream: a, model: m, set: {x: %s}}]}"),
                 values[i].yaml);
        err = load_yaml(text, &s);
        EXPECT_INT(err, values[i].json ? ERR_NONE : ERR_BAD_INPUT);
        if (!err) {
            EXPECT_STR(s.routes[0].targets[0].set[0].json, values[i].json);
            settings_deinit(&s);
        } else {
            EXPECT(strstr(problems, "no number as JSON writes it") != NULL);
        }
    }
}

/* A value or the name of a member beyond the bound of what is set. */
static void what_is_set_is_bounded(void)
{
    static char text[200000], filler[70001];
    struct settings s;

    memset(filler, 'a', sizeof(filler) - 1);
    snprintf(text, sizeof(text), TARGET("set: {x: [%s]}"), filler);
    EXPECT_INT(load_yaml(text, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "set.x: the value is too long") != NULL);
    snprintf(text, sizeof(text),
             MODELS("- {name: r, targets: [{upstream: a, model: m, set: {x: "
                    "{? %s : 1}}}]}"),
             filler);
    EXPECT_INT(load_yaml(text, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, ": the key is too long") != NULL);
}

/* A list of `n` items, each numbered. */
static const char *with_items(const char *before, const char *item, const char *behind, int n)
{
    static char text[200000];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", before);

    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d%s,", item, i, behind);
    snprintf(text + at, sizeof(text) - at, "]}]\n");
    return text;
}

static void lists_are_bounded(void)
{
    static const char names[] = "upstreams: [{name: a, provider: openai, base_url: http://h, "
                                "models: [";
    static const char targets[] = OPENAI("") "models: [{name: r, targets: [";
    struct settings s;

    EXPECT_INT(load_yaml(with_items(names, "m", "", 1000), &s), ERR_NONE);
    settings_deinit(&s);
    EXPECT_INT(load_yaml(with_items(names, "m", "", 1001), &s), ERR_BAD_INPUT);
    EXPECT_INT(load_yaml(with_items(targets, "{upstream: a, model: m", "}", ROUTE_TARGETS_MAX), &s),
               ERR_NONE);
    settings_deinit(&s);
    EXPECT_INT(
        load_yaml(with_items(targets, "{upstream: a, model: m", "}", ROUTE_TARGETS_MAX + 1), &s),
        ERR_BAD_INPUT);
    EXPECT(strstr(problems, "models[0].targets: more than ") != NULL);
}

/* Whoever is only a client reads no key and no price. */
static void a_client_leaves_keys_and_prices_alone(void)
{
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_CLIENT, NULL, "keys: [a]\nprices: [b]\n", &s), ERR_NONE);
    EXPECT_INT(s.n_keys, 0);
    EXPECT_INT(s.n_prices, 0);
    settings_deinit(&s);
}

static const struct test suite[] = {
    { "says of each value what was expected", says_of_each_value_what_was_expected },
    { "a secret is given once", a_secret_is_given_once },
    { "a value is set as JSON has it", a_value_is_set_as_json_has_it },
    { "what is set is bounded", what_is_set_is_bounded },
    { "lists are bounded", lists_are_bounded },
    { "a client leaves keys and prices alone", a_client_leaves_keys_and_prices_alone },
};

TEST_MAIN(suite)
