/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML file of the settings: its place among the sources, its sections, its problems. */
#include "settings_test.h"

static const char example[] = "listen: 127.0.0.1:8089\n"
                              "store_url: sqlite:/var/lib/enginelabs-2api/state.db\n"
                              "upstreams:\n"
                              "  - name: cto\n"
                              "    provider: enginelabs\n"
                              "    protocol: classic\n"
                              "    api_url: https://api.enginelabs.ai/\n"
                              "    clerk_url: https://clerk.cto.new\n"
                              "    models: [ClaudeSonnet4_5, GPT5]\n"
                              "    accounts:\n"
                              "      - name: work\n"
                              "        cookie_file: %s/work.cookie\n"
                              "        max_parallel: 3\n"
                              "      - name: home\n"
                              "        cookie: \"__client=home\"\n"
                              "  - name: local\n"
                              "    provider: openai\n"
                              "    base_url: http://127.0.0.1:11434/v1\n"
                              "    api_keys: [sk-one, sk-two]\n"
                              "    headers: {X-Team: blue}\n"
                              "    models: [llama3]\n"
                              "keys:\n"
                              "  - name: laptop\n"
                              "    key_file: %s/laptop.key\n"
                              "models:\n"
                              "  - name: gpt-5\n"
                              "    aliases: [gpt-5-latest]\n"
                              "    strategy: weighted\n"
                              "    targets:\n"
                              "      - {upstream: cto, model: GPT5, weight: 3}\n"
                              "      - {upstream: local, model: llama3}\n"
                              "  - name: \"local/*\"\n"
                              "    targets: [{upstream: local, model: \"*\"}]\n";

static const char *example_text(void)
{
    static char text[sizeof(example) + 100];

    begin_dir();
    write_file("work.cookie", "__client=work\n");
    write_file("laptop.key", "sk-laptop\n");
    snprintf(text, sizeof(text), example, dir, dir);
    return text;
}

static void reads_the_upstreams_of_the_design(void)
{
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, NULL, example_text(), &s), ERR_NONE);
    EXPECT_INT(s.n_upstreams, 2);
    EXPECT(s.has_upstreams);
    const struct upstream_settings *cto = &s.upstreams[0], *local = &s.upstreams[1];
    EXPECT_Z(cto->name, "cto");
    EXPECT_INT(cto->provider, UPSTREAM_ENGINELABS);
    EXPECT_INT(cto->protocol, UPSTREAM_CLASSIC);
    EXPECT_Z(cto->api_url.endpoint.host, "api.enginelabs.ai");
    EXPECT_Z(cto->api_url.path, "");
    EXPECT_Z(cto->origin, "https://cto.new");
    EXPECT_INT(cto->max_prompt_chars, 20000);
    EXPECT_Z(cto->models[1], "GPT5");
    EXPECT(cto->models[2] == NULL && !cto->takes_any_model);
    EXPECT_INT(cto->n_accounts, 2);
    EXPECT_Z(cto->accounts[0].name, "work");
    EXPECT_STR(secret_reveal(&cto->accounts[0].cookie), "__client=work");
    EXPECT_Z(cto->accounts[0].cookie_file, path_of("work.cookie"));
    EXPECT_INT(cto->accounts[0].max_parallel, 3);
    EXPECT(cto->accounts[0].has_max_parallel && !cto->accounts[1].has_max_parallel);
    EXPECT_INT(cto->accounts[1].max_parallel, 2);
    EXPECT_STR(secret_reveal(&cto->accounts[1].cookie), "__client=home");
    EXPECT(!cto->accounts[1].cookie_file && !cto->accounts[1].session_id);
    EXPECT_INT(local->provider, UPSTREAM_OPENAI);
    EXPECT_Z(local->base_url.path, "/v1");
    EXPECT_INT(local->n_api_keys, 2);
    EXPECT_STR(secret_reveal(&local->api_keys[1]), "sk-two");
    EXPECT_INT(local->n_headers, 1);
    EXPECT_Z(local->headers[0].name, "X-Team");
    EXPECT_STR(secret_reveal(&local->headers[0].value), "blue");
    settings_deinit(&s);
}

