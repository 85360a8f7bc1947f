/* SPDX-License-Identifier: Apache-2.0 */
/* check: are the settings good, and can the account be used? */
#include <stdio.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/command.h"
#include "cli/local_client.h"
#include "cli/member.h"
#include "cli/terminal.h"
#include "cli/upstreams.h"
#include "gateway/check_all.h"
#include "gateway/route_book.h"
#include "gateway/route_report.h"
#include "ops/control.h"
#include "json/reader.h"

/* ---- what it says ---- */

enum { BAR_WIDTH = 20 };

/* "[####................] " */
static void print_bar(int64_t percent)
{
    int64_t filled = percent > 100 ? BAR_WIDTH : percent * BAR_WIDTH / 100;

    putchar('[');
    for (int64_t i = 0; i < BAR_WIDTH; i++)
        putchar(i < filled ? '#' : '.');
    printf("] ");
}

/* `percent` is below 0 where there is nothing to measure. */
static void print_fact(struct str name, bool is_problem, int64_t percent, struct str value)
{
    printf("  %-14.*s %s", STR_ARGS(name), is_problem ? "PROBLEM: " : "");
    if (percent >= 0)
        print_bar(percent);
    terminal_print(stdout, value);
    putchar('\n');
}

/* {"name":"quota","value":"...","problem":false} */
static void print_told(struct str item, struct arena *a)
{
    struct json_value name, value, problem, used;
    int64_t percent = -1;
    struct str n, v;

    if (json_find(item, &used, "used_percent", NULL) || json_int(&used, &percent))
        percent = -1;
    if (!json_find(item, &name, "name", NULL) && !json_find(item, &value, "value", NULL) &&
        !json_find(item, &problem, "problem", NULL) && !json_text(&name, a, &n) &&
        !json_text(&value, a, &v))
        print_fact(n, problem.type == JSON_TRUE, percent, v);
}

/* Calls each(item, arena) for the items of a list in an object. */
static void for_each(struct str object, const char *list, struct arena *a,
                     void (*each)(struct str item, struct arena *a))
{
    struct json_value items, item;
    struct json j;

    if (json_find(object, &items, list, NULL) || items.type != JSON_ARRAY)
        return;
    json_init(&j, items.raw, JSON_DEPTH_MAX);
    if (json_enter_array(&j))
        while (json_next_item(&j) && json_read(&j, &item))
            each(item.raw, a);
}

static void print_upstream(struct str item, struct arena *a)
{
    printf("upstream %.*s\n", STR_ARGS(member_text(item, "name", a)));
    for_each(item, "facts", a, print_told);
}

static void print_change(struct str item, struct arena *a)
{
    struct str text;
    struct json_value v;
    struct json j;

    json_init(&j, item, 1);
    if (json_read(&j, &v) && !json_text(&v, a, &text)) {
        printf("      ");
        terminal_print(stdout, text);
        putchar('\n');
    }
}

static void print_target(struct str item, struct arena *a)
{
    struct str problem = member_text(item, "problem", a);
    struct json_value weight;
    int64_t share;

    printf("    ");
    terminal_print(stdout, member_text(item, "upstream", a));
    printf(": ");
    terminal_print(stdout, member_text(item, "model", a));
    if (!json_find(item, &weight, "weight", NULL) && !json_int(&weight, &share))
        printf(", weight %lld", (long long)share);
    printf("%s", problem.n ? "  PROBLEM: " : "");
    terminal_print(stdout, problem);
    putchar('\n');
    for_each(item, "changes", a, print_change);
}

static void print_alias(struct str item, struct arena *a)
{
    struct str name;
    struct json_value v;
    struct json j;

    json_init(&j, item, 1);
    if (json_read(&j, &v) && !json_text(&v, a, &name)) {
        printf(", ");
        terminal_print(stdout, name);
    }
}

static void print_route(struct str item, struct arena *a)
{
    printf("route ");
    terminal_print(stdout, member_text(item, "name", a));
    for_each(item, "aliases", a, print_alias);
    printf(" (%.*s)\n", STR_ARGS(member_text(item, "strategy", a)));
    for_each(item, "targets", a, print_target);
}

static bool print_report(struct str body)
{
    struct str store;
    struct arena a;

    arena_init(&a);
    for_each(body, "upstreams", &a, print_upstream);
    store = member_text(body, "store", &a);
    if (store.n)
        print_fact(STR("store"), true, -1, store);
    for_each(body, "routes", &a, print_route);
    arena_deinit(&a);
    return member_is_true(body, "usable");
}

/* ---- of the settings alone ---- */

static void print_routes(const struct settings *s)
{
    struct json_writer j;
    struct arena a;
    struct buf out;

    arena_init(&a);
    buf_init(&out, SIZE_MAX / 2); /* bounded by the settings */
    json_w_init(&j, &out);
    json_w_object(&j);
    route_report_write(&j, s, NULL, NULL);
    json_w_object_end(&j);
    if (!json_w_end(&j))
        for_each(buf_str(&out), "routes", &a, print_route);
    buf_deinit(&out);
    arena_deinit(&a);
}

