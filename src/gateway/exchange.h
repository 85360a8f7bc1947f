/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client request and the upstream call that answers it. The exchange is the only place that
 * knows both sides: it owns the deadlines and closes the books exactly once, however it ends.
 *
 *     WAITING --> ANSWERING --> SETTLING --> DONE      (docs/internals/exchange.md)
 *        \____________\____________\________^   failure, deadline, client gone
 *
 * It lives in the request's arena, so it never outlives the request.
 */
#pragma once

#include "gateway/gateway.h"

/* Decodes the request's body by `dialect` and answers it, now or later. */
void exchange_start(struct gateway_worker *w, struct http_request *r,
                    const struct dialect_ops *dialect);

/* The same for one that goes on from a kept answer: `past` is its record, which lives as long as
 * the request. */
void exchange_go_on(struct gateway_worker *w, struct http_request *r,
                    const struct dialect_ops *dialect, struct str past);

/* Whether another target may do better after this failure. */
bool exchange_failure_moves_on(const struct failure *f);

/* What it says of the target's health. */
enum health_verdict exchange_verdict(const struct failure *f);

/* Ends every exchange of this worker with an error that says that the gateway shuts down. */
void exchange_end_all(struct gateway_worker *w);

/* Ends those of this worker with that id with an error that says that an operator did; how many. */
size_t exchange_cancel(struct gateway_worker *w, struct str request_id);

/* That error. */
extern const struct failure failure_canceled;
