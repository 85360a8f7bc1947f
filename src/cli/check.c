/* SPDX-License-Identifier: Apache-2.0 */
/* check: are the settings good, and can the account be used? */
#include <stdio.h>

#include "cli/command.h"
#include "cli/local_client.h"
#include "cli/terminal.h"
#include "ops/control.h"
#include "json/reader.h"

struct check {
    struct loop *loop;
    struct provider_instance *provider;
    struct store_port *store;
    bool usable;
};

static void print_fact(struct str name, bool is_problem, struct str value)
{
    printf("  %-14.*s %s", STR_ARGS(name), is_problem ? "PROBLEM: " : "");
    terminal_print(stdout, value);
    putchar('\n');
}

static void on_store_closed(void *arg)
{
    struct check *c = arg;

    loop_stop(c->loop);
}

static void on_detached(void *arg)
{
    struct check *c = arg;

    store_port_close(c->store, on_store_closed, c);
}

static void on_report_done(void *arg, const struct provider_report *report)
{
    struct check *c = arg;
    char why[STORE_PROBLEM_MAX];

    for (size_t i = 0; i < report->n; i++) {
        print_fact(report->facts[i].name, report->facts[i].is_problem, report->facts[i].value);
    }
    c->usable = report->usable;
    if (!store_is_ready(store_of(c->store), why))
        print_fact(STR("store"), true, str_of(why));
    provider_enginelabs.detach(c->provider, on_detached, c);
}

static bool check_upstream(const struct settings *s, struct store *store)
{
    struct check c = { .loop = loop_new() };
    struct connector *connector = connector_new(c.loop, s->trust, &s->proxies);
    struct http_client_limits limits;
    struct enginelabs_config config;

    c.store = store_port_open(store, c.loop);
    http_client_limits_default(&limits);
    struct http_client *client = http_client_new(connector, &limits);
    cli_enginelabs_config(s, &config);
    struct enginelabs *upstream = enginelabs_new(&config, 1);
    const struct provider_env env = { .loop = c.loop,
                                      .client = client,
                                      .store = c.store,
                                      .conversation_ttl_ms = s->conversation_ttl_ms,
                                      .connect_timeout_ms = s->connect_timeout_ms,
                                      .accept_timeout_ms = s->accept_timeout_ms };

    c.provider = provider_enginelabs.attach(upstream, &env);
    provider_enginelabs.check(c.provider, on_report_done, &c);
    loop_run(c.loop);
    enginelabs_free(upstream);
    http_client_free(client);
    connector_free(connector);
    loop_free(c.loop);
    return c.usable;
}

/* ---- by the gateway that runs ---- */

/* {"name":"quota","value":"...","problem":false} */
static void print_told(struct str item, struct arena *a)
{
    struct json_value name, value, problem;
    struct str n, v;

    if (!json_find(item, &name, "name", NULL) && !json_find(item, &value, "value", NULL) &&
        !json_find(item, &problem, "problem", NULL) && !json_text(&name, a, &n) &&
        !json_text(&value, a, &v))
        print_fact(n, problem.type == JSON_TRUE, v);
}

static bool print_report(struct str body)
{
    struct json_value usable, facts, item;
    struct arena a;
    struct json j;

    if (json_find(body, &usable, "usable", NULL) || json_find(body, &facts, "facts", NULL))
        return false;
    arena_init(&a);
    json_init(&j, facts.raw, JSON_DEPTH_MAX);
    if (json_enter_array(&j))
        while (json_next_item(&j) && json_read(&j, &item))
            print_told(item.raw, &a);
    arena_deinit(&a);
    return usable.type == JSON_TRUE;
}

static const char *why_not(const struct local_response *response)
{
    if (response->err)
        return response->detail;
    return response->status == 503 ? "it is shutting down" : "it is no gateway of this version";
}

/* The gateway has the account's newest cookies, and nobody else may renew them meanwhile. */
static bool ask_gateway(const struct settings *s, const char *why)
{
    struct settings at = *s;
    struct local_response response;
    struct local_client *c;
    char path[CONTROL_PATH_SIZE];
    bool usable = false;

    at.listen = (struct endpoint){ .is_unix = true };
    if (!cli_control_path(s, path) || strlen(path) >= sizeof(at.listen.host)) {
        fprintf(stderr, "enginelabs-2api: %s\n", why);
        return false;
    }
    str_to_z(str_of(path), at.listen.host, sizeof(at.listen.host));
    c = local_client_new(&at);
    local_client_call(c, HTTP_GET, CONTROL_CHECK, STR(""), NULL, NULL, &response);
    if (response.err || response.status != 200)
        fprintf(stderr, "enginelabs-2api: %s, and that process does not answer at %s: %s\n", why,
                path, why_not(&response));
    else
        usable = print_report(buf_str(&response.body));
    buf_deinit(&response.body);
    local_client_free(c);
    return usable;
}

/* ---- the command ---- */

static int check_online(const struct settings *s)
{
    char why[STORE_WHY_MAX];
    struct store *store;
    bool usable = false;
    enum err err = cli_open_store(s, &store, why);

    if (err && err != ERR_CONFLICT) {
        fprintf(stderr, "enginelabs-2api: cannot open the store: %s\n", why);
        return EXIT_FAILED;
    }
    printf("upstream cto%s\n", err ? " (asked by the gateway that runs)" : "");
    fflush(stdout);
    if (err) {
        usable = ask_gateway(s, why);
    } else {
        usable = check_upstream(s, store);
        store_close(store);
    }
    printf("%s\n", usable ? "The account can be used." : "The account cannot be used.");
    return usable ? EXIT_DONE : EXIT_FAILED;
}

static int run(const struct cli_args *args)
{
    struct settings s;
    char at[HOST_MAX + 9];
    int code;

    if (cli_load_settings(args, SETTINGS_SERVE, &s))
        return EXIT_USAGE;
    printf("settings are valid: listening on %s, default model %s\n", endpoint_text(&s.listen, at),
           s.default_model);
    fflush(stdout);
    if (args->offline)
        code = EXIT_DONE;
    else
        code = cli_can_serve(&s) ? check_online(&s) : EXIT_USAGE;
    settings_deinit(&s);
    return code;
}

const struct command command_check = {
    .name = "check",
    .options = "ol",
    .summary = "Check the settings and sign the account in",
    .help = "Usage: enginelabs-2api check [--offline] [--config FILE] [--env-file FILE]\n\n"
            "  --offline        check the settings only\n"
            "  --config FILE    YAML settings to read instead of enginelabs-2api.yaml\n"
            "  --env-file FILE  settings to read instead of .env\n\n"
            "Prints account, organization, plan, quota and models. Exit code 1 when the account "
            "cannot be\n"
            "used, 2 when the settings are wrong.\n",
    .run = run,
};
