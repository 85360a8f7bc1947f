/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the order of sources, all problems at once, secrets that are never shown. */
#include "gateway/settings.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char problems_text[1 << 16];

/* Loads from the given sources; the problems are in problems_text. */
static enum err load_for(enum settings_use use, const char *const *overrides, char **environment,
                         const char *env_file, struct settings *ret)
{
    struct buf problems;
    const struct settings_source source = {
        .use = use, .overrides = overrides, .environment = environment, .env_file = env_file
    };

    buf_init(&problems, 1 << 20);
    enum err err = settings_load(&source, ret, &problems);
    str_to_z(buf_str(&problems), problems_text, sizeof(problems_text));
    buf_deinit(&problems);
    return err;
}

static enum err load(const char *const *overrides, char **environment, const char *env_file,
                     struct settings *ret)
{
    return load_for(SETTINGS_ALL, overrides, environment, env_file, ret);
}

static void write_bytes(char path[32], struct str text)
{
    memcpy(path, "/tmp/settings-XXXXXX", sizeof("/tmp/settings-XXXXXX"));
    int fd = mkstemp(path);
    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, text.p, text.n), text.n);
    close(fd);
}

static void write_file(char path[32], const char *text)
{
    write_bytes(path, str_of(text));
}

static void has_defaults_for_everything(void)
{
    struct settings s;

    EXPECT_INT(load(NULL, NULL, NULL, &s), ERR_NONE);
    EXPECT_Z(s.listen.host, "127.0.0.1");
    EXPECT_INT(s.listen.port, 8089);
    EXPECT_Z(s.default_model, "ClaudeSonnet4_5");
    EXPECT_Z(s.known_models[1], "GPT5");
    EXPECT_INT(s.request_timeout_ms, 300000);
    EXPECT(s.max_body_bytes == 32UL << 20);
    EXPECT(s.workers >= 1);
    EXPECT_Z(s.enginelabs_api_url.endpoint.host, "api.enginelabs.ai");
    EXPECT(s.enginelabs_api_url.endpoint.tls);
    EXPECT(!secret_is_set(&s.api_master_key));
    settings_deinit(&s);
}

static void command_line_wins_over_environment_over_file(void)
{
    const char *const overrides[] = { "LISTEN=127.0.0.1:1", NULL };
    char one[] = "LISTEN=127.0.0.1:2", two[] = "WORKERS=3", empty[] = "DEFAULT_MODEL=";
    char *environment[] = { one, two, empty, NULL };
    char path[32];
    struct settings s;

    write_file(path, "LISTEN=127.0.0.1:4\nWORKERS=5\nSTREAM_KEEPALIVE=6\nDEFAULT_MODEL=GPT5\n");
    EXPECT_INT(load(overrides, environment, path, &s), ERR_NONE);
    EXPECT_INT(s.listen.port, 1);
    EXPECT_INT(s.workers, 3);
    EXPECT_INT(s.keepalive_ms, 6000);
    EXPECT_Z(s.default_model, "GPT5"); /* empty counts as unset */
    settings_deinit(&s);
    unlink(path);
}

