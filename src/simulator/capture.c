/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders of recorded exchanges, and which exchange is whose; see capture.h. */
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "simulator/capture_internal.h"

enum { NAME_MAX_LEN = 40, TOKEN_LIFE_S = 60 };

struct sim_capture *sim_capture_new(uint64_t seed)
{
    struct sim_capture *c = mem_new(struct sim_capture);

    c->seed = seed;
    arena_init(&c->arena);
    map_init(&c->bound);
    sim_identity_make(seed, 0, &c->identity);
    (void)map_set(&c->bound, STR("user"), c->identity.user);
    (void)map_set(&c->bound, STR("session"), c->identity.session);
    (void)map_set(&c->bound, STR("organization"), c->identity.organization);
    (void)map_set(&c->bound, STR("client"), c->identity.client);
    return c;
}

void sim_capture_free(struct sim_capture *c)
{
    if (!c)
        return;
    map_deinit(&c->bound);
    arena_deinit(&c->arena);
    mem_free(c);
}

/* ---- placeholders ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Whether `text` begins with "{name}". */
static bool begins(struct str text, struct str *ret_name)
{
    size_t n = 1;

    if (text.n < 3 || text.p[0] != '{' || !is_letter(text.p[1]))
        return false;
    while (n < text.n && n < NAME_MAX_LEN && is_name(text.p[n]))
        n++;
    if (n == text.n || text.p[n] != '}')
        return false;
    *ret_name = str_sub(text, 1, n - 1);
    return true;
}

static void bind(struct sim_capture *c, struct str name, struct str value)
{
    (void)map_set(&c->bound, name, (void *)(uintptr_t)arena_dup(&c->arena, value).p);
}

/* UUIDs for what the service names so, letters and digits for the rest. */
static const char *make_up(struct sim_capture *c, struct str name)
{
    static const char *const uuids[] = { "chat", "project", "workspace", "uuid" };
    char uuid[SIM_UUID_LEN + 1];
    char key[NAME_MAX_LEN + 1];
    bool is_uuid = false;

    sim_identity_uuid(c->seed, str_to_z(name, key, sizeof(key)), 0, uuid);
    for (size_t i = 0; i < COUNT_OF(uuids); i++)
        is_uuid = is_uuid || str_starts(name, str_of(uuids[i]));
    bind(c, name, is_uuid ? str_of(uuid) : str_from(str_of(uuid), SIM_UUID_LEN - 12));
    return map_find(&c->bound, name);
}

static enum err add_token(struct sim_capture *c, int64_t now_s, struct buf *out)
{
    struct sim_claims claims = { .issued_s = now_s,
                                 .expires_s = now_s + TOKEN_LIFE_S,
                                 .number = ++c->tokens };

    memcpy(claims.user, c->identity.user, sizeof(claims.user));
    memcpy(claims.session, c->identity.session, sizeof(claims.session));
    memcpy(claims.organization, c->identity.organization, sizeof(claims.organization));
    return sim_token_make(c->seed, &claims, out);
}

static enum err add_value(struct sim_capture *c, struct str name, int64_t now_s, struct buf *out)
{
    const char *value = map_find(&c->bound, name);

    if (!value && str_starts(name, STR("jwt")))
        return add_token(c, now_s, out);
    return buf_add(out, str_of(value ? value : make_up(c, name)));
}

enum err sim_capture_fill(struct sim_capture *c, struct str text, int64_t now_s, struct buf *out)
{
    enum err err = ERR_NONE;
    struct str name;

    while (text.n > 0 && !err) {
        size_t at = str_find_char(text, '{');

        err = buf_add(out, str_sub(text, 0, at));
        text = str_from(text, at);
        if (text.n == 0 || err)
            break;
        if (begins(text, &name)) {
            err = add_value(c, name, now_s, out);
            text = str_from(text, name.n + 2);
        } else {
            err = buf_add_char(out, '{');
            text = str_from(text, 1);
        }
    }
    return err;
}

/* ---- whose is it ---- */

/* What stands for a placeholder: up to what follows it in the pattern, within one segment. */
static struct str cut_value(struct str pattern, struct str path)
{
    char stop = pattern.n > 0 ? pattern.p[0] : '/';
    size_t n = 0;

    while (n < path.n && path.p[n] != '/' && path.p[n] != stop)
        n++;
    return str_sub(path, 0, n);
}

/* What `path` has for the placeholder in front of `rest`; empty when it does not match. */
static struct str match_value(struct sim_capture *c, struct str name, struct str rest,
                              struct str path, bool binds)
{
    const char *known = map_find(&c->bound, name);
    struct str value;

    if (known)
        return str_starts(path, str_of(known)) ? str_sub(path, 0, strlen(known)) : STR("");
    value = cut_value(rest, path);
    if (binds && value.n > 0)
        bind(c, name, value);
    return value;
}

static bool matches(struct sim_capture *c, struct str pattern, struct str path, bool binds)
{
    struct str name;

    while (pattern.n > 0) {
        struct str value = str_sub(path, 0, 1);
        size_t length = 1;

        if (begins(pattern, &name)) {
            length = name.n + 2;
            value = match_value(c, name, str_from(pattern, length), path, binds);
            if (value.n == 0)
                return false;
        } else if (!str_eq(value, str_sub(pattern, 0, 1))) {
            return false;
        }
        pattern = str_from(pattern, length);
        path = str_from(path, value.n);
    }
    return path.n == 0;
}

struct sim_exchange *sim_capture_take(struct sim_capture *c, bool is_socket, struct str method,
                                      struct str path)
{
    struct sim_exchange *found = NULL;

    for (size_t i = 0; i < c->n; i++) {
        struct sim_exchange *e = &c->exchanges[i];

        if (e->is_socket != is_socket || (!is_socket && !str_eq(e->method, method)) ||
            !matches(c, e->path, path, false))
            continue;
        found = e;
        if (!e->is_used)
            break;
    }
    if (!found)
        return NULL;
    (void)matches(c, found->path, path, true);
    found->is_used = true;
    return found;
}

bool sim_capture_is_used(const struct sim_capture *c, int exchange)
{
    return exchange < 0 || (size_t)exchange >= c->n || c->exchanges[exchange].is_used;
}
