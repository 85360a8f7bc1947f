/* SPDX-License-Identifier: Apache-2.0 */
/* What `check` says: every upstream signs in and tells how it stands, one after the other. */
#pragma once

#include "gateway/gateway.h"

struct check_all;

/* `usable`: every upstream can be used. `json` lives during the call:
 * {"usable":true,"upstreams":[{"name":"cto","usable":true,"facts":[
 *   {"name":"quota","value":"...","problem":false}]}],"store":null or "what it cannot do",
 *  "routes":[{"name":"gpt-5","targets":[{"upstream":"cto","model":"GPT5","known":true}]}]} */
typedef void on_checked(void *arg, bool usable, struct str json);

/* Calls done(arg, ...) once, unless it is canceled. The worker's instances must be attached. */
struct check_all *check_all_start(struct gateway_worker *w, on_checked *done, void *arg);

/* When the instances are detached, before they tell anything. */
void check_all_cancel(struct check_all *c);
