/* SPDX-License-Identifier: Apache-2.0 */
/* Members of small answers, copied into arrays of a fixed size: nothing to own, nothing to free. */
#include "provider/enginelabs/fields.h"

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0;
}

bool field_text(const struct json_value *v, char *out, size_t cap)
{
    struct buf text;
    bool ok = false;

    out[0] = '\0';
    if (v->type != JSON_STRING)
        return false;
    buf_init(&text, cap - 1);
    if (!json_text_add(v, &text) && is_plain(buf_str(&text))) {
        str_to_z(buf_str(&text), out, cap);
        ok = true;
    }
    buf_deinit(&text);
    return ok;
}

bool field_member(struct str object, const char *name, char *out, size_t cap)
{
    struct json_value v;

    out[0] = '\0';
    return !json_find(object, &v, name, NULL) && field_text(&v, out, cap);
}

bool field_member_scalar(struct str object, const char *name, char *out, size_t cap)
{
    struct json_value v;

    out[0] = '\0';
    if (json_find(object, &v, name, NULL))
        return false;
    if (v.type != JSON_NUMBER || v.raw.n >= cap)
        return field_text(&v, out, cap);
    str_to_z(v.raw, out, cap);
    return true;
}
