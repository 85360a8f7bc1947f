/* SPDX-License-Identifier: Apache-2.0 */
/* Names that were looked up a moment ago: how long that counts, and for whom. */
#include "fake_resolver.h"
#include "net_test.h"

#include "net/connector.h"

enum { KEPT_MAX = 16 };

struct found {
    unsigned n_done;
    enum err err;
    struct address list[RESOLVE_MAX];
    size_t n;
};

static struct loop *l;

static void on_found(void *arg, enum err err, const char *why, const struct address *list, size_t n)
{
    struct found *f = arg;

    (void)why;
    f->n_done++;
    f->err = err;
    f->n = n;
    if (n > 0)
        memcpy(f->list, list, n * sizeof(*list));
}

/* How many times libc was asked for it. */
static int look_up(const char *host, uint16_t port, struct found *ret)
{
    int before = n_asked;

    *ret = (struct found){ .n_done = 0 };
    resolve_start(l, host, port, on_found, ret);
    EXPECT_INT(ret->n_done, 0);
    RUN_UNTIL(l, ret->n_done == 1);
    return n_asked - before;
}

static void begin(void)
{
    l = loop_new();
    loop_clock_set(l, 1000);
}

static void end(void)
{
    resolve_forget("localhost");
    resolve_forget("both.test");
    loop_free(l);
}

static void asks_once_for_some_seconds(void)
{
    struct found f;

    begin();
    EXPECT_INT(look_up("both.test", 80, &f), 1);
    EXPECT_INT(f.n, 2);
    loop_clock_set(l, 1000 + RESOLVE_KEPT_MS - 1);
    EXPECT_INT(look_up("both.test", 443, &f), 0);
    EXPECT_INT(f.err, ERR_NONE);
    EXPECT_INT(f.n, 2);
    EXPECT_INT(f.list[0].sa.any.sa_family, AF_INET6);
    EXPECT_INT(address_port(&f.list[0]), 443);
    EXPECT_INT(address_port(&f.list[1]), 443);
    EXPECT_INT(look_up("localhost", 443, &f), 1);
    EXPECT_INT(f.n, 1);
    loop_clock_set(l, 1000 + RESOLVE_KEPT_MS);
    EXPECT_INT(look_up("both.test", 80, &f), 1);
    EXPECT_INT(look_up("localhost", 80, &f), 0);
    end();
}

static void asks_again_after_a_failure(void)
{
    struct found f;

    begin();
    for (int i = 0; i < 2; i++) {
        EXPECT_INT(look_up("nowhere.test", 80, &f), 1);
        EXPECT_INT(f.err, ERR_DNS);
        EXPECT_INT(look_up("empty.test", 80, &f), 1);
        EXPECT_INT(f.err, ERR_DNS);
    }
    end();
}

static void on_connect_done(void *arg, const struct connect_outcome *outcome)
{
    *(enum err *)arg = outcome->err;
    conn_close(outcome->conn, false);
}

static void asks_again_when_nobody_was_there(void)
{
    struct connector *c;
    struct endpoint to = { .host = "localhost" };
    enum err err = ERR_NONE;
    struct found f;

    begin();
    close(listen_loopback(&to.port));
    EXPECT_INT(look_up("localhost", 80, &f), 1);
    EXPECT_INT(look_up("both.test", 80, &f), 1);
    c = connector_new(l, NULL, NULL);
    connect_start(c, &to, 5000, on_connect_done, &err);
    RUN_UNTIL(l, err == ERR_REFUSED);
    EXPECT_INT(look_up("localhost", 80, &f), 1);
    EXPECT_INT(look_up("both.test", 80, &f), 0);
    resolve_forget("nowhere.test");
    connector_free(c);
    end();
}

static void tells_nobody_who_left(void)
{
    struct found f;
    struct resolve *r;

    begin();
    look_up("localhost", 80, &f);
    r = resolve_start(l, "localhost", 80, on_found, &f);
    resolve_cancel(r);
    run_turn_now(l);
    EXPECT_INT(f.n_done, 1);
    resolve_cancel(resolve_start(l, "localhost", 80, on_found, &f));
    end();
    EXPECT_INT(f.n_done, 1);
}

static void keeps_so_many_names(void)
{
    struct found f;
    char name[32];

    begin();
    for (int i = 0; i < KEPT_MAX + 1; i++) {
        snprintf(name, sizeof(name), "%d.many.test", i);
        loop_clock_set(l, 1001 + i);
        EXPECT_INT(look_up(name, 80, &f), 1);
    }
    EXPECT_INT(look_up("16.many.test", 80, &f), 0);
    EXPECT_INT(look_up("1.many.test", 80, &f), 0);
    EXPECT_INT(look_up("0.many.test", 80, &f), 1);
    EXPECT_INT(look_up("1.many.test", 80, &f), 1);
    end();
}

static const struct test suite[] = {
    { "asks once for some seconds", asks_once_for_some_seconds },
    { "asks again after a failure", asks_again_after_a_failure },
    { "asks again when nobody was there", asks_again_when_nobody_was_there },
    { "tells nobody who left", tells_nobody_who_left },
    { "keeps so many names", keeps_so_many_names },
};

TEST_MAIN(suite)