static void reads_the_keys_and_routes_of_the_design(void)
{
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, NULL, example_text(), &s), ERR_NONE);
    EXPECT_INT(s.listen.port, 8089);
    EXPECT_Z(s.store_url, "sqlite:/var/lib/enginelabs-2api/state.db");
    EXPECT_INT(s.n_keys, 1);
    EXPECT_Z(s.keys[0].name, "laptop");
    EXPECT_STR(secret_reveal(&s.keys[0].key), "sk-laptop");
    EXPECT_INT(s.n_routes, 2);
    EXPECT(s.has_routes);
    EXPECT_Z(s.routes[0].name, "gpt-5");
    EXPECT_Z(s.routes[0].aliases[0], "gpt-5-latest");
    EXPECT_INT(s.routes[0].strategy, ROUTE_WEIGHTED);
    EXPECT_INT(s.routes[0].n_targets, 2);
    EXPECT_INT(s.routes[0].targets[0].weight, 3);
    EXPECT_INT(s.routes[0].targets[1].weight, 1);
    EXPECT_INT(s.routes[0].targets[1].upstream, 1);
    EXPECT_Z(s.routes[0].targets[1].model, "llama3");
    EXPECT_Z(s.routes[1].name, "local/*");
    EXPECT_Z(s.routes[1].targets[0].model, "*");
    settings_deinit(&s);
}

static void reads_what_a_target_changes(void)
{
    static const char text[] = "upstreams: [{name: a, provider: openai, base_url: http://h}]\n"
                               "models:\n"
                               "  - name: m\n"
                               "    targets:\n"
                               "      - upstream: a\n"
                               "        model: x\n"
                               "        set:\n"
                               "          temperature: 0.20\n"
                               "          stop: [a, \"1\", 1, ~, true, \"true\"]\n"
                               "          deep: {\"a \\\"b\\\"\": {b: 'it''s'}}\n"
                               "          none:\n"
                               "          date: 2024-01x\n"
                               "        drop: [logit_bias, user]\n"
                               "        rename: {max_tokens: max_completion_tokens}\n"
                               "        system_prompt: |\n"
                               "          Be brief.\n"
                               "          Be kind.\n";
    static const char *const want[][2] = {
        { "temperature", "0.20" },
        { "stop", "[\"a\",\"1\",1,null,true,\"true\"]" },
        { "deep", "{\"a \\\"b\\\"\":{\"b\":\"it's\"}}" },
        { "none", "null" },
        { "date", "\"2024-01x\"" },
    };
    struct settings s;

    EXPECT_INT(load_yaml(text, &s), ERR_NONE);
    const struct target_settings *t = &s.routes[0].targets[0];
    EXPECT_INT(t->n_set, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        EXPECT_Z(t->set[i].name, want[i][0]);
        EXPECT_STR(t->set[i].json, want[i][1]);
    }
    EXPECT_Z(t->drop[1], "user");
    EXPECT(t->drop[2] == NULL);
    EXPECT_INT(t->n_rename, 1);
    EXPECT_Z(t->rename[0].from, "max_tokens");
    EXPECT_Z(t->rename[0].to, "max_completion_tokens");
    EXPECT_Z(t->system_prompt, "Be brief.\nBe kind.\n");
    settings_deinit(&s);
}

static void stands_below_every_other_source(void)
{
    static const char text[] = "listen: 127.0.0.1:1\nworkers: 2\nstream_keepalive: 7\n"
                               "default_model: Mine\nallow_no_auth: yes\n"
                               "cors_origins: [https://a.example, https://b.example]\n"
                               "known_models: A, B\nlog_level:\nqueue_timeout: \"\"\n";
    char a[] = "LISTEN=127.0.0.1:9", b[] = "DEFAULT_MODEL=Other";
    char *environment[] = { a, b, NULL };
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_ALL, environment, text, &s), ERR_NONE);
    EXPECT_INT(s.listen.port, 9);
    EXPECT_INT(s.workers, 2);
    EXPECT_INT(s.keepalive_ms, 7000);
    EXPECT_Z(s.default_model, "Other");
    EXPECT(s.allow_no_auth && s.has_known_models && s.has_default_model);
    EXPECT_Z(s.cors_origins[1], "https://b.example");
    EXPECT_Z(s.known_models[2], "B");
    EXPECT_Z(s.log_level, "info"); /* nothing counts as unset */
    EXPECT_INT(s.queue_timeout_ms, 30000);
    settings_deinit(&s);
}

