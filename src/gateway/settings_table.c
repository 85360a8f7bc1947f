/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of settings, and values of each type from text. To add a setting: a
 * field in settings.h, a row here, a section in docs/configuration.md (a test
 * compares the two).
 */
#include <stdio.h>

#include "gateway/setting_value.h"
#include "gateway/settings_internal.h"
#include "store/redis.h"

#define FIELD(member) offsetof(struct settings, member)

const struct setting settings_table[] = {
    { "API_MASTER_KEY", SETTING_SECRET, FIELD(api_master_key), NULL, NULL },
    { "ADMIN_KEY", SETTING_SECRET, FIELD(admin_key), NULL, NULL },
    { "WEB_UI", SETTING_BOOL, FIELD(web_ui), "true", NULL },
    { "ALLOW_NO_AUTH", SETTING_BOOL, FIELD(allow_no_auth), "false", NULL },
    { "LISTEN", SETTING_LISTEN, FIELD(listen), "127.0.0.1:8089", NULL },
    { "WORKERS", SETTING_COUNT, FIELD(workers), "0", NULL },
    { "STORE_URL", SETTING_STORE, FIELD(store_url), "sqlite:", NULL },
    { "CORS_ORIGINS", SETTING_ORIGINS, FIELD(cors_origins), "", NULL },
    { "DEFAULT_MODEL", SETTING_TEXT, FIELD(default_model), "ClaudeSonnet4_5", NULL },
    { "KNOWN_MODELS", SETTING_LIST, FIELD(named_models), "ClaudeSonnet4_5,GPT5", NULL },
    { "CLERK_COOKIE", SETTING_SECRET, FIELD(clerk_cookie), NULL, NULL },
    { "CLERK_SESSION_ID", SETTING_TEXT, FIELD(clerk_session_id), NULL, NULL },
    { "CLERK_ORGANIZATION_ID", SETTING_TEXT, FIELD(clerk_organization_id), NULL, NULL },
    { "ENGINELABS_API_URL", SETTING_URL, FIELD(enginelabs_api_url), "https://api.enginelabs.ai",
      NULL },
    { "CLERK_URL", SETTING_URL, FIELD(clerk_url), "https://clerk.cto.new", NULL },
    { "ENGINELABS_ORIGIN", SETTING_ORIGIN, FIELD(enginelabs_origin), "https://cto.new", NULL },
    { "ENGINELABS_PROTOCOL", SETTING_ENUM, FIELD(enginelabs_protocol), "classic",
      UPSTREAM_PROTOCOLS },
    { "ENGINELABS_CREDENTIALS_FILE", SETTING_TEXT, FIELD(enginelabs_credentials_file),
      "~/.cto/credentials", NULL },
    { "ENGINELABS_CONTENT", SETTING_ENUM, FIELD(enginelabs_content), "auto", UPSTREAM_CONTENTS },
    { "ENGINELABS_MAX_PROMPT_CHARS", SETTING_COUNT, FIELD(enginelabs_max_prompt_chars), "20000",
      NULL },
    { "ENGINELABS_MAX_PROMPT_BYTES", SETTING_SIZE, FIELD(enginelabs_max_prompt_bytes), "32000",
      NULL },
    { "ENGINELABS_OVERFLOW", SETTING_ENUM, FIELD(enginelabs_overflow), "error",
      UPSTREAM_OVERFLOWS },
    { "ENGINELABS_DELETE_CHATS", SETTING_ENUM, FIELD(enginelabs_delete_chats), "never",
      UPSTREAM_DELETES },
    { "ENGINELABS_MAX_PARALLEL", SETTING_COUNT, FIELD(enginelabs_max_parallel), "2", NULL },
    { "API_REQUEST_TIMEOUT", SETTING_SECONDS, FIELD(request_timeout_ms), "300", NULL },
    { "UPSTREAM_CONNECT_TIMEOUT", SETTING_SECONDS, FIELD(connect_timeout_ms), "10", NULL },
    { "UPSTREAM_ACCEPT_TIMEOUT", SETTING_SECONDS, FIELD(accept_timeout_ms), "30", NULL },
    { "UPSTREAM_FIRST_TOKEN_TIMEOUT", SETTING_SECONDS, FIELD(first_token_timeout_ms), "120", NULL },
    { "UPSTREAM_IDLE_TIMEOUT", SETTING_SECONDS, FIELD(idle_timeout_ms), "120", NULL },
    { "STREAM_COMMIT_AFTER", SETTING_SECONDS, FIELD(commit_after_ms), "5", NULL },
    { "STREAM_KEEPALIVE", SETTING_SECONDS, FIELD(keepalive_ms), "15", NULL },
    { "QUEUE_TIMEOUT", SETTING_SECONDS, FIELD(queue_timeout_ms), "30", NULL },
    { "CONVERSATION_TTL", SETTING_SECONDS, FIELD(conversation_ttl_ms), "2592000", NULL },
    { "RESPONSES_TTL", SETTING_SECONDS, FIELD(responses_ttl_ms), "2592000", NULL },
    { "RESPONSES_MAX_BYTES", SETTING_SIZE, FIELD(responses_max_bytes), "256MiB", NULL },
    { "OTEL_EXPORTER_OTLP_ENDPOINT", SETTING_URL, FIELD(otel_endpoint), NULL, NULL },
    { "OTEL_EXPORTER_OTLP_HEADERS", SETTING_SECRET, FIELD(otel_headers), NULL, NULL },
    { "OTEL_SERVICE_NAME", SETTING_TEXT, FIELD(otel_service), "enginelabs-2api", NULL },
    { "OTEL_TRACES_SAMPLER", SETTING_ENUM, FIELD(otel_sampler), "parentbased_traceidratio",
      TRACE_SAMPLERS },
    { "OTEL_TRACES_SAMPLER_ARG", SETTING_SECONDS, FIELD(otel_sampler_per_mille), "1", NULL },
    { "USAGE_RETENTION", SETTING_SECONDS, FIELD(usage_retention_ms), "34560000", NULL },
    { "USAGE_ROWS", SETTING_COUNT, FIELD(usage_rows), "100000", NULL },
    { "SHUTDOWN_TIMEOUT", SETTING_SECONDS, FIELD(shutdown_timeout_ms), "30", NULL },
    { "CIRCUIT_ERROR_PERCENT", SETTING_COUNT, FIELD(circuit.error_percent), "50", NULL },
    { "CIRCUIT_WINDOW", SETTING_SECONDS, FIELD(circuit.window_ms), "30", NULL },
    { "CIRCUIT_OPEN_FOR", SETTING_SECONDS, FIELD(circuit.open_ms), "30", NULL },
    { "CIRCUIT_SLOW_START", SETTING_SECONDS, FIELD(circuit.slow_start_ms), "30", NULL },
    { "EMULATE_TOOLS", SETTING_BOOL, FIELD(shape.emulate_tools), "true", NULL },
    { "HOLD_UNTIL_VALID", SETTING_BOOL, FIELD(shape.hold_until_valid), "true", NULL },
    { "SPLIT_THINK", SETTING_BOOL, FIELD(shape.split_think), "false", NULL },
    { "THINK_TAGS", SETTING_BOOL, FIELD(shape.think_tags), "false", NULL },
    { "MAX_CHOICES", SETTING_COUNT, FIELD(max_choices), "4", NULL },
    { "UPSTREAM_CA_FILE", SETTING_TEXT, FIELD(ca_file), NULL, NULL },
    { "HTTPS_PROXY", SETTING_PROXY, FIELD(proxies.https), NULL, NULL },
    { "HTTP_PROXY", SETTING_PROXY, FIELD(proxies.http), NULL, NULL },
    { "ALL_PROXY", SETTING_PROXY, FIELD(all_proxy), NULL, NULL },
    { "NO_PROXY", SETTING_TEXT, FIELD(proxies.no_proxy), NULL, NULL },
    { "MAX_BODY_BYTES", SETTING_SIZE, FIELD(max_body_bytes), "32MiB", NULL },
    { "MAX_CONNECTIONS", SETTING_COUNT, FIELD(max_connections), "10000", NULL },
    { "MEMORY_LIMIT", SETTING_SIZE, FIELD(memory_limit), "1GiB", NULL },
    { "CORE_DUMPS", SETTING_BOOL, FIELD(core_dumps), "false", NULL },
    { "NGINX_PORT", SETTING_COUNT, FIELD(nginx_port), "8089", NULL },
    { "LOG_LEVEL", SETTING_CHOICE, FIELD(log_level), "info", "debug|info|warn|error|off" },
    { "LOG_FORMAT", SETTING_CHOICE, FIELD(log_format), "auto", "auto|text|json" },
    { NULL, SETTING_TEXT, 0, NULL, NULL },
};