static void tells_all_problems_at_once(void)
{
    char a[] = "WORKERS=many", b[] = "STREAM_KEEPALIVE=fast", c[] = "LISTEN=nowhere",
         d[] = "ENGINELABS_API_URL=ftp://x", e[] = "LOG_LEVEL=loud", f[] = "MAX_BODY_BYTES=big",
         g[] = "CORS_ORIGINS=https://app.example/";
    char *environment[] = { a, b, c, d, e, f, g, NULL };
    char path[32], line[64];
    struct settings s;

    write_file(path, "\nQUEUE_TIMEOUT=soon\n");
    EXPECT_INT(load(NULL, environment, path, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text,
                  "environment: WORKERS is \"many\": expected a whole number, at most "
                  "1000000000\n"));
    EXPECT(strstr(problems_text, "STREAM_KEEPALIVE is \"fast\": expected seconds"));
    EXPECT(strstr(problems_text, "LISTEN is \"nowhere\": expected HOST:PORT"));
    EXPECT(strstr(problems_text, "ENGINELABS_API_URL is \"ftp://x\""));
    EXPECT(strstr(problems_text, "LOG_LEVEL is \"loud\": expected one of debug|info"));
    EXPECT(strstr(problems_text,
                  "CORS_ORIGINS is \"https://app.example/\": \"https://app.example/\" "
                  "can never match"));
    EXPECT(strstr(problems_text, "MAX_BODY_BYTES is \"big\": expected a size"));
    snprintf(line, sizeof(line), "%s line 2: QUEUE_TIMEOUT", path);
    EXPECT(strstr(problems_text, line));
    unlink(path);
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Malformed lines and values, ranges, what serving needs, files: one run tells them all. */
static void tells_problems_of_every_stage_at_once(void)
{
    static const char *const wants[] = {
        " line 1: expected NAME=VALUE\n",
        " line 3: a quoted value is not closed; put the same quote behind it\n",
        " line 4: QUEUE_TIMEOUT is \"soon\"",
        "environment: WORKERS is \"x\"",
        "environment: NGINX_PORT is \"0\": expected a port",
        "LISTEN is 0.0.0.0:1, which other machines can reach, and API_MASTER_KEY is not set",
        "CLERK_COOKIE is not set",
        "UPSTREAM_CA_FILE: cannot read the certificates in /nonexistent/ca",
    };
    char a[] = "WORKERS=x", b[] = "LISTEN=0.0.0.0:1", c[] = "NGINX_PORT=0",
         d[] = "UPSTREAM_CA_FILE=/nonexistent/ca";
    char *environment[] = { a, b, c, d, NULL };
    char path[32];
    struct settings s;

    write_file(path, "words\nMAX_CONNECTIONS=5\nDEFAULT_MODEL=\"x\nQUEUE_TIMEOUT=soon\n");
    EXPECT_INT(load_for(SETTINGS_SERVE, NULL, environment, path, &s), ERR_BAD_INPUT);
    for (size_t i = 0; i < COUNT_OF(wants); i++)
        if (!strstr(problems_text, wants[i]))
            fail_msg("not told: %s\n%s", wants[i], problems_text);
    EXPECT_INT(count_lines(problems_text), COUNT_OF(wants));
    unlink(path);
}

/* What is wrong with a secret is said once, and not also that it is not there. */
static void does_not_miss_what_is_set_wrongly(void)
{
    char a[] = "CLERK_COOKIE_FILE=/nonexistent/cookie", b[] = "LISTEN=0.0.0.0:1",
         c[] = "API_MASTER_KEY= ";
    char *environment[] = { a, b, c, NULL }, *open_quote[] = { b, NULL };
    char path[32];
    struct settings s;

    EXPECT_INT(load_for(SETTINGS_SERVE, NULL, environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT_INT(count_lines(problems_text), 2);
    EXPECT(!strstr(problems_text, "not set"));
    write_file(path, "API_MASTER_KEY='k'\nCLERK_COOKIE='open\n");
    EXPECT_INT(load_for(SETTINGS_SERVE, NULL, open_quote, path, &s), ERR_BAD_INPUT);
    EXPECT_INT(count_lines(problems_text), 1);
    unlink(path);
    EXPECT_INT(load_for(SETTINGS_SERVE, NULL, open_quote, "/tmp", &s), ERR_BAD_INPUT);
    EXPECT_INT(count_lines(problems_text), 1);
}

static void refuses_0_where_every_request_would_fail(void)
{
    static const char *const names[] = {
        "MAX_CONNECTIONS",
        "MAX_BODY_BYTES",
        "MEMORY_LIMIT",
        "API_REQUEST_TIMEOUT",
        "UPSTREAM_CONNECT_TIMEOUT",
        "UPSTREAM_ACCEPT_TIMEOUT",
        "UPSTREAM_FIRST_TOKEN_TIMEOUT",
        "UPSTREAM_IDLE_TIMEOUT",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char set[64], want[64];
        char *environment[] = { set, NULL };
        struct settings s;

        snprintf(set, sizeof(set), "%s=0", names[i]);
        snprintf(want, sizeof(want), "environment: %s is \"0\": ", names[i]);
        EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
        EXPECT(strstr(problems_text, want));
    }
}

/* What would fail later, or work with something else than what was written. */
static void refuses_what_the_system_or_a_request_would_refuse(void)
{
    char set[300] = "LISTEN=unix:/", a[] = "MEMORY_LIMIT=1", b[] = "WORKERS=1000000001";
    char *environment[] = { set, a, b, NULL };
    static const char nul[] = "API_MASTER_KEY_FILE=/dev/null\0x\n";
    struct settings s;
    char path[32];

    memset(set + 13, 'x', 200);
    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "unix:PATH (at most 107 bytes)"));
    EXPECT(strstr(problems_text, "MEMORY_LIMIT is \"1\": every request would fail; set at least"));
    EXPECT(strstr(problems_text, "WORKERS is \"1000000001\": expected a whole number, at most"));
    write_bytes(path, (struct str){ nul, sizeof(nul) - 1 });
    EXPECT_INT(load(NULL, NULL, path, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "API_MASTER_KEY_FILE is \"/dev/null\\x00x\": control"));
    unlink(path);
}

static void cuts_a_long_value_not_what_is_expected(void)
{
    char set[2000] = "LISTEN=";
    char *environment[] = { set, NULL };
    struct settings s;

    memset(set + 7, 'x', sizeof(set) - 8);
    set[sizeof(set) - 1] = '\0';
    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "xxx...\": expected HOST:PORT"));
}

