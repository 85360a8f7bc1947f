/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the operators' API, and other files that the program was built with. */
#include "admin/embedded.h"
#include "admin/handlers.h"

const struct embedded *embedded_find(struct str name)
{
    for (const struct embedded *e = embedded_files; e->name; e++)
        if (str_eq(name, str_of(e->name)))
            return e;
    return NULL;
}

void admin_openapi(struct admin_call *c)
{
    const struct embedded *e = embedded_find(STR("openapi.json"));

    BUG_ON(!e);
    gateway_reply_json(c->request, 200, embedded_bytes(e));
}
