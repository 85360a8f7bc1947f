/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 64 << 20, READ_MAX = 64 << 10 };

NORETURN static void refuse(const struct options *o, const char *name, const char *what)
{
    fprintf(stderr, "%s: %s %s\n", o->program, name, what);
    exit(2);
}

void options_check(const struct options *o, const char *const *names)
{
    for (int i = 1; i < o->argc; i++) {
        const char *const *name = names;

        while (*name && strcmp(o->argv[i], **name == '!' ? *name + 1 : *name) != 0)
            name++;
        if (!*name)
            refuse(o, o->argv[i], "is no option of this program");
        if (**name != '!' && ++i == o->argc)
            refuse(o, *name, "needs a value");
    }
}

const char *options_text(const struct options *o, const char *name)
{
    for (int i = 1; i + 1 < o->argc; i++)
        if (strcmp(o->argv[i], name) == 0)
            return o->argv[i + 1];
    return NULL;
}

bool options_flag(const struct options *o, const char *name)
{
    for (int i = 1; i < o->argc; i++)
        if (strcmp(o->argv[i], name) == 0)
            return true;
    return false;
}

uint64_t options_number(const struct options *o, const char *name, uint64_t max)
{
    const char *text = options_text(o, name);
    char what[64];
    uint64_t n = 0;

    snprintf(what, sizeof(what), "takes a number up to %llu", (unsigned long long)max);
    if (text && str_to_u64(str_of(text), max, &n))
        refuse(o, name, what);
    return n;
}

struct buf options_file(const struct options *o, const char *name)
{
    const char *path = options_text(o, name);
    FILE *f = path ? fopen(path, "rb") : NULL;
    struct buf b;
    char *room;
    size_t n;

    buf_init(&b, FILE_MAX);
    if (!path)
        return b;
    if (!f)
        refuse(o, path, "cannot be read");
    do {
        if (buf_reserve(&b, READ_MAX, &room))
            refuse(o, path, "is too long");
        n = fread(room, 1, READ_MAX, f);
        buf_commit(&b, n);
    } while (n);
    fclose(f);
    return b;
}
