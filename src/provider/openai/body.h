/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a JSON object in place: what is not edited comes out byte for byte, spaces, number
 * spellings and unknown members included. One pass, one buffer; pure.
 */
#pragma once

#include "provider/provider.h"
#include "json/reader.h"

enum { BODY_EDITS_MAX = 64 };

/*
 * Appends `in` with the edits made, each member by all edits in their order: one that was renamed
 * is edited further under its new name. At most BODY_EDITS_MAX. Keys are compared as they are
 * spelled out ("mod\u0065l" is "model"). `in` is JSON that was checked before: a reader came to its
 * end. Surrogate escapes need no partner.
 *
 * ERR_BAD_INPUT: no JSON object, or too many edits. ERR_TOO_BIG: `out` is full. ERR_NOMEM. After an
 * error `out` ends anywhere.
 */
MUST_USE enum err body_edit(struct str in, const struct provider_edit *edits, size_t n,
                            struct buf *out);

/* The same where the members of `in` are known: it is not read again; without any it is. What no
 * edit comes before, and what none comes behind, is not copied: the result is `front`, what was
 * appended to `out`, and `tail`; the two are slices of `in`. */
struct body_ends {
    struct str front;
    struct str tail;
};
MUST_USE enum err body_edit_members(struct str in, const struct json_member *members,
                                    size_t n_members, const struct provider_edit *edits, size_t n,
                                    struct buf *out, struct body_ends *ret);
