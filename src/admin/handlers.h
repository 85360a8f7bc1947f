/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of the operators' API, for its table. */
#pragma once

#include "admin/admin.h"

/* openapi.c */
void admin_openapi(struct admin_call *c);
