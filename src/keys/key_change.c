/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_change.h"

#include <string.h>

#include "base/mem.h"

enum { TRIES = 5 };

struct change {
    struct arena arena;
    struct key_ring *ring;
    struct store_port *port;
    enum key_change_kind kind;
    struct store_key key;
    struct str id;
    struct str json;
    int64_t now_s;
    on_key_changed *done;
    void *arg;
    struct key_record record;
    struct key_problem problem;
    char text[KEY_TEXT_LEN + 1];
    struct str old; /* what is to be replaced */
    unsigned tries;
};

static void look_up(struct change *c);

static void end(struct change *c, enum err err)
{
    const struct key_changed changed = { .err = err,
                                         .problem = &c->problem,
                                         .record = &c->record,
                                         .text = c->text[0] ? c->text : NULL };

    c->done(c->arg, &changed);
    explicit_bzero(c->text, sizeof(c->text));
    arena_deinit(&c->arena);
    mem_free(c);
}

/* It is in the store whether others know of it yet or not. */
static void on_loaded(void *arg, UNUSED enum err err)
{
    end(arg, ERR_NONE);
}

static void on_swapped(void *arg, const struct store_result *result)
{
    struct change *c = arg;

    if (result->err == ERR_CONFLICT && ++c->tries < TRIES && !store_port_is_closing(c->port))
        look_up(c);
    else if (result->err || store_port_is_closing(c->port))
        end(c, result->err);
    else
        key_ring_load(c->ring, c->port, on_loaded, c);
}

static void swap(struct change *c)
{
    bool is_new = c->kind == KEY_ADD, is_last = c->kind == KEY_REVOKE;
    struct str value = STR("");
    struct buf out;
    enum err err = ERR_NONE;

    buf_init(&out, STORE_VALUE_MAX);
    if (!is_last)
        err = key_record_write(&c->record, &out);
    value = buf_str(&out);
    if (err)
        end(c, err);
    else
        store_wait_longer(store_swap(c->port, &c->key, is_new ? NULL : &c->old,
                                     is_last ? NULL : &value, STORE_FOREVER, on_swapped, c));
    buf_deinit(&out);
}

/* As the kind of change says. */
static enum err apply(struct change *c)
{
    if (c->kind == KEY_EDIT && !key_record_edit(&c->record, c->json, &c->arena, &c->problem))
        return ERR_BAD_INPUT;
    if (c->kind == KEY_ROTATE)
        key_record_rotate(&c->record, c->text);
    return ERR_NONE;
}

static void on_found(void *arg, const struct store_result *result)
{
    struct change *c = arg;
    enum err err = result->err;

    if (!err) {
        c->old = arena_dup(&c->arena, result->value);
        err = key_record_read(c->id, c->old, &c->arena, &c->record) ? ERR_PROTOCOL : apply(c);
    }
    if (!err && store_port_is_closing(c->port))
        err = ERR_CLOSED;
    if (err)
        end(c, err);
    else
        swap(c);
}

static void look_up(struct change *c)
{
    store_wait_longer(store_get(c->port, &c->key, on_found, c));
}

static void set_key(struct change *c, struct str id)
{
    c->id = id;
    c->key = (struct store_key){ .space = STORE_KEY, .n = (uint8_t)id.n };
    memcpy(c->key.bytes, id.p, id.n);
}

/* Never inside the call. */
static void on_refused(void *arg, UNUSED const struct store_result *result)
{
    end(arg, ERR_BAD_INPUT);
}

void key_change(struct key_ring *r, struct store_port *p, enum key_change_kind kind, struct str id,
                struct str json, int64_t now_s, on_key_changed *done, void *arg)
{
    struct change *c = mem_new(struct change);

    *c = (struct change){
        .ring = r, .port = p, .kind = kind, .now_s = now_s, .done = done, .arg = arg
    };
    arena_init(&c->arena);
    c->json = arena_dup(&c->arena, json);
    set_key(c, arena_dup(&c->arena, str_sub(id, 0, STORE_KEY_MAX)));
    if (kind != KEY_ADD) {
        look_up(c);
    } else if (key_record_new(&c->record, c->json, now_s, &c->arena, c->text, &c->problem)) {
        set_key(c, c->record.id);
        swap(c);
    } else {
        set_key(c, STR("-"));
        store_get(p, &c->key, on_refused, c);
    }
}
