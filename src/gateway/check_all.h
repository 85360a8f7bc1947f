/* SPDX-License-Identifier: Apache-2.0 */
/* What `check` says: every upstream signs in and tells how it stands, one after the other; then
 * each target of each route is held against that. No prompt is sent. */
#pragma once

#include "gateway/gateway.h"

struct check_all;

/* `usable`: every upstream and every target can be used. `json` lives during the call:
 * {"upstreams":[{"name":"cto","usable":true,"facts":[
 *   {"name":"quota","value":"...","problem":false}]}],"store":null or "what it cannot do",
 *  "routes":[{"name":"gpt-5","strategy":"weighted","aliases":[],"targets":[
 *   {"upstream":"cto","model":"GPT5","weight":3,"problem":""}]}],"usable":true}
 * A problem is "" where there is none; the weight is there where it counts. */
typedef void on_checked(void *arg, bool usable, struct str json);

/* Calls done(arg, ...) once, unless it is canceled. The worker's instances must be attached. */
struct check_all *check_all_start(struct gateway_worker *w, on_checked *done, void *arg);

/* `done` will not be called. */
void check_all_cancel(struct check_all *c);
