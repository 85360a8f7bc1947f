/* SPDX-License-Identifier: Apache-2.0 */
/* Text that may be the beginning of JSON. Property: all of it passes and may end there exactly when
 * the reader takes it, wherever it is cut. */
#include "base/encoding.h"
#include "shape/json_prefix.h"
#include "json/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text = { (const char *)p, n };
    struct json_prefix prefix = { 0 };
    enum json_progress end = JSON_OPEN;
    struct json j;
    size_t at = 0;
    size_t taken = 1;

    if (!utf8_is_valid(text))
        return 0;
    while (at < n && taken > 0 && end != JSON_BROKEN) {
        struct str piece = str_sub(text, at, 1 + at % 3);

        taken = json_prefix_add(&prefix, piece, &end);
        at += taken;
        if (taken < piece.n)
            break;
    }
    json_init(&j, text, JSON_PREFIX_DEPTH);
    json_skip(&j);
    BUG_ON((json_end(&j) == ERR_NONE) !=
           (end == JSON_WHOLE && str_trim(str_from(text, at)).n == 0));
    return 0;
}
