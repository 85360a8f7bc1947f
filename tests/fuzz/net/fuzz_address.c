/* SPDX-License-Identifier: Apache-2.0 */
/* Property: what an endpoint is written as parses to the same endpoint. */
#include "net/connector.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_endpoint(const struct endpoint *e)
{
    char text[HOST_MAX + 9];
    struct endpoint again;

    BUG_ON(endpoint_parse(str_of(endpoint_text(e, text)), &again) != ERR_NONE);
    BUG_ON(strcmp(e->host, again.host) != 0 || e->port != again.port);
    BUG_ON(e->is_unix != again.is_unix);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str in = { (const char *)p, n };
    struct endpoint e;
    struct proxy proxy;

    if (endpoint_parse(in, &e) == ERR_NONE)
        check_endpoint(&e);
    if (proxy_parse(in, &proxy) == ERR_NONE) {
        check_endpoint(&proxy.at);
        BUG_ON(proxy.type == PROXY_NONE || proxy.at.port == 0);
        proxy_deinit(&proxy);
    }
    return 0;
}
