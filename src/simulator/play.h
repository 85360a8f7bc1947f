/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a completion to the one who asked, by the clock. A client that leaves ends it. */
#pragma once

#include "simulator/call.h"
#include "simulator/completion.h"

/* Streams `chunks` (taken over) as server-sent events. */
void sim_play_stream(struct sim_call *c, struct sim_chunks *chunks);

/* Resets whoever is being answered. */
void sim_play_end(struct simulator *s);

/* Answers with `body` (copied) when the first piece would be due. */
void sim_play_whole(struct sim_call *c, struct str body);
