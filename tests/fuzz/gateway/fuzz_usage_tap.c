/* SPDX-License-Identifier: Apache-2.0 */
/* Properties: where an answer is cut must not change what it tells; what is told is a count; a
 * body is at most as many tokens as bytes twice over. */
#include <stdint.h>

#include "gateway/usage_tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct usage_tap feed(struct str type, struct str answer, size_t cut)
{
    struct usage_tap t = { .n = 0 };

    usage_tap_start(&t, type, STR(""));
    usage_tap_feed(&t, str_sub(answer, 0, cut));
    usage_tap_feed(&t, str_from(answer, cut));
    return t;
}

static void expect_same(const struct usage_tap *a, const struct usage_tap *b)
{
    BUG_ON(a->has_usage != b->has_usage);
    BUG_ON(a->usage.prompt_tokens != b->usage.prompt_tokens);
    BUG_ON(a->usage.completion_tokens != b->usage.completion_tokens);
    BUG_ON(a->usage.cached_tokens != b->usage.cached_tokens);
    BUG_ON(a->n > USAGE_TAP_MAX || a->depth != b->depth || a->in_string != b->in_string);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const types[] = { "application/json", "text/event-stream" };
    struct str text = { (const char *)p, n };
    struct arena a;

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct usage_tap whole = feed(str_of(types[i]), text, n);

        BUG_ON(whole.usage.prompt_tokens < 0 || whole.usage.completion_tokens < 0);
        BUG_ON(whole.usage.cached_tokens > whole.usage.prompt_tokens);
        for (size_t cut = 0; cut < n && cut < 300; cut++) {
            struct usage_tap t = feed(str_of(types[i]), text, cut);

            expect_same(&whole, &t);
        }
    }
    arena_init(&a);
    BUG_ON(usage_of_text(STR("application/json"), text, &a) > (int64_t)(2 * n));
    arena_deinit(&a);
    return 0;
}
