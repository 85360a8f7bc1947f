/* SPDX-License-Identifier: Apache-2.0 */
/* The level of the log: which it is, and another one until the next reload or restart. */
#include "admin/handlers.h"

static void answer(struct admin_call *c)
{
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "level", str_of(log_level_name(log_get_level())));
    json_w_object_end(&j);
    admin_answer_end(c, 200, &j);
}

void admin_log_level(struct admin_call *c)
{
    answer(c);
}

/* False: the request was answered. */
static bool read_level(struct admin_call *c, enum log_level *ret)
{
    struct json_value value = { .type = JSON_NONE };
    struct str name, text;
    struct json j;

    if (!admin_body(c, &j))
        return false;
    while (json_next_member(&j, &name))
        if (json_key_eq(name, STR("level")))
            json_read(&j, &value);
        else
            json_skip(&j);
    if (!admin_body_end(c, &j))
        return false;
    if (json_text(&value, &c->request->arena, &text) == ERR_NONE && log_level_find(text, ret))
        return true;
    admin_refuse(c, "level", "\"level\" must be debug, info, warn, error or off.");
    return false;
}

/* The change is told whatever the level: by the louder of the two. */
void admin_log_level_set(struct admin_call *c)
{
    enum log_level before = log_get_level(), level;

    if (!read_level(c, &level))
        return;
    if (level < before)
        log_set_level(level);
    log_warn("an operator changed the log level", LOG_Z("request_id", c->request->id),
             LOG_Z("from", log_level_name(before)), LOG_Z("to", log_level_name(level)));
    log_set_level(level);
    answer(c);
}
