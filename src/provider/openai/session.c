/* SPDX-License-Identifier: Apache-2.0 */
/* How a conversation begins is all that a stateless request shows of which one it is. */
#include "base/encoding.h"
#include "base/hash.h"
#include "provider/openai/call.h"

enum { SESSION_BYTES = 12 };

static void add(struct sha256 *h, struct str s)
{
    uint64_t n = s.n;

    sha256_add(h, (struct str){ (const char *)&n, sizeof(n) });
    sha256_add(h, s);
}

static void add_length(void *arg, struct str piece)
{
    uint64_t *n = arg;

    *n += piece.n;
}

static void add_piece(void *arg, struct str piece)
{
    sha256_add(arg, piece);
}

static void add_text(struct sha256 *h, const struct chat_request *chat, struct str text)
{
    uint64_t n = 0;

    chat_text_pieces(chat, text, add_length, &n);
    sha256_add(h, (struct str){ (const char *)&n, sizeof(n) });
    chat_text_pieces(chat, text, add_piece, h);
}

struct str session_id(const struct provider_request *r, struct arena *a)
{
    unsigned char digest[SHA256_LEN];
    char hex[2 * SESSION_BYTES + 1];
    struct sha256 h;

    sha256_init(&h);
    add(&h, r->key_id);
    for (size_t i = 0; i < r->chat->n_messages; i++) {
        const struct chat_message *m = &r->chat->messages[i];

        add(&h, str_of(chat_role_name(m->role)));
        for (size_t k = 0; k < m->n_parts; k++)
            add_text(&h, r->chat, m->parts[k].text);
        if (m->role == CHAT_USER)
            break;
    }
    sha256_end(&h, digest);
    hex_encode(digest, SESSION_BYTES, hex);
    return arena_printf(a, "ses_%s", hex);
}
