/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/price.h"

enum { DIGITS = 6, MILLION = 1000000 };

enum err price_parse(struct str text, int64_t *ret)
{
    struct str fraction;
    struct str whole = str_cut(text, '.', &fraction);
    bool has_point = whole.n < text.n;
    uint64_t units, parts = 0;

    if (str_to_u64(whole, PRICE_MAX, &units) || fraction.n > DIGITS || (has_point && !fraction.n))
        return ERR_BAD_INPUT;
    if (fraction.n && str_to_u64(fraction, MILLION, &parts))
        return ERR_BAD_INPUT;
    for (size_t i = fraction.n; i < DIGITS; i++)
        parts *= 10;
    *ret = (int64_t)(units * MILLION + parts);
    return units > PRICE_MAX / MILLION || *ret > PRICE_MAX ? ERR_TOO_BIG : ERR_NONE;
}

const struct price *price_find(const struct price *list, size_t n, struct str model)
{
    const struct price *best = NULL;

    for (size_t i = 0; i < n; i++) {
        struct str name = list[i].model;

        if (str_eq(name, model))
            return &list[i];
        if (name.n && name.p[name.n - 1] == '*' &&
            str_starts(model, str_sub(name, 0, name.n - 1)) && (!best || name.n > best->model.n))
            best = &list[i];
    }
    return best;
}

static int64_t at_most(int64_t n, int64_t max)
{
    return n < 0 ? 0 : n > max ? max : n;
}

int64_t price_cost(const struct price *p, int64_t input, int64_t cached, int64_t output)
{
    __extension__ typedef __int128 wide;
    wide sum;

    if (!p)
        return 0;
    input = at_most(input, INT64_C(1) << 53);
    cached = at_most(cached, input);
    output = at_most(output, INT64_C(1) << 53);
    sum = (wide)(input - cached) * p->input + (wide)cached * p->cached_input +
          (wide)output * p->output;
    sum = (sum + MILLION / 2) / MILLION;
    return sum > INT64_C(1) << 53 ? INT64_C(1) << 53 : (int64_t)sum;
}