/* A file that the YAML names must not get in the way of a key in the environment, and back. */
static void a_secret_of_a_higher_source_counts(void)
{
    char a[] = "API_MASTER_KEY=env", file[100] = "";
    char *environment[] = { a, NULL }, *file_environment[] = { file, NULL };
    struct settings s;
    char text[100];

    EXPECT_INT(load_yaml_for(SETTINGS_ALL, environment, "api_master_key_file: /nonexistent\n", &s),
               ERR_NONE);
    EXPECT_STR(secret_reveal(&s.api_master_key), "env");
    settings_deinit(&s);
    write_file("key", "of a file\n");
    snprintf(file, sizeof(file), "API_MASTER_KEY_FILE=%s", path_of("key"));
    EXPECT_INT(load_yaml_for(SETTINGS_ALL, file_environment, "api_master_key: low\n", &s),
               ERR_NONE);
    EXPECT_STR(secret_reveal(&s.api_master_key), "of a file");
    settings_deinit(&s);
    snprintf(text, sizeof(text), "api_master_key_file: %s\n", path_of("key"));
    EXPECT_INT(load_yaml(text, &s), ERR_NONE);
    EXPECT_STR(secret_reveal(&s.api_master_key), "of a file");
    settings_deinit(&s);
    EXPECT_INT(load_yaml("clerk_cookie: hush\nclerk_cookie_file: /x\n", &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "line 2: clerk_cookie and clerk_cookie_file are both set"));
}

static void without_upstreams_there_is_the_one_of_the_flat_settings(void)
{
    static const char text[] =
        "clerk_cookie: c\nclerk_session_id: s\nclerk_url: http://127.0.0.1:1\n"
        "enginelabs_api_url: http://127.0.0.1:2/x/\nenginelabs_content: delta\n"
        "enginelabs_overflow: trim\nenginelabs_delete_chats: after_ttl\n"
        "enginelabs_max_parallel: 4\nenginelabs_max_prompt_chars: 5\n";
    char home[] = "HOME=/home/x";
    char *environment[] = { home, NULL };
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, text, &s), ERR_NONE);
    EXPECT_INT(s.n_upstreams, 1);
    EXPECT(!s.has_upstreams && !s.has_routes && !s.has_known_models && !s.has_default_model);
    const struct upstream_settings *u = s.upstreams;
    EXPECT_Z(u->name, "cto");
    EXPECT_INT(u->clerk_url.endpoint.port, 1);
    EXPECT_Z(u->api_url.path, "/x");
    EXPECT_INT(u->content, CONTENT_DELTA);
    EXPECT_INT(u->overflow, UPSTREAM_OVERFLOW_TRIM);
    EXPECT_INT(u->delete_chats, UPSTREAM_DELETE_AFTER_TTL);
    EXPECT_INT(u->max_prompt_chars, 5);
    EXPECT(u->models == NULL);
    EXPECT_Z(u->accounts[0].name, "default");
    EXPECT_Z(u->accounts[0].session_id, "s");
    EXPECT_Z(u->accounts[0].credentials_file, "/home/x/.cto/credentials");
    EXPECT_INT(u->accounts[0].max_parallel, 4);
    EXPECT(u->accounts[0].has_max_parallel);
    secret_set(&s.clerk_cookie, STR("another"));
    settings_remake_upstream(&s);
    EXPECT_STR(secret_reveal(&s.upstreams[0].accounts[0].cookie), "another");
    settings_deinit(&s);
}

