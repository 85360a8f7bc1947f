/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake of a WebSocket, the same bytes read as a request and as an answer.
 * Properties: a request that is taken can be answered, and the answer fits its key and no other;
 * what is refused says why. */
#include <stdio.h>

#include "digest.h"
#include "http/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char our_key[] = "dGhlIHNhbXBsZSBub25jZQ==";

static bool fits(struct str response, const char *key)
{
    struct http_head h;
    struct http_refusal why;
    size_t scanned = 0, used;

    BUG_ON(http_parse_response(response, HTTP_GET, &scanned, &h, &used, &why));
    return !handshake_check_response(&h, key);
}

static void check_answered(struct str key)
{
    char text[HANDSHAKE_KEY_LEN + 1], other[HANDSHAKE_KEY_LEN + 1];
    char accept[HANDSHAKE_ACCEPT_LEN + 1];
    char response[256];
    int n;

    BUG_ON(key.n != HANDSHAKE_KEY_LEN || handshake_accept(key, accept));
    n = snprintf(response, sizeof(response),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    BUG_ON(!fits((struct str){ response, (size_t)n }, str_to_z(key, text, sizeof(text))));
    BUG_ON(handshake_key(other));
    BUG_ON(fits((struct str){ response, (size_t)n }, other));
}

static void fuzz_request(struct str in)
{
    static struct http_head h;
    struct http_refusal why;
    size_t scanned = 0, used;
    const char *wrong;
    int status = 0;

    if (http_parse_request(in, &scanned, &h, &used, &why))
        return;
    wrong = handshake_check_request(&h, &status);
    BUG_ON(wrong && (!wrong[0] || (status != 400 && status != 426)));
    if (!wrong)
        check_answered(http_value(&h, "sec-websocket-key"));
}

static void fuzz_response(struct str in)
{
    static struct http_head h;
    struct http_refusal why;
    size_t scanned = 0, used;
    const char *wrong;

    if (http_parse_response(in, HTTP_GET, &scanned, &h, &used, &why))
        return;
    wrong = handshake_check_response(&h, our_key);
    BUG_ON(wrong ? !wrong[0]
                 : !str_eq(http_value(&h, "sec-websocket-accept"),
                           STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str in = copy_of((struct str){ (const char *)p, n });

    fuzz_request(in);
    fuzz_response(in);
    free_copy(in);
    return 0;
}
