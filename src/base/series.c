/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of pointers a family, open addressing. A row is whole before its pointer is stored, and
 * neither ever changes: finding one needs no lock, only making one does.
 */
#include "base/series.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/encoding.h"
#include "base/mem.h"

enum {
    SLOTS = 2048,                        /* more than twice the rows */
    ROWS_FREE = SERIES_ROWS_MAX * 3 / 4, /* then the last label of new ones is "other" */
    SUM = HISTOGRAM_BUCKETS,             /* the cell of a histogram behind its buckets */
    CELLS_MAX = 3,
};

static const struct spec {
    const char *name;
    const char *help;
    const char *labels[SERIES_LABELS_MAX]; /* the last is the one with the most values */
    size_t n_labels;
    bool is_histogram;
    enum histogram_range range;
    const char *cell_label; /* NULL: one counter */
    const char *cells[CELLS_MAX];
    size_t n_cells;
} specs[] = {
    [SERIES_REQUESTS] = { .name = "requests_total",
                          .help = "Requests that an upstream was to answer, by how they ended; "
                                  "canceled: the client left.",
                          .labels = { "dialect", "endpoint", "upstream", "model" },
                          .n_labels = 4,
                          .cell_label = "outcome",
                          .cells = { "completed", "failed", "canceled" },
                          .n_cells = 3 },
    [SERIES_FAILURES] = { .name = "request_failures_total",
                          .help = "Those of requests_total that failed, by the code of the error.",
                          .labels = { "upstream", "code" },
                          .n_labels = 2,
                          .n_cells = 1 },
    [SERIES_TOKENS] = { .name = "tokens_total",
                        .help = "Tokens of requests, as the upstream counts them, else estimated.",
                        .labels = { "upstream", "model" },
                        .n_labels = 2,
                        .cell_label = "direction",
                        .cells = { "input", "output" },
                        .n_cells = 2 },
    [SERIES_TOKEN_DETAILS] = { .name = "token_details_total",
                               .help = "Input tokens that the upstream had cached, and output "
                                       "tokens that were reasoning; tokens_total counts them, too.",
                               .labels = { "upstream", "model" },
                               .n_labels = 2,
                               .cell_label = "detail",
                               .cells = { "cached", "reasoning" },
                               .n_cells = 2 },
    [SERIES_DURATION] = { .name = "request_duration_seconds",
                          .help = "How long requests took, from their head to the end of the "
                                  "answer.",
                          .labels = { "dialect", "upstream" },
                          .n_labels = 2,
                          .is_histogram = true,
                          .range = HISTOGRAM_SLOW },
    [SERIES_FIRST_TOKEN] = { .name = "first_token_seconds",
                             .help = "How long until the first piece of an answer was here.",
                             .labels = { "upstream" },
                             .n_labels = 1,
                             .is_histogram = true,
                             .range = HISTOGRAM_SLOW },
    [SERIES_QUEUE] = { .name = "queue_wait_seconds",
                       .help = "How long requests waited for an account.",
                       .labels = { "upstream" },
                       .n_labels = 1,
                       .is_histogram = true,
                       .range = HISTOGRAM_SLOW },
    [SERIES_OVERHEAD] = { .name = "gateway_overhead_seconds",
                          .help = "How long requests were in the gateway's own hands: without "
                                  "waiting for an account or for an upstream.",
                          .is_histogram = true,
                          .range = HISTOGRAM_FAST },
    [SERIES_STORE] = { .name = "store_operation_seconds",
                       .help = "How long the store took for an operation.",
                       .labels = { "operation" },
                       .n_labels = 1,
                       .is_histogram = true,
                       .range = HISTOGRAM_FAST },
    [SERIES_LOOP_LAG] = { .name = "event_loop_lag_seconds",
                          .help = "How long a turn of an event loop kept everything else waiting, "
                                  "to the millisecond.",
                          .is_histogram = true,
                          .range = HISTOGRAM_FAST },
};

