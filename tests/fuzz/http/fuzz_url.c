/* SPDX-License-Identifier: Apache-2.0 */
/* URLs and query strings. Properties: a URL written from its parts parses to the same parts; a
 * value found in a query fits and ends. */
#include <stdio.h>

#include "digest.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { WHAT_SIZE = 128, TEXT_MAX = 8192 };

static void check_rewritten(const struct url *u)
{
    char header[URL_HOST_HEADER_SIZE];
    char text[TEXT_MAX];
    char what[WHAT_SIZE];
    struct url again;

    int n = snprintf(text, sizeof(text), "%s://%s%s", u->endpoint.tls ? "wss" : "ws",
                     url_host_header(u, header), u->path);
    BUG_ON(n < 0 || (size_t)n >= sizeof(text));
    BUG_ON(url_parse((struct str){ text, (size_t)n }, &again, what) != ERR_NONE);
    BUG_ON(strcmp(again.endpoint.host, u->endpoint.host) != 0);
    BUG_ON(again.endpoint.port != u->endpoint.port || again.endpoint.tls != u->endpoint.tls);
    BUG_ON(strcmp(again.path, u->path) != 0);
    url_deinit(&again);
}

static void fuzz_url(struct str in)
{
    struct url u;
    char what[WHAT_SIZE] = "";

    if (url_parse(in, &u, what)) {
        BUG_ON(what[0] == '\0' || !memchr(what, '\0', sizeof(what)));
        return;
    }
    BUG_ON(u.endpoint.port == 0 || u.endpoint.host[0] == '\0');
    BUG_ON(u.path[0] != '\0' && (u.path[0] != '/' || u.path[strlen(u.path) - 1] == '/'));
    check_rewritten(&u);
    url_deinit(&u);
}

static void fuzz_query(struct str in)
{
    char large[TEXT_MAX];

    if (in.n >= sizeof(large))
        return;
    bool found = url_query_get(in, "a", large, sizeof(large));
    size_t n = found ? strlen(large) : 0;
    char *small = mem_alloc(n + 1);

    BUG_ON(url_query_get(in, "a", small, n + 1) != found);
    BUG_ON(found && strcmp(small, large) != 0);
    BUG_ON(n > 0 && url_query_get(in, "a", small, n));
    mem_free(small);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str in = copy_of((struct str){ (const char *)p, n });

    fuzz_url(in);
    fuzz_query(in);
    free_copy(in);
    return 0;
}
