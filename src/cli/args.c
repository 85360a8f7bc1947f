/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: an optional command, options in any order, words. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/near.h"
#include "base/process.h"
#include "cli/command.h"

static const struct flag {
    const char *name;
    const char *alias;
    char letter; /* as in struct command's options, but for those that every command takes */
    bool has_value;
    const char *choice; /* the one value that may stand behind '=' of one that needs none */
} flags[] = {
    { "--demo", NULL, 'd', false, "auto" }, { "--offline", NULL, 'o', false, NULL },
    { "--listen", "-l", 'l', true, NULL },  { "--scenario", NULL, 's', true, NULL },
    { "--model", "-m", 'm', true, NULL },   { "--env-file", NULL, 'e', true, NULL },
    { "--config", NULL, 'c', true, NULL },  { "--help", "-h", 'h', false, NULL },
    { "--capture", NULL, 'C', true, NULL },
};

static const struct flag *find_flag(const char *word, const char **ret_value)
{
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);

    *ret_value = equals ? equals + 1 : NULL;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (str_eq((struct str){ word, n }, str_of(flags[i].name)) ||
            (flags[i].alias && strcmp(word, flags[i].alias) == 0))
            return &flags[i];
    return NULL;
}

/* `command` as far as it is known, else NULL. */
static int usage_error(const struct command *command, const char *what, const char *word)
{
    fprintf(stderr, "enginelabs-2api: %s: %s\nTry: enginelabs-2api help%s%s\n", word, what,
            command ? " " : "", command ? command->name : "");
    return EXIT_USAGE;
}

static bool takes(const struct command *command, const struct flag *flag)
{
    return strchr("ech", flag->letter) || strchr(command->options, flag->letter);
}

static int unknown_option(const struct command *command, const char *word)
{
    struct near near;
    char what[80];

    near_init(&near, str_cut(str_of(word), '=', &(struct str){ NULL, 0 }));
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (takes(command, &flags[i]))
            near_try(&near, flags[i].name);
    snprintf(what, sizeof(what), "unknown option%s%s%s", NEAR_ARGS(&near));
    return usage_error(command, what, word);
}

static void set_flag(struct cli_args *args, const struct flag *flag, const char *value)
{
    switch (flag->letter) {
    case 'd':
        args->demo = value ? DEMO_AUTO : DEMO_ON;
        break;
    case 'o':
        args->offline = true;
        break;
    case 'l':
        args->listen = value;
        break;
    case 'C':
        args->capture = value;
        break;
    case 's':
        args->scenario = value;
        break;
    case 'm':
        args->model = value;
        break;
    case 'c':
        args->config = value;
        args->config_given = true;
        break;
    default:
        args->env_file = value;
        args->env_file_given = true;
    }
}

/* One option with its value; *i moves on when the value is the next argument. */
static int take_flag(struct cli_args *args, const struct command *command, char **argv, int *i)
{
    const char *word = argv[*i];
    const char *value;
    const struct flag *flag = find_flag(word, &value);

    if (!flag)
        return unknown_option(command, word);
    if (!takes(command, flag))
        return usage_error(command, "this command does not take this option", word);
    if (!flag->has_value && value && (!flag->choice || strcmp(value, flag->choice) != 0))
        return usage_error(command,
                           flag->choice ? "the only value of this option is auto"
                                        : "this option takes no value",
                           word);
    if (flag->has_value && !value)
        value = argv[++*i];
    if (flag->has_value && (!value || !value[0]))
        return usage_error(command, "this option needs a value", word);
    set_flag(args, flag, value);
    return EXIT_DONE;
}

static bool wants_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* "--help" anywhere turns the call into "help COMMAND". */
static bool take_help(struct cli_args *args, int argc, char **argv)
{
    static char *topic[2];

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (wants_help(argv[i])) {
            topic[0] = argv[1][0] == '-' ? NULL : argv[1];
            args->command = "help";
            args->words = topic;
            return true;
        }
    return false;
}

void cli_leave_no_core(void)
{
    process_set_dumpable(false);
}

int args_parse(int argc, char **argv, struct cli_args *ret)
{
    struct cli_args args = {
        .all = argv, .command = "serve", .env_file = ".env", .config = "enginelabs-2api.yaml"
    };
    int i = 1;

    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        args.command = (i++, "version");
    else if (argc > 1 && argv[1][0] != '-')
        args.command = argv[i++];
    const struct command *command = command_find(args.command);
    if (!command)
        return command_unknown(args.command);
    if (take_help(&args, argc, argv)) {
        *ret = args;
        return EXIT_DONE;
    }
    for (; i < argc && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0; i++) {
        int code = take_flag(&args, command, argv, &i);

        if (code)
            return code;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    args.words = argv + i;
    if (args.words[0] && !strchr(command->options, 'w'))
        return usage_error(command, "this command takes no such argument", args.words[0]);
    *ret = args;
    return EXIT_DONE;
}

enum err cli_read_settings(const struct cli_args *args, enum settings_use use, bool is_again,
                           struct settings *ret, struct buf *problems)
{
    char listen[HOST_MAX + 32];
    const char *overrides[] = { args->listen ? listen : NULL, NULL };
    const struct settings_source source = {
        .use = use,
        .overrides = overrides,
        .environment = environ,
        .env_file = args->env_file,
        .env_file_required = args->env_file_given,
        .config_file = args->config,
        .config_file_required = args->config_given,
        .is_again = is_again,
    };

    if (args->listen)
        snprintf(listen, sizeof(listen), "LISTEN=%s", args->listen);
    return settings_load(&source, ret, problems);
}

enum err cli_load_settings(const struct cli_args *args, enum settings_use use, struct settings *ret)
{
    struct buf problems;
    enum err err;

    buf_init(&problems, 1 << 20);
    err = cli_read_settings(args, use, false, ret, &problems);
    if (err)
        fprintf(stderr, "enginelabs-2api: the settings have problems:\n%.*s",
                STR_ARGS(buf_str(&problems)));
    buf_deinit(&problems);
    return err;
}