static void a_blank_value_counts_as_unset(void)
{
    char a[] = "API_MASTER_KEY=", b[] = "DEFAULT_MODEL= \t",
         c[] = "KNOWN_MODELS= ", d[] = "WORKERS= 2 ";
    char *environment[] = { a, b, c, d, NULL };
    struct settings s;

    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_NONE);
    EXPECT(!secret_is_set(&s.api_master_key));
    EXPECT_Z(s.default_model, "ClaudeSonnet4_5");
    EXPECT_Z(s.known_models[1], "GPT5");
    EXPECT_INT(s.workers, 2);
    settings_deinit(&s);
}

static void reads_secrets_from_files_and_never_shows_them(void)
{
    char path[32], file[64], bad[] = "API_MASTER_KEY=hush\x01hush",
                             proxy[] = "HTTPS_PROXY=ftp://u:hush@x",
                             store[] = "STORE_URL=redis://user:hush@h:1/x",
                             api[] = "ENGINELABS_API_URL=https://user:hush@host/";
    char *good_environment[] = { file, NULL };
    char *bad_environment[] = { bad, proxy, store, api, NULL };
    struct settings s;

    write_file(path, "sk-from-file\n");
    snprintf(file, sizeof(file), "API_MASTER_KEY_FILE=%s", path);
    EXPECT_INT(load(NULL, good_environment, NULL, &s), ERR_NONE);
    EXPECT_STR(secret_reveal(&s.api_master_key), "sk-from-file");
    settings_deinit(&s);
    unlink(path);

    EXPECT_INT(load(NULL, good_environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "cannot be read"));
    EXPECT_INT(load(NULL, bad_environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "API_MASTER_KEY"));
    EXPECT(strstr(problems_text, "HTTPS_PROXY"));
    EXPECT(strstr(problems_text, "STORE_URL is \"redis://***@h:1/x\": "));
    EXPECT(strstr(problems_text, "ENGINELABS_API_URL is \"https://***@host/\": a user name"));
    EXPECT(!strstr(problems_text, "hush"));
}

/* Whoever names one wants it: the gateway must not start open to everybody instead. */
static void refuses_a_named_secret_that_is_empty(void)
{
    static const char *const texts[] = { "", " \r\n" };
    char file[64], blank[] = "API_MASTER_KEY=  \t";
    char *file_environment[] = { file, NULL }, *blank_environment[] = { blank, NULL };
    char path[32], want[128];
    struct settings s;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        write_file(path, texts[i]);
        snprintf(file, sizeof(file), "API_MASTER_KEY_FILE=%s", path);
        snprintf(want, sizeof(want), "environment: API_MASTER_KEY_FILE: %s is empty", path);
        EXPECT_INT(load(NULL, file_environment, NULL, &s), ERR_BAD_INPUT);
        EXPECT(strstr(problems_text, want));
        unlink(path);
    }
    EXPECT_INT(load(NULL, blank_environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "environment: API_MASTER_KEY is blank"));
    write_file(path, "CLERK_COOKIE=' '\n");
    EXPECT_INT(load(NULL, NULL, path, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "line 1: CLERK_COOKIE is blank"));
    unlink(path);
}

static void refuses_a_secret_given_twice(void)
{
    char path[32], file[64], value[] = "CLERK_COOKIE=one";
    char *environment[] = { file, value, NULL };
    struct settings s;

    write_file(path, "two");
    snprintf(file, sizeof(file), "CLERK_COOKIE_FILE=%s", path);
    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "both set"));
    unlink(path);
}

