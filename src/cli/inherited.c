/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"

enum { FIRST = 3, NUMBER_MAX = 64 };

const char *const inherited_names[INHERITED_WHATS] = {
    [INHERITED_KEPT] = "gateway-kept",       [INHERITED_LISTEN] = "gateway-listen",
    [INHERITED_CONTROL] = "gateway-control", [INHERITED_STORE] = "gateway-store",
    [INHERITED_READY] = "gateway-ready",
};

void inherited_init(struct inherited *ret)
{
    for (size_t i = 0; i < INHERITED_WHATS; i++)
        ret->fds[i] = -1;
}

static enum inherited_what what_of(struct str name)
{
    for (size_t i = 0; i < INHERITED_WHATS; i++)
        if (str_eq(name, str_of(inherited_names[i])))
            return (enum inherited_what)i;
    return INHERITED_KEPT;
}

/* False for a variable that is not there, or no number up to `max`. */
static bool read_number(const char *name, uint64_t max, uint64_t *ret)
{
    const char *text = getenv(name);

    return text && str_to_u64(str_of(text), max, ret) == ERR_NONE;
}

static bool is_for_us(void)
{
    uint64_t pid;

    return read_number("LISTEN_PID", INT32_MAX, &pid) && pid == (uint64_t)getpid();
}

static enum err take(int fd, struct str name, struct inherited *ret, char *ret_what)
{
    int *at = &ret->fds[what_of(name)];

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        snprintf(ret_what, INHERITED_WHAT_MAX, "LISTEN_FDS counts descriptor %d, which is not open",
                 fd);
        return ERR_BAD_INPUT;
    }
    if (*at >= 0) {
        snprintf(ret_what, INHERITED_WHAT_MAX,
                 "more than one socket was passed (LISTEN_FDS), and a gateway listens on one: name "
                 "one ListenStream= in its .socket unit");
        return ERR_BAD_INPUT;
    }
    *at = fd;
    return ERR_NONE;
}

enum err inherited_take(struct inherited *ret, char *ret_what)
{
    const char *all = getenv("LISTEN_FDNAMES");
    struct str names = str_of(all ? all : "");
    enum err err = ERR_NONE;
    uint64_t n = 0;

    inherited_init(ret);
    if (!is_for_us())
        return ERR_NONE;
    if (!read_number("LISTEN_FDS", NUMBER_MAX, &n)) {
        snprintf(ret_what, INHERITED_WHAT_MAX,
                 "LISTEN_PID is this process, and LISTEN_FDS is no number up to %d", NUMBER_MAX);
        return ERR_BAD_INPUT;
    }
    for (uint64_t i = 0; i < n && !err; i++)
        err = take(FIRST + (int)i, str_cut(names, ':', &names), ret, ret_what);
    unsetenv("LISTEN_PID"); /* they are not its children's */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return err;
}
