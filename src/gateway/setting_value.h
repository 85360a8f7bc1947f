/* SPDX-License-Identifier: Apache-2.0 */
/* Values of settings, from text: numbers of seconds, sizes with units, lists, choices. Pure. */
#pragma once

#include "base/arena.h"

/* "5", "0.5", "1e2" is refused; to milliseconds, at most 10 years. */
MUST_USE enum err setting_seconds(struct str text, int64_t *ret_ms);

/* "1048576", "32 MiB", "64KiB", "1GiB". */
MUST_USE enum err setting_size(struct str text, size_t *ret);

/* "true", "1", "yes", "on" and their opposites, in any case. */
MUST_USE enum err setting_bool(struct str text, bool *ret);

/* JSON array of strings, or items between commas; to a NULL-ended array of C strings in `a`. */
MUST_USE enum err setting_list(struct str text, struct arena *a, const char *const **ret);

/* A list of origins as browsers send them ("https://app.example", "null"), or "*". On error `what`
 * has the first item that can match none and why, or is empty: no list at all. */
MUST_USE enum err setting_origins(struct str text, struct arena *a, const char *const **ret,
                                  char what[256]);

/* The same for one that names a host. */
MUST_USE enum err setting_origin(struct str text, struct arena *a, const char **ret,
                                 char what[256]);

/* The one of the words in `choices` ("auto|delta|snapshot") that is `text`, as a static C string in
 * `a`. */
MUST_USE enum err setting_choice(struct str text, const char *choices, struct arena *a,
                                 const char **ret);

/* How a message shows a value: user information of a URL, of any kind and even of a malformed one,
 * as ***; control characters and what is no UTF-8 as \xNN; cut behind 200 bytes. A C string in `a`.
 */
const char *setting_show(struct str value, struct arena *a);