static void an_upstream_takes_over_what_it_does_not_say(void)
{
    static const char text[] = "enginelabs_api_url: http://127.0.0.1:2\nenginelabs_overflow: trim\n"
                               "known_models: [X]\nclerk_cookie: c\nenginelabs_max_parallel: 7\n"
                               "upstreams:\n"
                               "  - {name: a, provider: EngineLabs}\n"
                               "  - name: b\n"
                               "    provider: enginelabs\n"
                               "    overflow: error\n"
                               "    api_url: http://127.0.0.1:3\n"
                               "    models: [Y]\n"
                               "    any_model: true\n"
                               "    accounts: [{cookie: d, name: one, max_parallel: 0}]\n";
    struct settings s;

    EXPECT_INT(load_yaml(text, &s), ERR_NONE);
    EXPECT_INT(s.upstreams[0].api_url.endpoint.port, 2);
    EXPECT_INT(s.upstreams[0].overflow, UPSTREAM_OVERFLOW_TRIM);
    EXPECT_Z(s.upstreams[0].models[1], "X");
    EXPECT_Z(s.upstreams[0].accounts[0].name, "default");
    EXPECT_INT(s.upstreams[0].accounts[0].max_parallel, 7);
    EXPECT_INT(s.upstreams[1].api_url.endpoint.port, 3);
    EXPECT_INT(s.upstreams[1].overflow, UPSTREAM_OVERFLOW_ERROR);
    EXPECT_Z(s.upstreams[1].models[0], "Y");
    EXPECT(s.upstreams[1].takes_any_model);
    EXPECT_INT(s.upstreams[1].accounts[0].max_parallel, 0);
    settings_deinit(&s);
}

static void reads_api_keys_and_headers_from_files(void)
{
    char text[400];
    struct settings s;

    begin_dir();
    write_file("keys", "sk-1\n\n sk-2 \r\nsk-3");
    write_file("token", "Bearer t\n");
    snprintf(text, sizeof(text),
             "upstreams:\n"
             "  - {name: a, provider: openai, base_url: http://h, api_keys_file: %s/keys}\n"
             "  - {name: b, provider: openai, base_url: http://h,\n"
             "     headers: {Authorization: {file: %s/token}}}\n"
             "  - {name: c, provider: openai, base_url: http://h, api_key_file: %s/token}\n",
             dir, dir, dir);
    EXPECT_INT(load_yaml(text, &s), ERR_NONE);
    EXPECT_INT(s.upstreams[0].n_api_keys, 3);
    EXPECT_STR(secret_reveal(&s.upstreams[0].api_keys[1]), "sk-2");
    EXPECT_STR(secret_reveal(&s.upstreams[1].headers[0].value), "Bearer t");
    EXPECT_INT(s.upstreams[2].n_api_keys, 1);
    settings_deinit(&s);
}

/* In the demo and for clients nothing of the real account counts, nor is a file of it opened. */
static void the_demo_and_clients_leave_the_sections_alone(void)
{
    static const char text[] = "listen: 127.0.0.1:7\n"
                               "upstreams: [{name: a b, provider: openai}]\n"
                               "models: [{name: x}]\n";
    static const enum settings_use uses[] = { SETTINGS_CLIENT, SETTINGS_DEMO };
    struct settings s;

    for (size_t i = 0; i < COUNT_OF(uses); i++) {
        EXPECT_INT(load_yaml_for(uses[i], NULL, text, &s), ERR_NONE);
        EXPECT_INT(s.listen.port, 7);
        EXPECT_Z(s.upstreams[0].name, "cto");
        EXPECT(!s.has_upstreams && !s.has_routes);
        settings_deinit(&s);
    }
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE_OR_DEMO, NULL, text, &s), ERR_BAD_INPUT);
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE_OR_DEMO, NULL, "listen: 127.0.0.1:7\n", &s), ERR_NONE);
    EXPECT(s.is_demo);
    settings_deinit(&s);
}

static void a_key_of_the_file_opens_the_gateway_to_others(void)
{
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_DEMO, NULL, "listen: 0.0.0.0:1\n", &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "API_MASTER_KEY is not set"));
    EXPECT_INT(
        load_yaml_for(SETTINGS_DEMO, NULL, "listen: 0.0.0.0:1\nkeys: [{name: a, key: b}]\n", &s),
        ERR_NONE);
    settings_deinit(&s);
}

