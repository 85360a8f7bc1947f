/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator on a thread of its own, for serve --demo and for simulate. */
#pragma once

#include "net/worker.h"
#include "simulator/simulator.h"

struct demo;

/* Starts a simulator that listens on `at` (port 0: any). On failure says why on standard error:
 * ERR_BAD_INPUT for a scenario that is none, else ERR_IO. */
MUST_USE enum err demo_start(struct endpoint *at, struct str scenario, struct demo **ret);

/* Stops and frees. NULL is fine. */
void demo_free(struct demo *d);
