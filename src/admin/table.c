/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler answers which path of the operators' API. */
#include "admin/handlers.h"

const struct admin_row admin_rows[] = {
    { "openapi.json", HTTP_GET, 0, admin_openapi },
    { "usage", HTTP_GET, 0, admin_usage },
    { "usage/rows", HTTP_GET, 0, admin_usage_rows },
    { "keys", HTTP_GET, 0, admin_keys_list },
    { "keys", HTTP_POST, 0, admin_keys_add },
    { "keys/{id}", HTTP_GET, 0, admin_keys_show },
    { "keys/{id}", HTTP_PATCH, 0, admin_keys_edit },
    { "keys/{id}", HTTP_DELETE, 0, admin_keys_revoke },
    { "keys/{id}/rotate", HTTP_POST, 0, admin_keys_rotate },
    { "session", HTTP_GET, 0, admin_session_show },
    { "session", HTTP_POST, ADMIN_OPEN, admin_session_make },
    { "session", HTTP_DELETE, 0, admin_session_end },
    { "overview", HTTP_GET, 0, admin_overview },
    { "live", HTTP_GET, 0, admin_live },
    { "live/{id}", HTTP_DELETE, 0, admin_live_cancel },
    { "problems", HTTP_GET, 0, admin_problems },
    { "accounts", HTTP_GET, 0, admin_accounts },
    { "accounts/{upstream}/{name}/clear", HTTP_POST, 0, admin_account_clear },
    { "accounts/{upstream}/{name}/check", HTTP_POST, 0, admin_account_check },
    { "routes", HTTP_GET, 0, admin_routes },
    { "settings", HTTP_GET, 0, admin_settings },
    { "log-level", HTTP_GET, 0, admin_log_level },
    { "log-level", HTTP_PUT, 0, admin_log_level_set },
    { NULL, HTTP_GET, 0, NULL },
};
