/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about usage: sums, grouped, as JSON; and rows of single requests, filtered. */
#pragma once

#include "base/buf.h"
#include "ledger/sums.h"

enum ledger_group {
    LEDGER_BY_DAY = 1,
    LEDGER_BY_KEY = 2,
    LEDGER_BY_MODEL = 4,
    LEDGER_BY_UPSTREAM = 8,
};

enum { LEDGER_NAME_MAX = 200, LEDGER_GROUPS_MAX = 20000, LEDGER_DAYS = 30 };

struct ledger_query {
    char from[LEDGER_DAY_LEN + 1]; /* days, both included */
    char to[LEDGER_DAY_LEN + 1];
    unsigned by;                   /* LEDGER_BY_... */
    char key[LEDGER_NAME_MAX + 1]; /* "": all */
    char model[LEDGER_NAME_MAX + 1];
};

/* The last LEDGER_DAYS days, by day. */
void ledger_query_init(struct ledger_query *q, int64_t wall_ms);

/* Sets what a parameter ("from", "to", "by", "key", "model") says. NULL, or what is wrong. */
const char *ledger_query_set(struct ledger_query *q, const char *name, struct str value);

/* NULL, or what is wrong with all of it together. */
const char *ledger_query_check(const struct ledger_query *q);

/* The answer, as docs/internals/admin-api.md has it, lives during the call of done(). ERR_LIMIT:
 * above LEDGER_GROUPS_MAX groups; else the store's. On the port's loop, never inside this call. */
void ledger_ask(struct store_port *p, const struct ledger_query *q,
                void (*done)(void *arg, enum err err, struct str json), void *arg);

/* ---- rows ---- */

/* Reads rows one page of the store at a time, the newest first. */
struct ledger_reader {
    struct store_port *port;
    const struct ledger_query *query; /* borrowed; `by` does not count */
    uint64_t before;                  /* rows with ids below; UINT64_MAX: all */
    bool is_at_end;
    /* A row's number, for `before`, and its JSON, which lives during the call. */
    void (*each)(void *arg, uint64_t id, struct str row);
    /* The page is over; more may follow unless is_at_end. */
    void (*paused)(void *arg, enum err err);
    void *arg;
    struct store_op *op; /* while it reads; store_forget() it to leave */
};

/* Reads the next page. On the port's loop, never calls inside this call. */
void ledger_read_page(struct ledger_reader *r);

/* Adds a row as a line of JSON, with its id. */
MUST_USE enum err ledger_jsonl_row(uint64_t id, struct str row, struct buf *out);

/* ---- CSV (RFC 4180) ---- */

/* The line of column names, and that of a row. A text that a spreadsheet would take for a formula
 * gets an apostrophe in front. */
MUST_USE enum err ledger_csv_head(struct buf *out);
MUST_USE enum err ledger_csv_row(uint64_t id, struct str row, struct buf *out);

/* A text as a field. */
MUST_USE enum err ledger_csv_text(struct str text, struct buf *out);
