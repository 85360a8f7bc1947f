/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the upstream's messages. A message of the chat is known by its id (an empty
 * id is an id too); each has two streams of content, answer and reasoning. Ids that
 * were seen before our turn are marked old and stay silent.
 */
#include "base/mem.h"
#include "provider/enginelabs/frames_internal.h"

/* A member to look for; its value stays as it is when it is not there. */
struct member {
    struct str name;
    struct json_value *value;
};

static const struct json_value absent = { .type = JSON_NONE };

/* Finds members of the object `text`; ERR_BAD_INPUT when that is not one. Halves of surrogate
 * pairs, in whatever text beside, are no reason. */
static enum err read_members(struct str text, const struct member *members, size_t n)
{
    struct json j;
    struct str key;

    json_init(&j, text, UPDATE_DEPTH_MAX);
    j.lone_surrogates = true;
    if (!json_enter_object(&j))
        return ERR_BAD_INPUT;
    while (json_next_member(&j, &key)) {
        size_t i = 0;

        while (i < n && !str_eq(key, members[i].name))
            i++;
        if (i < n)
            json_read(&j, members[i].value);
        else
            json_skip(&j);
    }
    return json_end(&j);
}

/* ---- life ---- */

static void emit_text(void *arg, struct str text)
{
    struct frames *f = arg;

    if (f->current[KIND_TEXT])
        head_add(&f->current[KIND_TEXT]->head, text);
    f->sink->on_text(f->arg, text);
}

static void emit_reasoning(void *arg, struct str text)
{
    struct frames *f = arg;

    f->sink->on_reasoning(f->arg, text);
}

struct frames *frames_new(enum enginelabs_content content, size_t max_bytes,
                          const struct frames_sink *sink, void *arg)
{
    struct frames *f = mem_new(struct frames);

    f->mode = content;
    f->max_bytes = max_bytes;
    f->sink = sink;
    f->arg = arg;
    map_init(&f->messages);
    f->joiner[KIND_TEXT] = (struct joiner){ .emit = emit_text, .arg = f };
    f->joiner[KIND_REASONING] = (struct joiner){ .emit = emit_reasoning, .arg = f };
    buf_init(&f->unpacked, max_bytes);
    buf_init(&f->text, max_bytes);
    buf_init(&f->block, max_bytes);
    frames_alike_init(&f->alike);
    buf_init(&f->waiting, max_bytes);
    buf_init(&f->echo, max_bytes);
    return f;
}

void frames_free(struct frames *f)
{
    struct message *m;
    struct str id;
    size_t cursor = 0;

    if (!f)
        return;
    while ((m = map_next(&f->messages, &cursor, &id))) {
        content_deinit(&m->content[KIND_TEXT]);
        content_deinit(&m->content[KIND_REASONING]);
        mem_free(m);
    }
    map_deinit(&f->messages);
    buf_deinit(&f->unpacked);
    buf_deinit(&f->text);
    buf_deinit(&f->block);
    buf_deinit(&f->alike.around);
    buf_deinit(&f->waiting);
    buf_deinit(&f->echo);
    mem_free(f);
}

void frames_turn_begins(struct frames *f)
{
    f->in_turn = true;
}

void frames_turn_began(struct frames *f)
{
    f->in_turn = true;
    f->replay_is_ours = true;
}

void frames_turn_refused(struct frames *f)
{
    struct message *m;
    struct str id;
    size_t cursor = 0;

    f->in_turn = f->replay_is_ours = false;
    f->ran = f->updated = f->is_unsure = false;
    buf_clear(&f->waiting);
    buf_clear(&f->echo);
    while ((m = map_next(&f->messages, &cursor, &id)))
        m->is_old = id.n > 0;
}

bool frames_turn_runs(const struct frames *f)
{
    return f->ran;
}

bool frames_has_answer(const struct frames *f)
{
    return f->joiner[KIND_TEXT].emitted || f->joiner[KIND_REASONING].emitted;
}

uint64_t frames_unknown(const struct frames *f)
{
    return f->unknown;
}

uint64_t frames_surrogates_lost(const struct frames *f)
{
    return f->joiner[KIND_TEXT].lost + f->joiner[KIND_REASONING].lost;
}

/* ---- messages by id ---- */

static struct message *message_new(struct frames *f, struct str id)
{
    struct message *m = mem_alloc(sizeof(*m) + id.n);
    char *copy = (char *)(m + 1);

    if (id.n > 0)
        memcpy(copy, id.p, id.n);
    m->id = (struct str){ copy, id.n };
    /* Without an id nothing tells an old message from ours. */
    m->is_old = !f->in_turn && id.n > 0;
    for (size_t i = 0; i < KINDS; i++)
        content_init(&m->content[i], f->mode, f->max_bytes);
    f->held += sizeof(*m) + id.n;
    map_set(&f->messages, id, m);
    return m;
}

