/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of this process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Resident bytes (proc(5), statm); 0 when the kernel does not say. */
int64_t process_resident_bytes(void);

/* User and system time so far; 0 likewise. */
int64_t process_cpu_us(void);

/* Whether a crash may leave a core, and whether other processes of this user may read the memory of
 * this one; both have secrets in them. */
void process_set_dumpable(bool on);
