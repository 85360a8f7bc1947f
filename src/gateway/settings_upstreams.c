/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file: upstreams with their accounts. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/settings_internal.h"

#define UPSTREAM(member) offsetof(struct upstream_settings, member)
#define ACCOUNT(member) offsetof(struct account_settings, member)

/* ---- accounts ---- */

const struct node_key settings_account_keys[] = {
    { .row = { "name", SETTING_TEXT, ACCOUNT(name), NULL, NULL }, .is_needed = true },
    { .row = { "cookie", SETTING_SECRET, ACCOUNT(cookie), NULL, NULL },
      .file_offset = ACCOUNT(cookie_file) },
    { .row = { "session_id", SETTING_TEXT, ACCOUNT(session_id), NULL, NULL } },
    { .row = { "organization_id", SETTING_TEXT, ACCOUNT(organization_id), NULL, NULL } },
    { .row = { "credentials_file", SETTING_TEXT, ACCOUNT(credentials_file), NULL, NULL } },
    { .row = { "max_parallel", SETTING_COUNT, ACCOUNT(max_parallel), NULL, NULL } },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

static bool is_given(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *node = yaml_find(map, str_of(name));

    return node && node->kind != YAML_NULL;
}

static void check_account_name(struct loader *l, const struct yaml_node *map,
                               const struct upstream_settings *u)
{
    const struct account_settings *account = &u->accounts[u->n_accounts];
    const struct yaml_node *node = yaml_find(map, STR("name"));

    if (!account->name || !node_check_name(l, node, account->name))
        return;
    for (size_t i = 0; i < u->n_accounts; i++)
        if (u->accounts[i].name && strcmp(u->accounts[i].name, account->name) == 0)
            node_problem(l, node, "accounts[%zu] has this name too", i);
}

/* Two accounts with one cookie would count its answers apart, and rotate it under each other. */
static void check_cookie(struct loader *l, const struct yaml_node *map,
                         const struct upstream_settings *u)
{
    const struct account_settings *account = &u->accounts[u->n_accounts];

    if (u->protocol == UPSTREAM_NATIVE)
        return;
    if (!is_given(map, "cookie") && !is_given(map, "cookie_file"))
        node_problem(l, map, "cookie or cookie_file is missing");
    for (size_t i = 0; i < u->n_accounts; i++)
        if (secret_eq(&u->accounts[i].cookie, secret_reveal(&account->cookie)))
            node_problem(l, map, "accounts[%zu] has the same cookie", i);
}

static void check_credentials(struct loader *l, const struct yaml_node *map,
                              const struct upstream_settings *u, size_t n_accounts)
{
    struct account_settings *account = &u->accounts[u->n_accounts];

    if (u->protocol != UPSTREAM_NATIVE)
        return;
    if (!account->credentials_file && n_accounts > 1)
        node_problem(l, map, "credentials_file is missing: each of several accounts has its own");
    if (!account->credentials_file)
        account->credentials_file = l->out->enginelabs_credentials_file;
    account->credentials_file = loader_home_path(l, account->credentials_file);
    if (l->use == SETTINGS_SERVE && access(account->credentials_file, R_OK))
        node_problem(l, map, "credentials_file: %s cannot be read: %s", account->credentials_file,
                     strerror(errno));
    for (size_t i = 0; i < u->n_accounts; i++)
        if (strcmp(u->accounts[i].credentials_file, account->credentials_file) == 0)
            node_problem(l, map, "accounts[%zu] has the same credentials_file", i);
}

static void read_accounts(struct loader *l, const struct yaml_node *list,
                          struct upstream_settings *u)
{
    const struct settings *s = l->out;

    if (!node_is_list(l, list, ACCOUNTS_MAX))
        return;
    u->accounts = arena_alloc(&l->out->arena, list->n * sizeof(*u->accounts));
    for (const struct yaml_node *map = list->first; map; map = map->next) {
        struct account_settings *account = &u->accounts[u->n_accounts];

        account->max_parallel = s->enginelabs_max_parallel;
        account->has_max_parallel = s->has_max_parallel || is_given(map, "max_parallel");
        if (!node_read(l, map, settings_account_keys, account))
            continue;
        check_account_name(l, map, u);
        check_cookie(l, map, u);
        check_credentials(l, map, u, list->n);
        u->n_accounts++;
    }
}

/* The account of CLERK_COOKIE and the settings around it. */
static void take_flat_account(struct settings *s, struct upstream_settings *u)
{
    struct account_settings *account = arena_new(&s->arena, struct account_settings);

    account->name = "default";
    account->cookie_file = s->clerk_cookie_file;
    account->session_id = s->clerk_session_id;
    account->organization_id = s->clerk_organization_id;
    account->credentials_file = s->enginelabs_credentials_file;
    account->max_parallel = s->enginelabs_max_parallel;
    account->has_max_parallel = s->has_max_parallel;
    secret_set(&account->cookie, secret_reveal(&s->clerk_cookie));
    settings_wipe_later(s, &account->cookie);
    u->accounts = account;
    u->n_accounts = 1;
}

/* ---- upstreams ---- */

/* `accounts` is read when the protocol is known, wherever it stands. */
static void read_later(struct loader *l, const struct yaml_node *node, void *to)
{
    (void)l;
    (void)node;
    (void)to;
}

const struct node_key settings_enginelabs_keys[] = {
    { .row = { "name", SETTING_TEXT, UPSTREAM(name), NULL, NULL }, .is_needed = true },
    { .row = { "provider", SETTING_ENUM, UPSTREAM(provider), NULL, UPSTREAM_PROVIDERS },
      .is_needed = true },
    { .row = { "models", SETTING_LIST, UPSTREAM(models), NULL, NULL } },
    { .row = { "any_model", SETTING_BOOL, UPSTREAM(takes_any_model), NULL, NULL } },
    { .row = { "protocol", SETTING_ENUM, UPSTREAM(protocol), NULL, UPSTREAM_PROTOCOLS } },
    { .row = { "api_url", SETTING_URL, UPSTREAM(api_url), NULL, NULL } },
    { .row = { "clerk_url", SETTING_URL, UPSTREAM(clerk_url), NULL, NULL } },
    { .row = { "origin", SETTING_ORIGIN, UPSTREAM(origin), NULL, NULL } },
    { .row = { "content", SETTING_ENUM, UPSTREAM(content), NULL, UPSTREAM_CONTENTS } },
    { .row = { "max_prompt_chars", SETTING_COUNT, UPSTREAM(max_prompt_chars), NULL, NULL } },
    { .row = { "max_prompt_bytes", SETTING_SIZE, UPSTREAM(max_prompt_bytes), NULL, NULL } },
    { .row = { "overflow", SETTING_ENUM, UPSTREAM(overflow), NULL, UPSTREAM_OVERFLOWS } },
    { .row = { "delete_chats", SETTING_ENUM, UPSTREAM(delete_chats), NULL, UPSTREAM_DELETES } },
    { .row = { "accounts", SETTING_TEXT, 0, NULL, NULL }, .read = read_later },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

static struct url copy_url(struct arena *a, const struct url *url)
{
    struct url copy = *url;

    copy.path = (char *)(uintptr_t)arena_dup(a, str_of(url->path)).p;
    return copy;
}

/* What an upstream of this provider has where it says nothing. */
static void take_flat_settings(struct settings *s, struct upstream_settings *u)
{
    u->protocol = s->enginelabs_protocol;
    u->api_url = copy_url(&s->arena, &s->enginelabs_api_url);
    u->clerk_url = copy_url(&s->arena, &s->clerk_url);
    u->origin = s->enginelabs_origin;
    u->content = s->enginelabs_content;
    u->max_prompt_chars = s->enginelabs_max_prompt_chars;
    u->max_prompt_bytes = s->enginelabs_max_prompt_bytes;
    u->overflow = s->enginelabs_overflow;
    u->delete_chats = s->enginelabs_delete_chats;
    if (s->has_known_models)
        u->models = s->known_models;
}

/* The account of the flat settings serves one upstream that names none. */
static void need_flat_account(struct loader *l, const struct yaml_node *map,
                              struct upstream_settings *u)
{
    struct settings *s = l->out;

    if (u->protocol != UPSTREAM_NATIVE && loader_is_missing(l, &s->clerk_cookie, "CLERK_COOKIE"))
        node_problem(l, map, "accounts is missing, and CLERK_COOKIE is not set");
    if (u->protocol == UPSTREAM_NATIVE && l->use == SETTINGS_SERVE &&
        access(s->enginelabs_credentials_file, R_OK))
        node_problem(l, map,
                     "accounts is missing, and ENGINELABS_CREDENTIALS_FILE, %s, cannot be "
                     "read: %s",
                     s->enginelabs_credentials_file, strerror(errno));
    if (l->flat_user)
        node_problem(l, map, "accounts is missing; the account of CLERK_COOKIE is that of %s",
                     l->flat_user);
    l->flat_user = u->name ? u->name : "another upstream";
    take_flat_account(s, u);
}

static void check_upstream_name(struct loader *l, const struct yaml_node *map,
                                const struct upstream_settings *u)
{
    const struct yaml_node *node = yaml_find(map, STR("name"));

    if (!u->name || !node_check_name(l, node, u->name))
        return;
    for (size_t i = 0; i < l->out->n_upstreams; i++)
        if (l->out->upstreams[i].name && strcmp(l->out->upstreams[i].name, u->name) == 0)
            node_problem(l, node, "upstreams[%zu] has this name too", i);
}

static void read_enginelabs(struct loader *l, const struct yaml_node *map,
                            struct upstream_settings *u)
{
    const struct yaml_node *accounts = yaml_find(map, STR("accounts"));

    take_flat_settings(l->out, u);
    node_read(l, map, settings_enginelabs_keys, u);
    if (accounts && accounts->kind != YAML_NULL)
        read_accounts(l, accounts, u);
    else
        need_flat_account(l, map, u);
}

static void read_upstream(struct loader *l, const struct yaml_node *map,
                          struct upstream_settings *u)
{
    const struct yaml_node *provider = yaml_find(map, STR("provider"));

    if (!node_is_map(l, map))
        return;
    if (provider && str_eq_nocase(provider->text, STR("openai"))) {
        loader_read_openai(l, map, u);
    } else if (provider && str_eq_nocase(provider->text, STR("enginelabs"))) {
        read_enginelabs(l, map, u);
    } else {
        node_problem(l, provider ? provider : map, "provider is one of " UPSTREAM_PROVIDERS);
        return;
    }
    check_upstream_name(l, map, u);
}

static void read_upstreams(struct loader *l, const struct yaml_node *list)
{
    struct settings *s = l->out;

    if (!node_is_list(l, list, UPSTREAMS_MAX))
        return;
    s->upstreams = arena_alloc(&s->arena, list->n * sizeof(*s->upstreams));
    for (const struct yaml_node *map = list->first; map; map = map->next) {
        read_upstream(l, map, &s->upstreams[s->n_upstreams]);
        s->n_upstreams++;
    }
}

/* ---- the one of the flat settings ---- */

void settings_remake_upstream(struct settings *s)
{
    struct upstream_settings *u = arena_new(&s->arena, struct upstream_settings);

    u->name = "cto";
    u->provider = UPSTREAM_ENGINELABS;
    take_flat_settings(s, u);
    take_flat_account(s, u);
    s->upstreams = u;
    s->n_upstreams = 1;
}

static void check_flat_upstream(struct loader *l)
{
    const struct settings *s = l->out;

    if (s->enginelabs_protocol == UPSTREAM_NATIVE) {
        if (access(s->enginelabs_credentials_file, R_OK))
            loader_problem(l,
                           "ENGINELABS_CREDENTIALS_FILE: %s, which the protocol native needs, "
                           "cannot be read: %s; the service's own program writes it at sign-in",
                           s->enginelabs_credentials_file, strerror(errno));
    } else if (loader_is_missing(l, &s->clerk_cookie, "CLERK_COOKIE")) {
        loader_problem(l,
                       "CLERK_COOKIE is not set: copy it from your browser (README, \"Your own "
                       "account\"), or try the gateway without an account: enginelabs-2api serve "
                       "--demo");
    }
}

void loader_load_upstreams(struct loader *l)
{
    const struct yaml_node *list = loader_find_yaml(l, "UPSTREAMS");

    l->out->has_upstreams = list && l->use != SETTINGS_CLIENT && l->use != SETTINGS_DEMO;
    if (l->out->has_upstreams) {
        read_upstreams(l, list);
        return;
    }
    settings_remake_upstream(l->out);
    if (l->use == SETTINGS_SERVE)
        check_flat_upstream(l);
}
