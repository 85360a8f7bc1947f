/* SPDX-License-Identifier: Apache-2.0 */
/* The API version is sent with every request; answers are read leniently, ids bounded. */
#include "provider/enginelabs/clerk.h"

#include "base/encoding.h"

#define API_VERSION "__clerk_api_version=2025-04-10"

enum err clerk_client_target(struct buf *out)
{
    return buf_add(out, STR("/v1/client?" API_VERSION));
}

enum err clerk_memberships_target(struct buf *out)
{
    return buf_add(out, STR("/v1/me/organization_memberships"
                            "?paginated=true&limit=10&offset=0&" API_VERSION));
}

enum err clerk_token_target(struct buf *out, struct str session_id)
{
    enum err err = buf_add(out, STR("/v1/client/sessions/"));

    if (!err)
        err = percent_add(out, session_id);
    if (!err)
        err = buf_add(out, STR("/tokens?" API_VERSION));
    return err;
}

enum err clerk_token_body(struct buf *out, struct str organization_id)
{
    enum err err;

    if (organization_id.n == 0)
        return ERR_NONE;
    err = buf_add(out, STR("organization_id="));
    return err ? err : percent_add(out, organization_id);
}

/* A session without a status counts as active: only a stated end is one. */
static bool is_active(struct str session)
{
    char status[32];

    return !field_member(session, "status", status, sizeof(status)) ||
           strcmp(status, "active") == 0;
}

/* The active session `id` of the list, or the first active one for "". */
static bool find_session(struct str client, const char *id, struct clerk_session *ret)
{
    struct json_value list;
    struct json_value item;
    struct json j;
    bool found = false;

    if (json_find(client, &list, "sessions", NULL) || list.type != JSON_ARRAY)
        return false;
    json_init(&j, list.raw, JSON_DEPTH_MAX);
    if (!json_enter_array(&j))
        return false;
    while (!found && json_next_item(&j) && json_read(&j, &item)) {
        struct clerk_session s;

        if (item.type != JSON_OBJECT || !field_member(item.raw, "id", s.id, sizeof(s.id)))
            continue;
        if ((id[0] && strcmp(id, s.id) != 0) || !is_active(item.raw))
            continue;
        field_member(item.raw, "last_active_organization_id", s.organization_id,
                     sizeof(s.organization_id));
        *ret = s;
        found = true;
    }
    return found;
}

static bool is_listed(struct str client)
{
    struct json_value list;

    return !json_find(client, &list, "sessions", NULL) && list.type == JSON_ARRAY;
}

static bool choose_session(struct str client, const char *wanted, struct clerk_session *ret)
{
    struct clerk_session named = { 0 };

    if (wanted[0])
        str_to_z(str_of(wanted), named.id, sizeof(named.id));
    else
        field_member(client, "last_active_session_id", named.id, sizeof(named.id));
    if (named.id[0] && find_session(client, named.id, ret))
        return true;
    /* What the user configured, or what comes without a list, is taken at its word. */
    if (named.id[0] && (wanted[0] || !is_listed(client))) {
        *ret = named;
        return true;
    }
    return find_session(client, "", ret);
}

enum err clerk_read_client(struct str body, const char *member, const char *wanted,
                           struct clerk_session *ret, enum clerk_state *ret_state)
{
    struct json_value client;
    enum err err = json_find(body, &client, member, NULL);

    if (err)
        return err;
    if (client.type == JSON_NULL) {
        *ret_state = CLERK_SIGNED_OUT;
        return ERR_NONE;
    }
    if (client.type != JSON_OBJECT)
        return ERR_BAD_INPUT;
    *ret_state = choose_session(client.raw, wanted, ret) ? CLERK_SIGNED_IN : CLERK_NO_SESSION;
    return ERR_NONE;
}

enum err clerk_read_token(struct str body, struct arena *a, struct str *ret_jwt)
{
    struct json_value jwt;
    enum err err = json_find(body, &jwt, "jwt", NULL);

    return err ? err : json_text(&jwt, a, ret_jwt);
}

static bool is_final_code(const char *code)
{
    static const char *const codes[] = { "signed_out", "authentication_invalid",
                                         "resource_not_found" };

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

bool clerk_is_signed_out(int status, struct str body)
{
    struct json_value list;
    struct json_value item;
    struct json j;
    char code[64];

    if (status == 401)
        return true;
    if (status < 400 || status > 499 || json_find(body, &list, "errors", NULL) ||
        list.type != JSON_ARRAY)
        return false;
    json_init(&j, list.raw, JSON_DEPTH_MAX);
    if (!json_enter_array(&j))
        return false;
    while (json_next_item(&j) && json_read(&j, &item))
        if (item.type == JSON_OBJECT && field_member(item.raw, "code", code, sizeof(code)) &&
            is_final_code(code))
            return true;
    return false;
}
