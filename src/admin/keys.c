/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of clients: what operators see and change. */
#include "admin/handlers.h"
#include "admin/key_report.h"
#include "base/mem.h"
#include "keys/key_change.h"

/* On its way through the store. */
struct change {
    struct admin_wait wait;
    struct admin_call *call; /* in the request's arena */
    enum key_change_kind kind;
};

void admin_keys_list(struct admin_call *c)
{
    key_report_start(c, NULL);
}

void admin_keys_show(struct admin_call *c)
{
    key_report_start(c, c->ids[0]);
}

static void tell(struct admin_call *c, enum key_change_kind kind, const struct key_changed *changed)
{
    if (kind == KEY_REVOKE)
        admin_done(c);
    else
        key_report_changed(c, changed->record, kind == KEY_ADD ? 201 : 200, changed->text);
}

static void on_changed(void *arg, const struct key_changed *changed)
{
    struct change *change = arg;
    struct admin_call *c = change->call;
    struct http_request *r = admin_wait_end(&change->wait);

    if (r && changed->err == ERR_BAD_INPUT)
        admin_refuse(c, arena_printf(&r->arena, "%s", changed->problem->param).p, "%s%s%s.",
                     changed->problem->param, changed->problem->param[0] ? ": " : "",
                     changed->problem->text);
    else if (r && changed->err == ERR_NOT_FOUND)
        admin_refuse_key(r, c->ids[0]);
    else if (r && changed->err)
        admin_refuse_store(r, changed->err);
    else if (r)
        tell(c, change->kind, changed);
    mem_free(change);
}

static void start(struct admin_call *c, enum key_change_kind kind)
{
    struct gateway_worker *w = c->worker;
    struct str id = str_of(kind == KEY_ADD ? "" : c->ids[0]);
    struct change *change;

    if (id.n > 0 && admin_file_key(w->view->settings, id)) {
        gateway_reply_error(c->request, FAILURE_CONFLICT,
                            "The key \"%.*s\" is one of the settings' file: change it there, and "
                            "reload.",
                            STR_ARGS(str_sub(id, 0, 200)));
        return;
    }
    change = mem_new(struct change);
    change->call = c;
    change->kind = kind;
    admin_wait_begin(&change->wait, c->request);
    key_change(w->gateway->keys, w->store, kind, id, c->request->body, loop_wall_ms(w->loop) / 1000,
               on_changed, change);
}

void admin_keys_add(struct admin_call *c)
{
    start(c, KEY_ADD);
}

void admin_keys_edit(struct admin_call *c)
{
    start(c, KEY_EDIT);
}

void admin_keys_revoke(struct admin_call *c)
{
    start(c, KEY_REVOKE);
}

void admin_keys_rotate(struct admin_call *c)
{
    start(c, KEY_ROTATE);
}
