/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges the calls that tool_parser.h finds: is there such a tool, may it be called, do the
 * arguments fit its schema. Held, a call goes out when it was found good, whole; what is wrong with
 * the others becomes a request to the upstream to write them anew. Not held, arguments go out as
 * they come, and all that is checked is that they are JSON.
 */
#pragma once

#include "base/buf.h"
#include "chat/shape.h"
#include "shape/schema.h"
#include "shape/tool_parser.h"

enum {
    TOOL_SCHEMAS_MAX = 1024 * 1024,   /* bytes of all tools' schemas */
    TOOL_ARGUMENTS_MAX = 1024 * 1024, /* of one call */
    TOOL_REPAIR_MAX = 32 * 1024,
};

struct tool_check {
    struct shape_sink out;
    const struct chat_tools *tools;
    const struct schema **schemas; /* one a tool; NULL: any object */
    bool is_held;
    bool is_last;   /* the second answer: there is no third */
    bool is_repair; /* it was asked for calls: no text of it goes out */
    size_t n_good;  /* calls that went out */
    size_t n_bad;
    size_t n_dropped; /* beyond the one of a serial answer */
    bool is_lost;     /* a call that had gone out in part was broken */
    struct buf wrong; /* what is wrong with the bad ones */
    struct str first; /* what was wrong before the repair; in the arena of tool_check_end() */
    /* the call at hand */
    const struct chat_tool *tool; /* NULL: there is none of that name, or it may not be called */
    bool is_flowing;              /* it goes out as it comes */
    bool is_dropped;
    bool is_too_big;
    char id[TOOL_ID_LEN];
    char name[TOOL_TAG_MAX];
    size_t name_n;
    struct buf arguments;
};

/* False: a schema is wrong, or there is no memory; *ret says so. `tools` outlives `c`. */
MUST_USE bool tool_check_init(struct tool_check *c, const struct chat_tools *tools, bool is_held,
                              struct arena *a, struct shape_sink out, struct failure *ret);
void tool_check_deinit(struct tool_check *c);

MUST_USE enum err tool_check_feed(struct tool_check *c, const struct chat_event *event);
MUST_USE enum err tool_check_ended(struct tool_check *c, enum tool_call_end end);

enum tool_outcome {
    TOOLS_NONE,   /* no calls, and none was due */
    TOOLS_CALLED, /* the good calls are all that matters */
    TOOLS_REPAIR, /* ask once more, with the text in *ret */
    TOOLS_LOST,   /* it cannot be put right any more; *ret says what was wrong */
};

/* The answer is over. *ret is in `a` or empty. */
enum tool_outcome tool_check_end(struct tool_check *c, struct arena *a, struct str *ret);

/* The next answer is the second one; `is_for_calls`: asked for by tool_check_end(). */
void tool_check_again(struct tool_check *c, bool is_for_calls);
