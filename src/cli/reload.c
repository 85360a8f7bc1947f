/* SPDX-License-Identifier: Apache-2.0 */
/* reload: tells the gateway that runs to load its settings anew. */
#include <stdio.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/local_client.h"
#include "cli/terminal.h"
#include "ops/control.h"
#include "json/reader.h"

/* Prints each text of a list on a line of its own; false when there is none. */
static bool print_list(struct str json, const char *name, const char *head, FILE *to)
{
    struct json_value list, item;
    struct arena a;
    struct json j;
    struct str text;
    size_t n = 0;

    if (json_find(json, &list, name, NULL) || list.type != JSON_ARRAY)
        return false;
    arena_init(&a);
    json_init(&j, list.raw, JSON_DEPTH_MAX);
    json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &item))
        if (!json_text(&item, &a, &text)) {
            fprintf(to, "%s  ", n++ ? "" : head);
            terminal_print(to, text);
            fputc('\n', to);
        }
    arena_deinit(&a);
    return n > 0;
}

static int print_outcome(const struct local_response *response, const char *path)
{
    struct str json = buf_str(&response->body);

    if (response->status == 200) {
        if (!print_list(json, "changed", "reloaded; changed:\n", stdout))
            puts("reloaded; nothing has changed");
        return EXIT_DONE;
    }
    if (response->status == 409 &&
        print_list(json, "restart",
                   "enginelabs-2api: not reloaded, the old settings stay: another value of these "
                   "needs a restart:\n",
                   stderr))
        return EXIT_USAGE;
    if (response->status == 422 &&
        print_list(json, "problems",
                   "enginelabs-2api: not reloaded, the old settings stay: the new ones have "
                   "problems:\n",
                   stderr))
        return EXIT_USAGE;
    fprintf(stderr,
            "enginelabs-2api: the gateway at %s answered %d: is it shutting down, or of "
            "another version?\n",
            path, response->status);
    return EXIT_FAILED;
}

/* Asks at the socket that these settings lead to; false: they lead to none. */
static bool ask(const struct settings *s, char path[CONTROL_PATH_SIZE],
                struct local_response *response)
{
    struct settings at = *s;
    struct local_client *c;

    at.listen = (struct endpoint){ .is_unix = true };
    if (!cli_control_path(s, path) || strlen(path) >= sizeof(at.listen.host))
        return false;
    str_to_z(str_of(path), at.listen.host, sizeof(at.listen.host));
    c = local_client_new(&at);
    local_client_call(c, HTTP_POST, CONTROL_RELOAD, STR(""), NULL, NULL, response);
    local_client_free(c);
    return true;
}

/* By the settings as they are now, which may be broken, or lead to another place than those that
 * the gateway was started with: then by what the environment alone says. */
static bool ask_by(const struct cli_args *args, struct buf *problems, char path[CONTROL_PATH_SIZE],
                   struct local_response *response)
{
    struct settings *s = mem_new(struct settings);
    bool is_read = cli_read_settings(args, SETTINGS_CLIENT, true, s, problems) == ERR_NONE;
    bool is_asked = is_read && ask(s, path, response);

    if (is_read)
        settings_deinit(s);
    mem_free(s);
    return is_asked && !response->err;
}

static int run(const struct cli_args *args)
{
    const struct cli_args bare = { .command = args->command, .env_file = "", .config = "" };
    const struct cli_args *tries[] = { args, &bare };
    char path[CONTROL_PATH_SIZE] = "";
    struct buf problems[2];
    struct local_response response = { 0 };
    bool is_answered = false;
    int code = EXIT_FAILED;

    for (size_t i = 0; i < COUNT_OF(tries); i++)
        buf_init(&problems[i], 1 << 20);
    for (size_t i = 0; i < COUNT_OF(tries) && !is_answered; i++) {
        buf_deinit(&response.body);
        response = (struct local_response){ 0 };
        is_answered = ask_by(tries[i], &problems[i], path, &response);
    }
    if (is_answered) {
        code = print_outcome(&response, path);
    } else if (problems[0].n > 0) {
        fprintf(stderr, "enginelabs-2api: the settings have problems:\n%.*s",
                STR_ARGS(buf_str(&problems[0])));
        code = EXIT_USAGE;
    } else if (!path[0]) {
        fprintf(stderr, "enginelabs-2api: there is no state directory through which the gateway "
                        "could be reached; send it SIGHUP instead\n");
    } else {
        fprintf(stderr,
                "enginelabs-2api: no gateway answers at %s: %s\n"
                "Is it running? Run this as the same user, with the same settings.\n",
                path, response.detail);
    }
    buf_deinit(&response.body);
    for (size_t i = 0; i < COUNT_OF(tries); i++)
        buf_deinit(&problems[i]);
    return code;
}

const struct command command_reload = {
    .name = "reload",
    .options = "",
    .summary = "Have the running gateway load its settings anew",
    .help =
        "Usage: enginelabs-2api reload [--config FILE] [--env-file FILE]\n\n"
        "The gateway reads .env, the YAML file and files of secrets again; its command line\n"
        "and environment are those it was started with. New requests go by the new settings,\n"
        "running answers finish on the old. Settings with a problem, or with another value of\n"
        "what needs a restart, are refused as a whole. SIGHUP does the same.\n\n"
        "Run it where, and as whom, the gateway was started: it is reached through a socket in\n"
        "its state directory.\n\n"
        "Example:\n"
        "  enginelabs-2api reload\n",
    .run = run,
};
