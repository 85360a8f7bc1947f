/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into parsed headers, and what may be sent as one (RFC 9110 5). */
#include "http/message.h"
#include "http/syntax.h"

const struct http_header *http_find(const struct http_head *h, const char *name)
{
    struct str wanted = str_of(name);

    for (size_t i = 0; i < h->n_headers; i++)
        if (str_eq_nocase(h->headers[i].name, wanted))
            return &h->headers[i];
    return NULL;
}

struct str http_value(const struct http_head *h, const char *name)
{
    const struct http_header *x = http_find(h, name);

    return x ? x->value : (struct str){ NULL, 0 };
}

bool http_list_has(struct str list, const char *token)
{
    struct str wanted = str_of(token);
    struct str item;

    while (str_next_item(&list, &item))
        if (str_eq_nocase(item, wanted))
            return true;
    return false;
}

bool http_value_is_safe(struct str value)
{
    return value.n == 0 || syntax_value_run(value.p, value.p + value.n) == value.p + value.n;
}

bool http_name_is_safe(struct str name)
{
    return syntax_is_token(name);
}
