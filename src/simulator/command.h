/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a prompt asks the simulator to do: the lines at its end that begin with '!'. Blank lines
 * and closing tags ("</user>") behind them are passed over, so that they also work inside a
 * transcript. A prompt without any says what its last line with "!then" does. What is no command is
 * text like any other. Pure; slices point into the prompt.
 */
#pragma once

#include "simulator/settings.h"

enum sim_answer {
    SIM_ANSWER_DEMO,    /* a friendly text that shows what arrived */
    SIM_ANSWER_ECHO,    /* !echo TEXT */
    SIM_ANSWER_SAY,     /* !say "JSON string" */
    SIM_ANSWER_HISTORY, /* !history: JSON array of the prompts of this chat */
    SIM_ANSWER_REPEAT,  /* !repeat: the prompt before this one */
    SIM_ANSWER_TURN,    /* !turn: its number */
    SIM_ANSWER_LOREM,   /* !lorem N words */
    SIM_ANSWER_BYTES,   /* !bytes N SEED */
    SIM_ANSWER_FRAMES,  /* !frames N [every MS] */
    SIM_ANSWER_UNICODE, /* !unicode */
    SIM_ANSWER_MODEL    /* !model: the name of the model that was asked */
};

enum { SIM_COMMANDS_MAX = 16, SIM_NUMBER_MAX = 8388608 };

struct sim_tool_call {
    struct str name;
    struct str arguments;
};

struct sim_wish {
    enum sim_answer answer;
    struct str text;                              /* of !echo and !say, as it stands */
    struct str model;                             /* for !model; set by whoever knows */
    struct str think;                             /* of !think; p NULL without */
    struct sim_tool_call tools[SIM_COMMANDS_MAX]; /* of !tool; for completions */
    size_t n_tools;
    struct str raws[SIM_COMMANDS_MAX]; /* of !raw; for completions */
    size_t n_raws;
    uint64_t number;                     /* of !lorem, !bytes, !frames */
    uint64_t seed;                       /* of !bytes */
    struct sim_settings settings;        /* those in force, changed by !set and !pacing */
    struct str faults[SIM_COMMANDS_MAX]; /* arguments of !fault */
    size_t n_faults;
    bool is_wrong;           /* a command has wrong arguments: */
    char what[SIM_WHAT_MAX]; /* ... these */
};

void sim_wish_parse(struct str prompt, const struct sim_settings *in_force, struct sim_wish *ret);

/* A number that stands for the prompt's text; never 0. */
uint64_t sim_prompt_origin(struct str prompt);