/* ---- by this process ---- */

struct check {
    struct gateway_worker share;
    bool is_usable;
};

static void on_closed(void *arg)
{
    struct check *c = arg;

    loop_stop(c->share.loop);
}

static void on_checked_all(void *arg, UNUSED bool usable, struct str json)
{
    struct check *c = arg;

    c->is_usable = print_report(json);
    gateway_share_close(&c->share, on_closed, c);
}

bool cli_check_upstreams(const struct settings *s, struct store *store)
{
    struct cli_upstreams *upstreams = cli_upstreams_new(NULL, s, NULL);
    struct gateway_setup setup = { .settings = s, .refs = 1 };
    struct gateway g = { .setup = &setup, .store = store, .trust = s->trust };
    struct check c = { .is_usable = false };
    struct loop *l = loop_new();

    log_set_level(LOG_OFF); /* the report says it all */
    setup.upstreams = cli_upstreams_list(upstreams, &setup.n_upstreams);
    setup.routes = route_book_new(s, setup.upstreams, setup.n_upstreams);
    gateway_share_open(&c.share, &g, l);
    check_all_start(&c.share, on_checked_all, &c);
    loop_run(l);
    route_book_free(setup.routes);
    cli_upstreams_free(upstreams);
    loop_free(l);
    return c.is_usable;
}

/* ---- by the gateway that runs ---- */

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

/* Upstreams that do not answer take seconds each: somebody who waits for them sees why. */
static void say_it_asks(void)
{
    if (isatty(STDERR_FILENO))
        fputs("Asking the upstreams...\n", stderr);
}

static int check_online(const struct settings *s)
{
    char why[STORE_WHY_MAX];
    struct store *store;
    bool usable = false;
    enum err err = cli_open_store(s, -1, &store, why);

    if (err && err != ERR_CONFLICT) {
        fprintf(stderr, "enginelabs-2api: cannot open the store: %s\n", why);
        return EXIT_FAILED;
    }
    say_it_asks();
    if (err) {
        printf("asked by the gateway that runs:\n");
        fflush(stdout);
        usable = ask_gateway(s, why);
    } else {
        usable = cli_check_upstreams(s, store);
        store_close(store);
    }
    if (s->n_routes == 0 && s->n_upstreams == 1 && s->upstreams[0].n_accounts == 1)
        printf("%s\n", usable ? "The account can be used." : "The account cannot be used.");
    else
        printf("%s\n", usable ? "All upstreams, accounts and targets can be used."
                              : "Not all upstreams, accounts and targets can be used.");
    return usable ? EXIT_DONE : EXIT_FAILED;
}

static void print_notes(const struct settings *s)
{
    struct str line, rest = str_of(s->notes);

    while (rest.n) {
        line = str_cut(rest, '\n', &rest);
        printf("note: %.*s\n", STR_ARGS(line));
    }
}

static int run(const struct cli_args *args)
{
    struct settings s;
    char at[HOST_MAX + 9];
    int code;

    if (args->offline && args->capture) {
        fprintf(stderr, "enginelabs-2api: --offline and --capture exclude each other\n");
        return EXIT_USAGE;
    }
    if (cli_load_settings(args, SETTINGS_SERVE, &s))
        return EXIT_USAGE;
    printf("settings are valid: listening on %s, default model %s\n", endpoint_text(&s.listen, at),
           s.default_model);
    print_notes(&s);
    fflush(stdout);
    if (args->offline)
        print_routes(&s);
    if (args->offline)
        code = EXIT_DONE;
    else
        code = args->capture ? capture_run(&s, args->capture) : check_online(&s);
    settings_deinit(&s);
    return code;
}

const struct command command_check = {
    .name = "check",
    .options = "olC",
    .summary = "Check the settings and sign the account in",
    .help =
        "Usage: enginelabs-2api check [--offline | --capture FILE] [--config FILE] "
        "[--env-file FILE]\n\n"
        "  --offline        check the settings only, and print the routes\n"
        "  --capture FILE   send one prompt (\"Say only: hello\") through the first account and "
        "write\n"
        "                   what both sides said to a new FILE for simulate --scenario, with\n"
        "                   secrets, ids and texts replaced; no gateway may run meanwhile\n"
        "  --config FILE    YAML settings to read instead of enginelabs-2api.yaml\n"
        "  --env-file FILE  settings to read instead of .env\n\n"
        "Prints account, organization, plan, quota and models of each upstream, then each route "
        "and\n"
        "what stands against its targets. Sends no prompt. Exit code 1 when something cannot be "
        "used,\n"
        "2 when the settings are wrong.\n\n"
        "Examples:\n"
        "  enginelabs-2api check\n"
        "  enginelabs-2api check --offline --config routes.yaml\n",
    .run = run,
};
