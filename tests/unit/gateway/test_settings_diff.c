/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings differ between two files, as a reload tells it. */
#include "gateway/settings_diff.h"

#include "settings_test.h"

static char differing[1000];

static void on_other(void *arg, const char *name, bool needs_restart)
{
    size_t n = strlen(differing);

    (void)arg;
    snprintf(differing + n, sizeof(differing) - n, "%s%s;", name, needs_restart ? "!" : "");
}

static const struct {
    const char *a, *b;
    const char *names; /* '!' behind one that needs a restart */
} rows[] = {
    { "workers: 2\n", "workers: 2\n", "" },
    { "workers: 2\n", "workers: 3\n", "WORKERS!;" },
    { "listen: 127.0.0.1:1\n", "listen: 127.0.0.1:2\n", "LISTEN!;" },
    { "allow_no_auth: yes\n", "allow_no_auth: no\n", "ALLOW_NO_AUTH;" },
    { "queue_timeout: 5\n", "queue_timeout: 5.0\n", "" },
    { "queue_timeout: 5\n", "queue_timeout: 6\n", "QUEUE_TIMEOUT;" },
    { "max_body_bytes: 1MiB\n", "max_body_bytes: 1048576\n", "" },
    { "default_model: GPT5\n", "default_model: ClaudeSonnet4_5\n", "DEFAULT_MODEL;" },
    { "default_model: GPT5\n", "default_model: Mine\n", "DEFAULT_MODEL;" },
    { "known_models: [A]\n", "known_models: [A, B]\n", "KNOWN_MODELS;" },
    { "known_models: [A]\ndefault_model: A\n", "known_models: [A]\ndefault_model: B\n",
      "DEFAULT_MODEL;" },
    { "api_master_key: hush\n", "api_master_key: ' hush '\n", "" },
    { "api_master_key: hush\n", "api_master_key: hush2\n", "API_MASTER_KEY;" },
    { "log_level: info\n", "api_master_key: hush\n", "API_MASTER_KEY;" },
    { "cors_origins: [https://a.b]\n", "cors_origins: https://a.b\n", "" },
    { "cors_origins: [https://a.b]\n", "cors_origins: [https://a.b, https://c.d]\n",
      "CORS_ORIGINS;" },
    { "cors_origins: [https://a.b, https://c.d]\n", "cors_origins: [https://a.b]\n",
      "CORS_ORIGINS;" },
    { "cors_origins: [https://a.b]\n", "cors_origins: [https://c.d]\n", "CORS_ORIGINS;" },
    { "enginelabs_content: auto\n", "enginelabs_content: delta\n", "ENGINELABS_CONTENT;" },
    { "enginelabs_api_url: http://h/a\n", "enginelabs_api_url: http://H/a/\n", "" },
    { "enginelabs_api_url: http://h/a\n", "enginelabs_api_url: http://h/b\n",
      "ENGINELABS_API_URL;" },
    { "https_proxy: http://u:a@h:1\n", "https_proxy: http://u:a@h:1\n", "" },
    { "https_proxy: http://u:a@h:1\n", "https_proxy: http://u:b@h:1\n", "HTTPS_PROXY!;" },
    { "https_proxy: http://u:a@h:1\n", "https_proxy: http://v:a@h:1\n", "HTTPS_PROXY!;" },
    { "https_proxy: http://u:a@h:1\n", "https_proxy: http://u:a@h:2\n", "HTTPS_PROXY!;" },
    { "https_proxy: http://u:a@h:1\n", "https_proxy: socks5h://u:a@h:1\n", "HTTPS_PROXY!;" },
    { "store_url: 'memory:'\n", "store_url: 'sqlite:'\n", "STORE_URL!;" },
    { "upstream_ca_file: /a\n", "log_level: info\n", "UPSTREAM_CA_FILE!;" },
};

static void names_what_has_another_value(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct settings a, b;

        EXPECT_INT(load_yaml_for(SETTINGS_ALL, NULL, rows[i].a, &a), ERR_NONE);
        EXPECT_INT(load_yaml_for(SETTINGS_ALL, NULL, rows[i].b, &b), ERR_NONE);
        differing[0] = '\0';
        settings_diff(&a, &b, on_other, NULL);
        if (strcmp(differing, rows[i].names) != 0)
            fail_msg("%s%swant: %s\ntold: %s", rows[i].a, rows[i].b, rows[i].names, differing);
        settings_deinit(&a);
        settings_deinit(&b);
    }
}

static const struct test suite[] = {
    { "names what has another value", names_what_has_another_value },
};

TEST_MAIN(suite)
