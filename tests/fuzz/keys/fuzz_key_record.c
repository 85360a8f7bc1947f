/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a key, as operators send them to make one or to change it. Properties: what is
 * taken can be kept, and reads back as the same; the same change again changes nothing; what is
 * refused says which member is wrong. Any bytes may stand in the store. */
#include "keys/key_record.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void expect_kept(const struct key_record *k, struct arena *a)
{
    struct key_record back;
    struct buf first, second;

    buf_init(&first, STORE_VALUE_MAX);
    buf_init(&second, STORE_VALUE_MAX);
    BUG_ON(key_record_write(k, &first));
    BUG_ON(key_record_read(k->id, buf_str(&first), a, &back));
    BUG_ON(key_record_write(&back, &second));
    BUG_ON(!str_eq(buf_str(&first), buf_str(&second)));
    BUG_ON(key_record_is_limited(k) != key_record_is_limited(&back));
    for (size_t i = 0; i < k->n_models; i++)
        BUG_ON(!key_record_allows(&back, k->models[i]));
    buf_deinit(&first);
    buf_deinit(&second);
}

/* A change of `k`, made twice. */
static void fuzz_edit(struct key_record *k, struct str json, struct arena *a)
{
    struct key_problem problem = { .text = "" };
    struct buf once, twice;

    buf_init(&once, STORE_VALUE_MAX);
    buf_init(&twice, STORE_VALUE_MAX);
    if (key_record_edit(k, json, a, &problem)) {
        expect_kept(k, a);
        BUG_ON(key_record_write(k, &once));
        BUG_ON(!key_record_edit(k, json, a, &problem));
        BUG_ON(key_record_write(k, &twice));
        BUG_ON(!str_eq(buf_str(&once), buf_str(&twice)));
    } else {
        BUG_ON(!problem.text[0]);
    }
    buf_deinit(&once);
    buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str json = { (const char *)p, n };
    struct key_problem problem = { .text = "" };
    struct key_record k;
    char text[KEY_TEXT_LEN + 1];
    struct arena a;

    arena_init(&a);
    if (key_record_new(&k, json, 1, &a, text, &problem))
        expect_kept(&k, &a);
    else
        BUG_ON(!problem.text[0]);
    BUG_ON(!key_record_new(&k, STR("{\"name\":\"x\"}"), 1, &a, text, &problem));
    fuzz_edit(&k, json, &a);
    if (key_record_read(STR("key_x"), json, &a, &k) == ERR_NONE)
        expect_kept(&k, &a);
    arena_deinit(&a);
    return 0;
}
