/* SPDX-License-Identifier: Apache-2.0 */
/* The way to a chat in protocol `project`: a hosted project is its chat, and offers come first. */
#include "simulator/call.h"

enum { BODY_MAX = 16384 };

static bool is_listed(const struct sim_member *members, size_t n, struct str name, size_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(name, str_of(members[i].name)) && !members[i].place->p) {
            *ret = i;
            return true;
        }
    }
    return false;
}

enum err sim_members_read(struct http_request *r, const struct sim_member *members, size_t n,
                          char *what)
{
    struct json_value v;
    struct str name;
    struct json j;
    size_t i;

    json_init(&j, r->body, 8);
    if (!json_enter_object(&j))
        return sim_complain(what, "body must be object");
    while (json_next_member(&j, &name)) {
        if (!is_listed(members, n, name, &i))
            return sim_complain(what, "body must NOT have additional properties: %.*s",
                                STR_ARGS(name));
        if (!json_read(&j, &v) || v.type != JSON_STRING || v.raw.n == 2 ||
            json_text(&v, &r->arena, members[i].place))
            return sim_complain(what, "body must have strings with text only: %.*s",
                                STR_ARGS(name));
    }
    if (json_end(&j))
        return sim_complain(what, "body must be valid JSON");
    for (i = 0; i < n; i++)
        if (!members[i].place->p)
            return sim_complain(what, "body must have required property '%s'", members[i].name);
    return ERR_NONE;
}

bool sim_call_read_strings(struct sim_call *c, const struct sim_member *members, size_t n)
{
    char what[SIM_WHAT_MAX];

    return !sim_members_read(c->r, members, n, what) || sim_call_offend(c, "", str_of(what));
}

bool sim_check_project(struct sim_call *c)
{
    return sim_check_bearer(c) && sim_check_json(c) &&
           sim_call_read_strings(c, &(struct sim_member){ "projectName", &c->prompt }, 1);
}

/* Each project has a workspace of its own, so that a mix-up shows. */
void sim_run_project(struct sim_call *c)
{
    struct simulator *s = c->s;
    char id[SIM_CHAT_ID_LEN + 1];
    struct sim_chat *chat;
    struct json_writer w;
    struct buf text;

    sim_identity_uuid(s->seed, "project", ++s->projects, id);
    chat = sim_chats_add(&s->chats, str_of(id), (int)(c->account - s->accounts));
    sim_identity_uuid(s->seed, "workspace", s->projects, chat->workspace);
    c->chat = str_of(chat->id);
    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "projectId", str_of(chat->id));
    json_w_member_str(&w, "workspaceId", str_of(chat->workspace));
    json_w_member_str(&w, "projectName", c->prompt);
    json_w_object_end(&w);
    if (json_w_end(&w))
        sim_call_reply(c, 500, STR("{}"));
    else
        sim_call_reply(c, 201, buf_str(&text));
    buf_deinit(&text);
}

bool sim_check_offers(struct sim_call *c)
{
    struct str surface = { NULL, 0 };
    const struct sim_member members[] = { { "chatHistoryId", &c->chat }, { "surface", &surface } };
    const struct sim_chat *chat;

    if (!sim_check_bearer(c) || !sim_check_json(c) ||
        !sim_call_read_strings(c, members, COUNT_OF(members)))
        return false;
    if (!str_eq(surface, STR("ENGINE_AGENT")))
        return sim_call_offend(c, "body/surface must be ENGINE_AGENT, not", surface);
    if (!sim_chat_id_is_valid(c->chat))
        return sim_call_offend(c, "body/chatHistoryId must match format \"uuid\":", c->chat);
    chat = sim_chats_find(&c->s->chats, c->chat);
    if (chat && chat->gone)
        return sim_call_reply_not_found(c); /* which the client cannot know */
    if (!chat || !chat->workspace[0] || &c->s->accounts[chat->account] != c->account)
        return sim_call_refuse(c, 404, NULL, "Chat history not found: no project has that id");
    return true;
}

void sim_run_offers(struct sim_call *c)
{
    struct sim_chat *chat = sim_chats_find(&c->s->chats, c->chat);

    if (chat)
        chat->has_offers = true;
    sim_call_reply(c, 200, STR("{\"offers\":[]}"));
}
