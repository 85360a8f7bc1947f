/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/member.h"

struct str member_text(struct str object, const char *name, struct arena *a)
{
    struct json_value v;
    struct str text;

    if (json_find(object, &v, name, NULL) || json_text(&v, a, &text))
        return STR("");
    return text;
}

int64_t member_number(struct str object, const char *name)
{
    struct json_value v;
    int64_t number;

    return json_find(object, &v, name, NULL) || json_int(&v, &number) ? 0 : number;
}

bool member_is_true(struct str object, const char *name)
{
    struct json_value v;

    return json_find(object, &v, name, NULL) == ERR_NONE && v.type == JSON_TRUE;
}
