/* SPDX-License-Identifier: Apache-2.0 */
/* Values of settings, from text. */
#include "gateway/setting_value.h"

#include <stdio.h>

#include "base/encoding.h"
#include "json/reader.h"

enum { LIST_MAX = 1000, SHOWN_MAX = 200 };

static const uint64_t SECONDS_MAX = 10ULL * 366 * 24 * 3600;

enum err setting_seconds(struct str text, int64_t *ret_ms)
{
    struct str fraction;
    struct str whole = str_cut(text, '.', &fraction);
    uint64_t seconds = 0, part = 0;
    enum err err;

    if (fraction.p && (fraction.n == 0 || fraction.n > 3))
        return ERR_BAD_INPUT;
    err = str_to_u64(whole, SECONDS_MAX, &seconds);
    if (!err && fraction.n)
        err = str_to_u64(fraction, 999, &part);
    if (err)
        return err;
    for (size_t i = fraction.n; i < 3; i++)
        part *= 10;
    *ret_ms = (int64_t)(seconds * 1000 + part);
    return ERR_NONE;
}

enum err setting_size(struct str text, size_t *ret)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = { { "", 0 }, { "B", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 } };
    size_t digits = 0;
    uint64_t value;

    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    struct str unit = str_trim(str_from(text, digits));
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!str_eq_nocase(unit, str_of(units[i].unit)))
            continue;
        enum err err =
            str_to_u64(str_sub(text, 0, digits), SIZE_MAX >> (units[i].shift + 1), &value);
        if (!err)
            *ret = (size_t)value << units[i].shift;
        return err;
    }
    return ERR_BAD_INPUT;
}

enum err setting_bool(struct str text, bool *ret)
{
    static const char *const words[][2] = {
        { "false", "true" }, { "0", "1" }, { "no", "yes" }, { "off", "on" }
    };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        for (size_t value = 0; value < 2; value++)
            if (str_eq_nocase(text, str_of(words[i][value]))) {
                *ret = value == 1;
                return ERR_NONE;
            }
    return ERR_BAD_INPUT;
}

static bool has_item(const char *const *items, size_t n, struct str item)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_of(items[i]), item))
            return true;
    return false;
}

/* An item that is there already is not added again. */
static enum err add_item(struct str item, struct arena *a, const char **items, size_t *n)
{
    for (size_t i = 0; i < item.n; i++)
        if ((unsigned char)item.p[i] < 0x20 || item.p[i] == 0x7f)
            return ERR_BAD_INPUT;
    if (has_item(items, *n, item))
        return ERR_NONE;
    if (*n == LIST_MAX)
        return ERR_TOO_BIG;
    items[(*n)++] = arena_dup(a, item).p;
    return ERR_NONE;
}

static enum err list_of_json(struct str text, struct arena *a, const char **items, size_t *n)
{
    struct json j;
    struct json_value v;
    struct str item;

    json_init(&j, text, 1);
    if (!json_enter_array(&j))
        return ERR_BAD_INPUT;
    while (json_next_item(&j)) {
        if (!json_read(&j, &v) || json_text(&v, a, &item))
            return ERR_BAD_INPUT;
        enum err err = add_item(item, a, items, n);
        if (err)
            return err;
    }
    return json_end(&j);
}

enum err setting_list(struct str text, struct arena *a, const char *const **ret)
{
    /* Every item has a byte at least, and one behind it but for the last. */
    size_t room = text.n / 2 + 1 < LIST_MAX ? text.n / 2 + 1 : LIST_MAX;
    const char **items = arena_alloc(a, (room + 1) * sizeof(*items));
    struct str item;
    size_t n = 0;
    enum err err = ERR_NONE;

    if (text.n && text.p[0] == '[')
        err = list_of_json(text, a, items, &n);
    else
        while (!err && str_next_item(&text, &item))
            err = add_item(item, a, items, &n);
    if (err)
        return err;
    items[n] = NULL;
    *ret = items;
    return ERR_NONE;
}

static bool is_scheme_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
}

static const char *fault_of_host(struct str host)
{
    if (str_ends(host, STR("/")) && str_find_char(host, '/') == host.n - 1)
        return "browsers send no slash at the end; remove it";
    for (size_t i = 0; i < host.n; i++) {
        if ((unsigned char)host.p[i] >= 0x80)
            return "browsers send such names in their ASCII form (xn--...); write that";
        if (host.p[i] == '*')
            return "there are no wildcards; list each origin, or * for all";
        if (strchr("/?#@ ", host.p[i]))
            return "browsers send only SCHEME://HOST:PORT; remove the rest";
    }
    return NULL;
}

