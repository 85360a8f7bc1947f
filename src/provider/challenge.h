/* SPDX-License-Identifier: Apache-2.0 */
/* The browser check that a network in front of a service (Cloudflare) answers with in its place.
 * It is asked of whoever comes from this address: no other account or key helps. Pure, any
 * thread. */
#pragma once

#include "http/message.h"

/* Status and headers decide, never words of the page. */
bool challenge_is(int status, const struct http_head *head);
