/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sees to what a request asks of its answer's shape and its upstream does not know. It stands
 * between the provider's events and the dialect's encoder:
 *
 *     shape_prompt(&config, &text)      a system message more for the upstream, when not empty
 *     shaper_init(...)                  before the upstream is started: refuses wrong schemas
 *     shaper_feed(&s, event)            each TEXT, REASONING, TOOL_CALL; out come the client's
 *     shaper_is_done(&s)                after it: the upstream may be canceled, as if it had ended
 *     shaper_end(&s, finish, &result)   at FINISH
 *
 *     SHAPE_DONE     result.finish is the client's
 *     SHAPE_FAILED   result.failure instead of a finish
 *     SHAPE_REPAIR   result.repair is the text of one user message to the same upstream: in the
 *                    same chat, or behind the first prompt (it stands for itself). Then
 *                    shaper_again(&s), feed its events, shaper_end() once more, which never asks
 *                    for another. An exchange that cannot ask does shaper_give_up(&s, &result).
 *
 * What went out cannot be taken back, so what is to be repaired must not have gone out. With
 * `is_held` tool calls and JSON answers go out whole, when they are known to be good; text,
 * reasoning and other calls go out at once. Without it arguments and JSON go out as they come, are
 * valid JSON as far as they go, and only what has not begun can be asked for again.
 *
 * Pure; one thread. Without any work to do events are passed on untouched.
 */
#pragma once

#include "shape/limits.h"
#include "shape/structured.h"
#include "shape/think.h"
#include "shape/tool_check.h"

/* All of it outlives the shaper. What the upstream does itself is left out here. */
struct shape_config {
    const struct chat_tools *tools;   /* NULL, or n 0, or CHAT_CHOOSE_NONE: no tools */
    const struct chat_format *format; /* NULL: text */
    const struct chat_limits *limits; /* NULL: none */
    bool is_held;
    bool split_think; /* the upstream writes "<think>" tags */
    bool wrap_think;  /* the client wants them */
    uint64_t seed;    /* random: ids of tool calls are made from it */
};

/* Appends what the upstream is to be told; ERR_TOO_BIG, ERR_NOMEM. For an init() that succeeded:
 * the schemas are taken to be JSON. */
MUST_USE enum err shape_prompt(const struct shape_config *config, struct buf *out);

struct shape_calls;

struct shaper {
    struct shape_config config;
    struct arena *arena;
    struct shape_sink out;   /* the client's */
    struct shape_sink first; /* where an event begins */
    struct token_limit tokens;
    struct think_split split;
    struct shape_calls *calls;     /* NULL: no tools */
    struct structured *structured; /* NULL: text */
    struct stops stops;
    struct think_wrap wrap;
    size_t n_calls; /* that went out */
    bool is_repair; /* the second answer */
};

/* Takes memory from `a` for as long as that lives. False: *ret says what is wrong with the
 * request. Deinit in either case. */
MUST_USE bool shaper_init(struct shaper *s, const struct shape_config *config, struct arena *a,
                          struct shape_sink out, struct failure *ret);
void shaper_deinit(struct shaper *s);

/* The errors of `out`; ERR_TOO_BIG for a JSON answer above STRUCTURED_MAX; ERR_NOMEM. */
MUST_USE enum err shaper_feed(struct shaper *s, const struct chat_event *event);
bool shaper_is_done(const struct shaper *s);

enum shape_verdict { SHAPE_DONE, SHAPE_REPAIR, SHAPE_FAILED };

struct shape_result {
    enum shape_verdict verdict;
    enum chat_finish finish; /* DONE */
    size_t stop;             /* DONE: which of the stops matched; SIZE_MAX: none */
    bool is_exact;          /* DONE: nothing of what the upstream said was cut, dropped, repaired */
    struct str repair;      /* REPAIR: in the arena */
    struct failure failure; /* FAILED */
};

/* Gives out what is held. `finish` is the upstream's. Errors as of shaper_feed(). */
MUST_USE enum err shaper_end(struct shaper *s, enum chat_finish finish, struct shape_result *ret);

/* After SHAPE_REPAIR: the next events are of the second answer. */
void shaper_again(struct shaper *s);

/* After SHAPE_REPAIR, when nobody can be asked: makes *ret a failure. */
void shaper_give_up(const struct shaper *s, struct shape_result *ret);
