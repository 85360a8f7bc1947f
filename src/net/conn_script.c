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

/* Where the reader wants them; all at once when that is nowhere. */
static void deliver(struct conn *c, struct str bytes)
{
    while (bytes.n > 0 && !c->is_closed) {
        size_t size = LOOP_READ_SIZE;
        struct str piece = bytes;
        char *space;

        c->script_waiting = bytes.n;
        space = c->handler->room ? c->handler->room(c->arg, &size) : NULL;
        if (space) {
            piece = (struct str){ space, size < bytes.n ? size : bytes.n };
            memcpy(space, bytes.p, piece.n);
        }
        bytes = str_from(bytes, piece.n);
        c->handler->on_read(c->arg, ERR_NONE, piece);
    }
}

enum err conn_script_read(struct conn *c, enum err err, struct str bytes)
{
    bool is_told = c->is_reading || (err && c->watches_end);

    if (!is_told || c->is_ended || c->is_closed)
        return ERR_AGAIN;
    if (err)
        conn_end_read(c, err);
    else
        deliver(c, bytes);
    return ERR_NONE;
}

void conn_script_writable(struct conn *c)
{
    if (!c->is_closed)
        conn_tell_room(c);
}
