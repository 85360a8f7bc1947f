/* SPDX-License-Identifier: Apache-2.0 */
/* "--name value" and "--flag" of the measuring programs. A mistake ends the program with 2. */
#pragma once

#include "base/buf.h"

struct options {
    const char *program;
    int argc;
    char **argv;
};

/* Every argument is one of `names` (NULL at the end), with a value unless a '!' stands in front. */
void options_check(const struct options *o, const char *const *names);

/* NULL when it was not given. */
const char *options_text(const struct options *o, const char *name);

bool options_flag(const struct options *o, const char *name);

/* 0 when it was not given. */
uint64_t options_number(const struct options *o, const char *name, uint64_t max);

/* All of the file that the option names, owned by the caller; empty when it was not given. */
struct buf options_file(const struct options *o, const char *name);
