/* SPDX-License-Identifier: Apache-2.0 */
/* Between guard.c (who may), admin.c (which handler) and find.c (paths). */
#pragma once

#include "admin/admin.h"

/* The row for the path and method, or NULL; then `ret_known`: other methods have one. */
const struct admin_row *admin_find(struct str path, enum http_method method, bool *ret_known);

/* What stands for the {names} of the row's path, decoded into the call's request. False: it cannot
 * be decoded. */
bool admin_take_ids(struct admin_call *c, struct str path);

/* What all answers have, errors too. Once a request. */
void admin_mark(struct http_request *r);

static inline struct str admin_path(const struct http_request *r)
{
    return str_from(r->head.path, sizeof(ADMIN_PREFIX) - 1);
}
