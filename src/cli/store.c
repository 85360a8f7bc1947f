/* SPDX-License-Identifier: Apache-2.0 */
/* The store that the settings name. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"
#include "provider/enginelabs/enginelabs.h"
#include "store/redis.h"

enum { TIPS_MAX = 200000, PATH_SIZE = 4096 };

/* With the folders above it; they are the user's alone. */
static enum err make_folder(const char *folder, char *ret_why)
{
    char path[PATH_SIZE];

    str_to_z(str_of(folder), path, sizeof(path));
    for (char *at = path + 1;; at++) {
        char c = *at;

        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            snprintf(ret_why, STORE_WHY_MAX,
                     "the folder %.300s cannot be made (%s): name another one in STATE_DIRECTORY, "
                     "or another store in STORE_URL",
                     path, strerror(errno));
            return ERR_IO;
        }
        *at = c;
        if (c == '\0')
            return ERR_NONE;
    }
}

/* A file of this name in the state directory, which is made when it is not there. */
static enum err state_path(const struct settings *s, const char *name, char path[PATH_SIZE],
                           char *ret_why)
{
    enum err err;

    if (!s->state_directory) {
        snprintf(ret_why, STORE_WHY_MAX,
                 "there is no place for it: set HOME, XDG_STATE_HOME or STATE_DIRECTORY, or name "
                 "a file: STORE_URL=sqlite:PATH");
        return ERR_IO;
    }
    err = make_folder(s->state_directory, ret_why);
    snprintf(path, PATH_SIZE, "%s/%s", s->state_directory, name);
    return err;
}

/* `lock_fd` as in cli_open_store(). */
static enum err open_file(enum err err, const char *path, int lock_fd, struct store **ret,
                          char *ret_why)
{
    if (!err)
        return store_sqlite_take_over(path, lock_fd, ret, ret_why);
    if (lock_fd >= 0)
        close(lock_fd);
    return err;
}

static enum err open_sqlite(const struct settings *s, int lock_fd, struct store **ret,
                            char *ret_why)
{
    struct str path = str_from(str_of(s->store_url), strlen("sqlite:"));
    char at[PATH_SIZE];
    enum err err = ERR_NONE;

    if (path.n > 0)
        str_to_z(path, at, sizeof(at));
    else
        err = state_path(s, "state.db", at, ret_why);
    return open_file(err, at, lock_fd, ret, ret_why);
}

/* Conversations are forgotten at the end, renewed cookies are not: the account would be lost. */
static enum err open_memory(const struct settings *s, int lock_fd, struct store **ret,
                            char *ret_why)
{
    struct store *cookies;
    char at[PATH_SIZE];
    enum err err = state_path(s, "cookies.db", at, ret_why);

    err = open_file(err, at, lock_fd, &cookies, ret_why);
    if (err)
        return err;
    *ret = store_memory_new(TIPS_MAX);
    store_memory_keep(*ret, cookies);
    return ERR_NONE;
}

static size_t most_parallel(const struct settings *s)
{
    size_t most = 0;

    for (size_t i = 0; i < s->n_upstreams; i++)
        for (size_t k = 0; k < s->upstreams[i].n_accounts; k++)
            if (s->upstreams[i].accounts[k].max_parallel > most)
                most = s->upstreams[i].accounts[k].max_parallel;
    return most;
}

static enum err open_redis(const struct settings *s, struct store **ret, char *ret_why)
{
    struct store_redis_url url;
    enum err err = store_redis_parse(str_of(s->store_url), &url, ret_why);

    if (err)
        return err;
    if (most_parallel(s) > ENGINELABS_SHARED_MAX) {
        snprintf(ret_why, STORE_WHY_MAX,
                 "gateways that share a store can share %d answers at once on an account, not %zu: "
                 "lower ENGINELABS_MAX_PARALLEL, or set it to 0 for no limit",
                 ENGINELABS_SHARED_MAX, most_parallel(s));
        store_redis_url_deinit(&url);
        return ERR_IO;
    }
    *ret = store_redis_new(&(struct store_redis_params){ .at = url.at,
                                                         .user = url.user,
                                                         .password = &url.password,
                                                         .db = url.db,
                                                         .trust = s->trust });
    store_redis_url_deinit(&url);
    return ERR_NONE;
}

/* Beside the file that it owns. */
bool cli_control_path(const struct settings *s, char path[CONTROL_PATH_SIZE])
{
    struct str url = str_of(s->store_url);
    bool is_file = str_starts(url, STR("sqlite:"));
    struct str file = is_file ? str_from(url, strlen("sqlite:")) : STR("");

    if (s->is_demo || !(is_file || str_starts(url, STR("memory:"))))
        return false;
    if (file.n > 0)
        snprintf(path, CONTROL_PATH_SIZE, "%.*s.control", STR_ARGS(file));
    else if (s->state_directory)
        snprintf(path, CONTROL_PATH_SIZE, "%s/%s.control", s->state_directory,
                 is_file ? "state.db" : "cookies.db");
    return file.n > 0 || s->state_directory;
}

enum err cli_open_store(const struct settings *s, int lock_fd, struct store **ret, char *ret_why)
{
    struct str url = str_of(s->store_url);

    ret_why[0] = '\0';
    if (str_starts(url, STR("memory:")) && !s->is_demo)
        return open_memory(s, lock_fd, ret, ret_why);
    if (str_starts(url, STR("sqlite:")) && !s->is_demo)
        return open_sqlite(s, lock_fd, ret, ret_why);
    if (lock_fd >= 0)
        close(lock_fd);
    if (s->is_demo) {
        *ret = store_memory_new(TIPS_MAX); /* the simulator forgets its chats, too */
        return ERR_NONE;
    }
    return open_redis(s, ret, ret_why);
}
