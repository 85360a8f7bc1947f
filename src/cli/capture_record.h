/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps what goes over a connector and writes it as a scenario for `simulate`
 * (docs/internals/simulator.md), with nothing left in it of whose it was.
 */
#pragma once

#include "base/buf.h"
#include "http/wire_tap.h"
#include "net/loop.h"

struct capture_record;

struct capture_record *capture_record_new(const struct loop *l);

/* NULL is fine. */
void capture_record_free(struct capture_record *c);

/* For connector_set_tap(); lives as long as the record. */
const struct wire_tap *capture_record_tap(const struct capture_record *c);

/* How many requests and sockets were answered so far. */
size_t capture_record_answered(const struct capture_record *c);

/* Something was left out, since there was too much of it. */
bool capture_record_is_cut(const struct capture_record *c);

/* Appends the scenario. `secrets` are NULL-ended texts of the settings that must not be in it.
 * ERR_CONFLICT: something of the user's would be left over, which is a mistake of this program;
 * else an error of `out`. */
MUST_USE enum err capture_record_write(struct capture_record *c, const char *const *secrets,
                                       struct buf *out);
