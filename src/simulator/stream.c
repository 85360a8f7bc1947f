/* SPDX-License-Identifier: Apache-2.0 */
/* The WebSocket's handshake: who may listen to which chat, and what can go wrong with it. */
#include "base/encoding.h"
#include "http/url.h"
#include "simulator/call.h"

enum { TOKEN_MAX = 256 };

/* ---- checks ---- */

static bool key_is_valid(struct str key)
{
    struct buf bytes;
    bool is_valid;

    buf_init(&bytes, 64);
    is_valid = key.n == 24 && base64_decode(&bytes, key) == ERR_NONE && bytes.n == 16;
    buf_deinit(&bytes);
    return is_valid;
}

static bool check_handshake(struct sim_call *c)
{
    const struct http_head *h = &c->r->head;

    if (!h->upgrade || !http_list_has(http_value(h, "upgrade"), "websocket"))
        return sim_call_refuse(c, 426, NULL, "this is a WebSocket endpoint");
    if (!str_eq(http_value(h, "sec-websocket-version"), STR("13")))
        return sim_call_refuse(c, 426, NULL, "Sec-WebSocket-Version is not 13");
    if (!key_is_valid(http_value(h, "sec-websocket-key")))
        return sim_call_refuse(c, 400, NULL, "Sec-WebSocket-Key is not 16 bytes in base64");
    return true;
}

static bool check_cookie(struct sim_call *c)
{
    struct str header = http_value(&c->r->head, "cookie");
    unsigned generation = 0;
    const struct sim_account *a;

    if (!header.p && !c->s->settings.ws_cookie)
        return true;
    a = sim_account_of_cookie(c->s, header, true, &generation);
    if (!a)
        return sim_call_refuse(c, 401, NULL,
                               header.p ? "the Cookie is nobody's" : "there is no Cookie");
    if (a != c->account)
        return sim_call_refuse(c, 403, NULL, "Cookie and token are of two accounts");
    c->entry.cookie = generation;
    return true;
}

/* "user" or "user:organization", and then the workspace has to be named. */
static struct sim_account *account_of_token(struct simulator *s, struct str token, bool *ret_long)
{
    struct str organization;
    struct str user = str_cut(token, ':', &organization);

    *ret_long = organization.p != NULL;
    for (int i = 0; i < s->settings.accounts; i++) {
        const struct sim_identity *id = &s->accounts[i].identity;

        if (str_eq(user, str_of(id->user)) &&
            (!organization.p || str_eq(organization, str_of(id->organization))))
            return &s->accounts[i];
    }
    return NULL;
}

static bool check_token(struct sim_call *c)
{
    char token[TOKEN_MAX];
    char workspace[TOKEN_MAX];
    bool is_long;

    if (!url_query_get(c->r->head.query, "token", token, sizeof(token)))
        return sim_call_refuse(c, 401, NULL, "the query has no token");
    c->account = account_of_token(c->s, str_of(token), &is_long);
    if (!c->account)
        return sim_call_refuse(c, 401, NULL, "the token is no user id of an account");
    if (is_long && !url_query_get(c->r->head.query, "workspaceId", workspace, sizeof(workspace)))
        return sim_call_refuse(c, 401, NULL, "the query has no workspaceId");
    c->workspace = is_long ? arena_dup(&c->r->arena, str_of(workspace)) : STR("");
    if (c->account->is_banned)
        return sim_call_refuse(c, 403, NULL, "Account suspended");
    return true;
}

static bool check_chat(struct sim_call *c)
{
    const struct sim_chat *chat;

    c->chat = c->param;
    if (!sim_chat_id_is_valid(c->chat))
        return sim_call_refuse(c, 404, NULL, "the chat's id is no UUID");
    chat = sim_chats_find(&c->s->chats, c->chat);
    if (chat && &c->s->accounts[chat->account] != c->account)
        return sim_call_refuse(c, 404, NULL, "Chat history not found");
    if (chat && chat->workspace[0] && !str_eq(c->workspace, str_of(chat->workspace)))
        return sim_call_refuse(c, 403, NULL, "workspaceId is not that of the project");
    /* Ways of the service and no mistakes of the client. */
    if ((chat && chat->gone == SIM_GONE_DELETED) ||
        (c->s->settings.ws_needs_chat &&
         (!chat || (chat->n_prompts == 0 && !chat->workspace[0])))) {
        sim_call_reply(c, 404, sim_error_body(c, 404, NULL, NULL));
        return false;
    }
    return true;
}

bool sim_check_stream(struct sim_call *c)
{
    return check_handshake(c) && sim_check_origin(c, NULL) && check_token(c) && check_cookie(c) &&
           check_chat(c);
}

/* ---- open ---- */

struct str sim_upgrade_head(struct sim_call *c)
{
    const char *extra = "";
    char accept[WIRE_ACCEPT_LEN + 1];

    sim_wire_accept(c->fault.kind == SIM_WRONG_ACCEPT
                        ? STR("AAAAAAAAAAAAAAAAAAAAAA==")
                        : http_value(&c->r->head, "sec-websocket-key"),
                    accept);
    if (c->fault.kind == SIM_EXTENSION)
        extra = "sec-websocket-extensions: permessage-deflate\r\n";
    return arena_printf(&c->r->arena,
                        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                        "connection: Upgrade\r\nsec-websocket-accept: %s\r\n%s\r\n",
                        accept, extra);
}

static void greet(struct sim_socket *k, const struct sim_fault *f)
{
    switch (f->kind) {
    case SIM_OPEN_CLOSE:
        sim_socket_close(k, f->code);
        break;
    case SIM_OPEN_RESET:
        sim_socket_uncork(k); /* it opens before it breaks */
        sim_socket_drop(k, true);
        break;
    case SIM_OPEN_SILENT:
        k->is_silent = true;
        break;
    case SIM_REPLAY_DIFFERS:
        k->hears_otherwise = true;
        sim_task_greet(k);
        break;
    default:
        sim_task_greet(k);
        break;
    }
}

void sim_run_stream(struct sim_call *c)
{
    struct simulator *s = c->s;
    const struct sim_fault fault = c->fault;
    struct sim_chat *chat;
    struct sim_socket *k;
    struct conn *conn;
    struct str head;
    struct str rest;

    if (c->fault.kind == SIM_NO_UPGRADE) {
        sim_call_reply(c, 200, STR("{}"));
        return;
    }
    sim_call_log(c, 101);
    head = sim_upgrade_head(c);
    conn = sim_call_take(c, STR(""), &rest);
    if (!conn)
        return;
    chat = sim_chats_find(&s->chats, c->chat);
    if (!chat)
        chat = sim_chats_add(&s->chats, c->chat, (int)(c->account - s->accounts));
    k = sim_socket_open(s, chat, conn, (int)(c->account - s->accounts));
    sim_socket_send(k, head, 0);
    greet(k, &fault);
    sim_socket_uncork(k);
    if (k->conn && rest.n > 0)
        sim_socket_read(k, rest);
}
