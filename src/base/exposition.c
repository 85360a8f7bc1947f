/* SPDX-License-Identifier: Apache-2.0 */
#include "base/exposition.h"

#include <inttypes.h>

#define PREFIX "enginelabs2api_"

static void add(struct exposition *e, struct str s)
{
    if (!e->err)
        e->err = buf_add(e->out, s);
}

static void add_z(struct exposition *e, const char *z)
{
    add(e, str_of(z));
}

void exposition_init(struct exposition *e, struct buf *out, enum exposition_format format)
{
    *e = (struct exposition){ .out = out, .format = format };
}

/* ---- which format ---- */

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* "123" is 123, "5" is 500: the digits behind the point, in thousandths. */
static unsigned thousandths_of(struct str fraction)
{
    unsigned sum = 0;

    for (size_t i = 0; i < 3; i++) {
        char c = i < fraction.n ? fraction.p[i] : '0';

        sum = sum * 10 + (c >= '0' && c <= '9' ? (unsigned)(c - '0') : 0);
    }
    return sum;
}

/* The weight of an item in thousandths (RFC 9110 12.4.2); 1,000 without a valid one. */
static unsigned weight_of(struct str parameters)
{
    while (parameters.n) {
        struct str one = str_trim(str_cut(parameters, ';', &parameters));
        struct str fraction;
        uint64_t whole;

        if (!str_starts_nocase(one, STR("q=")))
            continue;
        if (str_to_u64(str_cut(str_from(one, 2), '.', &fraction), 1, &whole) || whole == 1)
            return 1000;
        return thousandths_of(fraction);
    }
    return 1000;
}

/* Of several ranges that match, the nearest counts (RFC 9110 12.5.1). */
static unsigned weight_for(struct str accept, const char *const ranges[3])
{
    unsigned weight = 0;
    int best = 3;
    struct str item, parameters;

    while (str_next_item(&accept, &item)) {
        struct str range = str_trim(str_cut(item, ';', &parameters));

        for (int i = 0; i < best; i++) {
            if (!str_eq_nocase(range, str_of(ranges[i])))
                continue;
            best = i;
            weight = weight_of(parameters);
        }
    }
    return weight;
}

enum exposition_format exposition_choose(struct str accept)
{
    static const char *const text[] = { "text/plain", "text/*", "*/*" };
    static const char *const open[] = { "application/openmetrics-text", "application/*", "*/*" };

    /* A browser or a script that takes anything gets what is older. */
    return weight_for(accept, open) > weight_for(accept, text) ? EXPOSITION_OPENMETRICS
                                                               : EXPOSITION_PROMETHEUS;
}

/* ---- families ---- */

static struct str unit_of(struct str name)
{
    static const char *const units[] = { "seconds", "bytes" };

    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (str_ends(name, str_of(units[i])))
            return str_of(units[i]);
    return STR("");
}

/* "# WHAT family text" */
static void add_comment(struct exposition *e, const char *what, struct str family, struct str text)
{
    add_z(e, what);
    add_z(e, e->prefix);
    add(e, family);
    add(e, STR(" "));
    add(e, text);
    add(e, STR("\n"));
}

void exposition_family(struct exposition *e, const char *name, const char *type, const char *help)
{
    struct str family = str_of(name);
    struct str without =
        str_ends(family, STR("_total")) ? str_sub(family, 0, family.n - 6) : family;

    e->name = name;
    e->prefix = str_starts(family, STR("process_")) ? "" : PREFIX;
    BUG_ON((strcmp(type, "counter") == 0) == (family.n == without.n));
    if (e->format == EXPOSITION_OPENMETRICS)
        family = without;
    add_comment(e, "# HELP ", family, str_of(help));
    add_comment(e, "# TYPE ", family, str_of(type));
    if (e->format == EXPOSITION_OPENMETRICS && unit_of(without).n)
        add_comment(e, "# UNIT ", family, unit_of(without));
}

/* ---- samples ---- */

static void add_value(struct exposition *e, struct str value)
{
    size_t done = 0;

    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c != '\\' && c != '"' && c != '\n')
            continue;
        add(e, str_sub(value, done, i - done));
        add_z(e, c == '\n' ? "\\n" : c == '"' ? "\\\"" : "\\\\");
        done = i + 1;
    }
    add(e, str_from(value, done));
}

static void begin_sample(struct exposition *e, const char *suffix,
                         const struct exposition_label *labels, size_t n)
{
    add_z(e, e->prefix);
    add_z(e, e->name);
    add_z(e, suffix);
    for (size_t i = 0; i < n; i++) {
        add_z(e, i == 0 ? "{" : ",");
        add(e, labels[i].name);
        add_z(e, "=\"");
        add_value(e, labels[i].value);
        add_z(e, "\"");
    }
    add_z(e, n > 0 ? "} " : " ");
}

void exposition_sample(struct exposition *e, const char *suffix,
                       const struct exposition_label *labels, size_t n, int64_t value)
{
    begin_sample(e, suffix, labels, n);
    if (!e->err)
        e->err = buf_addf(e->out, "%" PRId64 "\n", value);
}

void exposition_sample_us(struct exposition *e, const char *suffix,
                          const struct exposition_label *labels, size_t n, int64_t us)
{
    begin_sample(e, suffix, labels, n);
    if (!e->err)
        e->err = buf_addf(e->out, "%" PRId64 ".%06" PRId64 "\n", us / 1000000, us % 1000000);
}

enum err exposition_end(struct exposition *e)
{
    if (e->format == EXPOSITION_OPENMETRICS)
        add_z(e, "# EOF\n");
    return e->err;
}
