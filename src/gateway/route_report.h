/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of the settings as JSON, for `check`. */
#pragma once

#include "gateway/settings.h"
#include "json/writer.h"

/* Why a target can answer nobody; empty where nothing is known against it. */
typedef struct str route_problem(void *arg, const struct target_settings *target);

/* The member "routes": [{"name","strategy","aliases","targets": [{"upstream","model","weight",
 * "changes","problem"}]}], changes being sentences for people. `problem` NULL: none is known. */
void route_report_write(struct json_writer *j, const struct settings *s, route_problem *problem,
                        void *arg);
