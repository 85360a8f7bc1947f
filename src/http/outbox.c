/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent is cut off the front only when that is at least half: a byte moves once. */
#include "http/outbox.h"

void outbox_init(struct outbox *o, size_t max)
{
    *o = (struct outbox){ 0 };
    buf_init(&o->buf, max);
}

void outbox_deinit(struct outbox *o)
{
    buf_deinit(&o->buf);
    o->sent = 0;
}

static void drop_sent(struct outbox *o, size_t n)
{
    o->sent += n;
    if (o->sent == o->buf.n) {
        outbox_deinit(o); /* thousands of connections wait with nothing to say */
    } else if (o->sent > o->buf.n / 2) {
        buf_consume(&o->buf, o->sent);
        o->sent = 0;
    }
}

enum err outbox_push(struct outbox *o, struct conn *c, struct str more, size_t *ret_written)
{
    struct str parts[] = { str_from(buf_str(&o->buf), o->sent), more };
    size_t first = parts[0].n == 0;
    size_t n = COUNT_OF(parts) - first - (more.n == 0 && !first);
    size_t of_buf;
    enum err err;

    *ret_written = 0;
    if (o->is_blocked)
        return buf_add(&o->buf, more);
    if (parts[0].n + more.n == 0)
        return ERR_NONE;
    err = conn_write(c, parts + first, n, ret_written);
    if (err)
        return err;
    o->is_blocked = *ret_written < parts[0].n + more.n;
    of_buf = *ret_written < parts[0].n ? *ret_written : parts[0].n;
    drop_sent(o, of_buf);
    return buf_add(&o->buf, str_from(more, *ret_written - of_buf));
}
