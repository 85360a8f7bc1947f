/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context, 3.2: which traceparents are taken over. */
#include "trace/context.h"

#include "test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static const struct {
    const char *text;
    bool is_one;
    bool is_sampled;
} rows[] = {
    { "00-" TRACE "-" SPAN "-01", true, true },
    { "00-" TRACE "-" SPAN "-00", true, false },
    { "00-" TRACE "-" SPAN "-03", true, true },
    { "00-" TRACE "-" SPAN "-02", true, false },
    { "cc-" TRACE "-" SPAN "-01", true, true },
    { "cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", true, true },
    { "cc-" TRACE "-" SPAN "-01.what", false, false },
    { "00-" TRACE "-" SPAN "-01-more", false, false },
    { "ff-" TRACE "-" SPAN "-01", false, false },
    { "00-00000000000000000000000000000000-" SPAN "-01", false, false },
    { "00-" TRACE "-0000000000000000-01", false, false },
    { "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false, false },
    { "00-" TRACE "-" SPAN "-0", false, false },
    { "00-" TRACE "-" SPAN "-0x", false, false },
    { "00_" TRACE "-" SPAN "-01", false, false },
    { "00-" TRACE "_" SPAN "-01", false, false },
    { "00-" TRACE "-" SPAN "_01", false, false },
    { "0x-" TRACE "-" SPAN "-01", false, false },
    { "0:-" TRACE "-" SPAN "-01", false, false },
    { "0/-" TRACE "-" SPAN "-01", false, false },
    { "00-" TRACE "-b7ad6b71692033g1-01", false, false },
    { "00-`af7651916cd43dd8448eb211c80319c-" SPAN "-01", false, false },
    { "0-" TRACE "-" SPAN "-01", false, false },
    { "", false, false },
};

static void takes_over_what_the_standard_allows(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct trace_context c;

        EXPECT_INT(trace_context_read(str_of(rows[i].text), &c), rows[i].is_one);
        if (rows[i].is_one)
            EXPECT_INT(c.is_sampled, rows[i].is_sampled);
    }
}

static void writes_what_it_reads(void)
{
    struct trace_context c;
    char text[TRACEPARENT_LEN + 1];

    EXPECT(trace_context_read(str_of(rows[0].text), &c));
    trace_context_write(&c, text);
    EXPECT_Z(text, rows[0].text);
}

static void a_child_has_a_span_of_its_own(void)
{
    struct trace_context parent, child;

    trace_context_new(&parent);
    EXPECT(!parent.is_sampled);
    parent.is_sampled = true;
    trace_context_child(&parent, &child);
    EXPECT(child.is_sampled);
    EXPECT(memcmp(parent.trace_id, child.trace_id, TRACE_ID_LEN) == 0);
    EXPECT(memcmp(parent.span_id, child.span_id, SPAN_ID_LEN) != 0);
}

/* Of 20,000 a tenth, give or take eight standard deviations. */
static void a_share_is_sampled(void)
{
    struct trace_context c;
    int n = 0;

    for (int i = 0; i < 20000; i++) {
        trace_context_new(&c);
        n += trace_context_sample(&c, false, TRACE_RATIO, 100);
        EXPECT(!trace_context_sample(&c, false, TRACE_RATIO, 0));
        EXPECT(trace_context_sample(&c, false, TRACE_RATIO, 1000));
    }
    EXPECT(n > 2000 - 8 * 43 && n < 2000 + 8 * 43);
}

/* Of W3C Trace Context level 2: the last 56 bits, of which the highest are sampled. */
static void a_share_goes_by_the_id_of_the_trace(void)
{
    static const struct {
        const char *id;
        int64_t least; /* the smallest share, in thousandths, by which it is sampled */
    } cases[] = {
        { "00-ffffffffffffffffff00000000000000-0123456789abcdef-01", 1000 },
        { "00-00000000000000000080000000000000-0123456789abcdef-01", 500 },
        { "00-000000000000000000e6666666666700-0123456789abcdef-01", 100 },
        { "00-000000000000000000ffffffffffffff-0123456789abcdef-01", 1 },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trace_context c;

        EXPECT(trace_context_read(str_of(cases[i].id), &c));
        EXPECT(trace_context_sample(&c, false, TRACE_RATIO, cases[i].least));
        EXPECT(!trace_context_sample(&c, false, TRACE_RATIO, cases[i].least - 1));
    }
}

static void samplers_are_those_of_the_standard(void)
{
    /* Sampled: begins here; goes on with a parent that is not sampled; with one that is. */
    static const struct {
        enum trace_sampler by;
        int64_t per_mille;
        bool root, off, on;
    } cases[] = {
        { TRACE_ON, 0, true, true, true },
        { TRACE_OFF, 1000, false, false, false },
        { TRACE_RATIO, 1000, true, true, true },
        { TRACE_RATIO, 0, false, false, false },
        { TRACE_PARENT_ON, 0, true, false, true },
        { TRACE_PARENT_OFF, 1000, false, false, true },
        { TRACE_PARENT_RATIO, 1000, true, false, true },
        { TRACE_PARENT_RATIO, 0, false, false, true },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trace_context c;

        trace_context_new(&c);
        EXPECT(trace_context_sample(&c, false, cases[i].by, cases[i].per_mille) == cases[i].root);
        EXPECT(trace_context_sample(&c, true, cases[i].by, cases[i].per_mille) == cases[i].off);
        c.is_sampled = true;
        EXPECT(trace_context_sample(&c, true, cases[i].by, cases[i].per_mille) == cases[i].on);
    }
}

static const struct test suite[] = {
    { "takes over what the standard allows", takes_over_what_the_standard_allows },
    { "writes what it reads", writes_what_it_reads },
    { "a child has a span of its own", a_child_has_a_span_of_its_own },
    { "a share is sampled", a_share_is_sampled },
    { "a share goes by the id of the trace", a_share_goes_by_the_id_of_the_trace },
    { "samplers are those of the standard", samplers_are_those_of_the_standard },
};
TEST_MAIN(suite)
