/* SPDX-License-Identifier: Apache-2.0 */
/* check: are the settings good, and can the account be used? */
#include <stdio.h>

#include "cli/command.h"
#include "cli/terminal.h"
#include "net/timer.h"

struct check {
    struct loop *loop;
    struct provider_instance *provider;
    struct store_port *store;
    bool usable;
};

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

    for (size_t i = 0; i < report->n; i++) {
        printf("  %-14.*s %s", STR_ARGS(report->facts[i].name),
               report->facts[i].is_problem ? "PROBLEM: " : "");
        terminal_print(stdout, report->facts[i].value);
        putchar('\n');
    }
    c->usable = report->usable;
    provider_enginelabs.detach(c->provider, on_detached, c);
}

static bool check_upstream(const struct settings *s)
{
    struct check c = { .loop = loop_new() };
    struct connector *connector = connector_new(c.loop, s->trust, &s->proxies);
    struct http_client_limits limits;
    struct enginelabs_config config;
    struct store *store = store_memory_new(16);

    c.store = store_port_open(store, c.loop);
    http_client_limits_default(&limits);
    struct http_client *client = http_client_new(connector, &limits);
    cli_enginelabs_config(s, &config);
    struct enginelabs *upstream = enginelabs_new(&config);
    const struct provider_env env = { .loop = c.loop,
                                      .client = client,
                                      .store = c.store,
                                      .conversation_ttl_ms = s->conversation_ttl_ms,
                                      .connect_timeout_ms = s->connect_timeout_ms,
                                      .accept_timeout_ms = s->accept_timeout_ms };

    printf("upstream cto\n");
    c.provider = provider_enginelabs.attach(upstream, &env);
    provider_enginelabs.check(c.provider, on_report_done, &c);
    loop_run(c.loop);
    enginelabs_free(upstream);
    http_client_free(client);
    connector_free(connector);
    store_close(store);
    loop_free(c.loop);
    return c.usable;
}

static int check_online(const struct settings *s)
{
    bool usable = check_upstream(s);

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
    code = args->offline ? EXIT_DONE : check_online(&s);
    settings_deinit(&s);
    return code;
}

const struct command command_check = {
    .name = "check",
    .options = "ol",
    .summary = "Check the settings and sign the account in",
    .help = "Usage: enginelabs-2api check [--offline] [--env-file FILE]\n\n"
            "  --offline  check the settings only\n\n"
            "Prints account, organization, plan, quota and models. Exit code 1 when the account "
            "cannot be\n"
            "used, 2 when the settings are wrong.\n",
    .run = run,
};