_Static_assert(COUNT_OF(settings_table) <= SETTINGS_MAX, "the loader has no room for all rows");

static const char *expected(enum setting_type type)
{
    switch (type) {
    case SETTING_SECONDS:
        return "expected seconds, such as 5 or 0.5, at most 10 years";
    case SETTING_SIZE:
        return "expected a size in bytes, or with KiB, MiB or GiB, such as 32MiB";
    case SETTING_COUNT:
        return "expected a whole number, at most 1000000000";
    case SETTING_BOOL:
        return "expected true or false";
    case SETTING_LIST:
    case SETTING_ORIGINS:
        return "expected a list: at most 1000 items between commas, or in a JSON array of strings, "
               "without control characters";
    case SETTING_LISTEN:
        return "expected HOST:PORT, [IPV6]:PORT or unix:PATH (at most 107 bytes)";
    case SETTING_PROXY:
        return "expected http://HOST:PORT or socks5h://HOST:PORT, with USER:PASSWORD@ if needed";
    case SETTING_TEXT:
    case SETTING_ORIGIN:
    case SETTING_SECRET:
        return "control characters are not allowed";
    case SETTING_CHOICE:
    case SETTING_ENUM:
    case SETTING_URL:
    case SETTING_STORE:
        break;
    }
    return "malformed";
}

