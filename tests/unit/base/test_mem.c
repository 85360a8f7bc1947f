/* SPDX-License-Identifier: Apache-2.0 */
/* The heap's promises: zeroed, never NULL unless asked for, counted, made to fail on demand. */
#include "base/mem.h"

#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void gives_zeroed_memory_even_for_nothing(void)
{
    unsigned char *p = mem_alloc_array(100, 10);
    void *nothing = mem_alloc(0);

    for (size_t i = 0; i < 1000; i++)
        EXPECT_INT(p[i], 0);
    EXPECT(nothing != NULL);
    mem_free(nothing);
    mem_free(p);
    mem_free(NULL);
}

static void grows_an_array_and_keeps_it(void)
{
    uint32_t *p = mem_grow_array(NULL, 4, sizeof(*p));

    for (uint32_t i = 0; i < 4; i++)
        p[i] = i;
    p = mem_grow_array(p, 4000, sizeof(*p));
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_INT(p[i], i);
    p = mem_grow_array(p, 0, sizeof(*p));
    EXPECT(p != NULL);
    mem_free(p);
}

static void dies_of_an_impossible_product(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        close(STDERR_FILENO);
        mem_free(mem_alloc_array(SIZE_MAX / 2, 3));
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status));
}

static void fails_the_nth_try_once(void)
{
    void *p;

    for (uint64_t nth = 1; nth <= 4; nth++) {
        mem_fail_nth(nth);
        for (uint64_t i = 1; i <= 5; i++) {
            p = i % 2 ? mem_try(8) : mem_try_grow(NULL, 8);
            EXPECT_INT(p == NULL, i == nth);
            mem_free(p);
        }
    }
    mem_fail_nth(1);
    mem_fail_nth(0);
    p = mem_try(0);
    EXPECT(p != NULL);
    mem_free(p);
}

static void refuses_what_no_object_can_be(void)
{
    EXPECT(mem_try(SIZE_MAX) == NULL);
    EXPECT(mem_try_grow(NULL, (size_t)PTRDIFF_MAX + 1) == NULL);
}

static void a_failed_growth_leaves_the_old_block(void)
{
    char *p = mem_try(8);

    EXPECT(p != NULL);
    memcpy(p, "1234567", 8);
    mem_fail_nth(1);
    EXPECT(mem_try_grow(p, 4096) == NULL);
    EXPECT_Z(p, "1234567");
    mem_free(p);
}

static void a_fixed_allocation_is_not_made_to_fail(void)
{
    void *p;

    mem_fail_nth(1);
    mem_free(mem_alloc(8));
    p = mem_try(8);
    EXPECT(p == NULL);
    mem_free(p);
}

static void wipes_all_of_it(void)
{
    char secret[] = "cookie";

    mem_wipe(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        EXPECT_INT(secret[i], 0);
    mem_wipe(NULL, 0);
}

static void admits_new_work_up_to_the_limit(void)
{
    size_t before = mem_budget_used();

    EXPECT(mem_budget_has(SIZE_MAX / 2));
    mem_budget_set(before + 100);
    mem_budget_add(60);
    EXPECT_INT(mem_budget_used(), before + 60);
    EXPECT(mem_budget_has(40));
    EXPECT(!mem_budget_has(41));
    EXPECT(!mem_budget_has(SIZE_MAX));
    mem_budget_add(60);
    EXPECT(!mem_budget_has(0));
    mem_budget_sub(120);
    EXPECT(mem_budget_has(100));
    mem_budget_set(SIZE_MAX);
}

static const struct test suite[] = {
    { "gives zeroed memory, even for nothing", gives_zeroed_memory_even_for_nothing },
    { "grows an array and keeps it", grows_an_array_and_keeps_it },
    { "dies of an impossible product", dies_of_an_impossible_product },
    { "fails the n-th try once", fails_the_nth_try_once },
    { "refuses what no object can be", refuses_what_no_object_can_be },
    { "a failed growth leaves the old block", a_failed_growth_leaves_the_old_block },
    { "a fixed allocation is not made to fail", a_fixed_allocation_is_not_made_to_fail },
    { "wipes all of it", wipes_all_of_it },
    { "admits new work up to the limit", admits_new_work_up_to_the_limit },
};

TEST_MAIN(suite)
