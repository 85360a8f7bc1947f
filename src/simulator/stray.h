/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that do not belong into an answer, and frames that break RFC 6455. Pure. */
#pragma once

#include "simulator/script.h"

/* Appends the bytes on the wire of a fault at frames. `pieces` and `text_sent` say how far the
 * answer is. Kinds that send nothing append nothing. */
MUST_USE enum err sim_stray_write(struct buf *out, const struct sim_order *order,
                                  const struct sim_fault *fault, size_t pieces, size_t text_sent);
