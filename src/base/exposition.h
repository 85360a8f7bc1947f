/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two text formats that scrapers read, Prometheus 0.0.4 and OpenMetrics 1.0, written into a
 * buffer. The first error stays: whoever writes asks for it once, at the end.
 *
 * What differs: OpenMetrics has UNIT, which the name tells ("_seconds", "_bytes"), calls a
 * counter's family by the name without "_total", and ends with "# EOF".
 */
#pragma once

#include "base/buf.h"

enum exposition_format { EXPOSITION_PROMETHEUS, EXPOSITION_OPENMETRICS, EXPOSITION_FORMATS };

/* A family in the making; all of its samples follow its head. */
struct exposition {
    struct buf *out; /* borrowed */
    enum exposition_format format;
    const char *name; /* of the family */
    const char *prefix;
    enum err err;
};

struct exposition_label {
    struct str name;
    struct str value; /* any UTF-8; escaped where needed */
};

void exposition_init(struct exposition *e, struct buf *out, enum exposition_format format);

/* What an HTTP Accept header asks for; empty: there is none. */
enum exposition_format exposition_choose(struct str accept);
const char *exposition_content_type(enum exposition_format format);

/* HELP and TYPE. `name` (static) gets "enginelabs2api_" in front unless it begins with "process_";
 * a counter's ends in "_total". `help` is a sentence without quotes and backslashes. */
void exposition_family(struct exposition *e, const char *name, const char *type, const char *help);

/* One line of that family; `suffix` stands behind its name ("_bucket"). */
void exposition_sample(struct exposition *e, const char *suffix,
                       const struct exposition_label *labels, size_t n, int64_t value);

/* The same with a time, told in seconds. */
void exposition_sample_us(struct exposition *e, const char *suffix,
                          const struct exposition_label *labels, size_t n, int64_t us);

/* The end of the document. ERR_NOMEM or ERR_TOO_BIG: it is not whole. */
MUST_USE enum err exposition_end(struct exposition *e);
