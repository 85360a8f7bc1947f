/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a chat completion, read in one pass: openai_chat_decode.c has the body and its
 * parameters, openai_chat_messages.c the messages. Private to the two.
 *
 * Functions that return bool are false when nothing more is to be read: the body is refused, and
 * `failure` says why. Bad JSON is for the reader to remember: loops end, nothing is refused any
 * more, and json_end() tells.
 */
#pragma once

#include "chat/request.h"
#include "dialect/dialect.h"
#include "json/reader.h"

struct decoder {
    struct json json;
    struct arena *arena;
    struct chat_request *request;
    struct failure *failure;
};

/* Types as a set, for what a member may be. */
enum {
    ALLOW_NULL = 1 << JSON_NULL,
    ALLOW_BOOL = 1 << JSON_FALSE | 1 << JSON_TRUE,
    ALLOW_NUMBER = 1 << JSON_NUMBER,
    ALLOW_STRING = 1 << JSON_STRING,
    ALLOW_ARRAY = 1 << JSON_ARRAY,
    ALLOW_OBJECT = 1 << JSON_OBJECT,
};

/* Refuses the body: "<param> <what>." Always false. */
bool decoder_refuse(struct decoder *d, struct str param, const char *what);

/* After a refusal of what an upstream that gets the body as it came may take all the same: keeps
 * the first such as the request's doubt and goes on. False when the body is refused for good. */
bool decoder_soften(struct decoder *d);

/* Refuses a type that is not in the set `allowed`; `want` says in words what is. JSON_NONE is a
 * member that is missing. */
bool decoder_expect(struct decoder *d, struct str param, enum json_type type, unsigned allowed,
                    const char *want);

/* The text of a value that is known to be a string. */
bool decoder_text(struct decoder *d, const struct json_value *v, struct str *ret);

/* Makes room for one more behind `n` items of `size` bytes, doubling; the items may move. The new
 * item is zeroed. NULL when the body is refused for want of memory. */
void *decoder_grow(struct decoder *d, void *items, size_t n, size_t size);

/* Reads the value of `messages`. */
bool decoder_messages(struct decoder *d);

/* dialect_openai_chat's decode. */
bool openai_chat_decode(struct str body, struct arena *a, struct chat_request *ret,
                        struct failure *ret_failure);
