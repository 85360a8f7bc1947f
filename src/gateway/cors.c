/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests of browsers. */
#include "gateway/cors.h"

bool cors_allows(const struct settings *s, struct str origin)
{
    for (size_t i = 0; s->cors_origins[i]; i++) {
        struct str allowed = str_of(s->cors_origins[i]);

        if (str_eq(allowed, STR("*")) || str_eq_nocase(allowed, origin))
            return true;
    }
    return false;
}

void cors_add_headers(const struct settings *s, struct http_request *r)
{
    struct str origin = http_value(&r->head, "origin");

    if (!origin.n || !http_value_is_safe(origin) || !cors_allows(s, origin))
        return;
    r->extra_headers = arena_printf(&r->arena,
                                    "access-control-allow-origin: %.*s\r\n"
                                    "access-control-expose-headers: x-request-id, request-id, "
                                    "retry-after, x-should-retry, x-trimmed-messages\r\n"
                                    "vary: origin\r\n",
                                    STR_ARGS(origin));
}

bool cors_preflight(const struct settings *s, struct http_request *r)
{
    struct str origin = http_value(&r->head, "origin");
    struct str asked = http_value(&r->head, "access-control-request-headers");

    if (r->head.method != HTTP_OPTIONS || !origin.n || !cors_allows(s, origin))
        return false;
    if (!http_value(&r->head, "access-control-request-method").n)
        return false;
    const struct http_header headers[] = {
        { STR("access-control-allow-methods"), STR("GET, HEAD, POST, DELETE, OPTIONS") },
        { STR("access-control-allow-headers"),
          asked.n && http_value_is_safe(asked) ? asked : STR("authorization, content-type") },
        { STR("access-control-max-age"), STR("600") },
    };
    http_reply(r, 204, headers, COUNT_OF(headers), STR(""));
    return true;
}
