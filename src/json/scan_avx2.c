/* SPDX-License-Identifier: Apache-2.0 */
/* Strings in vectors of AVX2. */
#include "json/block.h"

#if BLOCK_SSE2
#define KIND avx2
#define WIDE_AVX2
#include "json/scan_wide.h"
#endif
