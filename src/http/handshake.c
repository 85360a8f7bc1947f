/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and checks of the opening handshake. We offer no extension and no protocol, so an answer
 * that names one is refused. */
#include "http/handshake.h"

#include "base/encoding.h"
#include "base/hash.h"
#include "base/random.h"

enum { KEY_BYTES = 16 };

/* Base64 of a few bytes; `out` has room for `n` characters and a NUL. */
static enum err encode(const void *bytes, size_t size, char *out, size_t n)
{
    struct buf text;
    enum err err;

    buf_init(&text, n);
    err = base64_add(&text, (struct str){ bytes, size });
    BUG_ON(!err && text.n != n);
    str_to_z(buf_str(&text), out, n + 1);
    buf_deinit(&text);
    return err;
}

enum err handshake_key(char out[HANDSHAKE_KEY_LEN + 1])
{
    unsigned char bytes[KEY_BYTES];

    random_bytes(bytes, sizeof(bytes));
    return encode(bytes, sizeof(bytes), out, HANDSHAKE_KEY_LEN);
}

enum err handshake_accept(struct str key, char out[HANDSHAKE_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[HANDSHAKE_KEY_LEN + sizeof(guid)];
    unsigned char digest[SHA1_LEN];

    BUG_ON(key.n != HANDSHAKE_KEY_LEN);
    memcpy(text, key.p, key.n);
    memcpy(text + key.n, guid, sizeof(guid));
    sha1_of(str_of(text), digest);
    return encode(digest, sizeof(digest), out, HANDSHAKE_ACCEPT_LEN);
}

static bool is_key(struct str key)
{
    struct buf bytes;
    bool ok;

    if (key.n != HANDSHAKE_KEY_LEN)
        return false;
    buf_init(&bytes, HANDSHAKE_KEY_LEN);
    ok = base64_decode(&bytes, key) == ERR_NONE && bytes.n == KEY_BYTES;
    buf_deinit(&bytes);
    return ok;
}

/* A header that a handshake has once is said once: the second might be another's (RFC 6455 11.3).
 */
static bool is_repeated(const struct http_head *h, const char *name)
{
    struct str wanted = str_of(name);
    size_t n = 0;

    for (size_t i = 0; i < h->n_headers; i++)
        n += str_eq_nocase(h->headers[i].name, wanted);
    return n > 1;
}

const char *handshake_check_response(const struct http_head *h, const char *key)
{
    char want[HANDSHAKE_ACCEPT_LEN + 1];

    if (h->minor_version == 0)
        return "it speaks HTTP/1.0, which knows no upgrade";
    if (!str_eq_nocase(http_value(h, "upgrade"), STR("websocket")))
        return "its Upgrade header does not say websocket";
    if (!http_list_has(http_value(h, "connection"), "upgrade"))
        return "its Connection header does not say Upgrade";
    if (handshake_accept(str_of(key), want))
        return "there is no memory to check it";
    if (!str_eq(http_value(h, "sec-websocket-accept"), str_of(want)) ||
        is_repeated(h, "sec-websocket-accept"))
        return "its Sec-WebSocket-Accept does not fit the key";
    if (http_value(h, "sec-websocket-extensions").n > 0)
        return "it uses an extension that was not offered";
    if (http_value(h, "sec-websocket-protocol").n > 0)
        return "it uses a protocol that was not offered";
    return NULL;
}

const char *handshake_check_request(const struct http_head *h, int *ret_status)
{
    *ret_status = 400;
    if (h->method != HTTP_GET || h->minor_version == 0)
        return "a WebSocket handshake is a GET request of HTTP/1.1";
    *ret_status = 426;
    if (!h->upgrade || !http_list_has(http_value(h, "upgrade"), "websocket"))
        return "this is a WebSocket endpoint: send Connection: Upgrade and Upgrade: websocket";
    if (!str_eq(http_value(h, "sec-websocket-version"), STR("13")))
        return "only WebSocket version 13 is spoken here";
    *ret_status = 400;
    if (!is_key(http_value(h, "sec-websocket-key")))
        return "Sec-WebSocket-Key must be 16 bytes in base64";
    return NULL;
}
