/* SPDX-License-Identifier: Apache-2.0 */
/* init: asks for the cookie, tries it, and writes the first .env. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "cli/command.h"
#include "cli/hidden.h"
#include "store/store.h"

enum { KEY_LETTERS = 32, KEY_SIZE = 3 + KEY_LETTERS + 1, FILE_MAX = 2 * COOKIE_MAX + 4096 };

/* ---- the cookie ---- */

/* What people paste: the header's value, with its name or without. */
static struct str tidy(struct str cookie)
{
    static const char name[] = "cookie:";

    cookie = str_trim(cookie);
    if (str_starts_nocase(cookie, str_of(name)))
        cookie = str_trim(str_from(cookie, sizeof(name) - 1));
    return cookie;
}

static bool ask(const char *program, struct secret *cookie)
{
    struct buf line;
    enum err err;

    buf_init(&line, COOKIE_MAX);
    fputs(
        "Your cookie of cto.new (README.md tells where the browser has it). Paste it, then press\n"
        "Enter; it is not shown: ",
        stderr);
    err = hidden_line(STDIN_FILENO, &line);
    fputc('\n', stderr);
    if (!err)
        secret_set(cookie, tidy(buf_str(&line)));
    buf_wipe(&line);
    if (err == ERR_CANCELED)
        fputs("enginelabs-2api: canceled, nothing was written\n", stderr);
    else if (err == ERR_TOO_BIG)
        fprintf(stderr, "enginelabs-2api: that is longer than %d bytes, which no cookie is\n",
                COOKIE_MAX);
    else if (err)
        fprintf(stderr, "enginelabs-2api: the cookie cannot be read: %s\n", err_text(err));
    else if (!secret_is_set(cookie))
        fprintf(stderr,
                "enginelabs-2api: no cookie, so nothing was written. To look around without one:\n"
                "  %s serve --demo\n",
                program);
    return secret_is_set(cookie);
}

/* ---- the try ---- */

/* By the environment alone: there is no .env yet. */
static bool load_settings(const char *cookie, struct settings *ret)
{
    const struct cli_args args = { .command = "init", .env_file = "", .config = "" };

    unsetenv("CLERK_COOKIE_FILE");
    return setenv("CLERK_COOKIE", cookie, 1) == 0 &&
           cli_load_settings(&args, SETTINGS_SERVE, ret) == ERR_NONE;
}

static bool open_store(const struct settings *s, struct store **ret)
{
    char why[STORE_WHY_MAX];

    if (cli_open_store(s, -1, ret, why) == ERR_NONE)
        return true;
    fprintf(stderr, "enginelabs-2api: cannot open the store: %s\n", why);
    return false;
}

/* What is wrong without the cookie is told before somebody pastes one for nothing. */
static int try_the_rest(void)
{
    struct settings s;
    struct store *store;
    bool opens;

    if (!load_settings("__client=not-asked-yet", &s))
        return EXIT_USAGE;
    opens = open_store(&s, &store);
    if (opens)
        store_close(store);
    settings_deinit(&s);
    return opens ? EXIT_DONE : EXIT_FAILED;
}

/* What the sign-in renews goes into the store that
 * `serve` will have, which is why that must not run meanwhile. */