/* Finds or makes it; ERR_TOO_BIG when there are too many. */
enum err frames_message(struct frames *f, struct str id, struct message **ret)
{
    struct message *m = f->last;

    if (!m || !str_eq(m->id, id))
        m = map_find(&f->messages, id);
    if (!m && f->held + sizeof(*m) + id.n > f->max_bytes)
        return ERR_TOO_BIG;
    *ret = f->last = m ? m : message_new(f, id);
    return ERR_NONE;
}

/* The text of an id, empty when there is none; lives until the next is asked for. */
enum err frames_id_text(struct frames *f, const struct json_value *id, struct str *ret)
{
    enum err err;

    *ret = id->type == JSON_STRING   ? str_sub(id->raw, 1, id->raw.n - 2)
           : id->type == JSON_NUMBER ? id->raw
                                     : STR("");
    if (!id->escaped)
        return ERR_NONE;
    buf_clear(&f->block);
    err = json_text_add(id, &f->block);
    *ret = buf_str(&f->block);
    return err;
}

/* A message is over when another one of its kind begins. */
static void close_current(struct frames *f, enum kind kind)
{
    struct content *c;
    size_t before;

    if (!f->current[kind])
        return;
    c = &f->current[kind]->content[kind];
    before = content_held(c);
    content_end(c, &f->joiner[kind]);
    f->held = f->held - before + content_held(c);
    joiner_end(&f->joiner[kind]);
    f->current[kind] = NULL;
}

void frames_close_all(struct frames *f)
{
    close_current(f, KIND_REASONING);
    close_current(f, KIND_TEXT);
}

/* A new message inside one answer is a new paragraph. */
static void switch_to(struct frames *f, struct message *m, enum kind kind)
{
    const struct piece paragraph = { STR("\n\n"), 0, 0, 0 };

    if (f->current[kind] == m)
        return;
    close_current(f, kind);
    if (!m->begun[kind] && f->joiner[kind].emitted)
        joiner_add(&f->joiner[kind], &paragraph); /* belongs to neither */
    f->current[kind] = m;
    m->begun[kind] = true;
}

static enum err add_piece(struct frames *f, struct message *m, enum kind kind,
                          const struct piece *p)
{
    struct content *c = &m->content[kind];
    size_t before = content_held(c);
    enum err err;

    if (!p->text.n && !p->head && !p->tail)
        return ERR_NONE;
    switch_to(f, m, kind);
    err = content_feed(c, p, &f->joiner[kind]);
    f->held = f->held - before + content_held(c);
    if (!err && f->held > f->max_bytes)
        return ERR_TOO_BIG;
    return err;
}

/* ---- the inside of an update ---- */

static enum err pass_over(struct frames *f, struct str json)
{
    f->unknown++;
    if (f->sink->on_unknown)
        f->sink->on_unknown(f->arg, json);
    return ERR_NONE;
}

static enum err on_content(struct frames *f, struct message *m, const struct update *u,
                           struct str text)
{
    struct piece p;
    enum err err;

    if (u->kind == UPDATE_ECHO)
        return ERR_NONE;
    if (u->kind == UPDATE_OTHER)
        return pass_over(f, text);
    err = update_text(&u->content, &f->text, &f->block, &p);
    return err ? err : add_piece(f, m, u->kind == UPDATE_TEXT ? KIND_TEXT : KIND_REASONING, &p);
}

static bool brings_text(const struct update *u)
{
    return u->kind == UPDATE_TEXT || u->kind == UPDATE_REASONING;
}

/* What is told before anything of our turn came is our answer from its start. */
static void begin_history(struct frames *f, struct message *m)
{
    if (f->updated)
        return;
    if (f->sink->on_history)
        f->sink->on_history(f->arg);
    m->begins_history = true;
}

/* Whether it must wait, since it may repeat the last turn or what a history told. */
static enum err may_have_come(struct frames *f, struct message *m, const struct update *u,
                              struct str text, bool is_replay, bool *ret_waits)
{
    enum err err = ERR_NONE;

    if (m->past[0] && brings_text(u))
        err = frames_may_be_replay(f, m, u, text, ret_waits);
    else if (brings_text(u))
        frames_drop_waiting(f);
    if (!err && !*ret_waits && !is_replay && u->kind == UPDATE_TEXT)
        err = frames_may_be_echo(f, m, u, text, ret_waits);
    return err;
}

static enum err find_message(struct frames *f, const struct update *u, struct message **ret)
{
    struct str id;
    enum err err = frames_id_text(f, &u->id, &id);

    return err ? err : frames_message(f, id, ret);
}

/* What `u` says of its message `m`; `text` is all of it. A replay of what has begun to come by
 * itself says nothing new. */