static enum err set_text(struct str value, struct arena *a, const char **field)
{
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
            return ERR_BAD_INPUT;
    *field = arena_dup(a, value).p;
    return ERR_NONE;
}

/* "memory:", "sqlite:" with or without a path, "redis://...". */
static enum err set_store(struct str value, struct arena *a, const char **field, char what[256])
{
    struct store_redis_url url;
    enum err err = ERR_NONE;

    snprintf(what, 256,
             "expected sqlite:, sqlite:PATH, memory:, redis://HOST:PORT/DB or rediss://...");
    if (str_starts(value, STR("redis:")) || str_starts(value, STR("rediss:"))) {
        err = store_redis_parse(value, &url, what);
        if (!err)
            store_redis_url_deinit(&url);
    } else if (!str_starts(value, STR("sqlite:")) && !str_eq(value, STR("memory:"))) {
        err = ERR_BAD_INPUT;
    }
    return err ? err : set_text(value, a, field);
}

static enum err set_secret(struct str value, struct secret *field)
{
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
            return ERR_BAD_INPUT;
    secret_set(field, value);
    return ERR_NONE;
}

static enum err set_count(struct str value, size_t *field)
{
    uint64_t n;
    enum err err = str_to_u64(value, 1000000000, &n);

    if (!err)
        *field = (size_t)n;
    return err;
}

static enum err set_enum(struct str value, const char *choices, unsigned *field)
{
    struct str left = str_of(choices);

    for (unsigned i = 0; left.n; i++) {
        struct str word = str_cut(left, '|', &left);

        if (str_eq_nocase(word, value)) {
            *field = i;
            return ERR_NONE;
        }
    }
    return ERR_BAD_INPUT;
}

static enum err set_value(const struct setting *row, void *field, struct arena *a, struct str value,
                          char what[256])
{
    switch (row->type) {
    case SETTING_TEXT:
        return set_text(value, a, field);
    case SETTING_SECRET:
        return set_secret(value, field);
    case SETTING_SECONDS:
        return setting_seconds(value, field);
    case SETTING_SIZE:
        return setting_size(value, field);
    case SETTING_COUNT:
        return set_count(value, field);
    case SETTING_BOOL:
        return setting_bool(value, field);
    case SETTING_LIST:
        return setting_list(value, a, field);
    case SETTING_ORIGINS:
        return setting_origins(value, a, field, what);
    case SETTING_ORIGIN:
        return setting_origin(value, a, field, what);
    case SETTING_CHOICE:
        snprintf(what, 256, "expected one of %s", row->choices);
        return setting_choice(value, row->choices, a, field);
    case SETTING_ENUM:
        snprintf(what, 256, "expected one of %s", row->choices);
        return set_enum(value, row->choices, field);
    case SETTING_URL:
        return url_parse(value, field, what);
    case SETTING_LISTEN:
        return endpoint_parse(value, field);
    case SETTING_PROXY:
        return proxy_parse(value, field);
    case SETTING_STORE:
        return set_store(value, a, field, what);
    }
    return ERR_BAD_INPUT;
}

