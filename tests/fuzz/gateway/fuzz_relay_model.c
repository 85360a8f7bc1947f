/* SPDX-License-Identifier: Apache-2.0 */
/* The model that a body names: the first line is its Content-Type. Properties: more bytes never
 * change what was found in fewer, nor that there are two; what is found lies in the body and reads
 * back as what takes its place. */
#include "gateway/relay_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void expect_same(struct str type, struct str body, size_t cut, enum relay_verdict whole,
                        const struct relay_model *m, struct arena *a)
{
    struct relay_model part;
    enum relay_verdict verdict = relay_model_find(type, str_sub(body, 0, cut), a, &part);

    BUG_ON(verdict != RELAY_MODEL_UNKNOWN && verdict != whole);
    if (verdict == RELAY_MODEL_FOUND)
        BUG_ON(part.at != m->at || part.n != m->n || !str_eq(part.name, m->name));
    BUG_ON(relay_model_is_doubled(type, str_sub(body, 0, cut)) &&
           !relay_model_is_doubled(type, body));
}

static void expect_replaced(struct str type, struct str body, const struct relay_model *m,
                            struct arena *a)
{
    struct relay_model again;
    struct buf out;

    buf_init(&out, body.n + 64);
    BUG_ON(relay_model_replace(m, body, STR("an-other"), &out) != ERR_NONE);
    BUG_ON(!str_eq(str_sub(buf_str(&out), 0, m->at), str_sub(body, 0, m->at)));
    BUG_ON(relay_model_find(type, buf_str(&out), a, &again) != RELAY_MODEL_FOUND);
    BUG_ON(!str_eq(again.name, STR("an-other")) || again.at != m->at);
    BUG_ON(!str_eq(str_from(buf_str(&out), again.at + again.n), str_from(body, m->at + m->n)));
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str body;
    struct str type = str_cut((struct str){ (const char *)p, n }, '\n', &body);
    struct relay_model m;
    enum relay_verdict whole;
    struct arena a;

    arena_init(&a);
    whole = relay_model_find(type, body, &a, &m);
    if (whole == RELAY_MODEL_FOUND) {
        BUG_ON(m.n == 0 || m.at + m.n > body.n);
        BUG_ON(m.name.n == 0 || m.name.n > RELAY_MODEL_MAX);
        expect_replaced(type, body, &m, &a);
    }
    for (size_t cut = 0; cut < body.n && cut < 300; cut++)
        expect_same(type, body, cut, whole, &m, &a);
    arena_deinit(&a);
    return 0;
}
