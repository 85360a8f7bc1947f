/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: an optional command, options in any order, words. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

static const struct flag {
    const char *name;
    const char *alias;
    char letter; /* as in struct command's options; '\0': every command takes it */
    bool has_value;
    const char *choice; /* the one value that may stand behind '=' of one that needs none */
} flags[] = {
    { "--demo", NULL, 'd', false, "auto" }, { "--offline", NULL, 'o', false, NULL },
    { "--listen", "-l", 'l', true, NULL },  { "--scenario", NULL, 's', true, NULL },
    { "--model", "-m", 'm', true, NULL },   { "--env-file", NULL, '\0', true, NULL },
    { "--config", NULL, '\0', true, NULL }, { "--help", "-h", '\0', false, NULL },
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

static int usage_error(const char *what, const char *word)
{
    fprintf(stderr, "enginelabs-2api: %s: %s\nTry: enginelabs-2api help\n", word, what);
    return EXIT_USAGE;
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
    case 's':
        args->scenario = value;
        break;
    case 'm':
        args->model = value;
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
        return usage_error("unknown option", word);
    if (flag->letter && !strchr(command->options, flag->letter))
        return usage_error("this command does not take this option", word);
    if (!flag->has_value && value && (!flag->choice || strcmp(value, flag->choice) != 0))
        return usage_error(flag->choice ? "the only value of this option is auto"
                                        : "this option takes no value",
                           word);
    if (flag->has_value && !value)
        value = argv[++*i];
    if (flag->has_value && (!value || !value[0]))
        return usage_error("this option needs a value", word);
    if (strcmp(flag->name, "--config") == 0)
        return usage_error(
            "YAML settings are not part of this version; use the environment or .env", word);
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

int args_parse(int argc, char **argv, struct cli_args *ret)
{
    struct cli_args args = { .command = "serve", .env_file = ".env" };
    int i = 1;

    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        args.command = (i++, "version");
    else if (argc > 1 && argv[1][0] != '-')
        args.command = argv[i++];
    const struct command *command = command_find(args.command);
    if (!command)
        return usage_error("unknown command", args.command);
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
        return usage_error("this command takes no such argument", args.words[0]);
    *ret = args;
    return EXIT_DONE;
}

enum err cli_load_settings(const struct cli_args *args, enum settings_use use, struct settings *ret)
{
    char listen[HOST_MAX + 32];
    const char *overrides[] = { args->listen ? listen : NULL, NULL };
    const struct settings_source source = { use, overrides, environ, args->env_file,
                                            args->env_file_given };
    struct buf problems;
    enum err err;

    if (args->listen)
        snprintf(listen, sizeof(listen), "LISTEN=%s", args->listen);
    buf_init(&problems, 1 << 20);
    err = settings_load(&source, ret, &problems);
    if (err)
        fprintf(stderr, "enginelabs-2api: the settings have problems:\n%.*s",
                STR_ARGS(buf_str(&problems)));
    buf_deinit(&problems);
    return err;
}

void cli_enginelabs_config(const struct settings *s, struct enginelabs_config *ret)
{
    static const char *const contents[] = {
        [CONTENT_AUTO] = "auto", [CONTENT_DELTA] = "delta", [CONTENT_SNAPSHOT] = "snapshot"
    };

    *ret = (struct enginelabs_config){
        .name = "cto",
        .account = "default",
        .api = s->enginelabs_api_url,
        .clerk = s->clerk_url,
        .origin = s->enginelabs_origin,
        .cookie = s->clerk_cookie,
        .session_id = s->clerk_session_id,
        .organization_id = s->clerk_organization_id,
        .max_prompt_chars = s->enginelabs_max_prompt_chars,
        .max_prompt_bytes = s->enginelabs_max_prompt_bytes,
        .trim_overflow = strcmp(s->enginelabs_overflow, "trim") == 0,
        .max_parallel = (unsigned)s->enginelabs_max_parallel,
        .models = s->known_models,
        .default_model = s->default_model,
    };
    for (size_t i = 0; i < COUNT_OF(contents); i++)
        if (strcmp(s->enginelabs_content, contents[i]) == 0)
            ret->content = (enum enginelabs_content)i;
}
