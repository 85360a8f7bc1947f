/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's own WebSocket framing. */
#include "simulator/wire.h"

#include "test.h"

static void computes_the_accept_of_the_rfc(void)
{
    char accept[WIRE_ACCEPT_LEN + 1];

    sim_wire_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    EXPECT_Z(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* What was read, one letter an opcode and the payload. */
static enum err read_all(struct sim_wire *w, struct str in, size_t cut, struct buf *out)
{
    struct sim_frame f;
    enum err err = sim_wire_feed(w, str_sub(in, 0, cut));

    for (int half = 0; half < 2 && !err; half++) {
        while (!(err = sim_wire_next(w, &f)))
            EXPECT_INT(buf_addf(out, "%x%s%.*s/%d;", f.opcode, f.fin ? "" : "+",
                                STR_ARGS(f.payload), f.close_code),
                       ERR_NONE);
        if (err == ERR_AGAIN && half == 0)
            err = sim_wire_feed(w, str_from(in, cut));
    }
    return err;
}

static void reads_whatever_the_cut(void)
{
    struct sim_wire w;
    struct buf bytes;
    struct buf out;

    buf_init(&bytes, 1 << 20);
    buf_init(&out, 1 << 20);
    EXPECT_INT(sim_wire_frame(&bytes, WIRE_FIN | WIRE_TEXT, true, STR("ping")), ERR_NONE);
    EXPECT_INT(sim_wire_frame(&bytes, WIRE_TEXT, true, STR("a")), ERR_NONE);
    EXPECT_INT(sim_wire_frame(&bytes, WIRE_FIN | WIRE_CONTINUATION, true, STR("b")), ERR_NONE);
    EXPECT_INT(sim_wire_frame(&bytes, WIRE_FIN | WIRE_PING, true, STR("")), ERR_NONE);
    EXPECT_INT(sim_wire_frame(&bytes, WIRE_FIN | WIRE_CLOSE, true, STR("\x03\xe9")), ERR_NONE);
    for (size_t cut = 0; cut <= bytes.n; cut++) {
        sim_wire_init(&w);
        buf_clear(&out);
        EXPECT_INT(read_all(&w, buf_str(&bytes), cut, &out), ERR_AGAIN);
        EXPECT_STR(buf_str(&out), "1ping/0;1+a/0;0b/0;9/0;8\x03\xe9/1001;");
        sim_wire_deinit(&w);
    }
    buf_deinit(&bytes);
    buf_deinit(&out);
}

static void refuses_what_a_client_may_not_send(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *why;
    } rows[] = {
        { "\x81\x01x", 3, "a client's frame is not masked" },
        { "\xc1\x81\0\0\0\0x", 7, "a reserved bit is set" },
        { "\x83\x80\0\0\0\0", 6, "unknown opcode" },
        { "\x8b\x80\0\0\0\0", 6, "unknown opcode" },
        { "\x09\x80\0\0\0\0", 6, "a control frame is fragmented or too long" },
        { "\x89\xfe\0\x7e\0\0\0\0", 8, "a control frame is fragmented or too long" },
        { "\x81\xff\0\0\0\0\0\1\0\1\0\0\0\0", 14, "a message is longer than 65536 bytes" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sim_frame f;
        struct sim_wire w;

        sim_wire_init(&w);
        EXPECT_INT(sim_wire_feed(&w, (struct str){ rows[i].bytes, rows[i].n }), ERR_NONE);
        EXPECT_INT(sim_wire_next(&w, &f), ERR_PROTOCOL);
        EXPECT_Z(w.what, rows[i].why);
        sim_wire_deinit(&w);
    }
}

static void writes_lengths_in_their_shortest_form(void)
{
    static const struct {
        size_t n;
        size_t head;
    } rows[] = { { 0, 2 }, { 125, 2 }, { 126, 4 }, { 65535, 4 }, { 65536, 10 } };
    static char payload[65536];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;

        buf_init(&out, 1 << 20);
        EXPECT_INT(
            sim_wire_frame(&out, WIRE_FIN | WIRE_TEXT, false, (struct str){ payload, rows[i].n }),
            ERR_NONE);
        EXPECT_INT(out.n, rows[i].head + rows[i].n);
        buf_deinit(&out);
    }
}

static void fragments_as_often_as_asked(void)
{
    static const struct {
        const char *text;
        size_t n;
        const char *want;
    } rows[] = {
        { "abcd", 1,
          "\x81\x04"
          "abcd" },
        { "abcd", 2,
          "\x01\x02"
          "ab\x80\x02"
          "cd" },
        { "abc", 9,
          "\x01\x01"
          "a\x0FF" },
        { "", 3, "\x81" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;

        buf_init(&out, 100);
        EXPECT_INT(sim_wire_text(&out, str_of(rows[i].text), rows[i].n), ERR_NONE);
        if (i < 2)
            EXPECT_STR(buf_str(&out), rows[i].want);
        else
            EXPECT_INT(out.n, i == 2 ? 9 : 2);
        buf_deinit(&out);
    }
}

static const struct test suite[] = {
    { "computes the accept of the RFC", computes_the_accept_of_the_rfc },
    { "reads whatever the cut", reads_whatever_the_cut },
    { "refuses what a client may not send", refuses_what_a_client_may_not_send },
    { "writes lengths in their shortest form", writes_lengths_in_their_shortest_form },
    { "fragments as often as asked", fragments_as_often_as_asked },
};

TEST_MAIN(suite)