/* What lies outside parses well, but nothing would work with it. */
static const struct {
    const char *name;
    uint64_t min, max; /* seconds in ms */
    const char *what;
} ranges[] = {
    { "WORKERS", 0, 64, "expected at most 64" },
    { "CIRCUIT_ERROR_PERCENT", 0, 100, "expected a percentage, 0 to 100" },
    { "OTEL_TRACES_SAMPLER_ARG", 0, 1000, "expected a share, 0 to 1" },
    { "CIRCUIT_WINDOW", 1000, UINT64_MAX, "expected at least 1 second" },
    { "CIRCUIT_OPEN_FOR", 1, UINT64_MAX, "expected more than 0" },
    { "MAX_CHOICES", 1, 128, "expected 1 to 128" },
    { "NGINX_PORT", 1, 65535, "expected a port, 1 to 65535" },
#define ABOVE_0(name)                                                    \
    {                                                                    \
        name, 1, UINT64_MAX, "every request would fail; set more than 0" \
    }
    ABOVE_0("MAX_CONNECTIONS"),
    ABOVE_0("MAX_BODY_BYTES"),
    { "MEMORY_LIMIT", 1 << 20, UINT64_MAX, "every request would fail; set at least 1MiB" },
    ABOVE_0("API_REQUEST_TIMEOUT"),
    ABOVE_0("UPSTREAM_CONNECT_TIMEOUT"),
    ABOVE_0("UPSTREAM_ACCEPT_TIMEOUT"),
    ABOVE_0("UPSTREAM_FIRST_TOKEN_TIMEOUT"),
    ABOVE_0("UPSTREAM_IDLE_TIMEOUT"),
#undef ABOVE_0
};

static enum err check_range(const struct setting *row, const struct settings *s, char what[256])
{
    const void *field = (const char *)s + row->offset;

    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        if (strcmp(ranges[i].name, row->name) != 0)
            continue;
        uint64_t value = row->type == SETTING_SECONDS ? (uint64_t) * (const int64_t *)field
                                                      : (uint64_t) * (const size_t *)field;
        if (value >= ranges[i].min && value <= ranges[i].max)
            return ERR_NONE;
        snprintf(what, 256, "%s", ranges[i].what);
        return ERR_BAD_INPUT;
    }
    return ERR_NONE;
}

enum err setting_set_field(const struct setting *row, void *field, struct arena *a,
                           struct str value, char what[256])
{
    what[0] = '\0';
    enum err err = set_value(row, field, a, value, what);
    if (err && !what[0])
        snprintf(what, 256, "%s", expected(row->type));
    return err;
}

enum err setting_set(const struct setting *row, struct settings *s, struct str value,
                     char what[256])
{
    enum err err = setting_set_field(row, (char *)s + row->offset, &s->arena, value, what);

    return err ? err : check_range(row, s, what);
}

bool setting_needs_restart(const char *name)
{
    static const char *const names[] = {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_SERVICE_NAME",
        "LISTEN",
        "WORKERS",
        "STORE_URL",
        "UPSTREAM_CA_FILE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "MAX_BODY_BYTES",
        "MAX_CONNECTIONS",
        "CORE_DUMPS",
        "NGINX_PORT",
        "LOG_FORMAT",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

bool setting_is_upstream(const struct setting *row)
{
    static const char *const names[] = {
        "CLERK_COOKIE",
        "CLERK_SESSION_ID",
        "CLERK_ORGANIZATION_ID",
        "ENGINELABS_API_URL",
        "CLERK_URL",
        "ENGINELABS_ORIGIN",
        "ENGINELABS_CONTENT",
        "ENGINELABS_PROTOCOL",
        "ENGINELABS_CREDENTIALS_FILE",
        "ENGINELABS_DELETE_CHATS",
        "ENGINELABS_MAX_PARALLEL",
        "UPSTREAM_CA_FILE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(row->name, names[i]) == 0)
            return true;
    return false;
}

/* Proxies may hold a password, so their value is not shown either. */
bool setting_may_show(enum setting_type type)
{
    return type != SETTING_SECRET && type != SETTING_PROXY;
}

bool settings_row_at(size_t i, struct settings_row *ret)
{
    if (i >= COUNT_OF(settings_table) - 1)
        return false;
    *ret = (struct settings_row){ settings_table[i].name,
                                  settings_table[i].fallback ? settings_table[i].fallback : "",
                                  settings_table[i].type == SETTING_SECRET,
                                  setting_needs_restart(settings_table[i].name) };
    return true;
}

bool settings_told_at(const struct settings *s, size_t i, struct settings_told *ret)
{
    if (i >= COUNT_OF(settings_table) - 1 || !s->told)
        return false;
    *ret = s->told[i];
    return true;
}
