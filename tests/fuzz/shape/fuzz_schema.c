/* SPDX-License-Identifier: Apache-2.0 */
/* A schema and a value, separated by NUL. Nothing is read out of bounds, and a misfit always says
 * something, a fit nothing. */
#include "shape/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str value;
    struct str text = str_cut((struct str){ (const char *)p, n }, '\0', &value);
    const struct schema *s;
    enum schema_verdict verdict;
    struct arena a;
    struct buf why;
    struct str wrong;

    arena_init(&a);
    buf_init(&why, 1 << 16);
    if (schema_compile(text, &a, &s, &wrong)) {
        verdict = schema_check(s, value, &why);
        BUG_ON(verdict == SCHEMA_FITS && why.n > 0);
        BUG_ON(verdict == SCHEMA_MISFIT && why.n == 0);
    } else {
        BUG_ON(wrong.n == 0);
    }
    buf_deinit(&why);
    arena_deinit(&a);
    return 0;
}
