/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chat completion in OpenAI's format: whole, or laid out in advance as packets of a stream
 * with the faults put in before the piece that they name. Pure.
 */
#pragma once

#include "simulator/command.h"
#include "simulator/script.h"

enum { SIM_COMPLETION_ID_MAX = 40, SIM_CHOICES_MAX = 8, SIM_COMPLETION_MAX = 67108864 };

struct sim_completion {
    const struct sim_wish *wish;           /* settings, tool calls, raw chunks */
    const struct sim_fault *const *faults; /* those at chunks */
    size_t n_faults;
    char id[SIM_COMPLETION_ID_MAX];
    struct str model;
    struct str text; /* of the answer; p NULL when there is none beside tool calls */
    struct str thinking;
    int n;       /* choices */
    bool is_cut; /* by max_tokens */
    bool has_logprobs;
    bool include_usage; /* in a stream */
    int64_t prompt_tokens;
};

/* What a packet does behind its bytes is an enum sim_act: RESET, CUT (FIN without the end of the
 * body), CLOSE (the body ends properly, at once), SILENT or PAUSE. */
struct sim_chunks {
    struct buf bytes;
    struct sim_packet *packets; /* owned */
    size_t n;
    size_t cap;
};

/* Tokens are words here. */
int64_t sim_count_tokens(struct str text);

/* Appends the whole answer. */
MUST_USE enum err sim_completion_write(const struct sim_completion *o, struct buf *out);

/* The stream. On error *ret holds nothing. */
MUST_USE enum err sim_chunks_make(const struct sim_completion *o, struct sim_chunks *ret);
void sim_chunks_deinit(struct sim_chunks *c);

/* ---- single chunks, for sim_chunks_make(); each appends one JSON object ---- */

enum sim_delta_kind {
    SIM_DELTA_ROLE,
    SIM_DELTA_TEXT,
    SIM_DELTA_THINKING,
    SIM_DELTA_TOOL,      /* a call begins: its id and name */
    SIM_DELTA_ARGUMENTS, /* a piece of them */
    SIM_DELTA_FINISH,
    SIM_DELTA_USAGE,  /* no choices, usage */
    SIM_DELTA_NOTHING /* no choices */
};

struct sim_delta_chunk {
    enum sim_delta_kind kind;
    int choice;
    size_t tool; /* which call */
    struct str text;
};
MUST_USE enum err sim_chunk_write(const struct sim_completion *o, const struct sim_delta_chunk *d,
                                  struct buf *out);

/* Appends " (choice N)" after the text of all choices but the first, so that they differ. */
MUST_USE enum err sim_choice_mark(int choice, struct buf *out);
