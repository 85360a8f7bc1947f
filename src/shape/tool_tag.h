/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tags around a tool call, read a byte at a time. They are those that chat/transcript.h
 * writes, so that an upstream sees its former calls as it is to write new ones:
 *
 *     <tool_call name="NAME">   the name as a JSON string; more attributes are passed over
 *     </tool_call>
 *
 * Behind "tool_call" there may be "-" and digits, as the transcript has when texts hold tags.
 */
#pragma once

#include "base/str.h"

enum { TOOL_TAG_MAX = 512 };

struct tool_tag {
    char text[TOOL_TAG_MAX]; /* so far */
    size_t n;
    uint8_t state;
    unsigned takes;   /* what it may be */
    bool is_end;      /* a closing one */
    size_t attribute; /* where its name begins */
    size_t name;      /* where the value of `name` begins; 0: there is none */
    size_t name_n;
};

enum tool_tag_step {
    TAG_MORE, /* it may still be a tag */
    TAG_DONE,
    TAG_NOT /* the byte is in `text`, which is no tag */
};

/* An all-zero tag is empty. `takes` what it may be. */
enum tool_tag_takes { TAG_OPENING = 1, TAG_CLOSING = 2 };
enum tool_tag_step tool_tag_add(struct tool_tag *t, char c, unsigned takes);

/* The value of `name`, a slice of the tag. */
static inline struct str tool_tag_name(const struct tool_tag *t)
{
    return (struct str){ t->text + t->name, t->name_n };
}