static void takes_proxies_in_either_case_and_all_proxy_for_the_rest(void)
{
    char a[] = "https_proxy=http://u:p@proxy:3128", b[] = "ALL_PROXY=socks5h://socks:1080";
    char *environment[] = { a, b, NULL };
    struct settings s;

    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_NONE);
    EXPECT_INT(s.proxies.https.type, PROXY_HTTP);
    EXPECT_Z(s.proxies.https.at.host, "proxy");
    EXPECT_INT(s.proxies.http.type, PROXY_SOCKS5);
    EXPECT_Z(s.proxies.http.at.host, "socks");
    settings_deinit(&s);
}

static void adds_the_default_model_to_the_known_ones(void)
{
    char a[] = "DEFAULT_MODEL=Mine", b[] = "KNOWN_MODELS=[\"X\",\"Y\"]";
    char *environment[] = { a, b, NULL };
    struct settings s;

    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_NONE);
    EXPECT_Z(s.known_models[0], "Mine");
    EXPECT_Z(s.known_models[1], "X");
    EXPECT_Z(s.known_models[2], "Y");
    EXPECT(s.known_models[3] == NULL);
    settings_deinit(&s);
}

/* They would be left out of the routes without a word. */
static void refuses_models_that_no_request_could_name(void)
{
    char star[] = "DEFAULT_MODEL=all*", names[512] = "KNOWN_MODELS=good,";
    char *environment[] = { star, names, NULL };
    struct settings s;

    memset(names + strlen(names), 'x', MODEL_NAME_MAX + 1);
    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "\"all*\" ends in a star"));
    EXPECT(strstr(problems_text, "is longer than 200 bytes"));
    names[strlen(names) - 1] = '\0';
    star[strlen(star) - 1] = '\0';
    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_NONE);
    settings_deinit(&s);
}

/* Nothing of the real account may break the demo, or lead its traffic elsewhere. */
static void the_demo_and_clients_ignore_the_account(void)
{
    static const enum settings_use uses[] = { SETTINGS_CLIENT, SETTINGS_DEMO,
                                              SETTINGS_SERVE_OR_DEMO };
    char a[] = "CLERK_SESSION_ID=sess_x", b[] = "ENGINELABS_API_URL=ftp://x",
         c[] = "HTTP_PROXY=http://127.0.0.1:9", d[] = "NO_PROXY=.corp.example",
         e[] = "UPSTREAM_CA_FILE=/nonexistent", f[] = "ENGINELABS_ORIGIN=https://other",
         g[] = "CLERK_COOKIE_FILE=/nonexistent", h[] = "ENGINELABS_MAX_PROMPT_CHARS=7";
    char *environment[] = { a, b, c, d, e, f, h, g, NULL };
    char path[32];
    struct settings s;

    write_file(path, "CLERK_ORGANIZATION_ID=org_x\nALL_PROXY='open\n");
    for (size_t i = 0; i < COUNT_OF(uses); i++) {
        bool is_auto = uses[i] == SETTINGS_SERVE_OR_DEMO;

        environment[7] = is_auto ? NULL : g;
        EXPECT_INT(load_for(uses[i], NULL, environment, NULL, &s), ERR_NONE);
        EXPECT(s.is_demo == (uses[i] != SETTINGS_CLIENT));
        EXPECT(!s.clerk_session_id && !s.clerk_organization_id && !s.ca_file && !s.trust);
        EXPECT(s.proxies.http.type == PROXY_NONE && !s.proxies.no_proxy);
        EXPECT_Z(s.enginelabs_origin, "https://cto.new");
        EXPECT_INT(s.enginelabs_max_prompt_chars, 7);
        settings_deinit(&s);
        /* The rest is looked at, and so is the form of .env. */
        EXPECT_INT(load_for(uses[i], NULL, environment, path, &s), ERR_BAD_INPUT);
        EXPECT_INT(count_lines(problems_text), 1);
    }
    unlink(path);
}

