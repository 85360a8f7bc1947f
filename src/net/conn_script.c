/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of tests: what would go to a socket goes to a script, and events come from it. */
#include "base/mem.h"
#include "net/conn_internal.h"

struct conn *conn_new_scripted(struct loop *l, const struct conn_script *script)
{
    struct conn *c = mem_new(struct conn);

    c->loop = l;
    c->fd = -1;
    c->script = mem_new(struct conn_script);
    *c->script = *script;
    list_init(&c->task.node);
    str_to_z(STR("127.0.0.1"), c->peer, sizeof(c->peer));
    c->is_loopback = true;
    return c;
}

enum err conn_script_read(struct conn *c, enum err err, struct str bytes)
{
    bool is_told = c->is_reading || (err && c->watches_end);

    if (!is_told || c->is_ended || c->is_closed)
        return ERR_AGAIN;
    if (err)
        conn_end_read(c, err);
    else
        c->handler->on_read(c->arg, ERR_NONE, bytes);
    return ERR_NONE;
}

void conn_script_writable(struct conn *c)
{
    if (!c->is_closed)
        conn_tell_room(c);
}
