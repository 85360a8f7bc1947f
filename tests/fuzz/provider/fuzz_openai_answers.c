/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OpenAI-compatible upstream says besides its answers: its list of models, and errors of
 * any status. Properties: names are texts, and all are there afterwards; whatever was said, the
 * client is told something, on one line, of the kind that the status has.
 */
#include "base/encoding.h"
#include "http/digest.h"
#include "provider/openai/models.h"
#include "provider/openai/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void fuzz_models(struct str body)
{
    struct models *m = models_new(NULL);
    const struct str *names, *kept;
    size_t n;
    struct arena a;

    arena_init(&a);
    if (!models_read(body, &a, &names, &n)) {
        for (size_t i = 0; i < n; i++)
            BUG_ON(names[i].n == 0 || !utf8_is_valid(names[i]));
        BUG_ON(!models_claim(m, 1000, 1000));
        BUG_ON(models_set(m, body, 1000));
        BUG_ON(models_get(m, &a, &kept) != n);
        for (size_t i = 0; i < n; i++)
            BUG_ON(!str_eq(kept[i], names[i]));
    }
    arena_deinit(&a);
    models_free(m);
}

static void check_failure(const struct failure *f)
{
    BUG_ON(!f->kind || f->message.n == 0);
    for (size_t i = 0; i < f->message.n; i++)
        BUG_ON((unsigned char)f->message.p[i] < 0x20 || f->message.p[i] == 0x7f);
}

static void fuzz_failure(int code, struct str body)
{
    struct answer_status status = { .code = code };
    struct failure f = { 0 };
    struct arena a;

    arena_init(&a);
    status_failure(&f, &a, "local", &status, body);
    BUG_ON(f.kind != status_rule(&status)->kind);
    check_failure(&f);
    status_as_it_is(&f, &a, STR("application/json"), body);
    check_failure(&f);
    status_error_inside(&f, &a, "local", body, body);
    check_failure(&f);
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const int codes[] = { 200, 302, 400, 401, 402, 403, 404, 408,
                                 409, 413, 422, 429, 499, 500, 503, 599 };

    if (n < 1)
        return 0;
    struct str in = copy_of((struct str){ (const char *)p + 1, n - 1 });

    fuzz_models(in);
    fuzz_failure(codes[p[0] % COUNT_OF(codes)], in);
    free_copy(in);
    return 0;
}
