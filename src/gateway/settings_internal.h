/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the settings: the rows of the table, values from text (settings_table.c),
 * the loader (settings.c), its YAML file (settings_yaml.c), mappings in it (settings_node.c), and
 * the sections of structure (settings_upstreams.c, settings_openai.c, settings_keys.c,
 * settings_routes.c).
 */
#pragma once

#include "gateway/dotenv.h"
#include "gateway/settings.h"
#include "gateway/yaml_tree.h"

enum setting_type {
    SETTING_TEXT,
    SETTING_SECRET,
    SETTING_SECONDS,
    SETTING_SIZE,
    SETTING_COUNT,
    SETTING_BOOL,
    SETTING_LIST,
    SETTING_ORIGINS,
    SETTING_ORIGIN,
    SETTING_CHOICE, /* the word, const char * */
    SETTING_ENUM,   /* its place among the choices, an enum */
    SETTING_URL,
    SETTING_LISTEN,
    SETTING_PROXY,
    SETTING_STORE,
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;
    const char *fallback; /* NULL: unset */
    const char *choices;  /* of SETTING_CHOICE and SETTING_ENUM */
};

enum { SETTINGS_MAX = 80 };

/* In the order of their enums. */
#define UPSTREAM_PROVIDERS "enginelabs|openai"
#define UPSTREAM_PROTOCOLS "classic|project|native"
#define UPSTREAM_CONTENTS "auto|delta|snapshot"
#define UPSTREAM_OVERFLOWS "error|trim"
#define UPSTREAM_DELETES "never|after_ttl|at_end"
#define ROUTE_STRATEGIES "fallback|weighted"

/* The table, ended by a row without a name. */
extern const struct setting settings_table[];

/* Parses `value`, which is trimmed, into the row's field of `s`; what is out of range is an error
 * although the field has it then. On error `what` has the reason, for people, never with the value
 * in it. */
MUST_USE enum err setting_set(const struct setting *row, struct settings *s, struct str value,
                              char what[256]);

/* The same into any field of the row's type, without a range. */
MUST_USE enum err setting_set_field(const struct setting *row, void *field, struct arena *a,
                                    struct str value, char what[256]);

/* Whether it concerns the account and the way to it: of no use to the demo and to clients. */
bool setting_is_upstream(const struct setting *row);

/* Whether the process has it from its start to its end. */
bool setting_needs_restart(const char *name);

/* Whether a message may show the value. */
bool setting_may_show(enum setting_type type);

/* ---- the loader ---- */

struct loader {
    const struct settings_source *source;
    enum settings_use use; /* never SETTINGS_SERVE_OR_DEMO */
    struct dotenv env_file;
    struct yaml_node *yaml; /* the root; NULL: there is no such file, or none that can be used */
    struct settings *out;
    struct buf *problems;
    size_t n_problems;
    const char *flat_user;    /* the upstream that the account of CLERK_COOKIE is of, or NULL */
    bool has_no_file;         /* one that should be there cannot be read */
    bool bad[SETTINGS_MAX];   /* by row: it was set, but not well */
    bool given[SETTINGS_MAX]; /* by row: it was set */
};

void loader_problem(struct loader *l, const char *format, ...) FORMAT(2, 3);

/* The whole file into the arena, a pipe too unless it was read before; the error number on failure,
 * and the words for it. */
int loader_read_file(struct loader *l, const char *path, struct str *ret);
const char *loader_file_error(int failed);

/* The trimmed content of a secret's file. What is wrong with it is told as of `name` at `where`. */
MUST_USE bool loader_read_secret(struct loader *l, const char *where, const char *name,
                                 struct str path, struct str *ret);

/* A secret that is not set, and not only set wrongly, which was told already. */
bool loader_is_missing(const struct loader *l, const struct secret *secret, const char *name);

/* A path in the arena, with the home directory for "~/" where it is known. */
const char *loader_home_path(struct loader *l, const char *path);

/* Fills in `notes`. */
void loader_note(struct loader *l);

/* ---- its YAML file ---- */

void loader_lower_case(const char *name, char *out, size_t cap);

/* Reads the file, and tells keys at its top that are none. */
void loader_load_yaml(struct loader *l);

/* The value of the setting with that name, unless it is none or empty. */
const struct yaml_node *loader_find_yaml(const struct loader *l, const char *name);

/* The text of a value for a setting of that type; a sequence is one of a list. What cannot be is
 * told. */
MUST_USE bool node_text(struct loader *l, const struct yaml_node *node, enum setting_type type,
                        struct str *ret);

/* ---- mappings ---- */

/* "FILE line 3: upstreams[0].name: ..." */
void node_problem(struct loader *l, const struct yaml_node *node, const char *format, ...)
    FORMAT(3, 4);

/* What a key is in a mapping: a value of `row` into the field of `to`, or something that `read`
 * makes of it. A secret named "x" can be given as "x_file" too. */
struct node_key {
    struct setting row;
    bool is_needed;
    size_t file_offset; /* of a secret: where the path is kept; 0: nowhere */
    void (*read)(struct loader *l, const struct yaml_node *node, void *to);
};

extern const struct node_key settings_enginelabs_keys[], settings_openai_keys[],
    settings_account_keys[], settings_key_keys[], settings_price_keys[], settings_route_keys[],
    settings_target_keys[];

/* Reads a mapping into `to` by `keys`, which end with one without a name; what is wrong in it is
 * told. False when it is no mapping at all. */
bool node_read(struct loader *l, const struct yaml_node *map, const struct node_key *keys,
               void *to);

/* Whether a sequence has 1 to `max` items; tells why not. */
bool node_is_list(struct loader *l, const struct yaml_node *node, size_t max);
bool node_is_map(struct loader *l, const struct yaml_node *node);

/* A secret's value, and that it is wiped at the end. False when there is none that can be used,
 * which was told. */
MUST_USE bool node_secret(struct loader *l, const struct yaml_node *node, struct str value,
                          struct secret *ret);

/* Letters, digits, '.', '-' and '_', at most SETTINGS_NAME_MAX of them; tells why not. */
bool node_check_name(struct loader *l, const struct yaml_node *node, const char *name);

/* Any text without blanks and control characters, at most MODEL_NAME_MAX bytes. */
bool node_check_model(struct loader *l, const struct yaml_node *node, struct str name);

/* ---- sections ---- */

/* Wipes and frees a secret in the arena when that goes. */
void settings_wipe_later(struct settings *s, struct secret *secret);

void loader_read_openai(struct loader *l, const struct yaml_node *map, struct upstream_settings *u);

/* `upstreams`, or the one of the flat settings, which are complete. */
void loader_load_upstreams(struct loader *l);
void loader_load_keys(struct loader *l);
void loader_load_prices(struct loader *l);

/* `models`; after the upstreams. */
void loader_load_routes(struct loader *l);
