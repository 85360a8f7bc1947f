/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our turn told once more: on another stream, or by a history and then by updates. Some deployments
 * greet with a history of what was said so far and go on behind it; others replay all of it behind
 * the history. Which one is told by how the updates begin: like the history, or not.
 */
#include "provider/enginelabs/frames_internal.h"

/* ---- updates that wait ---- */

enum err frames_keep_update(struct buf *list, struct str text)
{
    enum err err = buf_add(list, (struct str){ (const char *)&text.n, sizeof(text.n) });

    return err ? err : buf_add(list, text);
}

enum err frames_read_updates(struct frames *f, struct buf *list)
{
    struct buf kept = *list;
    struct str left = buf_str(&kept);
    enum err err = ERR_NONE;
    size_t n;

    buf_init(list, f->max_bytes);
    while (!err && left.n > 0) {
        memcpy(&n, left.p, sizeof(n));
        err = frames_on_buffer(f, str_sub(left, sizeof(n), n), false);
        left = str_from(left, sizeof(n) + n);
    }
    buf_deinit(&kept);
    return err;
}

/* ---- from the start ---- */

static void forget_content(struct frames *f, struct message *m, enum kind kind)
{
    f->held -= content_held(&m->content[kind]);
    content_deinit(&m->content[kind]);
    content_init(&m->content[kind], f->mode, f->max_bytes);
    m->begun[kind] = false;
}

static void forget_kind(struct frames *f, enum kind kind)
{
    struct message *m;
    struct str id;
    size_t cursor = 0;

    while ((m = map_next(&f->messages, &cursor, &id))) {
        forget_content(f, m, kind);
        if (kind == KIND_TEXT) {
            m->begins_history = false;
            m->head.n = m->again.n = 0;
            m->again_out.pending = 0;
        }
    }
    f->current[kind] = NULL;
    f->joiner[kind].pending = 0;
    f->joiner[kind].lost = 0; /* they come again, too */
    f->joiner[kind].emitted = false;
}

void frames_restart(struct frames *f)
{
    struct message *m;
    struct str id;
    size_t cursor = 0;

    forget_kind(f, KIND_TEXT);
    forget_kind(f, KIND_REASONING);
    while ((m = map_next(&f->messages, &cursor, &id)))
        m->is_ours = !m->is_old && !m->past[0] && id.n > 0;
    buf_clear(&f->waiting);
    buf_clear(&f->echo);
    f->is_unsure = f->in_replay = f->updated = false;
    f->ran = f->is_restarted = true;
}

/* ---- a history, and the same again ---- */

static void end_history(struct frames *f)
{
    struct message *m;
    struct str id;
    size_t cursor = 0;

    while ((m = map_next(&f->messages, &cursor, &id)))
        m->begins_history = false;
}

enum err frames_take_echo(struct frames *f)
{
    if (f->echo.n == 0)
        return ERR_NONE;
    end_history(f);
    return frames_read_updates(f, &f->echo);
}

/* The updates repeat the history: they alone count. */
static enum err begin_anew(struct frames *f)
{
    forget_kind(f, KIND_TEXT);
    f->sink->on_rewind(f->arg);
    return frames_read_updates(f, &f->echo);
}

static void add_again(void *arg, struct str text)
{
    head_add(arg, text);
}

/* Another delta, or another snapshot. */
static void note_again(struct message *m, const struct piece *p)
{
    m->again_out.emit = add_again;
    m->again_out.arg = &m->again;
    if (!p->head && str_starts(p->text, head_str(&m->again))) {
        m->again.n = 0;
        m->again_out.pending = 0;
    }
    joiner_add(&m->again_out, p);
}

/* A replay begins with the first message of the turn, and like it. So does a snapshot that goes on
 * with a history of one message; it says all of it again, which is the same. */
enum err frames_may_be_echo(struct frames *f, struct message *m, const struct update *u,
                            struct str text, bool *ret_waits)
{
    struct str said = head_str(&m->head);
    struct piece p;
    enum err err;

    if (!m->begins_history || said.n == 0 || !f->sink->on_rewind)
        return frames_take_echo(f);
    err = update_text(&u->content, &f->text, &f->block, &p);
    if (err)
        return err;
    note_again(m, &p);
    *ret_waits = true;
    err = frames_keep_update(&f->echo, text);
    if (err)
        return err;
    if (str_starts(head_str(&m->again), said))
        return begin_anew(f);
    return str_starts(said, head_str(&m->again)) ? ERR_NONE : frames_take_echo(f);
}
