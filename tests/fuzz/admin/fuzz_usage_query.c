/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about usage, as the query of a URL has them, and a text as a field of the answer's CSV.
 * Properties: what is taken is whole: days are days, groups are known, names end; what is refused
 * says what was expected and changes no day; a field reads back as the text, never as a formula.
 */
#include "http/digest.h"
#include "http/url.h"
#include "ledger/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { VALUE_MAX = 512 };

static void check_query(const struct ledger_query *q)
{
    BUG_ON(!ledger_is_day(str_of(q->from)) || !ledger_is_day(str_of(q->to)));
    BUG_ON(q->by >= 2 * LEDGER_BY_UPSTREAM);
    BUG_ON(strnlen(q->key, sizeof(q->key)) == sizeof(q->key));
    BUG_ON(strnlen(q->model, sizeof(q->model)) == sizeof(q->model));
}

static void fuzz_query(struct str in)
{
    static const char *const names[] = { "from", "to", "by", "key", "model" };
    struct ledger_query q;
    char value[VALUE_MAX];
    const char *wrong;

    ledger_query_init(&q, INT64_C(1790000000000));
    check_query(&q);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!url_query_get(in, names[i], value, sizeof(value)))
            continue;
        wrong = ledger_query_set(&q, names[i], str_of(value));
        BUG_ON(wrong && !wrong[0]);
        check_query(&q);
        BUG_ON(!wrong && i < 2 && strcmp(i ? q.to : q.from, value) != 0);
        BUG_ON(!wrong && i == 2 && q.by == 0);
    }
    wrong = ledger_query_check(&q);
    BUG_ON(!wrong != (strcmp(q.from, q.to) <= 0));
}

/* RFC 4180: a quote in a field is doubled. */
static void fuzz_field(struct str text)
{
    struct buf out, back;
    struct str inner;

    buf_init(&out, 2 * text.n + 8);
    buf_init(&back, text.n + 8);
    BUG_ON(ledger_csv_text(text, &out));
    inner = str_sub(buf_str(&out), 1, out.n - 2);
    BUG_ON(out.p[0] != '"' || out.p[out.n - 1] != '"');
    for (size_t i = 0; i < inner.n; i++) {
        BUG_ON(buf_add_char(&back, inner.p[i]));
        if (inner.p[i] == '"')
            BUG_ON(++i == inner.n || inner.p[i] != '"');
    }
    BUG_ON(back.n > 0 && str_find_char(STR("=+-@\t\r"), back.p[0]) != SIZE_MAX);
    BUG_ON(!str_eq(str_from(buf_str(&back), back.n - text.n), text));
    buf_deinit(&out);
    buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str in = copy_of((struct str){ (const char *)p, n });

    fuzz_query(in);
    fuzz_field(in);
    free_copy(in);
    return 0;
}
