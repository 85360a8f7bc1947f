/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decoders of all dialects have in common: a body is read in one pass, known members are
 * checked by a table, and what is wrong is refused by the name that the client wrote. Private to
 * this folder.
 *
 * Functions that return bool are false when nothing more is to be read: the body is refused, and
 * `failure` says why. Bad JSON is for the reader to remember: loops end, nothing is refused any
 * more, and decoder_body() tells.
 */
#pragma once

#include "base/map.h"
#include "chat/request.h"
#include "json/reader.h"

struct decoder {
    struct json json;
    struct arena *arena;
    struct chat_request *request;
    struct failure *failure;
    bool may_doubt;    /* the body may go upstream as it came */
    struct str *stops; /* the request's lists while they grow */
    struct chat_tool *tools;
    struct map tool_names; /* of `tools`, in decoder_read_tools() */
    struct chat_parameter *parameters;
    struct chat_parameter *repeated;
    struct json_member *members; /* of the body; none where there are more than 64 */
    size_t n_members;
    bool has_many;
    void *more; /* what else the dialect gathers */
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

/* ---- refusals ---- */

/* Refuses the body: "<param> <what>." Always false. */
bool decoder_refuse(struct decoder *d, struct str param, const char *what);

/* Refuses a word that should be one of a few. Always false. */
bool decoder_refuse_word(struct decoder *d, struct str param, struct str word, const char *want);

/* After a refusal of what an upstream that gets the body as it came may take all the same: keeps
 * the first such as the request's doubt and goes on. False when the body is refused for good. */
bool decoder_soften(struct decoder *d);

/* Refuses a type that is not in the set `allowed`; `want` says in words what is. JSON_NONE is a
 * member that is missing. */
bool decoder_expect(struct decoder *d, struct str param, enum json_type type, unsigned allowed,
                    const char *want);

/* "list[2].rest": where something stands. */
struct str decoder_at(struct decoder *d, struct str list, size_t i, const char *rest);

/* ---- values ---- */

/* The text of a value that is known to be a string. */
bool decoder_text(struct decoder *d, const struct json_value *v, struct str *ret);

/* The text of a value that must be a string; without `must` null or nothing is empty, too. */
bool decoder_string(struct decoder *d, struct str param, const struct json_value *v, bool must,
                    struct str *ret);

/* The same of the member `rest` (".name") of what is at `param`: the two are put together only
 * where it is refused. */
bool decoder_string_at(struct decoder *d, struct str param, const char *rest,
                       const struct json_value *v, bool must, struct str *ret);

/* Refuses the body for want of memory. Always false. */
bool decoder_no_memory(struct decoder *d);

/* Room for `size` bytes of text. NULL when the body is refused for want of memory. */
char *decoder_room(struct decoder *d, size_t size);

/* Makes room for one more behind `n` items of `size` bytes, doubling; the items may move. The new
 * item is zeroed. NULL when the body is refused for want of memory. */
void *decoder_grow(struct decoder *d, void *items, size_t n, size_t size);

/* The members of `object`, a value that was read, that are asked for; of two the last. Others stay
 * as they are. Nothing is done when it is no object. */
struct decoder_member {
    const char *name;
    struct json_value *ret;
};
void decoder_members(const struct json_value *object, const struct decoder_member *members,
                     size_t n);

/* The same of the value that comes next, which is read as well; returns its type. */
enum json_type decoder_read_members(struct decoder *d, const struct decoder_member *members,
                                    size_t n);

/* ---- parameters ---- */

typedef bool decoder_read(struct decoder *d, struct str param, const struct json_value *v);

/* null is fine for each of them and means the default. */
struct decoder_parameter {
    const char *name;
    unsigned allowed;
    bool is_ours; /* the gateway goes by it, whatever the upstream is */
    const char *want;
    decoder_read *read; /* NULL: the type is all that is checked */
};

/* Reads the member `key` by the table; one that is not in it is passed over. */
bool decoder_parameter(struct decoder *d, const struct decoder_parameter *table, size_t n,
                       struct str key);

/* Readers for tables. */
decoder_read decoder_read_model;
decoder_read decoder_read_stream;
decoder_read decoder_read_whole; /* checks that it is a whole number */
decoder_read decoder_read_limit; /* max_tokens and its like */
decoder_read decoder_read_stops; /* a string or an array of them */
decoder_read decoder_read_n;
decoder_read decoder_refuse_bias; /* an object with members */
decoder_read decoder_choice_word; /* tool_choice as none, auto or required */
decoder_read decoder_repeat;      /* into request.repeated, under this name */
decoder_read decoder_pass_on;     /* into request.parameters, under this name */

/* Reads the value of `stream_options`. */
bool decoder_stream_options(struct decoder *d);

/* A JSON Schema format: `type` is JSON_SCHEMA, {name, description, schema, strict} of `v`. */
bool decoder_schema(struct decoder *d, struct str param, const struct json_value *v,
                    bool needs_name);

/* Reads the value of `tools`, an array, in place of those before; `read` reads the one at place `i`
 * to its end, and judges it then. */
typedef bool decoder_read_tool(struct decoder *d, size_t i);
bool decoder_read_tools(struct decoder *d, decoder_read_tool *read);

/* For such a reader: the member `rest` (".name") of the tool at place `i`. Where it stands is
 * written down only to refuse it. */
struct str decoder_tool_param(struct decoder *d, size_t i, const char *rest);
bool decoder_tool_string(struct decoder *d, size_t i, const char *rest, const struct json_value *v,
                         bool must, struct str *ret);
bool decoder_tool_object(struct decoder *d, size_t i, const char *rest, enum json_type type);

/* Adds a tool whose name is at `rest`; it must be one that a model can call, and no other's. */
bool decoder_add_tool(struct decoder *d, size_t i, const char *rest, const struct chat_tool *tool);

/* Refuses a choice by name of a tool that is not there. */
bool decoder_judge_named(struct decoder *d, struct str param, const char *what);

/* ---- the body ---- */

/* Reads the whole body by read_member(). False with d->failure set: it is no JSON, no object, or
 * was refused. */
bool decoder_body(struct decoder *d, struct str body,
                  bool (*read_member)(struct decoder *d, struct str key));
