/* SPDX-License-Identifier: Apache-2.0 */
/* The table of failures, made of FAILURE_LIST, and how one is filled in. */
#include "chat/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/macros.h"

static const struct failure_row rows[] = {
#define X(kind, status, type, code, anthropic) [kind] = { #kind, status, type, code, anthropic },
    FAILURE_LIST(X)
#undef X
};

const struct failure_row *failure_row(enum failure_kind kind)
{
    BUG_ON(kind == FAILURE_NONE || (size_t)kind >= COUNT_OF(rows));
    return &rows[kind];
}

enum failure_kind failure_of_status(int status)
{
    for (size_t i = FAILURE_NONE + 1; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return (enum failure_kind)i;
    return status < 500 ? FAILURE_BAD_REQUEST : FAILURE_INTERNAL;
}

const char *failure_code(const struct failure *f)
{
    const struct failure_row *row = failure_row(f->kind);

    return row->code ? row->code : "none";
}

int failure_status(const struct failure *f)
{
    return f->status ? f->status : failure_row(f->kind)->status;
}

void failure_set(struct failure *f, struct arena *a, enum failure_kind kind, const char *format,
                 ...)
{
    va_list args;
    va_list again;
    char *text;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    BUG_ON(n < 0);
    text = arena_alloc(a, (size_t)n + 1);
    n = vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    BUG_ON(n < 0);
    *f = (struct failure){ .kind = kind, .message = { text, (size_t)n } };
}
