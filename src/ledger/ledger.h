/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was used: rows of single requests and sums of them, gathered by a worker and handed to the
 * store every LEDGER_EVERY_MS, off the way of requests. One loop's.
 */
#pragma once

#include "ledger/row.h"
#include "ledger/sums.h"

enum {
    LEDGER_EVERY_MS = 250,
    LEDGER_BATCH = 256,   /* as many rows go at once */
    LEDGER_WAITING = 4096 /* rows and sums that wait for a slow store; beyond, they are dropped */
};

struct ledger_params {
    int64_t sums_ttl_ms; /* how long sums are kept; 0: none are */
    size_t rows_max;     /* how many rows are kept, about; 0: none are */
};

struct ledger;

/* `port` is borrowed. */
struct ledger *ledger_open(struct loop *l, struct store_port *port,
                           const struct ledger_params *params);

/* From now on by these. */
void ledger_set(struct ledger *l, const struct ledger_params *params);

/* All it points at is copied. */
void ledger_add(struct ledger *l, const struct ledger_row *row);

/* Hands over what waits, without waiting for it. NULL is fine. Before the port is closed. */
void ledger_close(struct ledger *l);
