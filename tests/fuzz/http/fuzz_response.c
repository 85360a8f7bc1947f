/* SPDX-License-Identifier: Apache-2.0 */
/* Response heads, to GET and to HEAD. Properties: cuts do not matter; what was understood, written
 * plainly, means the same. */
#include "heads.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static enum err parse_to_get(struct str in, size_t *scanned, struct http_head *ret,
                             size_t *ret_used, struct http_refusal *why)
{
    return http_parse_response(in, HTTP_GET, scanned, ret, ret_used, why);
}

static enum err parse_to_head(struct str in, size_t *scanned, struct http_head *ret,
                              size_t *ret_used, struct http_refusal *why)
{
    enum err err = http_parse_response(in, HTTP_HEAD, scanned, ret, ret_used, why);

    BUG_ON(!err && ret->framing != HTTP_BODY_NONE);
    return err;
}

static size_t write_status_line(const struct http_head *h, char *out, size_t cap)
{
    BUG_ON(h->status < 100 || h->status > 999);
    BUG_ON(h->framing == HTTP_BODY_UNTIL_CLOSE && h->keep_alive);
    return (size_t)snprintf(out, cap, "HTTP/1.%d %d %.*s\r\n", h->minor_version, h->status,
                            STR_ARGS(h->reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    struct str in = { (const char *)p + 2, n - 2 };
    size_t cut = (size_t)p[0] << 8 | p[1];

    fuzz_head(parse_to_get, write_status_line, in, cut);
    fuzz_head(parse_to_head, write_status_line, in, cut);
    return 0;
}