static int try_cookie(const char *cookie)
{
    struct settings s;
    struct store *store;
    bool usable = false;

    if (!load_settings(cookie, &s))
        return EXIT_USAGE;
    fputs("Signing in...\n", stderr);
    if (open_store(&s, &store)) {
        usable = cli_check_upstreams(&s, store);
        store_close(store);
        if (!usable)
            fputs("enginelabs-2api: the account cannot be used (see above); nothing was written.\n"
                  "Run init again when that is mended, or with another cookie.\n",
                  stderr);
    }
    settings_deinit(&s);
    return usable ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the file ---- */

/* In single quotes nothing is special but they themselves. */
static enum err add_quoted(struct buf *out, struct str value)
{
    bool is_plain = str_find_char(value, '\'') == SIZE_MAX;
    char quote = is_plain ? '\'' : '"';
    enum err err = buf_add(out, (struct str){ &quote, 1 });

    for (size_t i = 0; i < value.n && !err; i++) {
        if (!is_plain && strchr("\"\\$", value.p[i]))
            err = buf_add(out, STR("\\"));
        if (!err)
            err = buf_add(out, (struct str){ value.p + i, 1 });
    }
    return err ? err : buf_add(out, (struct str){ &quote, 1 });
}

static enum err compose(struct str cookie, struct buf *out)
{
    char master[KEY_SIZE], admin[KEY_SIZE];
    enum err err;

    random_id("sk-", KEY_LETTERS, master);
    random_id("ak-", KEY_LETTERS, admin);
    err = buf_addf(out,
                   "# Everything else has a default: docs/configuration.md\n\n"
                   "# The key that your clients send.\nAPI_MASTER_KEY=%s\n\n"
                   "# Yours alone: for the page at / and /admin/api/.\nADMIN_KEY=%s\n\n"
                   "# Your browser's sign-in at cto.new.\nCLERK_COOKIE=",
                   master, admin);
    if (!err)
        err = add_quoted(out, cookie);
    return err ? err : buf_add(out, STR("\n"));
}

static bool write_all(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text = str_from(text, (size_t)n);
    }
    return fsync(fd) == 0;
}

static int create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static void say_why_not(const char *path, int why)
{
    fprintf(stderr,
            "enginelabs-2api: cannot write %s: %s; go to a folder that you may write to, or name "
            "one: init --env-file FILE\n",
            path, strerror(why));
}

/* Tried before the cookie is asked for. */
static bool may_write(const char *path)
{
    int fd = create(path);

    if (fd < 0) {
        say_why_not(path, errno);
        return false;
    }
    close(fd);
    unlink(path);
    return true;
}

/* Only where there is none: it may hold what nobody has elsewhere. */
static bool write_file(const char *path, struct str text)
{
    int fd = create(path);
    bool is_written = fd >= 0 && write_all(fd, text);
    int why = errno;

    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !is_written)
        unlink(path);
    if (!is_written)
        say_why_not(path, why);
    return is_written;
}

static void say_next(const char *program, const char *path)
{
    const char *option = strcmp(path, ".env") == 0 ? "" : " --env-file ";

    printf("Wrote %s, which only you can read: the cookie, a new API_MASTER_KEY for your clients\n"
           "and a new ADMIN_KEY for you. Next:\n\n  %s serve%s%s\n",
           path, program, option, option[0] ? path : "");
}

/* ---- the command ---- */

static int init(const char *program, const char *path, struct secret *cookie)
{
    struct buf file;
    bool is_written;
    int code;

    if (!may_write(path))
        return EXIT_FAILED;
    code = try_the_rest();
    if (code)
        return code;
    if (!ask(program, cookie))
        return EXIT_FAILED;
    code = try_cookie(cookie->p);
    if (code)
        return code;
    buf_init(&file, FILE_MAX);
    is_written =
        compose(secret_reveal(cookie), &file) == ERR_NONE && write_file(path, buf_str(&file));
    buf_wipe(&file);
    if (!is_written)
        return EXIT_FAILED;
    say_next(program, path);
    return EXIT_DONE;
}

static int run(const struct cli_args *args)
{
    struct secret cookie = { 0 };
    int code;

    if (access(args->env_file, F_OK) == 0) {
        fprintf(stderr,
                "enginelabs-2api: %s is there already and is left as it is; edit it, or name "
                "another one: init --env-file FILE\n",
                args->env_file);
        return EXIT_USAGE;
    }
    code = init(args->all[0], args->env_file, &cookie);
    secret_deinit(&cookie);
    return code;
}

const struct command command_init = {
    .name = "init",
    .options = "",
    .summary = "Ask for the account's cookie, try it and write .env",
    .help = "Usage: enginelabs-2api init [--env-file FILE]\n\n"
            "  --env-file FILE  the file to write instead of .env; it must not exist\n\n"
            "Reads the cookie without showing it (or from standard input), signs in with it and,\n"
            "when that works, writes a file that only you can read: the cookie, a random key for\n"
            "your clients and one for the page. No gateway may run meanwhile. Other settings of\n"
            "the environment, such as HTTPS_PROXY, are obeyed.\n\n"
            "Examples:\n"
            "  enginelabs-2api init\n"
            "  enginelabs-2api init --env-file work.env <cookie.txt\n",
    .run = run,
};