static void a_file_may_be_absent_only_where_nobody_named_it(void)
{
    struct settings_source source = { .config_file = "/nonexistent/x.yaml" };
    struct settings s;
    struct buf told;

    buf_init(&told, 1 << 16);
    EXPECT_INT(settings_load(&source, &s, &told), ERR_NONE);
    settings_deinit(&s);
    source.config_file_required = true;
    EXPECT_INT(settings_load(&source, &s, &told), ERR_BAD_INPUT);
    EXPECT(str_find(buf_str(&told), STR("/nonexistent/x.yaml: cannot be read")) != SIZE_MAX);
    buf_deinit(&told);
}

/* What a file that cannot be read would have said is not missed. */
static void a_syntax_error_hides_no_problem_and_makes_none(void)
{
    char a[] = "WORKERS=x", b[] = "LISTEN=0.0.0.0:1";
    char *environment[] = { a, b, NULL };
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, "a: [\n", &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "settings.yaml line 2: no valid YAML"));
    EXPECT(strstr(problems, "environment: WORKERS is \"x\""));
    EXPECT(!strstr(problems, "not set"));
    EXPECT_INT(load_yaml("- a\n", &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "settings.yaml line 1: expected lines of KEY: VALUE"));
    EXPECT_INT(load_yaml("store_url: memory:\n", &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "put a value with a ':' at its end in quotes"));
}

#define OPENAI(rest) "upstreams: [{name: a, provider: openai, base_url: http://h" rest "}]\n"
#define CTO(rest) "upstreams: [{name: a, provider: enginelabs, " rest "}]\n"
#define MODELS(rest) OPENAI(", models: [m]") "models:\n" rest "\n"
#define TARGET(rest) MODELS("- {name: r, targets: [{upstream: a, model: m, " rest "}]}")

#define A10 "a,a,a,a,a,a,a,a,a,a,"

