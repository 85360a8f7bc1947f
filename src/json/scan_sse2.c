/* SPDX-License-Identifier: Apache-2.0 */
/* Strings in vectors of SSE2, which every x86-64 has. */
#include "json/block.h"

#if BLOCK_SSE2
#define KIND sse2
#include "json/scan_wide.h"
#endif
