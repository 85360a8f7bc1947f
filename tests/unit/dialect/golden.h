/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as files: tests/data/golden/. */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "test.h"

/* `got` is what the file has, byte for byte. */
static inline void expect_file(struct str got, const char *name)
{
    FILE *f = fopen(name, "re");
    struct buf want;
    char *room;

    EXPECT(f != NULL);
    buf_init(&want, 1 << 20);
    EXPECT_INT(buf_reserve(&want, 1 << 16, &room), ERR_NONE);
    buf_commit(&want, fread(room, 1, 1 << 16, f));
    fclose(f);
    if (!str_eq(got, buf_str(&want)))
        fail_msg("%s is not: %.*s", name, STR_ARGS(got));
    buf_deinit(&want);
}
