/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sign-in service answers, the same bytes read as each of its answers, and as a token or
 * the claims of one. Properties: texts end and hold no control characters; who is signed in has an
 * id; the session that was wished for is the one that is taken; claims are in order, and a token
 * that was taken may stand in a header.
 */
#include "base/encoding.h"
#include "http/digest.h"
#include "provider/enginelabs/clerk.h"
#include "provider/enginelabs/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { TOKEN_MAX = 1 << 15 };

static void check_text(const char *text)
{
    size_t n = strnlen(text, FIELD_ID_MAX);

    BUG_ON(n == FIELD_ID_MAX);
    for (size_t i = 0; i < n; i++)
        BUG_ON((unsigned char)text[i] < 0x20 || text[i] == 0x7f);
}

static void fuzz_client(struct str body, const char *member, const char *wanted)
{
    struct clerk_session s = { .id = "" };
    enum clerk_state state = CLERK_SIGNED_OUT;

    if (clerk_read_client(body, member, wanted, &s, &state))
        return;
    check_text(s.id);
    check_text(s.organization_id);
    BUG_ON((state == CLERK_SIGNED_IN) != (s.id[0] != '\0'));
    BUG_ON(state == CLERK_SIGNED_IN && wanted[0] && strcmp(s.id, wanted) != 0);
}

/* ---- tokens ---- */

static bool is_read(struct str token)
{
    struct jwt_claims c = { .user_id = "" };

    if (jwt_read(token, &c))
        return false;
    check_text(c.user_id);
    check_text(c.session_id);
    check_text(c.organization_id);
    BUG_ON(!c.user_id[0] || c.issued_s < 0 || c.expires_s <= c.issued_s);
    BUG_ON(!http_value_is_safe(token));
    return true;
}

/* Claims in a token of our own make: what is behind its dots does not matter, more dots do. */
static void fuzz_claims(struct str claims)
{
    struct buf token;
    size_t n;

    buf_init(&token, TOKEN_MAX);
    if (!buf_add(&token, STR("e30.")) && !base64_add(&token, claims)) {
        for (size_t i = 0; i < token.n; i++)
            token.p[i] = token.p[i] == '+' ? '-' : token.p[i] == '/' ? '_' : token.p[i];
        while (token.n > 0 && token.p[token.n - 1] == '=')
            token.n--;
        BUG_ON(buf_add(&token, STR(".c2ln")));
        n = token.n;
        BUG_ON(is_read(buf_str(&token)) && is_read(str_sub(buf_str(&token), 0, n - 5)));
        BUG_ON(buf_add(&token, STR(".x")) || is_read(buf_str(&token)));
    }
    buf_deinit(&token);
}

static void fuzz_token(struct str body)
{
    struct arena a;
    struct str jwt;

    arena_init(&a);
    if (!clerk_read_token(body, &a, &jwt)) {
        BUG_ON(!utf8_is_valid(jwt));
        is_read(jwt);
    }
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str in = copy_of((struct str){ (const char *)p, n });

    fuzz_client(in, "response", "");
    fuzz_client(in, "client", "");
    fuzz_client(in, "response", "sess_1");
    BUG_ON(!clerk_is_signed_out(401, in) || clerk_is_signed_out(500, in));
    if (clerk_is_signed_out(404, in))
        BUG_ON(!clerk_is_signed_out(422, in));
    fuzz_token(in);
    is_read(in);
    fuzz_claims(in);
    free_copy(in);
    return 0;
}
