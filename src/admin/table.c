/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler answers which path of the operators' API. */
#include "admin/handlers.h"

const struct admin_row admin_rows[] = {
    { "openapi.json", HTTP_GET, 0, admin_openapi },
    { "usage", HTTP_GET, 0, admin_usage },
    { "usage/rows", HTTP_GET, 0, admin_usage_rows },
    { NULL, HTTP_GET, 0, NULL },
};
