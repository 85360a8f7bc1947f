/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sign-in's cookies: the first line is what the user supplied, each other one a Set-Cookie of the
 * service. Properties: a jar is within its bounds and has a name once; what it writes may stand in
 * a header and reads back as the same jar; the same reply again changes nothing; a reply that is no
 * success takes nothing away.
 */
#include "http/digest.h"
#include "provider/date.h"
#include "provider/enginelabs/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define NOW_MS INT64_C(1790000000000)

static struct str name_of(const struct cookie *k)
{
    return str_sub(secret_reveal(&k->pair), 0, k->name_n);
}

static const struct cookie *find(const struct cookies *jar, struct str name)
{
    for (size_t i = 0; i < jar->n; i++)
        if (str_eq(name_of(&jar->items[i]), name))
            return &jar->items[i];
    return NULL;
}

static void check_jar(const struct cookies *jar)
{
    size_t bytes = 0;

    BUG_ON(jar->n > COOKIES_MAX || jar->bytes > COOKIES_MAX_BYTES);
    for (size_t i = 0; i < jar->n; i++) {
        BUG_ON(!http_name_is_safe(name_of(&jar->items[i])));
        BUG_ON(find(jar, name_of(&jar->items[i])) != &jar->items[i]);
        bytes += jar->items[i].pair.n;
    }
    BUG_ON(bytes != jar->bytes);
}

/* `which` has all that `jar` has. */
static void expect_all(const struct cookies *jar, const struct cookies *which)
{
    for (size_t i = 0; i < jar->n; i++) {
        const struct cookie *k = find(which, name_of(&jar->items[i]));

        BUG_ON(!k || !secret_eq(&k->pair, secret_reveal(&jar->items[i].pair)));
    }
}

/* One cookie alone may look like a bare value, so it is not asked to read back. */
static void check_written(const struct cookies *jar)
{
    static struct cookies again;
    struct buf out;

    buf_init(&out, 2 * COOKIES_MAX_BYTES);
    BUG_ON(cookies_write(jar, &out));
    BUG_ON(!http_value_is_safe(buf_str(&out)) || (out.n > 0) != (jar->n > 0));
    if (jar->n > 1) {
        BUG_ON(cookies_load(&again, buf_str(&out)));
        BUG_ON(again.n != jar->n);
        expect_all(jar, &again);
    }
    cookies_deinit(&again);
    buf_deinit(&out);
}

static void read_reply(struct http_head *head, struct str in)
{
    *head = (struct http_head){ .status = 200 };
    while (in.n > 0 && head->n_headers < HTTP_HEADERS_MAX) {
        struct str line = str_trim(str_cut(in, '\n', &in));

        if (http_value_is_safe(line))
            head->headers[head->n_headers++] = (struct http_header){ STR("Set-Cookie"), line };
    }
}

static void fuzz_reply(struct cookies *jar, struct http_head *head)
{
    static struct cookies before;

    cookies_copy(&before, jar);
    head->status = 401;
    cookies_merge(jar, head, NOW_MS);
    check_jar(jar);
    for (size_t i = 0; i < before.n; i++)
        BUG_ON(!find(jar, name_of(&before.items[i])));
    head->status = 200;
    cookies_merge(jar, head, NOW_MS);
    check_jar(jar);
    check_written(jar);
    cookies_deinit(&before);
}

static void fuzz_date(struct str text)
{
    int64_t at_ms, wait_ms = date_retry_after_ms(text, NOW_MS);

    BUG_ON(wait_ms < 0 || wait_ms > INT64_C(30) * 24 * 3600 * 1000);
    if (!date_parse(text, &at_ms))
        BUG_ON(at_ms % 1000 != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct cookies jar;
    static struct http_head head;
    struct str in = copy_of((struct str){ (const char *)p, n });
    struct str rest;
    struct str first = str_cut(in, '\n', &rest);

    fuzz_date(first);
    BUG_ON(!cookies_load(&jar, first) != (jar.n > 0));
    check_jar(&jar);
    check_written(&jar);
    read_reply(&head, rest);
    fuzz_reply(&jar, &head);
    cookies_deinit(&jar);
    free_copy(in);
    return 0;
}
