/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/challenge.h"

bool challenge_is(int status, const struct http_head *head)
{
    if (http_list_has(http_value(head, "cf-mitigated"), "challenge"))
        return true;
    return (status == 403 || status == 503) &&
           str_starts_nocase(http_value(head, "content-type"), STR("text/html")) &&
           str_starts_nocase(http_value(head, "server"), STR("cloudflare"));
}
