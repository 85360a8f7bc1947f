/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the program was built with (cmake/embed.cmake). */
#pragma once

#include "base/str.h"

struct embedded {
    const char *name; /* "index.html" */
    const char *etag; /* of what is in it, with the quotes */
    const unsigned char *bytes;
    size_t n;
    bool is_gzip;
};

/* Ended by a row without a name. */
extern const struct embedded embedded_files[];

/* NULL: there is none of that name. */
const struct embedded *embedded_find(struct str name);

static inline struct str embedded_bytes(const struct embedded *e)
{
    return (struct str){ (const char *)e->bytes, e->n };
}
