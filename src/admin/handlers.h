/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of the operators' API, for its table. */
#pragma once

#include "admin/admin.h"

/* openapi.c */
void admin_openapi(struct admin_call *c);

/* usage.c */
void admin_usage(struct admin_call *c);
void admin_usage_rows(struct admin_call *c);

/* keys.c */
void admin_keys_list(struct admin_call *c);
void admin_keys_add(struct admin_call *c);
void admin_keys_show(struct admin_call *c);
void admin_keys_edit(struct admin_call *c);
void admin_keys_revoke(struct admin_call *c);
void admin_keys_rotate(struct admin_call *c);

/* sign_in.c */
void admin_session_make(struct admin_call *c);
void admin_session_show(struct admin_call *c);
void admin_session_end(struct admin_call *c);

/* overview.c */
void admin_overview(struct admin_call *c);

/* live.c, live_stream.c */
void admin_live(struct admin_call *c);
void admin_live_cancel(struct admin_call *c);

/* accounts.c, account_check.c */
void admin_accounts(struct admin_call *c);
void admin_account_clear(struct admin_call *c);
void admin_account_check(struct admin_call *c);

/* routes.c */
void admin_routes(struct admin_call *c);

/* settings.c */
void admin_settings(struct admin_call *c);

/* problems.c */
void admin_problems(struct admin_call *c);

/* log_level.c */
void admin_log_level(struct admin_call *c);
void admin_log_level_set(struct admin_call *c);
