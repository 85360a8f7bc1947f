/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which model a request names that is passed on as it is: looked for in the beginning of its body,
 * and put in place of another name there. Pure: bytes in, slices out.
 *
 * In JSON it is the string `model` of the object (the first, as it is spelled out), in
 * multipart/form-data (RFC 7578) the field `model`; in any other body there is none. More bytes
 * never change what was found in fewer.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum { RELAY_MODEL_MAX = 256 }; /* bytes of a name; a longer one is none */

enum relay_verdict {
    RELAY_MODEL_UNKNOWN, /* more bytes may tell */
    RELAY_MODEL_FOUND,
    RELAY_MODEL_NONE, /* there is none, or the body is not what its Content-Type says */
};

struct relay_model {
    bool is_json;
    size_t at; /* where it stands: in JSON with its quotes */
    size_t n;
    struct str name; /* decoded, in the arena */
};

/* `start` is how the body begins. ERR_NOMEM counts as RELAY_MODEL_NONE. */
enum relay_verdict relay_model_find(struct str content_type, struct str start, struct arena *a,
                                    struct relay_model *ret);

/* Appends `start` with `name` in the model's place. A name that a form cannot hold (CR, LF) is
 * ERR_BAD_INPUT; ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err relay_model_replace(const struct relay_model *m, struct str start,
                                      struct str name, struct buf *out);
