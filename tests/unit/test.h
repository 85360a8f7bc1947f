/* SPDX-License-Identifier: Apache-2.0 */
/* The suite array of a test file is its registration; cmocka runs it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

#define EXPECT(cond) assert_true(cond)
#define EXPECT_INT(got, want) assert_int_equal((got), (want))
#define EXPECT_Z(got, want) assert_string_equal((got), (want))
#define EXPECT_STR(got, want) expect_str((got), (want), __FILE__, __LINE__)

static inline void expect_str(struct str got, const char *want, const char *file, int line)
{
    if (str_eq(got, str_of(want)))
        return;
    print_error("%s:%d: got \"%.*s\", want \"%s\"\n", file, line, STR_ARGS(got), want);
    _fail(file, line);
}

struct test {
    const char *name;
    void (*run)(void);
};

static inline void run_one(void **state)
{
    ((const struct test *)*state)->run();
}

static inline int run_suite(const char *file, const struct test *suite, size_t n)
{
    struct CMUnitTest tests[128];

    if (n > COUNT_OF(tests))
        return 1;
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){ .name = suite[i].name,
                                        .test_func = run_one,
                                        .initial_state = (void *)(uintptr_t)&suite[i] };
    return _cmocka_run_group_tests(file, tests, n, NULL, NULL);
}

#define TEST_MAIN(suite)                                    \
    int main(void)                                          \
    {                                                       \
        return run_suite(__FILE__, suite, COUNT_OF(suite)); \
    }
