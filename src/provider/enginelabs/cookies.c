/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A jar is an array of "name=value" secrets, a name once. Reading a reply never fails: a cookie
 * that cannot be kept leaves the jar as it was.
 */
#include "provider/enginelabs/cookies.h"

#include "provider/date.h"

static struct str name_of(const struct cookie *k)
{
    return str_sub(secret_reveal(&k->pair), 0, k->name_n);
}

static struct cookie *find(struct cookies *c, struct str name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(name_of(&c->items[i]), name))
            return &c->items[i];
    return NULL;
}

static bool drop(struct cookies *c, struct str name)
{
    struct cookie *k = find(c, name);

    if (!k)
        return false;
    c->bytes -= k->pair.n;
    secret_deinit(&k->pair);
    *k = c->items[--c->n];
    c->items[c->n] = (struct cookie){ 0 };
    return true;
}

/* A pair whose name and value may stand in a Cookie header. */
static bool is_sane(struct str name, struct str value)
{
    return http_name_is_safe(name) && http_value_is_safe(value) &&
           str_find_char(value, ';') == SIZE_MAX;
}

/* `pair` is "name=value"; *ret_changed tells whether it is news. */
static enum err put(struct cookies *c, struct str pair, size_t name_n, bool *ret_changed)
{
    struct cookie *k = find(c, str_sub(pair, 0, name_n));
    size_t before = k ? k->pair.n : 0;

    if (k && secret_eq(&k->pair, pair)) {
        *ret_changed = false;
        return ERR_NONE;
    }
    if ((!k && c->n == COOKIES_MAX) || c->bytes - before + pair.n > COOKIES_MAX_BYTES)
        return ERR_TOO_BIG;
    if (!k)
        k = &c->items[c->n++];
    secret_set(&k->pair, pair);
    k->name_n = name_n;
    c->bytes += pair.n - before;
    *ret_changed = true;
    return ERR_NONE;
}

/* "name=value" of a part of a header, trimmed; false when it is none. */
static bool read_pair(struct str part, struct str *ret_pair, size_t *ret_name_n)
{
    struct str pair = str_trim(part);
    size_t name_n = str_find_char(pair, '=');

    if (name_n == SIZE_MAX || !is_sane(str_sub(pair, 0, name_n), str_from(pair, name_n + 1)))
        return false;
    *ret_pair = pair;
    *ret_name_n = name_n;
    return true;
}

/* A whole header has several pairs or names __client; all else is the bare value. */
static bool is_header(struct str text)
{
    return str_find_char(text, ';') != SIZE_MAX || str_starts(text, STR("__client="));
}

static enum err load_header(struct cookies *c, struct str text)
{
    bool changed;

    while (text.n > 0) {
        struct str pair;
        size_t name_n;
        enum err err = ERR_NONE;

        if (read_pair(str_cut(text, ';', &text), &pair, &name_n))
            err = put(c, pair, name_n, &changed);
        if (err)
            return err;
    }
    return c->n > 0 ? ERR_NONE : ERR_BAD_INPUT;
}

static enum err load_bare(struct cookies *c, struct str value)
{
    static const char name[] = "__client=";
    struct buf pair;
    bool changed;
    enum err err;

    if (value.n == 0)
        return ERR_BAD_INPUT;
    buf_init(&pair, COOKIES_MAX_BYTES);
    err = buf_add(&pair, str_of(name));
    if (!err)
        err = buf_add(&pair, value);
    if (!err)
        err = put(c, buf_str(&pair), sizeof(name) - 2, &changed);
    buf_wipe(&pair);
    return err;
}

enum err cookies_load(struct cookies *c, struct str text)
{
    static const char prefix[] = "Cookie:";
    enum err err = ERR_BAD_INPUT;

    cookies_deinit(c);
    text = str_trim(text);
    if (str_starts_nocase(text, str_of(prefix)))
        text = str_trim(str_from(text, sizeof(prefix) - 1));
    if (http_value_is_safe(text))
        err = is_header(text) ? load_header(c, text) : load_bare(c, text);
    if (err)
        cookies_deinit(c);
    return err;
}

/* Whether the attributes of a Set-Cookie say that the cookie is over. Max-Age wins over Expires
 * (RFC 6265 5.3). */
static bool is_expired(struct str attributes, int64_t wall_ms)
{
    bool expired = false;
    int64_t at_ms;

    while (attributes.n > 0) {
        struct str value;
        struct str name = str_trim(str_cut(str_cut(attributes, ';', &attributes), '=', &value));

        value = str_trim(value);
        if (str_eq_nocase(name, STR("max-age")) && value.n > 0)
            return value.p[0] == '-' || str_eq(value, STR("0"));
        if (str_eq_nocase(name, STR("expires")) && !date_parse(value, &at_ms))
            expired = at_ms <= wall_ms;
    }
    return expired;
}

static bool merge_one(struct cookies *c, struct str set_cookie, bool may_drop, int64_t wall_ms)
{
    struct str attributes;
    struct str pair;
    size_t name_n;
    bool changed = false;

    if (!read_pair(str_cut(set_cookie, ';', &attributes), &pair, &name_n))
        return false;
    if (name_n + 1 == pair.n || is_expired(attributes, wall_ms))
        return may_drop && drop(c, str_sub(pair, 0, name_n));
    return !put(c, pair, name_n, &changed) && changed;
}

bool cookies_merge(struct cookies *c, const struct http_head *head, int64_t wall_ms)
{
    bool is_success = head->status >= 200 && head->status <= 299;
    bool changed = false;

    for (size_t i = 0; i < head->n_headers; i++)
        if (str_eq_nocase(head->headers[i].name, STR("set-cookie")))
            changed |= merge_one(c, head->headers[i].value, is_success, wall_ms);
    return changed;
}

enum err cookies_write(const struct cookies *c, struct buf *out)
{
    for (size_t i = 0; i < c->n; i++) {
        enum err err = i > 0 ? buf_add(out, STR("; ")) : ERR_NONE;

        if (!err)
            err = buf_add(out, secret_reveal(&c->items[i].pair));
        if (err)
            return err;
    }
    return ERR_NONE;
}

void cookies_copy(struct cookies *to, const struct cookies *from)
{
    cookies_deinit(to);
    for (size_t i = 0; i < from->n; i++) {
        to->items[i].name_n = from->items[i].name_n;
        secret_set(&to->items[i].pair, secret_reveal(&from->items[i].pair));
    }
    to->n = from->n;
    to->bytes = from->bytes;
}

void cookies_deinit(struct cookies *c)
{
    for (size_t i = 0; i < c->n; i++)
        secret_deinit(&c->items[i].pair);
    *c = (struct cookies){ 0 };
}
