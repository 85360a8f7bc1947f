/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two sets of settings, by name: for a reload. */
#pragma once

#include "base/buf.h"
#include "gateway/settings.h"

/* Calls each(arg, name, needs_restart) for every setting of the table that has another value. */
void settings_diff(const struct settings *a, const struct settings *b,
                   void (*each)(void *arg, const char *name, bool needs_restart), void *arg);
