/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP service of the gateway: finds the path's row, guards it, calls its handler. */
#pragma once

#include "gateway/gateway.h"

/* For http_server_new(); its argument is a struct gateway_worker. */
extern const struct http_service gateway_service;

/* Whether a Host header or an Origin names this machine's loopback: "localhost", "127.x.y.z",
 * "[::1]", with any port. */
bool host_is_loopback(struct str host);
bool origin_is_loopback(struct str origin);
