/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and those that only print: help and version. */
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cli/command.h"

static const struct command *const commands[] = {
    &command_serve,    &command_init,    &command_check, &command_reload,
    &command_keys,     &command_usage,   &command_chat,  &command_models,
    &command_simulate, &command_version, &command_help,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

int command_unknown(const char *name)
{
    struct near near;

    near_init(&near, str_of(name));
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        near_try(&near, commands[i]->name);
    fprintf(stderr, "enginelabs-2api: %s: unknown command%s%s%s\nTry: enginelabs-2api help\n", name,
            NEAR_ARGS(&near));
    return EXIT_USAGE;
}

static void print_overview(void)
{
    puts("enginelabs-2api: an OpenAI-compatible API in front of your cto.new (EngineLabs) "
         "account\n\n"
         "Usage: enginelabs-2api [COMMAND] [--config FILE] [--env-file FILE] [OPTIONS]\n\n"
         "Commands:");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    puts("\nWithout a command it serves. \"enginelabs-2api help COMMAND\" tells more of one.\n"
         "Settings come from the environment, from .env and from enginelabs-2api.yaml;\n"
         "\"enginelabs-2api help settings\" lists them, docs/configuration.md explains them.");
}

static void print_settings(void)
{
    struct settings_row row;

    puts(
        "Settings and their defaults (docs/configuration.md explains them). Values come from the\n"
        "command line, then the environment, then .env, then enginelabs-2api.yaml (the same names\n"
        "in lower case, and what needs structure).\n");
    for (size_t i = 0; settings_row_at(i, &row); i++) {
        printf("  %-28s %s\n", row.name, row.fallback[0] ? row.fallback : "(none)");
        if (row.is_secret)
            printf("  %s_FILE%*s a file that holds it\n", row.name, 23 - (int)strlen(row.name), "");
    }
}

static int run_help(const struct cli_args *args)
{
    const struct command *command = NULL;

    if (!args->words || !args->words[0]) {
        print_overview();
        return EXIT_DONE;
    }
    if (strcmp(args->words[0], "settings") == 0) {
        print_settings();
        return EXIT_DONE;
    }
    command = command_find(args->words[0]);
    if (!command)
        return command_unknown(args->words[0]);
    printf("%s\n\n%s", command->summary, command->help);
    return EXIT_DONE;
}

static int run_version(const struct cli_args *args)
{
    (void)args;
    puts("enginelabs-2api " VERSION);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .options = "w",
    .summary = "Explain the commands and the settings",
    .help = "Usage: enginelabs-2api help [COMMAND]\n"
            "       enginelabs-2api help settings\n\n"
            "Example:\n"
            "  enginelabs-2api help serve\n",
    .run = run_help,
};

const struct command command_version = {
    .name = "version",
    .options = "",
    .summary = "Print the version",
    .help = "Usage: enginelabs-2api version\n\n"
            "Example:\n"
            "  enginelabs-2api version\n",
    .run = run_version,
};
