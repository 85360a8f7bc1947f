/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property: whatever a proxy says, the talk ends in the open tunnel, in a refusal with a reason,
 * or waits for more; and only what was asked for opens it.
 */
#include "net/proxy_talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const urls[] = { "http://h:1", "http://u:p@h:1", "socks5://h",
                                        "socks5://u:p@h" };
    struct endpoint to = { .host = "api.example.com", .port = 443 };
    struct proxy proxy;
    struct proxy_talk t;
    enum err err = ERR_NONE;
    size_t piece;

    if (n < 2)
        return 0;
    BUG_ON(proxy_parse(str_of(urls[p[0] % COUNT_OF(urls)]), &proxy) != ERR_NONE);
    BUG_ON(proxy_talk_init(&t, &proxy, &to) != ERR_NONE);
    piece = (size_t)p[1] % 16 + 1;
    for (size_t i = 2; i < n && !err && t.step != PROXY_OPEN; i += piece) {
        buf_consume(&t.out, t.out.n);
        err = proxy_talk_feed(&t, str_sub((struct str){ (const char *)p, n }, i, piece));
    }
    BUG_ON(err && (err != ERR_PROXY || !t.why[0]));
    BUG_ON(t.step == PROXY_OPEN && proxy.type == PROXY_HTTP &&
           (t.in.n < 16 || memcmp(t.in.p + t.in.n - 4, "\r\n\r\n", 4) != 0));
    BUG_ON(t.step == PROXY_OPEN && proxy.type == PROXY_SOCKS5 && (t.in.n < 7 || t.in.p[1] != 0));
    proxy_talk_deinit(&t);
    proxy_deinit(&proxy);
    return 0;
}