static const struct {
    const char *text;
    const char *told; /* behind "settings.yaml line " */
} wrong[] = {
    { "Listen: 127.0.0.1:1\n", "1: Listen: there is no such setting; did you mean listen?\n" },
    { "\nlisten_on1: x\n", "2: [0]: there is no such setting" },
    { "workers: many\n", "1: workers is \"many\": expected a whole number" },
    { "workers: 2\nworkers: 3\n", "2: workers: this key stands here twice" },
    { "workers: [1]\n", "1: workers: expected one value" },
    { "workers: {a: 1}\n", "1: workers: expected one value" },
    { "upstreems: []\n", "1: upstreems: there is no such setting; did you mean upstreams?\n" },
    { "\nworkerss: 1\n", "2: workerss: there is no such setting; did you mean workers?\n" },
    { "workers_file: x\n", "1: workers_file: there is no such setting" },
    { "known_models: {a: 1}\n", "1: known_models: expected a list" },
    { "known_models: [a, [b]]\n", "1: known_models[1]: expected text" },
    { "api_master_key: [hush]\n", "1: api_master_key: expected one value" },
    { "api_master_key: \" \"\n", "1: api_master_key is blank" },
    { "api_master_key: \"hush\\x07\"\n", "1: api_master_key: control characters" },
    { "https_proxy: ftp://u:hush@x\n", "1: https_proxy: expected http://" },
    { "enginelabs_protocol: x\n", "1: enginelabs_protocol is \"x\": expected one of classic" },
    { "upstreams: {}\n", "1: upstreams: expected a list" },
    { "upstreams: []\n", "1: upstreams: the list is empty" },
    { "upstreams: [a]\n", "1: upstreams[0]: expected keys and values" },
    { "upstreams:\n- name: a\n", "2: upstreams[0]: provider is one of enginelabs|openai" },
    { "upstreams: [{provider: x}]\n", "1: upstreams[0].provider: provider is one of" },
    { "upstreams: [{provider: openai}]\n", "1: upstreams[0]: name is missing" },
    { "upstreams: [{provider: openai, name: a}]\n", "1: upstreams[0]: base_url is missing" },
    { OPENAI(", accounts: []"), "1: upstreams[0].accounts: there is no such key here" },
    { OPENAI(", any_model: 2"), "1: upstreams[0].any_model is \"2\": expected true" },
    { OPENAI(", models: []"), "1: upstreams[0].models: the list is empty" },
    { OPENAI(", api_key: hush, api_keys: [hush]"), "1: upstreams[0].api_keys: give one of" },
    { OPENAI(", api_keys: [hush, hush2, ' hush ']"),
      "1: upstreams[0].api_keys[2]: key 1 stands here twice; remove one" },
    { OPENAI(", api_keys: {hush1: }"), "1: upstreams[0].api_keys: expected a list" },
    { OPENAI(", api_keys: [[hush]]"), "1: upstreams[0].api_keys[0]: expected one value" },
    { OPENAI(", api_key_file: /nonexistent"), "1: upstreams[0].api_key_file: /nonexistent cannot" },
    { OPENAI(", headers: {Host: x}"), "1: upstreams[0].headers.Host: the gateway sets this" },
    { OPENAI(", headers: {A: x, a: y}"), "1: upstreams[0].headers.a: this header stands here" },
    { OPENAI(", headers: {\"A:hush\": x}"), "1: upstreams[0].headers[0]: the name of a header" },
    { OPENAI(", headers: {A: \"hush\\n\"}"), NULL },
    { OPENAI(", headers: {A: \"hu\\nsh\"}"), "1: upstreams[0].headers.A: control characters" },
    { OPENAI(", headers: {A: {file: x, b: y}}"),
      "1: upstreams[0].headers.A: expected a value, or" },
    { OPENAI(", api_key: k, headers: {authorization: hush}"), "1: upstreams[0]: headers has" },
    { "upstreams:\n- &x {name: a}\n", "2: anchors" },
    { CTO("accounts: [{name: x}]"), "1: upstreams[0].accounts[0]: cookie or cookie_file is" },
    { CTO("accounts: [{cookie: hush}]"), "1: upstreams[0].accounts[0]: name is missing" },
    { CTO("accounts: [{name: a/b, cookie: hush}]"),
      "1: upstreams[0].accounts[0].name: a name has" },
    { CTO("accounts: [{name: x, cookie: a}, {name: x, cookie: b}]"),
      "1: upstreams[0].accounts[1].name: accounts[0] has this name too" },
    { CTO("accounts: [{name: x, cookie: hush}, {name: y, cookie: hush}]"),
      "1: upstreams[0].accounts[1]: accounts[0] has the same cookie" },
    { CTO("accounts: [{name: x, cookie: hush, cookie_file: /y}]"),
      "1: upstreams[0].accounts[0].cookie_file: it is given here too" },
    { CTO("accounts: [{name: x, cookie: ' '}]"),
      "1: upstreams[0].accounts[0].cookie: it is blank" },
    { CTO("accounts: [{name: x, cookie: c, max_parallel: -1}]"),
      "1: upstreams[0].accounts[0].max_parallel is \"-1\": expected a whole number" },
    { CTO("protocol: native, accounts: [{name: x}, {name: y}]"),
      "1: upstreams[0].accounts[1]: credentials_file is missing" },
    { CTO("protocol: classic"), "1: upstreams[0]: accounts is missing, and CLERK_COOKIE is not" },
    { CTO("api_url: \"https://u:hush@h\""),
      "1: upstreams[0].api_url is \"https://***@h\": a user" },
    { "clerk_cookie: c\nupstreams:\n- {name: a, provider: enginelabs}\n"
      "- {name: b, provider: enginelabs}\n",
      "4: upstreams[1]: accounts is missing; the account of CLERK_COOKIE is that of a" },
    { "upstreams:\n- {name: a, provider: openai, base_url: http://h}\n"
      "- {name: a, provider: openai, base_url: http://h}\n",
      "3: upstreams[1].name: upstreams[0] has this name too" },
    { MODELS("- {name: r}"), "3: models[0]: targets is missing" },
    { MODELS("- {name: r, targets: []}"), "3: models[0].targets: the list is empty" },
    { MODELS("- {name: r, targets: [{upstream: b, model: m}]}"),
      "3: models[0].targets[0].upstream: no upstream has this name" },
    { MODELS("- {name: r, targets: [{upstream: a, model: n}]}"),
      "3: models[0].targets[0].model: it is not among the models of this upstream" },
    { MODELS("- {name: r, targets: [{upstream: a, model: \"*\"}]}"),
      "3: models[0].targets[0].model: \"*\" needs a route" },
    { MODELS("- {name: r/*, targets: [{upstream: a, model: \"x*\"}]}"),
      "3: models[0].targets[0].model: \"*\" stands alone" },
    { MODELS("- {name: r*, targets: [{upstream: a, model: m}]}"),
      "3: models[0].name: \"*\" stands" },
    { MODELS("- {name: r/*/*, targets: [{upstream: a, model: m}]}"), "3: models[0].name: \"*\"" },
    { MODELS("- {name: r, aliases: [s/*], targets: [{upstream: a, model: m}]}"),
      "3: models[0].aliases: an alias has no" },
    { MODELS("- {name: r, aliases: [r], targets: [{upstream: a, model: m}]}"),
      "3: models[0].aliases: another model or alias has this name" },
    { MODELS("- {name: r, strategy: best, targets: [{upstream: a, model: m}]}"),
      "3: models[0].strategy is \"best\": expected one of fallback|weighted" },
    { "default_model: x\n" MODELS("- {name: r, aliases: [s], targets: [{upstream: a, model: m}]}"),
      "3: models: DEFAULT_MODEL is \"x\", which none of them answers to" },
    { "default_model: s\n" MODELS("- {name: r, aliases: [s], targets: [{upstream: a, model: m}]}"),
      NULL },
    { "default_model: r/x\n" MODELS("- {name: r/*, targets: [{upstream: a, model: m}]}"), NULL },
    { TARGET("drop: [" A10 A10 A10 A10 A10 A10 "]"), NULL },
    { TARGET("weight: 2, drop: [" A10 A10 A10 A10 A10 A10 "b]"),
      "3: models[0].targets[0]: 61 changes of a request, at most 60" },
    { TARGET("weight: 0"), "3: models[0].targets[0].weight: expected a whole number, 1 to" },
    { TARGET("set: {model: x}"), "3: models[0].targets[0].set.model: model cannot be changed" },
    { TARGET("set: {a: 0x}, drop: [messages]"), "3: models[0].targets[0].drop[0]: messages" },
    { TARGET("set: {\"a\\\"\": 1}"), "3: models[0].targets[0].set[0]: expected the name of a" },
    { TARGET("drop: [\"a\\n\"]"), "3: models[0].targets[0].drop[0]: expected the name of a" },
    { "api_master_key_file: \"/hu\\nsh\"\n", "1: api_master_key_file is \"/hu\\x0ash\": control" },
    { TARGET("set: {a: .5}"), "3: models[0].targets[0].set.a: no number as JSON writes it" },
    { TARGET("rename: {a: stream}"), "3: models[0].targets[0].rename.a: stream cannot" },
    { TARGET("system_prompt: ' '"), "3: models[0].targets[0].system_prompt: it is blank" },
    { TARGET("think_tags: maybe"), "3: models[0].targets[0].think_tags is \"maybe\": expected" },
    { "max_choices: 0\n", "1: max_choices is \"0\": expected 1 to 128" },
    { TARGET("model_: x"),
      "3: models[0].targets[0].model_: there is no such key here; did you mean model?\n" },
};

