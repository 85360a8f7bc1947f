/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of the process: one table (settings_table.c) of names, types and defaults; values
 * from the command line, the environment, .env, the YAML file and the defaults, in this order; and
 * what only the YAML file can say (settings_upstreams.h). All problems are found in one go.
 * docs/configuration.md is the reference.
 */
#pragma once

#include "base/log.h"
#include "base/secret.h"
#include "gateway/health.h"
#include "gateway/settings_upstreams.h"
#include "net/connector.h"
#include "trace/context.h"

struct settings {
    struct arena arena;         /* owns the texts */
    struct settings_told *told; /* by row of the table, in the arena */
    const char *notes;          /* what is no problem, but seems meant otherwise; a line each */
    bool is_demo;               /* loaded for SETTINGS_DEMO, in the end */

    struct secret api_master_key;
    struct secret admin_key;
    bool web_ui;
    bool allow_no_auth;
    struct endpoint listen;
    size_t workers;                  /* 0 in the table: one a core; filled in by settings_load */
    const char *store_url;           /* "sqlite:", "sqlite:PATH", "memory:", "redis://..." */
    const char *state_directory;     /* of the environment; NULL: it names none */
    const char *const *cors_origins; /* NULL-ended; "*" alone for any */

    const char *default_model;
    bool has_default_model;          /* the user set it */
    const char *const *named_models; /* KNOWN_MODELS as it was set; NULL-ended */
    const char *const *known_models; /* these, and default_model */
    bool has_known_models;           /* the user set it; else discovered names replace it */

    struct secret clerk_cookie;
    const char *clerk_cookie_file;     /* where it came from; NULL: not from a file */
    const char *clerk_session_id;      /* NULL: discovered */
    const char *clerk_organization_id; /* NULL: discovered */
    struct url enginelabs_api_url;
    struct url clerk_url;
    const char *enginelabs_origin;
    enum upstream_protocol enginelabs_protocol;
    enum enginelabs_content enginelabs_content;
    const char *enginelabs_credentials_file; /* "~/" replaced where HOME is known */
    size_t enginelabs_max_prompt_chars;
    size_t enginelabs_max_prompt_bytes;
    enum upstream_overflow enginelabs_overflow;
    enum upstream_delete enginelabs_delete_chats;
    size_t enginelabs_max_parallel;
    bool has_max_parallel; /* the user set it; else what the service says comes first */

    int64_t request_timeout_ms;
    int64_t connect_timeout_ms;
    int64_t accept_timeout_ms;
    int64_t first_token_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t commit_after_ms;
    int64_t keepalive_ms;
    int64_t queue_timeout_ms;
    int64_t conversation_ttl_ms;
    int64_t responses_ttl_ms; /* 0: none are kept */
    size_t responses_max_bytes;
    int64_t shutdown_timeout_ms;

    struct health_limits circuit;

    struct shape_settings shape; /* of targets that do not say otherwise */
    size_t max_choices;          /* answers that are asked for one by one for one request */

    const char *ca_file;     /* NULL: the system's */
    struct tls_trust *trust; /* for SETTINGS_SERVE where upstream or store need TLS, else NULL */
    struct proxy_rules proxies;
    struct proxy all_proxy; /* stands in for the two above where they are not set */

    size_t max_body_bytes;
    size_t max_connections;
    size_t memory_limit;
    bool core_dumps;
    size_t nginx_port; /* of the compose deployment; only checked here */

    const char *log_level;
    const char *log_format; /* "text", "json", or "auto" */

    /* Of the YAML file; all of them are in the arena. */
    struct upstream_settings *upstreams; /* at least one */
    size_t n_upstreams;
    bool has_upstreams; /* the user named them; else the one is made of the settings above */
    struct key_settings *keys;
    size_t n_keys;
    struct price *prices; /* ledger/price.h */
    size_t n_prices;
    struct url otel_endpoint; /* path NULL: nobody collects traces */
    struct secret otel_headers;
    const char *otel_service;
    enum trace_sampler otel_sampler;
    int64_t otel_sampler_per_mille;
    int64_t usage_retention_ms; /* of sums */
    size_t usage_rows;
    struct route_settings *routes;
    size_t n_routes;
    bool has_routes; /* else every model of every upstream goes by its own name */
};

/* What they are loaded for, and so what must be there. */
enum settings_use {
    SETTINGS_ALL,           /* every value is read, none is needed */
    SETTINGS_CLIENT,        /* the account and the way to it are left at their defaults, unread */
    SETTINGS_SERVE,         /* a key beyond loopback, accounts, certificates for TLS */
    SETTINGS_DEMO,          /* a key beyond loopback; else as SETTINGS_CLIENT */
    SETTINGS_SERVE_OR_DEMO, /* SETTINGS_SERVE where a cookie, its file or upstreams are named, else
                               SETTINGS_DEMO */
};

/* Where values come from, besides the defaults. */
struct settings_source {
    enum settings_use use;
    const char *const *overrides; /* "NAME=VALUE" of the command line, NULL-ended; may be NULL */
    char *const *environment;     /* environ; may be NULL */
    const char *env_file;         /* path; NULL: none. A file that is not there is no error unless
                                     `env_file_required` */
    bool env_file_required;
    const char *config_file; /* the YAML file, likewise */
    bool config_file_required;
    bool is_again; /* they were read before: pipes, which can be read once, are refused */
};

/* Fills `ret`. On ERR_BAD_INPUT `problems` has one line for each thing that is wrong, whatever kind
 * it is of: where it was set, its name, what is wrong and what is allowed, never a secret's value;
 * `ret` is released. */
MUST_USE enum err settings_load(const struct settings_source *source, struct settings *ret,
                                struct buf *problems);
void settings_deinit(struct settings *s);

/* Makes the upstream "cto" of the flat settings once more, after some of them were changed. */
void settings_remake_upstream(struct settings *s);

/* Whether somebody has to show a key, or everybody who can connect may. */
bool settings_may_listen(const struct settings *s);

/* A warning for each line of `notes`. */
void settings_log_notes(const struct settings *s);

enum log_level settings_log_level(const struct settings *s);
enum log_format settings_log_format(const struct settings *s, int fd);

/* Names and defaults, for the reference's test and `help settings`: row i, false past the end. */
struct settings_row {
    const char *name;
    const char *fallback; /* "" when there is none */
    bool is_secret;
    bool needs_restart; /* a reload refuses another value */
};
bool settings_row_at(size_t i, struct settings_row *ret);

/* What was found for row i, for people: false past the end. */
struct settings_told {
    const char *value;  /* as it was given; "set" for what may not be shown; NULL: there is none */
    const char *source; /* "default", "environment", "file" or "command line" */
};
bool settings_told_at(const struct settings *s, size_t i, struct settings_told *ret);

/* The same for the keys of the YAML file's sections: "upstreams[].accounts[].name". */
enum { SETTINGS_PATH_SIZE = 80 };
bool settings_path_at(size_t i, char out[SETTINGS_PATH_SIZE]);
