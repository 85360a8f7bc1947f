/* SPDX-License-Identifier: Apache-2.0 */
/* A reader that says where the bytes shall lie. */
#include "net_test.h"

static char own_room[8];

static char *three_at_a_time(void *arg, size_t *ret_size)
{
    struct seen *s = arg;

    EXPECT_INT(conn_waiting(s->conn), 11 - s->n);
    *ret_size = 3;
    return s->n < 6 ? own_room : NULL;
}

static void on_read_there(void *arg, enum err err, struct str bytes)
{
    struct seen *s = arg;

    EXPECT_INT(err, ERR_NONE);
    EXPECT((bytes.p == own_room) == (s->n < 6));
    EXPECT(bytes.n == (s->n < 9 ? 3 : 2));
    on_seen_read(arg, err, bytes);
}

static const struct conn_handler there_handler = { .on_read = on_read_there,
                                                   .on_writable = on_seen_writable,
                                                   .room = three_at_a_time };

static void reads_to_where_the_reader_wants_it(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c;
    int mine;

    tcp_pair(&mine, &other);
    set_nonblocking(mine);
    c = conn_new(l, mine);
    s = (struct seen){ .loop = l, .conn = c };
    conn_set_handler(c, &there_handler, &s);
    write_text(other, "hello world");
    run_for(l, 20);
    conn_read_start(c);
    RUN_UNTIL(l, s.n == 11);
    EXPECT_STR(seen_text(&s), "hello world");
    EXPECT_INT(s.reads, 4);
    conn_close(c, false);
    loop_free(l);
    close(other);
}

static const struct test suite[] = {
    { "reads to where the reader wants it", reads_to_where_the_reader_wants_it },
};

TEST_MAIN(suite)
