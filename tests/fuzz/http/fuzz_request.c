/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads. Properties: cuts do not matter; what was understood, written plainly, means the
 * same. */
#include "heads.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static size_t write_request_line(const struct http_head *h, char *out, size_t cap)
{
    BUG_ON(!is_clean(h->target) || !is_clean(h->path) || !is_clean(h->host));
    BUG_ON(h->minor_version == 1 && h->host.n == 0);
    return (size_t)snprintf(out, cap, "%.*s %.*s HTTP/1.%d\r\n", STR_ARGS(h->method_text),
                            STR_ARGS(h->target), h->minor_version);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    size_t cut = (size_t)p[0] << 8 | p[1];
    fuzz_head(http_parse_request, write_request_line, (struct str){ (const char *)p + 2, n - 2 },
              cut);
    return 0;
}