static void names_file_line_and_key_of_every_problem(void)
{
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char want[200];
        struct settings s;
        enum err err = load_yaml(wrong[i].text, &s);

        if (!err)
            settings_deinit(&s);
        snprintf(want, sizeof(want), "%s/settings.yaml line %s", dir,
                 wrong[i].told ? wrong[i].told : "");
        if ((err == ERR_NONE) != !wrong[i].told || (err && !strstr(problems, want)))
            fail_msg("%swant: %s\ntold: %s", wrong[i].text, want, problems);
        if (strstr(problems, "hush"))
            fail_msg("a secret is shown: %s", problems);
    }
}

static void opens_certificates_only_for_https(void)
{
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, NULL, OPENAI(""), &s), ERR_NONE);
    EXPECT(s.trust == NULL);
    settings_deinit(&s);
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, NULL,
                             "upstreams: [{name: a, provider: openai, base_url: https://h}]\n", &s),
               ERR_NONE);
    EXPECT(s.trust != NULL);
    settings_deinit(&s);
}

static void native_needs_credentials_that_can_be_read(void)
{
    static const char text[] =
        "enginelabs_api_url: http://127.0.0.1:1\nclerk_url: http://127.0.0.1:1\n"
        "enginelabs_protocol: native\nenginelabs_credentials_file: ";
    char yaml[400], home[64];
    char *environment[] = { home, NULL };
    struct settings s;

    begin_dir();
    write_file("credentials", "{}");
    snprintf(home, sizeof(home), "HOME=%s", dir);
    snprintf(yaml, sizeof(yaml), "%s~/credentials\n", text);
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, yaml, &s), ERR_NONE);
    EXPECT_Z(s.upstreams[0].accounts[0].credentials_file, path_of("credentials"));
    settings_deinit(&s);
    snprintf(yaml, sizeof(yaml), "%s~/none\n", text);
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, yaml, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "ENGINELABS_CREDENTIALS_FILE: "));
    EXPECT(strstr(problems, "/none, which the protocol native needs, cannot be read: No such"));
    snprintf(yaml, sizeof(yaml), "%s~/none\nupstreams: [{name: a, provider: enginelabs}]\n", text);
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, yaml, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "line 5: upstreams[0]: "));
    snprintf(yaml, sizeof(yaml),
             "%s~/none\nupstreams:\n"
             "- name: a\n  provider: enginelabs\n  accounts: [{name: x}]\n",
             text);
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, yaml, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "line 8: upstreams[0].accounts[0]: credentials_file: "));
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void tells_all_problems_at_once(void)
{
    static const char text[] = "workers: x\nnothing: 1\nlisten: 1\nlisten: 2\n"
                               "upstreams: [{name: a b, provider: openai}, {x: 1}]\n"
                               "keys: [{name: a}]\n"
                               "models: [{name: m, targets: [{upstream: c, model: m}]}]\n";
    struct settings s;

    EXPECT_INT(load_yaml(text, &s), ERR_BAD_INPUT);
    EXPECT_INT(count_lines(problems), 9);
}

