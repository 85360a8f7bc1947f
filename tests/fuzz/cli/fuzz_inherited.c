/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment that a service manager, or the gateway before, starts a gateway with. A line
 * each: LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID ("=": ours). Properties: what is taken are
 * descriptors of the count, each once; what cannot be taken says why; of another process nothing is
 * taken; a second time there is nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/inherited.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { FIRST = 3, LISTEN_MAX = 64, TEXT_MAX = 4096 };

/* Descriptors that may be passed on. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < INHERITED_WHATS; i++)
        BUG_ON(open("/dev/null", O_RDONLY) < 0);
    return 0;
}

static void set(const char *name, struct str value)
{
    char text[TEXT_MAX];

    str_to_z(value, text, sizeof(text));
    BUG_ON(value.p ? setenv(name, text, 1) : unsetenv(name));
}

static size_t taken(const struct inherited *t)
{
    size_t n = 0;

    for (size_t i = 0; i < INHERITED_WHATS; i++)
        n += t->fds[i] >= 0;
    return n;
}

static void check(const struct inherited *t, uint64_t count)
{
    for (size_t i = 0; i < INHERITED_WHATS; i++) {
        BUG_ON(t->fds[i] < -1 || t->fds[i] == 0);
        BUG_ON(t->fds[i] >= 0 && (t->fds[i] < FIRST || (uint64_t)t->fds[i] >= FIRST + count));
        for (size_t k = 0; k < i; k++)
            BUG_ON(t->fds[i] >= 0 && t->fds[i] == t->fds[k]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str rest = { (const char *)p, n };
    struct str fds = str_cut(rest, '\n', &rest), names = str_cut(rest, '\n', &rest);
    char ours[16], what[INHERITED_WHAT_MAX] = "";
    struct inherited t;
    uint64_t count;
    bool is_ours, is_count = str_to_u64(fds, LISTEN_MAX, &count) == ERR_NONE;
    enum err err;

    if (n >= TEXT_MAX || (n > 0 && memchr(p, '\0', n)))
        return 0;
    snprintf(ours, sizeof(ours), "%d", (int)getpid());
    is_ours = str_eq(rest, STR("=")) || str_eq(rest, str_of(ours));
    set("LISTEN_FDS", fds);
    set("LISTEN_FDNAMES", names);
    set("LISTEN_PID", is_ours ? str_of(ours) : rest);
    err = inherited_take(&t, what);
    BUG_ON((err != ERR_NONE) != (what[0] != '\0') || !memchr(what, '\0', sizeof(what)));
    BUG_ON(err && (err != ERR_BAD_INPUT || !is_ours));
    BUG_ON(is_ours && !is_count && !err);
    check(&t, is_ours && is_count ? count : 0);
    BUG_ON(!err && is_ours && taken(&t) != count);
    BUG_ON(is_ours && is_count && getenv("LISTEN_PID"));
    return 0;
}
