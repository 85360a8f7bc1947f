/* SPDX-License-Identifier: Apache-2.0 */
/* jansson and simdjson as two functions of C that share no name with our own JSON. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum peer_verdict {
    PEER_REFUSES,
    PEER_ACCEPTS,
    PEER_HAS_DUPLICATES, /* accepts, but does not show all members: no leaves */
    PEER_NUMBER,         /* refuses because of a number: by grammar or by what it can hold */
    PEER_NUL_IN_KEY      /* refuses because of that */
};

/* Both parse the whole text. When it is accepted, its leaves are in `leaves` in their order,
 * *ret_n bytes of them: decoded strings, names of members included, with a NUL behind, and
 * numbers as a double (0 for -0). That takes at most PEER_ROOM bytes for each of the text. */
enum { PEER_ROOM = 8 };

enum peer_verdict jansson_judge(const char *text, size_t n, char *leaves, size_t *ret_n);
enum peer_verdict simdjson_judge(const char *text, size_t n, char *leaves, size_t *ret_n);

#ifdef __cplusplus
}
#endif
