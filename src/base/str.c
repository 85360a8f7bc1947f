/* SPDX-License-Identifier: Apache-2.0 */
/* Slices: all functions take them by value and look only at the bytes inside. */
#include "base/str.h"

#include <openssl/crypto.h>

static unsigned char to_lower(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (to_lower(a.p[i]) != to_lower(b.p[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq_nocase(str_sub(s, 0, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

size_t str_find(struct str s, struct str needle)
{
    const char *at;

    if (needle.n == 0)
        return 0;
    if (s.n < needle.n)
        return SIZE_MAX;
    at = memmem(s.p, s.n, needle.p, needle.n);
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_find_char(struct str s, char c)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && str_is_space(s.p[0]))
        s = str_from(s, 1);
    while (s.n > 0 && str_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct str str_cut(struct str s, char sep, struct str *rest)
{
    size_t at = str_find_char(s, sep);

    if (at == SIZE_MAX) {
        *rest = (struct str){ NULL, 0 };
        return s;
    }
    *rest = str_from(s, at + 1);
    return str_sub(s, 0, at);
}

bool str_next_item(struct str *list, struct str *ret_item)
{
    while (list->n > 0) {
        struct str item = str_trim(str_cut(*list, ',', list));

        if (item.n > 0) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

enum err str_to_u64(struct str s, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool is_above = false;

    if (s.n == 0)
        return ERR_BAD_INPUT;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return ERR_BAD_INPUT;
        if (__builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            is_above = true;
    }
    if (is_above || value > max)
        return ERR_TOO_BIG;
    *ret_value = value;
    return ERR_NONE;
}

char *str_join(const struct str *parts, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        if (parts[i].n > 0) {
            memcpy(out, parts[i].p, parts[i].n);
            out += parts[i].n;
        }
    return out;
}

struct str str_of_u64(uint64_t n, char room[STR_U64_MAX])
{
    char *end = room + STR_U64_MAX;
    char *p = end;

    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return (struct str){ p, (size_t)(end - p) };
}

char *str_to_z(struct str s, char *out, size_t cap)
{
    size_t n;

    BUG_ON(cap == 0);
    n = s.n < cap ? s.n : cap - 1;
    if (n > 0)
        memcpy(out, s.p, n);
    out[n] = '\0';
    return out;
}

bool str_eq_constant_time(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
