/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and histograms with labels, of the whole process: a row for each set of label values
 * that came, made once and never taken away. Any thread; counting takes no lock.
 *
 * Rows are bounded, whatever the values are: of the last ones the last label is "other", and when
 * all are taken the one row of which all labels are "other" counts.
 */
#pragma once

#include "base/exposition.h"
#include "base/histogram.h"

enum { SERIES_LABELS_MAX = 4, SERIES_VALUE_MAX = 200, SERIES_ROWS_MAX = 1000 };

/* Labels of a row, and what is in it: a counter, several with one more label, or a histogram. Names
 * and help are in the table of series.c. */
enum series {
    SERIES_REQUESTS, /* dialect, endpoint, upstream, model; outcome: completed, failed, canceled */
    SERIES_FAILURES, /* upstream, code */
    SERIES_TOKENS,   /* upstream, model; direction: input, output */
    SERIES_TOKEN_DETAILS, /* upstream, model; detail: cached, reasoning */
    SERIES_DURATION,      /* dialect, upstream; slow */
    SERIES_FIRST_TOKEN,   /* upstream; slow */
    SERIES_QUEUE,         /* upstream; slow */
    SERIES_OVERHEAD,      /* fast */
    SERIES_STORE,         /* operation; fast */
    SERIES_LOOP_LAG,      /* fast */
    SERIES_COUNT,
};

struct series_row;

/* The row of these values, one a label; it lives as long as the process. What is no UTF-8 or longer
 * than SERIES_VALUE_MAX is "other". */
struct series_row *series_row(enum series s, const struct str *values);

/* Of counters: adds to number `cell` of the row. */
void series_add(struct series_row *row, size_t cell, int64_t n);

/* Of a histogram: `n` times that took `us` each. */
void series_observe(struct series_row *row, int64_t us, int64_t n);

/* The sum of a cell over all rows. */
int64_t series_total(enum series s, size_t cell);

/* All rows of a histogram together. */
void series_histogram(enum series s, struct histogram *ret);

/* Writes all of them. */
void series_write(struct exposition *e);
