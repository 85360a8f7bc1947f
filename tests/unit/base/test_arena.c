/* SPDX-License-Identifier: Apache-2.0 */
/* All goes at once: memory, budget, and what hangs on the release. */
#include "base/arena.h"

#include "base/buf.h"
#include "base/mem.h"
#include "test.h"

static void take_and_soil(struct arena *a, size_t size)
{
    unsigned char *p = arena_alloc(a, size);

    EXPECT_INT((uintptr_t)p % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < size; i++)
        EXPECT_INT(p[i], 0);
    memset(p, 0xaa, size);
}

static void gives_zeroed_and_aligned_memory(void)
{
    struct arena a;

    arena_init(&a);
    for (int round = 0; round < 3; round++) { /* the heap hands soiled blocks out again */
        for (size_t size = 0; size < 9000; size = size * 5 / 4 + 1) {
            take_and_soil(&a, size);
            EXPECT_STR(arena_dup(&a, STR("odd")), "odd"); /* shifts the next one */
        }
        arena_deinit(&a);
    }
}

/* Every allocation keeps its own pattern, so that no two overlap. */
static void never_gives_a_byte_twice(void)
{
    static unsigned char *blocks[20000];
    static size_t sizes[COUNT_OF(blocks)];
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        sizes[i] = i * 7919 % (i % 500 == 0 ? 20000 : i % 2 ? 40 : 200);
        blocks[i] = i % 3 ? arena_alloc(&a, sizes[i]) : arena_try(&a, sizes[i]);
        EXPECT(blocks[i] != NULL);
        memset(blocks[i], (int)(i % 251), sizes[i]);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        for (size_t k = 0; k < sizes[i]; k++)
            EXPECT_INT(blocks[i][k], i % 251);
    arena_deinit(&a);
}

static void copies_and_prints_with_a_nul_behind(void)
{
    struct arena a;
    struct str s;

    arena_init(&a);
    s = arena_dup(&a, str_sub(STR("hello world"), 0, 5));
    EXPECT_Z(s.p, "hello");
    s = arena_dup(&a, (struct str){ NULL, 0 });
    EXPECT_Z(s.p, "");
    s = arena_printf(&a, "%s=%d", "k", 5000);
    EXPECT_Z(s.p, "k=5000");
    EXPECT_INT(s.n, 6);
    s = arena_printf(&a, "%20000d", 1);
    EXPECT_INT(s.n, 20000);
    EXPECT_INT(strlen(s.p), 20000);
    arena_deinit(&a);
}

static void gives_the_budget_back(void)
{
    size_t before = mem_budget_used();
    struct arena a;

    arena_init(&a);
    EXPECT_INT(mem_budget_used(), before);
    for (int i = 0; i < 100; i++)
        arena_alloc(&a, 100);
    arena_alloc(&a, 100000);
    EXPECT(a.used >= 110000 && a.used < 120000);
    EXPECT(mem_budget_used() - before >= a.used);
    EXPECT(mem_budget_used() - before < 140000);
    arena_deinit(&a);
    EXPECT_INT(mem_budget_used(), before);
    EXPECT_INT(a.used, 0);
}

/* Small fixed needs are met all the same: an error must still be written. */
static void says_no_to_a_peer_beyond_the_budget(void)
{
    struct arena a;

    arena_init(&a);
    mem_budget_set(mem_budget_used() + 100000);
    EXPECT(arena_try(&a, 50000) != NULL);
    EXPECT(!arena_try(&a, 60000));
    EXPECT(arena_alloc(&a, 60000) != NULL);
    EXPECT(!arena_try(&a, 3000));
    mem_budget_set(SIZE_MAX);
    EXPECT(arena_try(&a, 60000) != NULL);
    arena_deinit(&a);
}

static void says_no_to_a_peers_size(void)
{
    struct arena a;
    char *p;

    arena_init(&a);
    mem_fail_nth(1);
    EXPECT(arena_try(&a, 100) == NULL);
    mem_fail_nth(1);
    EXPECT(arena_try(&a, 100000) == NULL);
    EXPECT(arena_try(&a, SIZE_MAX) == NULL);
    EXPECT(arena_try(&a, SIZE_MAX - 16) == NULL);
    EXPECT_INT(a.used, 0);
    p = arena_try(&a, 100);
    EXPECT(p != NULL);
    mem_fail_nth(1);
    arena_alloc(&a, 100000); /* what we decide is not refused */
    mem_fail_nth(0);
    arena_deinit(&a);
}

static struct buf order;

static void note(void *arg)
{
    EXPECT_INT(buf_add_char(&order, *(const char *)arg), ERR_NONE);
}

static void note_late(void *arg)
{
    struct arena *a = arg;
    char *letter = arena_alloc(a, 1);

    *letter = 'd';
    arena_on_release(a, note, letter);
}

static void runs_releases_newest_first(void)
{
    char letters[] = "abc!";
    struct arena a;

    buf_init(&order, 100);
    arena_init(&a);
    arena_on_release(&a, note, &letters[0]);
    arena_on_release(&a, note_late, &a);
    arena_on_release(&a, note, &letters[1]);
    arena_on_release(&a, note, &letters[2]);
    arena_deinit(&a);
    EXPECT_STR(buf_str(&order), "cbda");
    arena_on_release(&a, note, &letters[3]);
    arena_deinit(&a);
    arena_deinit(&a);
    EXPECT_STR(buf_str(&order), "cbda!");
    buf_deinit(&order);
}

static void joins_texts(void)
{
    struct arena a;

    arena_init(&a);
    EXPECT_STR(arena_join(&a, STRS(STR("a"), { NULL, 0 }, STR("bc"))), "abc");
    EXPECT_INT(arena_join(&a, STRS(STR("a"), STR("b"))).p[2], '\0');
    EXPECT_STR(arena_join(&a, NULL, 0), "");
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "joins texts", joins_texts },
    { "gives zeroed and aligned memory", gives_zeroed_and_aligned_memory },
    { "never gives a byte twice", never_gives_a_byte_twice },
    { "copies and prints with a NUL behind", copies_and_prints_with_a_nul_behind },
    { "gives the budget back", gives_the_budget_back },
    { "says no to a peer beyond the budget", says_no_to_a_peer_beyond_the_budget },
    { "says no to a peer's size", says_no_to_a_peers_size },
    { "runs releases newest first", runs_releases_newest_first },
};

TEST_MAIN(suite)
