/* SPDX-License-Identifier: Apache-2.0 */
/* The .env file. Properties: a file is whole exactly when there is no problem; each entry and each
 * problem has a line of the file; the last entry of a name is the one that is found. */
#include "base/arena.h"
#include "base/mem.h"
#include "gateway/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(const struct dotenv *env, unsigned lines)
{
    for (size_t i = 0; i < env->n; i++) {
        const struct dotenv_entry *e = &env->entries[i];
        const struct dotenv_entry *last = dotenv_find(env, e->name);

        BUG_ON(e->name.n == 0 || e->line == 0 || e->line > lines);
        BUG_ON(!last || last < e || !str_eq(last->name, e->name));
    }
    BUG_ON(env->n_problems > DOTENV_PROBLEMS_MAX);
    for (size_t i = 0; i < env->n_problems; i++)
        BUG_ON(!env->problems[i].what || env->problems[i].line > lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text = { (const char *)p, n };
    struct dotenv env = { .n = 0 };
    struct arena a;
    unsigned lines = 1;

    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n' || p[i] == '\r';
    arena_init(&a);
    enum err err = dotenv_parse(text, &a, &env);
    BUG_ON((err == ERR_BAD_INPUT) != (env.n_problems > 0));
    check(&env, lines);
    arena_deinit(&a);
    return 0;
}
