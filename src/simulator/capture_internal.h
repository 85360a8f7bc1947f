/* SPDX-License-Identifier: Apache-2.0 */
/* What reading a capture and playing it share. */
#pragma once

#include "base/map.h"
#include "simulator/capture.h"

struct sim_capture {
    uint64_t seed;
    struct arena arena; /* of all texts */
    struct map bound;   /* placeholder: its value, a C string in the arena or the identity */
    struct sim_identity identity;
    struct sim_exchange *exchanges; /* in the arena */
    size_t n;
    int64_t tokens;
};

struct sim_capture *sim_capture_new(uint64_t seed);
