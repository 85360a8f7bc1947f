/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which model a request names that is passed on as it is: looked for in the beginning of its body,
 * and put in place of another name there. Pure: bytes in, slices out.
 *
 * In JSON it is the string `model` of the object (the first, however it is spelled), in
 * multipart/form-data (RFC 7578) the field `model`; in any other body there is none. More bytes
 * never change what was found in fewer.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum {
    RELAY_MODEL_MAX = 256,      /* bytes of a name; a longer one is none */
    RELAY_START_MIN = 64 << 10, /* of a body: what is always gathered, ... */
    RELAY_START_STEP =
        16 << 10,               /* ... by how much it grows at least before it is read again, ... */
    RELAY_START_MAX = 1 << 20,  /* ... and as much as it takes to find the model */
    RELAY_WHOLE_MAX = 32 << 20, /* of one that is read to its end before it goes on */
};

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

/* Whether two are named there: who reads such a body takes the first, or the last. */
bool relay_model_is_doubled(struct str content_type, struct str start);

/* Whether the whole of a body is what its Content-Type says, and names one: then everybody who
 * reads it finds the same. */
bool relay_model_is_sure(struct str content_type, struct str body);

/* Whether a beginning of `n` bytes, of a body that goes on, is to be looked at (again): the last
 * look was at `looked` of them, 0: there was none. Few of them for any size of pieces. */
bool relay_model_is_due(size_t looked, size_t n);

/* Appends `start` with `name` in the model's place. A name that a form cannot hold (CR, LF) is
 * ERR_BAD_INPUT; ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err relay_model_replace(const struct relay_model *m, struct str start,
                                      struct str name, struct buf *out);
