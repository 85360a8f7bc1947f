/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON answer out of the text of an upstream that was only asked for one: words and code fence
 * around it are dropped, and nothing is passed on that could not be the beginning of valid JSON.
 * Held, it goes out when it is whole and fits the schema; else as it comes, and what is wrong with
 * it can only be said.
 */
#pragma once

#include "chat/shape.h"
#include "shape/json_prefix.h"
#include "shape/schema.h"
#include "shape/sink.h"

enum {
    STRUCTURED_MAX = 4 * 1024 * 1024, /* bytes of an answer that is held or checked */
    STRUCTURED_OPEN_MAX = 64,         /* held to tell '{' of an object from '{' of a sentence */
    STRUCTURED_BEHIND_MAX = 64,       /* bytes behind it before the upstream is told to stop */
};

struct structured {
    struct shape_sink out;
    const struct chat_format *format;
    const struct schema *schema; /* NULL: any object */
    bool is_held;
    bool is_repair;  /* the second answer */
    bool is_out;     /* something went out */
    bool is_changed; /* something but white space was dropped */
    uint8_t state;
    struct json_prefix json;
    char open[STRUCTURED_OPEN_MAX];
    size_t n_open;
    size_t n_behind;
    struct buf text; /* the JSON so far, when held or to be checked */
};

/* False: the schema is wrong, *ret says so. `format`, which is no CHAT_FORMAT_TEXT, outlives `s`.
 */
MUST_USE bool structured_init(struct structured *s, const struct chat_format *format, bool is_held,
                              struct arena *a, struct shape_sink out, struct failure *ret);
void structured_deinit(struct structured *s);

/* ERR_TOO_BIG: the answer is longer than STRUCTURED_MAX. */
MUST_USE enum err structured_feed(struct structured *s, const struct chat_event *event);

/* The upstream says much behind a whole answer, or what can become none: it may be canceled. */
bool structured_is_done(const struct structured *s);

enum structured_outcome {
    STRUCTURED_OK,
    STRUCTURED_REPAIR, /* ask once more, with the text in *ret */
    STRUCTURED_LOST,   /* it is wrong, and part of it went out or this was the second answer */
};

/* The answer is over; what is held goes out when it is good. *ret is in `a` or empty, *ret_err that
 * of the sink. */
enum structured_outcome structured_end(struct structured *s, struct arena *a, struct str *ret,
                                       enum err *ret_err);

/* The answer was cut (stop, limit): what is held goes out as it is. */
MUST_USE enum err structured_cut(struct structured *s);

/* The next answer is the repaired one. */
void structured_again(struct structured *s);
