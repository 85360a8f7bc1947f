/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What settings of structure say: upstreams with their accounts, keys of clients, routes. Without
 * `upstreams` in the YAML file there is one, "cto", of the flat settings. Everything lives as long
 * as the settings do.
 */
#pragma once

#include "base/secret.h"
#include "http/url.h"
#include "keys/key_record.h"
#include "provider/enginelabs/enginelabs.h"

enum {
    UPSTREAMS_MAX = 64,
    ACCOUNTS_MAX = 64,      /* of one upstream */
    ROUTE_TARGETS_MAX = 16, /* of one route */
    TARGET_EDITS_MAX = 60,  /* changes of one target's requests, all kinds together */
    ROUTE_WEIGHT_MAX = 1000000,
    SETTINGS_NAME_MAX = 64, /* bytes of the name of an upstream, account or key */
    MODEL_NAME_MAX = 200,   /* bytes of the name of a route or model */
};

enum upstream_provider { UPSTREAM_ENGINELABS, UPSTREAM_OPENAI };
enum upstream_protocol { UPSTREAM_CLASSIC, UPSTREAM_PROJECT, UPSTREAM_NATIVE };
enum upstream_overflow { UPSTREAM_OVERFLOW_ERROR, UPSTREAM_OVERFLOW_TRIM };
enum upstream_delete { UPSTREAM_DELETE_NEVER, UPSTREAM_DELETE_AFTER_TTL, UPSTREAM_DELETE_AT_END };

struct account_settings {
    const char *name; /* unique in its upstream */
    struct secret cookie;
    const char *cookie_file;      /* where the cookie came from; NULL: not from a file */
    const char *session_id;       /* NULL: discovered */
    const char *organization_id;  /* NULL: discovered */
    const char *credentials_file; /* of UPSTREAM_NATIVE, "~/" replaced; may not be NULL there */
    size_t max_parallel;          /* 0: no limit */
    bool has_max_parallel;        /* the user said it; else what the service says comes first */
};

struct header_settings {
    const char *name;
    struct secret value;
};

struct upstream_settings {
    const char *name; /* unique */
    enum upstream_provider provider;
    const char *const *models; /* NULL-ended and fixed; NULL: discovered */
    bool takes_any_model;      /* names that no list has are passed on to it */

    /* of UPSTREAM_ENGINELABS */
    enum upstream_protocol protocol;
    struct url api_url;
    struct url clerk_url;
    const char *origin;
    enum enginelabs_content content;
    size_t max_prompt_chars;
    size_t max_prompt_bytes;
    enum upstream_overflow overflow;
    enum upstream_delete delete_chats;
    struct account_settings *accounts; /* at least one when loaded for SETTINGS_SERVE */
    size_t n_accounts;

    /* of UPSTREAM_OPENAI */
    struct url base_url; /* its path holds the "/v1" */
    struct secret *api_keys;
    size_t n_api_keys; /* 0: none is sent */
    struct header_settings *headers;
    size_t n_headers;
};

/* A key of clients besides API_MASTER_KEY, which goes by the name "master". */
struct key_settings {
    const char *name; /* unique */
    struct secret key;
    const char *const *models;       /* NULL-ended; NULL: all */
    const char *requests_per_minute; /* these as they are written; NULL: no limit */
    const char *tokens_per_minute;
    const char *parallel_requests;
    const char *tokens_per[KEY_PERIODS];
    const char *money_per[KEY_PERIODS];
    struct key_record record; /* made of all these; id "file/NAME" */
};

/* A member that a target's requests get: `json` is one whole value. Names of members, here and
 * below, are printable ASCII without quotes and backslashes. */
struct set_settings {
    const char *name;
    struct str json;
};

struct rename_settings {
    const char *from;
    const char *to;
};

/* How answers are shaped that the upstream does not shape itself (shape/shaper.h). */
struct shape_settings {
    bool emulate_tools; /* else tools are refused where the upstream knows none */
    bool hold_until_valid;
    bool split_think;
    bool think_tags;
};

struct target_settings {
    size_t upstream;   /* index in settings.upstreams */
    const char *model; /* "*": what stands for the "*" of the route's name */
    unsigned weight;   /* of ROUTE_WEIGHTED */
    struct set_settings *set;
    size_t n_set;
    const char *const *drop; /* NULL-ended; NULL: none */
    struct rename_settings *rename;
    size_t n_rename;
    const char *system_prompt;   /* put before the client's own; NULL: none */
    struct shape_settings shape; /* those of the whole gateway where it has none of its own */
};

enum route_strategy { ROUTE_FALLBACK, ROUTE_WEIGHTED };

struct route_settings {
    const char *name; /* unique with all aliases; may end in "/" and a star, or be a star */
    const char *const *aliases; /* NULL-ended; NULL: none */
    enum route_strategy strategy;
    struct target_settings *targets;
    size_t n_targets; /* 1 to ROUTE_TARGETS_MAX */
};
