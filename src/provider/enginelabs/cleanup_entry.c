/* SPDX-License-Identifier: Apache-2.0 */
/* "chat 1", when it is due, how often it was tried, account, chat, each on a line. */
#include "provider/enginelabs/cleanup_entry.h"

#include <stdio.h>

#include "base/encoding.h"

enum { UPSTREAM_DIGITS = CLEANUP_PREFIX_LEN - 1, CHAT_DIGITS = 32, TRIES_MAX = 1000 };

static void hex_of(struct sha256 *hash, char out[2 * SHA256_LEN + 1])
{
    unsigned char digest[SHA256_LEN];

    sha256_end(hash, digest);
    hex_encode(digest, sizeof(digest), out);
}

void cleanup_prefix(const char *upstream, char out[CLEANUP_PREFIX_LEN + 1])
{
    char hex[2 * SHA256_LEN + 1];
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, str_of(upstream));
    hex_of(&hash, hex);
    snprintf(out, CLEANUP_PREFIX_LEN + 1, "%.*s/", UPSTREAM_DIGITS, hex);
}

struct store_key cleanup_key(const char *upstream, const char *account, struct str chat)
{
    struct store_key key = { .space = STORE_CHAT, .n = CLEANUP_PREFIX_LEN + CHAT_DIGITS };
    char prefix[CLEANUP_PREFIX_LEN + 1];
    char hex[2 * SHA256_LEN + 1];
    struct sha256 hash;

    cleanup_prefix(upstream, prefix);
    sha256_init(&hash);
    sha256_add(&hash, (struct str){ account, strlen(account) + 1 });
    sha256_add(&hash, chat);
    hex_of(&hash, hex);
    memcpy(key.bytes, prefix, CLEANUP_PREFIX_LEN);
    memcpy(key.bytes + CLEANUP_PREFIX_LEN, hex, CHAT_DIGITS);
    return key;
}

static enum err set_name(struct str name, char *out, size_t cap)
{
    if (name.n >= cap)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return ERR_BAD_INPUT;
    str_to_z(name, out, cap);
    return name.n > 0 ? ERR_NONE : ERR_BAD_INPUT;
}

enum err cleanup_entry_set(struct cleanup_entry *e, const char *account, struct str chat,
                           int64_t due_wall_ms)
{
    enum err err;

    *e = (struct cleanup_entry){ .due_wall_ms = due_wall_ms > 0 ? due_wall_ms : 0 };
    err = set_name(str_of(account), e->account, sizeof(e->account));
    return err ? err : set_name(chat, e->chat, sizeof(e->chat));
}

struct str cleanup_entry_write(const struct cleanup_entry *e, char *out)
{
    int n = snprintf(out, CLEANUP_ENTRY_MAX, "chat 1\n%lld\n%u\n%s\n%s", (long long)e->due_wall_ms,
                     e->tries, e->account, e->chat);

    BUG_ON(n < 0 || n >= CLEANUP_ENTRY_MAX);
    return (struct str){ out, (size_t)n };
}

enum err cleanup_entry_read(struct str text, struct cleanup_entry *ret)
{
    struct cleanup_entry e = { 0 };
    uint64_t due, tries;

    if (!str_eq(str_cut(text, '\n', &text), STR("chat 1")) ||
        str_to_u64(str_cut(text, '\n', &text), INT64_MAX, &due) ||
        str_to_u64(str_cut(text, '\n', &text), TRIES_MAX, &tries) ||
        set_name(str_cut(text, '\n', &text), e.account, sizeof(e.account)) ||
        set_name(text, e.chat, sizeof(e.chat)))
        return ERR_BAD_INPUT;
    e.due_wall_ms = (int64_t)due;
    e.tries = (unsigned)tries;
    *ret = e;
    return ERR_NONE;
}
