/* SPDX-License-Identifier: Apache-2.0 */
/* The settings in effect, and where each came from. */
#include "admin/handlers.h"

static void write_value(struct json_writer *j, const char *name, const char *value)
{
    json_w_key(j, name);
    if (value && value[0])
        json_w_str(j, str_of(value));
    else
        json_w_null(j);
}

void admin_settings(struct admin_call *c)
{
    const struct settings *s = c->worker->view->settings;
    struct settings_told told;
    struct settings_row row;
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    json_w_key(&j, "data");
    json_w_array(&j);
    for (size_t i = 0; settings_row_at(i, &row) && settings_told_at(s, i, &told); i++) {
        json_w_object(&j);
        json_w_member_str(&j, "name", str_of(row.name));
        write_value(&j, "value", told.value);
        write_value(&j, "default", row.fallback);
        json_w_member_str(&j, "source", str_of(told.source));
        json_w_member_bool(&j, "is_secret", row.is_secret);
        json_w_member_bool(&j, "needs_restart", row.needs_restart);
        json_w_object_end(&j);
    }
    json_w_array_end(&j);
    json_w_object_end(&j);
    admin_answer_end(c, 200, &j);
}
