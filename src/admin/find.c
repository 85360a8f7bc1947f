/* SPDX-License-Identifier: Apache-2.0 */
/* Paths with names in them. */
#include "admin/admin_internal.h"
#include "http/url.h"

/* The next segment of a path; false at its end. A path that ends in '/' has an empty last one. */
static bool next_segment(struct str *path, struct str *ret)
{
    if (!path->p)
        return false;
    *ret = str_cut(*path, '/', path);
    return true;
}

static bool is_name(struct str segment)
{
    return segment.n > 0 && segment.p[0] == '{';
}

static bool path_matches(struct str pattern, struct str path)
{
    struct str want, got;

    while (next_segment(&pattern, &want)) {
        if (!next_segment(&path, &got))
            return false;
        if (is_name(want) ? got.n == 0 : !str_eq(want, got))
            return false;
    }
    return !path.p;
}

const struct admin_row *admin_find(struct str path, enum http_method method, bool *ret_known)
{
    *ret_known = false;
    for (const struct admin_row *row = admin_rows; row->path; row++) {
        if (!path_matches(str_of(row->path), path))
            continue;
        *ret_known = true;
        if (row->method == method || (row->method == HTTP_GET && method == HTTP_HEAD))
            return row;
    }
    return NULL;
}

bool admin_take_ids(struct admin_call *c, struct str path)
{
    struct str pattern = str_of(c->row->path);
    struct str want, got;
    size_t n = 0;

    while (next_segment(&pattern, &want) && next_segment(&path, &got)) {
        char *id;

        if (!is_name(want))
            continue;
        BUG_ON(n == ADMIN_IDS_MAX);
        id = arena_alloc(&c->request->arena, ADMIN_ID_SIZE);
        if (!url_segment_get(got, id, ADMIN_ID_SIZE))
            return false;
        c->ids[n++] = id;
    }
    return true;
}