struct series_row {
    const struct spec *spec;
    uint32_t hash;
    struct str values[SERIES_LABELS_MAX]; /* behind the cells */
    _Atomic int64_t cells[];
};

static struct {
    struct series_row *_Atomic rows[SLOTS];
    size_t n; /* under the lock */
} tables[SERIES_COUNT];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- rows ---- */

static uint64_t load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15U;
    return h ^ h >> 32;
}

/* For every request several times, hence by words. The values are names that exist here, so that
 * nobody can choose them to collide. */
static uint32_t hash_of(const struct str *values, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i < n; i++) {
        const char *p = values[i].p;
        size_t left = values[i].n;

        h ^= left << 56; /* "a", "bc" is not "ab", "c" */
        for (; left > 8; left -= 8, p += 8)
            h = mix(h, load(p));
        if (values[i].n >= 8)
            h = mix(h, load(p + left - 8));
        else
            for (; left > 0; left--, p++)
                h = mix(h, (unsigned char)*p);
    }
    return (uint32_t)h;
}

static bool is_row(const struct series_row *row, uint32_t hash, const struct str *values, size_t n)
{
    if (row->hash != hash)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(row->values[i], values[i]))
            return false;
    return true;
}

/* The row, or the free slot where it belongs. */
static struct series_row *find(enum series s, uint32_t hash, const struct str *values, size_t n,
                               size_t *ret_slot)
{
    size_t slot = hash % SLOTS;
    struct series_row *row;

    while ((row = atomic_load_explicit(&tables[s].rows[slot], memory_order_acquire)) != NULL) {
        if (is_row(row, hash, values, n))
            return row;
        slot = (slot + 1) % SLOTS;
    }
    *ret_slot = slot;
    return NULL;
}

static struct series_row *make(enum series s, uint32_t hash, const struct str *values, size_t n)
{
    const struct spec *spec = &specs[s];
    size_t n_cells = spec->is_histogram ? HISTOGRAM_BUCKETS + 1 : spec->n_cells;
    size_t cells = n_cells * sizeof(_Atomic int64_t);
    size_t bytes = 0;
    struct series_row *row;
    char *at;

    for (size_t i = 0; i < n; i++)
        bytes += values[i].n;
    row = mem_alloc(sizeof(*row) + cells + bytes);
    row->spec = spec;
    row->hash = hash;
    at = (char *)row + sizeof(*row) + cells;
    for (size_t i = 0; i < n; i++) {
        memcpy(at, values[i].p, values[i].n);
        row->values[i] = (struct str){ at, values[i].n };
        at += values[i].n;
    }
    return row;
}

/* Under the lock. */
static struct series_row *find_or_make(enum series s, const struct str *values, size_t n)
{
    uint32_t hash = hash_of(values, n);
    size_t slot;
    struct series_row *row = find(s, hash, values, n, &slot);

    if (row)
        return row;
    row = make(s, hash, values, n);
    tables[s].n++;
    atomic_store_explicit(&tables[s].rows[slot], row, memory_order_release);
    return row;
}

static struct series_row *add_row(enum series s, const struct str *values, size_t n)
{
    struct str bounded[SERIES_LABELS_MAX];
    struct series_row *row;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n; i++) {
        bool is_fit = values[i].n <= SERIES_VALUE_MAX && utf8_is_valid(values[i]);
        bool is_last = i == n - 1;

        bounded[i] =
            !is_fit || tables[s].n >= SERIES_ROWS_MAX || (is_last && tables[s].n >= ROWS_FREE)
                ? STR("other")
                : values[i];
    }
    row = find_or_make(s, bounded, n);
    pthread_mutex_unlock(&lock);
    return row;
}

struct series_row *series_row(enum series s, const struct str *values)
{
    size_t n = specs[s].n_labels;
    size_t slot;
    struct series_row *row = find(s, hash_of(values, n), values, n, &slot);

