/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookie that a browser sends to the operators' API; '$' stands for a token that is signed in.
 * Properties: the token is a part of the header, behind the cookie's name; it opens the API when it
 * is exactly the one that was given out, with its key and in its time.
 */
#include "admin/admin_internal.h"
#include "http/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { HEADER_MAX = 1 << 14, NOW_S = 1000 };

static const struct str admin_key = { "operator-key", 12 };

/* With `token` for each '$'. */
static void expand(struct buf *out, struct str in, struct str token)
{
    for (size_t i = 0; i < in.n; i++)
        BUG_ON(in.p[i] == '$' ? buf_add(out, token) : buf_add_char(out, in.p[i]));
}

static void check_opens(struct sessions *s, const struct session *given, struct str token)
{
    struct session found = { .token = "" };
    bool is_it = str_eq(token, str_of(given->token));

    BUG_ON(sessions_find(s, token, admin_key, NOW_S, &found) != is_it);
    if (is_it)
        BUG_ON(strcmp(found.csrf, given->csrf) != 0 || found.expires_s != given->expires_s);
    BUG_ON(sessions_find(s, token, STR("another-key"), NOW_S, &found));
    BUG_ON(sessions_find(s, token, admin_key, given->expires_s, &found));
    sessions_end(s, token, admin_key);
    BUG_ON(sessions_find(s, token, admin_key, NOW_S, &found));
    BUG_ON(sessions_find(s, str_of(given->token), admin_key, NOW_S, &found) == is_it);
}

static void fuzz_header(struct sessions *s, const struct session *given, struct str header)
{
    static struct http_request r;
    struct str token;

    r.head.n_headers = 1;
    r.head.headers[0] = (struct http_header){ STR("Cookie"), header };
    token = admin_session_token(&r);
    if (!token.p)
        return;
    BUG_ON(token.p < header.p || token.p + token.n > header.p + header.n);
    BUG_ON(str_find_char(token, ';') != SIZE_MAX || !str_eq(str_trim(token), token));
    BUG_ON(str_find(header, STR(SESSION_COOKIE)) > (size_t)(token.p - header.p));
    check_opens(s, given, token);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct sessions *s;
    struct session given;
    struct buf header;
    struct str copy;

    if (n > HEADER_MAX / SESSION_TEXT)
        return 0;
    s = sessions_new();
    sessions_make(s, admin_key, NOW_S, &given);
    buf_init(&header, HEADER_MAX);
    expand(&header, (struct str){ (const char *)p, n }, str_of(given.token));
    copy = copy_of(buf_str(&header));
    fuzz_header(s, &given, copy);
    free_copy(copy);
    buf_deinit(&header);
    sessions_free(s);
    return 0;
}
