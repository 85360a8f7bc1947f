/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a key as a client sends it. Properties: a text that is ours is so with none of its
 * characters changed, left out or doubled; what is made here is ours. */
#include "base/mem.h"
#include "keys/key_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_changed(struct str key, char c)
{
    char text[KEY_TEXT_LEN];
    struct str changed = { text, sizeof(text) };

    for (size_t i = 0; i < key.n; i++) {
        memcpy(text, key.p, sizeof(text));
        text[i] = c;
        BUG_ON(key.p[i] != c && key_text_judge(changed) == KEY_TEXT_OURS);
    }
    BUG_ON(key_text_judge(str_from(key, 1)) == KEY_TEXT_OURS);
    BUG_ON(key_text_judge(str_sub(key, 0, key.n - 1)) == KEY_TEXT_OURS);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *copy = mem_alloc(n);
    struct str text = { copy, n };
    char made[KEY_TEXT_LEN + 1];

    if (n > 0)
        memcpy(copy, p, n);
    if (key_text_judge(text) == KEY_TEXT_OURS)
        check_changed(text, 'A');
    if (n > 0) {
        key_text_new(made);
        BUG_ON(key_text_judge(str_of(made)) != KEY_TEXT_OURS);
        check_changed(str_of(made), (char)p[0]);
    }
    mem_free(copy);
    return 0;
}