    return row ? row : add_row(s, values, n);
}

/* ---- counting ---- */

static void add(struct series_row *row, size_t cell, int64_t n)
{
    atomic_fetch_add_explicit(&row->cells[cell], n, memory_order_relaxed);
}

static int64_t get(const struct series_row *row, size_t cell)
{
    return atomic_load_explicit(&row->cells[cell], memory_order_relaxed);
}

void series_add(struct series_row *row, size_t cell, int64_t n)
{
    if (n > 0)
        add(row, cell, n);
}

void series_observe(struct series_row *row, int64_t us, int64_t n)
{
    add(row, histogram_bucket(row->spec->range, us), n);
    if (us > 0)
        add(row, SUM, us * n);
}

/* ---- reading ---- */

/* *slot begins at 0; NULL at the end. */
static const struct series_row *next_row(enum series s, size_t *slot)
{
    const struct series_row *row = NULL;

    while (!row && *slot < SLOTS)
        row = atomic_load_explicit(&tables[s].rows[(*slot)++], memory_order_acquire);
    return row;
}

int64_t series_total(enum series s, size_t cell)
{
    const struct series_row *row;
    size_t slot = 0;
    int64_t sum = 0;

    while ((row = next_row(s, &slot)) != NULL)
        sum += get(row, cell);
    return sum;
}

static void read_histogram(const struct series_row *row, struct histogram *to)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += get(row, i);
    to->sum_us += get(row, SUM);
}

void series_histogram(enum series s, struct histogram *ret)
{
    const struct series_row *row;
    size_t slot = 0;

    *ret = (struct histogram){ .range = specs[s].range };
    while ((row = next_row(s, &slot)) != NULL)
        read_histogram(row, ret);
}

/* ---- writing ---- */

/* `labels` has room for one more. */
static void write_histogram(struct exposition *e, const struct series_row *row,
                            struct exposition_label *labels, size_t n)
{
    const struct histogram_bound *bounds = histogram_bounds(row->spec->range);
    struct histogram h = { .range = row->spec->range };
    int64_t count = 0;

    read_histogram(row, &h);
    labels[n].name = STR("le");
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += h.buckets[i];
        labels[n].value = i < HISTOGRAM_BOUNDS ? str_of(bounds[i].text) : STR("+Inf");
        exposition_sample(e, "_bucket", labels, n + 1, count);
    }
    exposition_sample_us(e, "_sum", labels, n, h.sum_us);
    exposition_sample(e, "_count", labels, n, count);
}

static void write_counters(struct exposition *e, const struct series_row *row,
                           struct exposition_label *labels, size_t n)
{
    const struct spec *spec = row->spec;

    for (size_t i = 0; i < spec->n_cells; i++) {
        if (spec->cell_label)
            labels[n] =
                (struct exposition_label){ str_of(spec->cell_label), str_of(spec->cells[i]) };
        exposition_sample(e, "", labels, n + (spec->cell_label ? 1 : 0), get(row, i));
    }
}

static void write_row(struct exposition *e, const struct series_row *row)
{
    struct exposition_label labels[SERIES_LABELS_MAX + 1];
    size_t n = row->spec->n_labels;

    for (size_t i = 0; i < n; i++)
        labels[i] = (struct exposition_label){ str_of(row->spec->labels[i]), row->values[i] };
    if (row->spec->is_histogram)
        write_histogram(e, row, labels, n);
    else
        write_counters(e, row, labels, n);
}

void series_write(struct exposition *e)
{
    for (size_t s = 0; s < SERIES_COUNT; s++) {
        const struct series_row *row;
        size_t slot = 0;

        exposition_family(e, specs[s].name, specs[s].is_histogram ? "histogram" : "counter",
                          specs[s].help);
        while ((row = next_row((enum series)s, &slot)) != NULL)
            write_row(e, row);
    }
}
