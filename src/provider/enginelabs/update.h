/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an update: what a message of the chat adds, and the text of that. Pure. The text
 * may begin and end with half a surrogate pair, and the JSON may come as a string that was cut in
 * the same way.
 */
#pragma once

#include "provider/enginelabs/content.h"
#include "json/reader.h"

enum { UPDATE_DEPTH_MAX = 64 };

enum update_kind {
    UPDATE_TEXT,
    UPDATE_REASONING,
    UPDATE_ECHO,  /* of the user's own message */
    UPDATE_OTHER, /* agent activity, or a shape that is not known */
};

/* Slices of the JSON. */
struct update {
    enum update_kind kind;
    struct json_value id;      /* a string or a number; of another type: it has none */
    struct json_value content; /* of text and reasoning: a string or an array of blocks */
};

/* Appends what `buffer`, a string that holds JSON, decodes to. Halves of pairs stay escaped.
 * ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err update_unpack(const struct json_value *buffer, struct buf *out);

/* ERR_BAD_INPUT when `text` is not one JSON object. */
MUST_USE enum err update_read(struct str text, struct update *ret);

/* The text of `content`, as update_read() gave it. *ret borrows from that when nothing in it is
 * escaped, else from `text`, which has room for what is decoded and the bound for both; `block` is
 * room to work in. ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err update_text(const struct json_value *content, struct buf *text, struct buf *block,
                              struct piece *ret);

/* Whether `v` is the string `word`; one with escapes is not. */
bool update_says(const struct json_value *v, struct str word);
