/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of tool calls in all the ways in which upstreams cut them. */
#include "chat/tool_calls.h"

#include "base/mem.h"
#include "test.h"

struct row {
    size_t index;
    const char *id;
    const char *name;
    const char *arguments;
};

static struct chat_tool_piece piece_of(const struct row *r)
{
    return (struct chat_tool_piece){ r->index, str_of(r->id), str_of(r->name),
                                     str_of(r->arguments) };
}

/* Pieces as "0:id name arguments;". */
static void expect_pieces(const struct row *rows, size_t n, const char *want, const char *calls)
{
    struct tool_calls t;
    struct arena a;
    struct buf out;

    arena_init(&a);
    buf_init(&out, 4096);
    tool_calls_init(&t, STR("x"), 100);
    for (size_t i = 0; i < n; i++) {
        const struct chat_tool_piece piece = piece_of(&rows[i]);
        struct chat_tool_piece p;

        EXPECT_INT(tool_calls_add(&t, &piece, &p), ERR_NONE);
        EXPECT_INT(buf_addf(&out, "%zu:%.*s %.*s %.*s;", p.index, STR_ARGS(p.id), STR_ARGS(p.name),
                            STR_ARGS(p.arguments)),
                   ERR_NONE);
    }
    EXPECT_STR(buf_str(&out), want);
    buf_clear(&out);
    for (size_t i = 0; i < t.n; i++) {
        const struct chat_tool_call *c = &tool_calls_list(&t, &a)[i];

        EXPECT_INT(buf_addf(&out, "%.*s %.*s %.*s;", STR_ARGS(c->id), STR_ARGS(c->name),
                            STR_ARGS(c->arguments)),
                   ERR_NONE);
    }
    EXPECT_STR(buf_str(&out), calls);
    tool_calls_deinit(&t);
    buf_deinit(&out);
    arena_deinit(&a);
}

static void id_and_name_come_once(void)
{
    static const struct row rows[] = {
        { 0, "a", "f", "" },  { 0, "", "", "{" }, { 0, "a", "f", "1" },
        { 1, "b", "g", "x" }, { 0, "", "", "}" }, { 1, "b", "", "y" },
    };

    expect_pieces(rows, COUNT_OF(rows), "0:a f ;0:  {;0:  1;1:b g x;0:  };1:  y;",
                  "a f {1};b g xy;");
}

static void calls_of_one_index_are_told_apart_by_their_ids(void)
{
    static const struct row rows[] = { { 0, "a", "f", "1" },
                                       { 0, "b", "f", "2" },
                                       { 0, "", "", "3" } };

    expect_pieces(rows, COUNT_OF(rows), "0:a f 1;1:b f 2;1:  3;", "a f 1;b f 23;");
}

static void what_has_no_id_gets_one(void)
{
    static const struct row rows[] = { { 7, "", "f", "1" },
                                       { 9, "", "g", "2" },
                                       { 7, "", "", "3" } };

    expect_pieces(rows, COUNT_OF(rows), "0:call_x_0 f 1;1:call_x_1 g 2;0:  3;",
                  "call_x_0 f 13;call_x_1 g 2;");
}

static void knows_its_bounds(void)
{
    struct chat_tool_piece p = { .id = STR("a"), .name = STR("f"), .arguments = STR("12345") };
    struct chat_tool_piece out;
    struct tool_calls t;

    tool_calls_init(&t, STR("x"), 8);
    EXPECT_INT(tool_calls_add(&t, &p, &out), ERR_NONE);
    EXPECT_INT(tool_calls_add(&t, &p, &out), ERR_TOO_BIG);
    tool_calls_deinit(&t);
    tool_calls_init(&t, STR("x"), 0);
    for (p.index = 0; p.index < TOOL_CALLS_MAX; p.index++)
        EXPECT_INT(tool_calls_add(&t, &p, &out), ERR_NONE);
    EXPECT_INT(tool_calls_add(&t, &p, &out), ERR_TOO_BIG);
    tool_calls_deinit(&t);
}

static void a_failing_allocation_is_reported(void)
{
    const struct chat_tool_piece p = { .name = STR("f"), .arguments = STR("1") };
    struct chat_tool_piece out;
    struct tool_calls t;
    uint64_t n = 0;
    enum err err;

    do {
        tool_calls_init(&t, STR("x"), 8);
        mem_fail_nth(++n);
        err = tool_calls_add(&t, &p, &out);
        mem_fail_nth(0);
        EXPECT(err == ERR_NONE || err == ERR_NOMEM);
        tool_calls_deinit(&t);
    } while (err);
    EXPECT(n > 3);
}

static const struct test suite[] = {
    { "id and name come once", id_and_name_come_once },
    { "calls of one index are told apart by their ids",
      calls_of_one_index_are_told_apart_by_their_ids },
    { "what has no id gets one", what_has_no_id_gets_one },
    { "knows its bounds", knows_its_bounds },
    { "a failing allocation is reported", a_failing_allocation_is_reported },
};

TEST_MAIN(suite)