static const struct test suite[] = {
    { "reads the upstreams of the design", reads_the_upstreams_of_the_design },
    { "reads the keys and routes of the design", reads_the_keys_and_routes_of_the_design },
    { "reads what a target changes", reads_what_a_target_changes },
    { "stands below every other source", stands_below_every_other_source },
    { "a secret of a higher source counts", a_secret_of_a_higher_source_counts },
    { "without upstreams there is the one of the flat settings",
      without_upstreams_there_is_the_one_of_the_flat_settings },
    { "an upstream takes over what it does not say", an_upstream_takes_over_what_it_does_not_say },
    { "reads API keys and headers from files", reads_api_keys_and_headers_from_files },
    { "the demo and clients leave the sections alone",
      the_demo_and_clients_leave_the_sections_alone },
    { "a key of the file opens the gateway to others",
      a_key_of_the_file_opens_the_gateway_to_others },
    { "a file may be absent only where nobody named it",
      a_file_may_be_absent_only_where_nobody_named_it },
    { "a syntax error hides no problem and makes none",
      a_syntax_error_hides_no_problem_and_makes_none },
    { "names file, line and key of every problem", names_file_line_and_key_of_every_problem },
    { "opens certificates only for https", opens_certificates_only_for_https },
    { "native needs credentials that can be read", native_needs_credentials_that_can_be_read },
    { "tells all problems at once", tells_all_problems_at_once },
};

TEST_MAIN(suite)
