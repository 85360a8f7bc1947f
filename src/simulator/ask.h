/* SPDX-License-Identifier: Apache-2.0 */
/* What a request for a chat completion says, as far as the simulator obeys it. Pure. */
#pragma once

#include "base/arena.h"
#include "simulator/completion.h"

enum { SIM_STOPS_MAX = 4 };

struct sim_ask {
    struct str model;
    struct str *prompts; /* what users and tools said, in order */
    size_t n_prompts;    /* at least 1 */
    struct str stops[SIM_STOPS_MAX];
    size_t n_stops;
    int64_t max_tokens; /* of the answer; -1: as it comes */
    int64_t prompt_tokens;
    int n;
    bool is_stream;
    bool include_usage;
    bool has_logprobs;
};

/* Reads the body. ERR_BAD_INPUT: `what` says which member is wrong. Unknown members are passed
 * over. Texts live in the body or the arena. */
MUST_USE enum err sim_ask_read(struct str body, struct arena *a, struct sim_ask *ret, char *what);