/* What no Origin header ever looks like (RFC 6454 7), or NULL. */
static const char *fault_of_origin(struct str origin)
{
    size_t n = 0;

    while (n < origin.n && is_scheme_char(origin.p[n]))
        n++;
    struct str host = str_from(origin, n + 3);
    if (n == 0 || !str_starts(str_from(origin, n), STR("://")) || host.n == 0)
        return "write SCHEME://HOST or SCHEME://HOST:PORT";
    if ((str_starts_nocase(origin, STR("http://")) && str_ends(host, STR(":80"))) ||
        (str_starts_nocase(origin, STR("https://")) && str_ends(host, STR(":443"))))
        return "browsers leave the scheme's own port out; remove it";
    return fault_of_host(host);
}

enum err setting_origins(struct str text, struct arena *a, const char *const **ret, char what[256])
{
    const char *const *items;
    enum err err = setting_list(text, a, &items);

    what[0] = '\0';
    if (err)
        return err;
    for (size_t i = 0; items[i]; i++) {
        struct str item = str_of(items[i]);
        bool is_special = str_eq(item, STR("*")) || str_eq(item, STR("null"));
        const char *fault = is_special ? NULL : fault_of_origin(item);

        if (!fault)
            continue;
        snprintf(what, 256, "\"%.120s\" can never match: %s", setting_show(item, a), fault);
        return ERR_BAD_INPUT;
    }
    *ret = items;
    return ERR_NONE;
}

enum err setting_origin(struct str text, struct arena *a, const char **ret, char what[256])
{
    const char *fault = fault_of_origin(text);

    what[0] = '\0';
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return ERR_BAD_INPUT;
    if (fault) {
        snprintf(what, 256, "%s", fault);
        return ERR_BAD_INPUT;
    }
    *ret = arena_dup(a, text).p;
    return ERR_NONE;
}

enum err setting_choice(struct str text, const char *choices, struct arena *a, const char **ret)
{
    struct str left = str_of(choices);

    while (left.n) {
        struct str word = str_cut(left, '|', &left);

        if (str_eq_nocase(word, text)) {
            *ret = arena_dup(a, word).p;
            return ERR_NONE;
        }
    }
    return ERR_BAD_INPUT;
}

/* A password may hold any byte, so all up to the last '@' is taken for one. */
static struct str hide_user(struct str value, struct arena *a)
{
    size_t at = value.n;
    size_t scheme = 0;

    while (at > 0 && value.p[at - 1] != '@')
        at--;
    if (at == 0)
        return value;
    while (is_scheme_char(value.p[scheme]))
        scheme++;
    if (!str_starts(str_from(value, scheme), STR("://")))
        scheme = SIZE_MAX;
    return arena_printf(a, "%.*s***%.*s", scheme == SIZE_MAX ? 0 : (int)(scheme + 3), value.p,
                        STR_ARGS(str_from(value, at - 1)));
}

/* Bytes of the character that may be shown as it is, or 0. */
static size_t printable(struct str s)
{
    size_t n = utf8_sequence(s);
    unsigned char c = (unsigned char)s.p[0];
    bool is_control =
        n == 1 ? c < 0x20 || c == 0x7f : n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0;

    return is_control ? 0 : n;
}

const char *setting_show(struct str value, struct arena *a)
{
    static const char hex[] = "0123456789abcdef";
    struct str left = hide_user(value, a);
    size_t taken = 0;
    size_t n = 0;
    char *out = arena_alloc(a, 4 * SHOWN_MAX + 4);

    while (left.n > taken) {
        struct str rest = str_from(left, taken);
        unsigned char c = (unsigned char)rest.p[0];
        size_t whole = printable(rest);

        if (taken + (whole ? whole : 1) > SHOWN_MAX) {
            memcpy(out + n, "...", sizeof("..."));
            break;
        }
        if (whole) {
            memcpy(out + n, rest.p, whole);
            n += whole;
        } else {
            memcpy(out + n, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
            n += 4;
        }
        taken += whole ? whole : 1;
    }
    return out;
}
