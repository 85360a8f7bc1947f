/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is of an earlier turn and what is ours: a late replay of the last turn, histories, and what
 * one turn leaves behind for the next.
 */
#include "base/mem.h"
#include "provider/enginelabs/frames_internal.h"

/* ---- what may be a replay of the last turn ---- */

static enum err wait_with(struct frames *f, struct str text)
{
    f->in_replay = true;
    return frames_keep_update(&f->waiting, text);
}

void frames_drop_waiting(struct frames *f)
{
    buf_clear(&f->waiting);
    f->is_unsure = false;
}

/* Nothing was a replay: the service uses its ids again. */
enum err frames_take_waiting(struct frames *f)
{
    struct message *m;
    struct str id;
    size_t cursor = 0;

    while ((m = map_next(&f->messages, &cursor, &id))) {
        m->past[0] = '\0';
        m->head.n = 0;
    }
    f->is_unsure = f->in_replay = false;
    return frames_read_updates(f, &f->waiting);
}

/* Whether the update must wait, since its message may be one of the last turn that comes again. */
enum err frames_may_be_replay(struct frames *f, struct message *m, const struct update *u,
                              struct str text, bool *ret_waits)
{
    struct piece p;
    enum err err;

    *ret_waits = true;
    if (u->kind == UPDATE_TEXT) {
        err = update_text(&u->content, &f->text, &f->block, &p);
        if (err)
            return err;
        head_add_piece(&m->head, p.text);
        *ret_waits = head_may_be(&m->head, str_of(m->past));
    }
    return *ret_waits ? wait_with(f, text) : frames_take_waiting(f);
}

bool frames_is_unsure(const struct frames *f)
{
    return f->is_unsure;
}

enum err frames_settle(struct frames *f)
{
    enum err err = frames_take_echo(f);

    if (f->updated || f->is_restarted)
        frames_drop_waiting(f); /* ours is there: it was a replay, and the end was our own */
    else if (!err)
        err = frames_take_waiting(f);
    frames_close_all(f);
    return err;
}

/* ---- histories ---- */

/* A message of the chat that is known to be of an earlier turn. */
static bool is_known_old(struct frames *f, const struct json_value *id)
{
    const struct message *m;
    struct str text;

    if (frames_id_text(f, id, &text) || text.n == 0)
        return false;
    m = map_find(&f->messages, text);
    return m && (m->is_old || m->past[0]);
}

/* A message of the chat that came in our turn before the stream was opened again. */
static bool is_known_ours(struct frames *f, const struct json_value *id)
{
    const struct message *m;
    struct str text;

    if (frames_id_text(f, id, &text) || text.n == 0)
        return false;
    m = map_find(&f->messages, text);
    return m && m->is_ours;
}

/* Where our answer begins in a history: behind the last message of a user, when that is certainly
 * ours. In a chat that was known before, it is when something of an earlier turn stands before it
 * and nothing behind it, or when it or what stands behind it was seen in our turn; else it may be
 * the one before ours. SIZE_MAX: nowhere. */
static size_t where_ours_begins(struct frames *f, struct str messages)
{
    bool is_proven = f->replay_is_ours, has_old = false;
    struct json j;
    struct json_value item;
    struct update u;
    size_t from = 0, i = 0;

    json_init(&j, messages, UPDATE_DEPTH_MAX);
    j.lone_surrogates = true;
    if (!f->in_turn || !json_enter_array(&j))
        return SIZE_MAX;
    for (; json_next_item(&j) && json_read(&j, &item); i++) {
        if (update_read(item.raw, &u))
            continue;
        if (u.kind == UPDATE_ECHO) {
            from = i + 1;
            is_proven = f->replay_is_ours || has_old || is_known_ours(f, &u.id);
        } else if (is_known_old(f, &u.id)) {
            has_old = true;
            is_proven = false;
        } else {
            is_proven |= is_known_ours(f, &u.id);
        }
    }
    return json_end(&j) || !is_proven ? SIZE_MAX : from;
}

static enum err on_past_message(struct frames *f, struct str text)
{
    struct message *m;
    struct update u;
    struct str id;
    enum err err;

    if (update_read(text, &u))
        return ERR_NONE;
    err = frames_id_text(f, &u.id, &id);
    if (err || id.n == 0)
        return err;
    err = frames_message(f, id, &m);
    if (!err && !message_has_begun(m) && !m->is_ours)
        m->is_old = true;
    return err;
}

/* Messages of earlier turns are remembered, so that a replay of them stays silent. */
enum err frames_on_history(struct frames *f, struct str messages)
{
    size_t ours = where_ours_begins(f, messages);
    struct json j;
    struct json_value item;
    enum err err = ERR_NONE;

    json_init(&j, messages, UPDATE_DEPTH_MAX);
    j.lone_surrogates = true;
    if (!json_enter_array(&j))
        return ERR_NONE;
    for (size_t i = 0; !err && json_next_item(&j) && json_read(&j, &item); i++)
        if (item.type == JSON_OBJECT)
            err = i >= ours ? frames_on_buffer(f, item.raw, true) : on_past_message(f, item.raw);
    return err;
}

/* ---- from turn to turn ---- */

/* The id, NUL, how the message began, NUL; and so on. */
size_t frames_write_past(const struct frames *f, char *out, size_t cap)
{
    size_t cursor = 0, n = 0;
    struct message *m;
    struct str id;

    while ((m = map_next(&f->messages, &cursor, &id))) {
        if (!m->begun[KIND_TEXT] || id.n == 0 || memchr(id.p, 0, id.n) ||
            id.n + 1 + HEAD_TEXT_SIZE > cap - n)
            continue;
        memcpy(out + n, id.p, id.n);
        out[n + id.n] = '\0';
        head_write(&m->head, out + n + id.n + 1);
        n += id.n + 1 + HEAD_TEXT_SIZE;
    }
    return n;
}

enum err frames_read_past(struct frames *f, struct str past)
{
    enum err err = ERR_NONE;

    while (!err && past.n > 0) {
        struct str id = str_cut(past, '\0', &past);
        struct str began = str_cut(past, '\0', &past);
        struct message *m;

        if (id.n == 0 || began.n != HEAD_TEXT_SIZE - 1)
            return ERR_NONE;
        err = frames_message(f, id, &m);
        if (err)
            return err;
        m->is_old = false;
        f->has_past = true;
        str_to_z(began, m->past, sizeof(m->past));
    }
    return err;
}