static enum err take_update(struct frames *f, struct message *m, const struct update *u,
                            struct str text, bool is_replay)
{
    bool waits = false;
    enum err err;

    if (m->past[0] && !f->in_turn)
        m->is_old = true;
    if (m->is_old || !f->in_turn || (is_replay && message_has_begun(m)))
        return ERR_NONE;
    err = may_have_come(f, m, u, text, is_replay, &waits);
    if (err || waits || (m->past[0] && !brings_text(u)))
        return err;
    if (is_replay && u->kind == UPDATE_TEXT)
        begin_history(f, m);
    f->ran = f->updated = true;
    return on_content(f, m, u, text);
}

enum err frames_on_buffer(struct frames *f, struct str text, bool is_replay)
{
    struct message *m;
    struct update u;
    enum err err;

    if (update_read(text, &u))
        return pass_over(f, text);
    err = find_message(f, &u, &m);
    return err ? err : take_update(f, m, &u, text, is_replay);
}

static enum err on_packed(struct frames *f, const struct json_value *buffer, struct str message)
{
    struct message *m;
    struct update u;
    enum err err;

    buf_clear(&f->unpacked);
    err = update_unpack(buffer, &f->unpacked);
    if (err)
        return err;
    if (update_read(buf_str(&f->unpacked), &u))
        return pass_over(f, buf_str(&f->unpacked));
    err = find_message(f, &u, &m);
    if (!err && brings_text(&u))
        err = frames_learn(f, message, buffer, &u, m);
    return err ? err : take_update(f, m, &u, buf_str(&f->unpacked), false);
}

/* `buffer` is JSON in a string, or an object. */
static enum err on_update(struct frames *f, const struct json_value *buffer, struct str message)
{
    if (buffer->type == JSON_OBJECT)
        return frames_on_buffer(f, buffer->raw, false);
    return buffer->type == JSON_STRING ? on_packed(f, buffer, message) : pass_over(f, message);
}

/* ---- state and history ---- */

static enum frames_end on_state(struct frames *f, const struct json_value *state,
                                struct str message, enum err *ret_err)
{
    struct json_value running = absent, cancelled = absent;
    const struct member members[] = { { STR("inProgress"), &running },
                                      { STR("cancelled"), &cancelled } };

    if (read_members(state->raw, members, COUNT_OF(members)) ||
        (running.type != JSON_TRUE && running.type != JSON_FALSE)) {
        *ret_err = pass_over(f, message);
        return FRAMES_RUNNING;
    }
    if (running.type == JSON_TRUE) {
        if (f->is_unsure)
            frames_drop_waiting(f); /* it was a replay, and now our own task runs */
        f->in_replay = false;
        f->ran |= f->in_turn;
        return FRAMES_RUNNING;
    }
    /* A new chat has no other task that could have been stopped. */
    if (!f->ran && !(f->replay_is_ours && cancelled.type == JSON_TRUE))
        return FRAMES_RUNNING;
    if (cancelled.type != JSON_TRUE &&
        (f->is_restarted || (f->has_past && (f->in_replay || !f->updated)))) {
        f->in_replay = false;
        f->is_unsure = true;
        return FRAMES_UNSURE;
    }
    *ret_err = frames_take_echo(f);
    frames_close_all(f);
    return cancelled.type == JSON_TRUE ? FRAMES_CANCELLED : FRAMES_FINISHED;
}

/* ---- one message of the socket ---- */

static bool is_pong(struct str message)
{
    return str_eq(message, STR("pong")) || str_eq(message, STR("\"pong\""));
}

enum err frames_feed(struct frames *f, struct str message, enum frames_end *ret_end)
{
    struct json_value type = absent, buffer = absent, state = absent, messages = absent;
    const struct member members[] = { { STR("type"), &type },
                                      { STR("buffer"), &buffer },
                                      { STR("state"), &state },
                                      { STR("messages"), &messages } };
    enum err err = ERR_NONE;
    struct update u;

    *ret_end = FRAMES_RUNNING;
    if (frames_is_alike(f, message, &u))
        return take_update(f, f->alike.message, &u, STR(""), false);
    if (is_pong(message))
        return ERR_NONE;
    if (read_members(message, members, COUNT_OF(members)))
        return pass_over(f, message);
    if (update_says(&type, STR("update")))
        return on_update(f, &buffer, message);
    if (update_says(&type, STR("state")))
        *ret_end = on_state(f, &state, message, &err);
    else if (update_says(&type, STR("history")))
        return frames_on_history(f, messages.raw);
    else if (!update_says(&type, STR("label")))
        err = pass_over(f, message);
    return err;
}

bool frames_closed(struct frames *f)
{
    if (!f->updated && f->waiting.n > 0 && frames_settle(f))
        return false;
    if (!f->updated || frames_take_echo(f))
        return false;
    frames_close_all(f);
    return true;
}
