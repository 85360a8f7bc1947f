/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the program. To add one: a file with a `struct command`, and its
 * line in the table of help.c.
 */
#pragma once

#include "gateway/settings.h"

/* Exit codes of every command. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum cli_demo { DEMO_OFF, DEMO_ON, DEMO_AUTO };

/* What stood on the command line. */
struct cli_args {
    char *const *all;     /* main()'s, NULL-ended */
    const char *command;  /* "serve" when none was named */
    const char *env_file; /* --env-file, or ".env" */
    bool env_file_given;
    const char *config; /* --config, or "enginelabs-2api.yaml" */
    bool config_given;
    enum cli_demo demo;   /* --demo, --demo=auto */
    bool offline;         /* --offline */
    const char *listen;   /* --listen; NULL if not given */
    const char *scenario; /* --scenario */
    const char *capture;  /* --capture */
    const char *model;    /* -m, --model */
    char *const *words;   /* what is left, NULL-ended: TEXT of chat, COMMAND of help */
};

struct command {
    const char *name;
    const char *options; /* the letters of those it takes, as in args.c; 'w' for words */
    const char *summary; /* one line */
    const char *help;    /* usage, options and examples */
    int (*run)(const struct cli_args *args);
};

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* Says on standard error that there is none, and which one was meant; EXIT_USAGE. */
int command_unknown(const char *name);

/* First of all: what a crash leaves, and debuggers see, has secrets in it. */
void cli_leave_no_core(void);

/* Parses main()'s arguments; EXIT_DONE, or EXIT_USAGE after saying on standard error what is wrong.
 */
int args_parse(int argc, char **argv, struct cli_args *ret);

/* Loads the settings as the command line says; on failure `problems` has them, a line each.
 * `is_again`: as in struct settings_source. */
MUST_USE enum err cli_read_settings(const struct cli_args *args, enum settings_use use,
                                    bool is_again, struct settings *ret, struct buf *problems);

/* The same; on failure the problems are on standard error. */
MUST_USE enum err cli_load_settings(const struct cli_args *args, enum settings_use use,
                                    struct settings *ret);

/* Takes as many descriptors as the system allows. Returns MAX_CONNECTIONS, or fewer when they are
 * good for no more. */
size_t cli_connections_that_fit(const struct settings *s);

/* Where the gateway that has the store listens for commands; false when it keeps none to itself. */
enum { CONTROL_PATH_SIZE = 4096 };
bool cli_control_path(const struct settings *s, char path[CONTROL_PATH_SIZE]);

/* Opens the store that the settings name, or takes it over with the lock `lock_fd` of the process
 * before (-1: there is none), which is owned from now on. ERR_CONFLICT: another process has it;
 * ERR_IO: it cannot be used. `ret_why` (STORE_WHY_MAX) says why then; else it is empty, or has what
 * the log should say. */
MUST_USE enum err cli_open_store(const struct settings *s, int lock_fd, struct store **ret,
                                 char *ret_why);

/* What `check` prints of the upstreams, asked by this process; whether all can be used. */
bool cli_check_upstreams(const struct settings *s, struct store *store);

extern const struct command command_serve;
extern const struct command command_init;
extern const struct command command_usage;
extern const struct command command_check;
extern const struct command command_reload;
extern const struct command command_keys;
extern const struct command command_chat;
extern const struct command command_models;
extern const struct command command_simulate;
extern const struct command command_version;
extern const struct command command_help;