static void a_cookie_decides_between_serving_and_the_demo(void)
{
    static const struct {
        const char *text;
        bool good, is_demo;
    } rows[] = {
        { "", true, true },
        { "CLERK_COOKIE=\"\"\n", true, true },
        { "# CLERK_COOKIE=x\n", true, true },
        { " CLERK_COOKIE = x\n", true, false },
        { "export CLERK_COOKIE=x\n", true, false },
        { "CLERK_COOKIE_FILE=/nonexistent\n", false, false },
        { "CLERK_COOKIE=' '\n", false, false },
        { "CLERK_COOKIE='x\n", false, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const overrides[] = { "ENGINELABS_API_URL=http://127.0.0.1:1",
                                          "CLERK_URL=http://127.0.0.1:1", NULL };
        char path[32];
        struct settings s;

        write_file(path, rows[i].text);
        enum err err = load_for(SETTINGS_SERVE_OR_DEMO, overrides, NULL, path, &s);
        EXPECT((err == ERR_NONE) == rows[i].good);
        if (!err) {
            EXPECT(s.is_demo == rows[i].is_demo);
            settings_deinit(&s);
        }
        unlink(path);
    }
}

static void needs_a_key_beyond_loopback(void)
{
    static const struct {
        const char *listen;
        const char *more;
        bool good;
    } rows[] = {
        { "LISTEN=127.0.0.1:1", "X=1", true },
        { "LISTEN=[::1]:1", "X=1", true },
        { "LISTEN=unix:/tmp/x", "X=1", true },
        { "LISTEN=0.0.0.0:1", "X=1", false },
        { "LISTEN=[::]:1", "X=1", false },
        { "LISTEN=192.168.1.1:1", "X=1", false },
        { "LISTEN=0.0.0.0:1", "API_MASTER_KEY=k", true },
        { "LISTEN=0.0.0.0:1", "ALLOW_NO_AUTH=true", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const overrides[] = { rows[i].listen, rows[i].more, NULL };
        struct settings s;

        EXPECT((load_for(SETTINGS_DEMO, overrides, NULL, NULL, &s) == ERR_NONE) == rows[i].good);
        if (rows[i].good)
            settings_deinit(&s);
        EXPECT_INT(load_for(SETTINGS_SERVE, overrides, NULL, NULL, &s), ERR_BAD_INPUT);
        EXPECT(strstr(problems_text, "CLERK_COOKIE is not set"));
        EXPECT(!strstr(problems_text, "API_MASTER_KEY is not set") == rows[i].good);
    }
}

static void reports_an_env_file_it_cannot_use(void)
{
    struct settings s;
    struct buf problems;
    const struct settings_source missing = { .env_file = "/nonexistent/.env",
                                             .env_file_required = true };

    EXPECT_INT(load(NULL, NULL, "/nonexistent/.env", &s), ERR_NONE);
    settings_deinit(&s);
    buf_init(&problems, 1 << 16);
    EXPECT_INT(settings_load(&missing, &s, &problems), ERR_BAD_INPUT);
    EXPECT(str_find(buf_str(&problems), STR("/nonexistent/.env: cannot be read")) != SIZE_MAX);
    buf_deinit(&problems);
}

static void files_that_cannot_be_read_are_told_with_the_reason(void)
{
    struct settings_source source = { .env_file = "/tmp/", .env_file_required = true };
    char path[32], pipe_dir[] = "/tmp/settings-XXXXXX", pipe_path[40];
    struct settings s;
    struct buf problems;

    buf_init(&problems, 1 << 16);
    EXPECT_INT(settings_load(&source, &s, &problems), ERR_BAD_INPUT);
    EXPECT(str_find(buf_str(&problems), STR("Is a directory; name a file")) != SIZE_MAX);
    write_bytes(path, STR("A=1\n"));
    EXPECT_INT(truncate(path, 64 << 20), 0);
    source.env_file = path;
    EXPECT_INT(settings_load(&source, &s, &problems), ERR_BAD_INPUT);
    EXPECT(str_find(buf_str(&problems), STR("File too large")) != SIZE_MAX);
    unlink(path);
    EXPECT(mkdtemp(pipe_dir) != NULL);
    snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", pipe_dir);
    EXPECT_INT(mkfifo(pipe_path, 0600), 0);
    source = (struct settings_source){ .env_file = pipe_path, .is_again = true };
    EXPECT_INT(settings_load(&source, &s, &problems), ERR_BAD_INPUT);
    EXPECT(str_find(buf_str(&problems), STR("it is a pipe, which can be read only once")) !=
           SIZE_MAX);
    unlink(pipe_path);
    rmdir(pipe_dir);
    buf_deinit(&problems);
}

static void the_state_is_where_the_service_manager_says(void)
{
    static const struct {
        const char *environment[3];
        const char *want;
    } rows[] = {
        { { "STATE_DIRECTORY=/a:/b", "XDG_STATE_HOME=/x", "HOME=/h" }, "/a" },
        { { "XDG_STATE_HOME=/x", "HOME=/h", NULL }, "/x/enginelabs-2api" },
        { { "HOME=/h", NULL, NULL }, "/h/.local/state/enginelabs-2api" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char texts[3][40];
        char *environment[4] = { NULL };
        struct settings s;

        for (size_t k = 0; k < 3 && rows[i].environment[k]; k++)
            environment[k] = str_to_z(str_of(rows[i].environment[k]), texts[k], sizeof(texts[k]));
        EXPECT_INT(load(NULL, environment, NULL, &s), ERR_NONE);
        EXPECT_Z(s.state_directory, rows[i].want);
        settings_deinit(&s);
    }
}

static void headers_of_the_collector_are_checked(void)
{
    char wrong[] = "OTEL_EXPORTER_OTLP_HEADERS=hush", good[] = "OTEL_EXPORTER_OTLP_HEADERS=a=b";
    char *environment[] = { wrong, NULL };
    struct settings s;

    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems_text, "OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE"));
    EXPECT(!strstr(problems_text, "hush"));
    environment[0] = good;
    EXPECT_INT(load(NULL, environment, NULL, &s), ERR_NONE);
    settings_deinit(&s);
}

static void control_characters_are_refused_in_every_kind(void)
{
    static const char *const names[] = { "STORE_URL=sqlite:/a\x01",    "STORE_URL=what:",
                                         "CORS_ORIGINS=https://a\x01", "HTTPS_PROXY=http://a\x01",
                                         "CLERK_COOKIE=a\x7f",         "DEFAULT_MODEL=a\x7f",
                                         "KNOWN_MODELS=a,b\x01" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char text[64];
        char *environment[] = { str_to_z(str_of(names[i]), text, sizeof(text)), NULL };
        struct settings s;

        EXPECT_INT(load(NULL, environment, NULL, &s), ERR_BAD_INPUT);
        EXPECT(!strchr(problems_text, '\x01') && !strchr(problems_text, '\x7f'));
    }
}

static const struct test suite[] = {
    { "files that cannot be read are told with the reason",
      files_that_cannot_be_read_are_told_with_the_reason },
    { "the state is where the service manager says", the_state_is_where_the_service_manager_says },
    { "headers of the collector are checked", headers_of_the_collector_are_checked },
    { "control characters are refused in every kind",
      control_characters_are_refused_in_every_kind },
    { "has defaults for everything", has_defaults_for_everything },
    { "command line wins over environment over file",
      command_line_wins_over_environment_over_file },
    { "tells all problems at once", tells_all_problems_at_once },
    { "tells problems of every stage at once", tells_problems_of_every_stage_at_once },
    { "does not miss what is set wrongly", does_not_miss_what_is_set_wrongly },
    { "refuses 0 where every request would fail", refuses_0_where_every_request_would_fail },
    { "refuses what the system or a request would refuse",
      refuses_what_the_system_or_a_request_would_refuse },
    { "cuts a long value, not what is expected", cuts_a_long_value_not_what_is_expected },
    { "a blank value counts as unset", a_blank_value_counts_as_unset },
    { "reads secrets from files and never shows them",
      reads_secrets_from_files_and_never_shows_them },
    { "refuses a named secret that is empty", refuses_a_named_secret_that_is_empty },
    { "refuses models that no request could name", refuses_models_that_no_request_could_name },
    { "refuses a secret given twice", refuses_a_secret_given_twice },
    { "takes proxies in either case, and ALL_PROXY for the rest",
      takes_proxies_in_either_case_and_all_proxy_for_the_rest },
    { "adds the default model to the known ones", adds_the_default_model_to_the_known_ones },
    { "the demo and clients ignore the account", the_demo_and_clients_ignore_the_account },
    { "a cookie decides between serving and the demo",
      a_cookie_decides_between_serving_and_the_demo },
    { "needs a key beyond loopback", needs_a_key_beyond_loopback },
    { "reports an env file it cannot use", reports_an_env_file_it_cannot_use },
};

TEST_MAIN(suite)
