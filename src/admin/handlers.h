/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of the operators' API, for its table. */
#pragma once

#include "admin/admin.h"

/* openapi.c */
void admin_openapi(struct admin_call *c);

/* usage.c */
void admin_usage(struct admin_call *c);
void admin_usage_rows(struct admin_call *c);
