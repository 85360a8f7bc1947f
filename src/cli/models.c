/* SPDX-License-Identifier: Apache-2.0 */
/* models: the names that a running gateway answers to, one a line. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/local_client.h"
#include "cli/terminal.h"
#include "json/reader.h"

/* {"data":[{"id":...}]} */
static bool print_ids(struct str body)
{
    struct json j;
    struct str key, id;
    struct json_value v;
    struct arena a;

    arena_init(&a);
    json_init(&j, body, 16);
    if (json_enter_object(&j))
        while (json_next_member(&j, &key)) {
            if (!str_eq(key, STR("data")) || !json_enter_array(&j)) {
                json_skip(&j);
                continue;
            }
            while (json_next_item(&j)) {
                struct json_value item;

                if (json_read(&j, &item) && !json_find(item.raw, &v, "id", NULL) &&
                    !json_text(&v, &a, &id)) {
                    terminal_print(stdout, id);
                    putchar('\n');
                }
            }
        }
    arena_deinit(&a);
    return json_end(&j) == ERR_NONE;
}

static int run(const struct cli_args *args)
{
    struct local_response response;
    struct local_client *c;
    struct settings s;
    int code = EXIT_FAILED;

    if (cli_load_settings(args, SETTINGS_CLIENT, &s))
        return EXIT_USAGE;
    c = local_client_new(&s);
    local_client_call(c, HTTP_GET, "/v1/models", STR(""), NULL, NULL, &response);
    if (response.err || response.status != 200)
        local_client_explain(c, &response);
    else if (print_ids(buf_str(&response.body)))
        code = EXIT_DONE;
    else
        fprintf(stderr,
                "enginelabs-2api: what answers there is not this gateway: no list of models\n");
    buf_deinit(&response.body);
    local_client_free(c);
    settings_deinit(&s);
    return code;
}

const struct command command_models = {
    .name = "models",
    .options = "l",
    .summary = "List the models of a running gateway",
    .help = "Usage: enginelabs-2api models [--listen HOST:PORT]\n\n"
            "  --listen HOST:PORT  where the gateway listens (default: LISTEN)\n\n"
            "Example:\n"
            "  enginelabs-2api models --listen 127.0.0.1:8089\n",
    .run = run,
};
