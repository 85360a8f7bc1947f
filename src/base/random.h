/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes of the kernel's generator (buffered per thread), and ids made of them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { UUID_LEN = 36, RANDOM_ID_MAX = 64 };

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);

/* A random (version 4) UUID in lower case (RFC 9562), with NUL. */
void random_uuid(char out[UUID_LEN + 1]);

/* `prefix` and then `n` (at most RANDOM_ID_MAX) letters and digits, with NUL; `out` has
 * strlen(prefix) + n + 1 bytes. 22 of them carry 131 bits. */
void random_id(const char *prefix, size_t n, char *out);
