/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks JSON text against a JSON Schema, in the subset that tools and structured outputs use
 * (docs/internals/shaping.md lists the keywords). What it does not know it ignores: an unknown
 * keyword never makes a value wrong. Pure; any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "json/reader.h"

enum {
    SCHEMA_BYTES_MAX = 256 * 1024,
    SCHEMA_NODES_MAX = 10000,
    SCHEMA_REFS_MAX = 256,        /* different $ref */
    SCHEMA_PROPERTIES_MAX = 1024, /* of one object */
    SCHEMA_DEPTH_MAX = 64,        /* of the schema, and of a value */
    SCHEMA_LINES_MAX = 10,        /* of what is said about a value */
};

struct schema;

/* `text` outlives *ret, which is in `a`. When the schema itself is wrong, false, and *ret_why (in
 * `a` or static) says where and what: "#/properties/a/type: no type is called \"strnig\"". */
MUST_USE bool schema_compile(struct str text, struct arena *a, const struct schema **ret,
                             struct str *ret_why);

enum schema_verdict {
    SCHEMA_FITS,
    SCHEMA_MISFIT,
    SCHEMA_UNDECIDED, /* the work or the memory that it took was too much */
};

/* Appends a line "- $.path: expected this, got that" for each thing that is wrong, in words that a
 * model can go by; as many as `why` takes, which may be NULL. */
MUST_USE enum schema_verdict schema_check(const struct schema *s, struct str value,
                                          struct buf *why);

/* Whether a value of this type may fit, by what the schema says of types in its first line. */
bool schema_may_begin(const struct schema *s, enum json_type type);
