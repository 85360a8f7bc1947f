/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers for operators: what runs, whether it lives, whether it can answer, and its numbers. None
 * waits for anything. */
#pragma once

#include "gateway/gateway.h"

void handle_root(struct gateway_worker *w, struct http_request *r);
void handle_healthz(struct gateway_worker *w, struct http_request *r);

/* 200, or 503 with each failing part named. */
void handle_readyz(struct gateway_worker *w, struct http_request *r);

/* Prometheus text (version 0.0.4) or OpenMetrics (1.0), as the client asks. Open on loopback
 * connections that no proxy forwarded, else a key is needed. */
void handle_metrics(struct gateway_worker *w, struct http_request *r);
