/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of single requests: read by pages, filtered, and as lines of CSV. */
#include "ledger/query.h"

#include <inttypes.h>

#include "json/reader.h"

static const char *const columns[] = {
    "id",
    "time",
    "request_id",
    "key",
    "dialect",
    "endpoint",
    "model",
    "requested_model",
    "upstream",
    "account",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "estimated",
    "cost_micros",
    "status",
    "finish",
    "first_token_ms",
    "duration_ms",
    "attempts",
    "bytes_in",
    "bytes_out",
    "aborted",
};

/* ---- reading ---- */

/* By the same names as sums. */
static bool has_text(struct str row, const char *name, const char *wanted)
{
    char part[LEDGER_PART_MAX], wanted_part[LEDGER_PART_MAX];
    struct json_value v;
    struct buf text;
    bool is_it;

    if (!wanted[0])
        return true;
    buf_init(&text, LEDGER_NAME_MAX);
    is_it = !json_find(row, &v, name, NULL) && !json_text_add(&v, &text) &&
            str_eq(ledger_part(buf_str(&text), part), ledger_part(str_of(wanted), wanted_part));
    buf_deinit(&text);
    return is_it;
}

static bool is_asked_for(const struct ledger_query *q, struct str row)
{
    struct json_value v;
    struct str day;

    if (json_find(row, &v, "time", NULL) || v.raw.n < 1 + LEDGER_DAY_LEN)
        return false;
    day = str_sub(v.raw, 1, LEDGER_DAY_LEN);
    return memcmp(day.p, q->from, LEDGER_DAY_LEN) >= 0 &&
           memcmp(day.p, q->to, LEDGER_DAY_LEN) <= 0 && has_text(row, "key", q->key) &&
           has_text(row, "model", q->model);
}

static void on_rows(void *arg, const struct store_result *result)
{
    struct ledger_reader *r = arg;

    r->op = NULL;
    r->is_at_end = result->err || result->n_rows == 0;
    for (size_t i = 0; i < result->n_rows; i++) {
        r->before = result->rows[i].id;
        if (is_asked_for(r->query, result->rows[i].value))
            r->each(r->arg, r->before, result->rows[i].value);
    }
    r->paused(r->arg, result->err);
}

void ledger_read_page(struct ledger_reader *r)
{
    r->op = store_read(r->port, STORE_USAGE, r->before, STORE_ROWS_MAX, on_rows, r);
    store_wait_longer(r->op);
}

/* ---- JSON lines ---- */

enum err ledger_jsonl_row(uint64_t id, struct str row, struct buf *out)
{
    enum err err = buf_addf(out, "{\"id\":%" PRIu64 ",", id);

    if (!err)
        err = buf_add(out, str_from(row, 1));
    return err ? err : buf_add_char(out, '\n');
}

/* ---- CSV ---- */

/* OWASP, "CSV Injection". */
static bool is_formula(struct str text)
{
    return text.n > 0 && str_find_char(STR("=+-@\t\r"), text.p[0]) != SIZE_MAX;
}

enum err ledger_csv_text(struct str text, struct buf *out)
{
    enum err err = buf_add(out, is_formula(text) ? STR("\"'") : STR("\""));

    for (size_t i = 0; i < text.n && !err; i++)
        err = buf_add(out, text.p[i] == '"' ? STR("\"\"") : str_sub(text, i, 1));
    return err ? err : buf_add(out, STR("\""));
}

static enum err add_field(struct buf *out, struct str row, const char *name)
{
    struct json_value v;
    struct buf text;
    enum err err;

    if (json_find(row, &v, name, NULL) || v.type == JSON_NONE || v.type == JSON_NULL)
        return ERR_NONE;
    if (v.type != JSON_STRING)
        return buf_add(out, v.raw);
    buf_init(&text, v.raw.n);
    err = json_text_add(&v, &text);
    if (!err)
        err = ledger_csv_text(buf_str(&text), out);
    buf_deinit(&text);
    return err;
}

enum err ledger_csv_head(struct buf *out)
{
    enum err err = ERR_NONE;

    for (size_t i = 0; i < COUNT_OF(columns) && !err; i++)
        err = buf_addf(out, "%s%s", i ? "," : "", columns[i]);
    return err ? err : buf_add(out, STR("\r\n"));
}

enum err ledger_csv_row(uint64_t id, struct str row, struct buf *out)
{
    enum err err = buf_addf(out, "%" PRIu64, id);

    for (size_t i = 1; i < COUNT_OF(columns) && !err; i++) {
        err = buf_add_char(out, ',');
        if (!err)
            err = add_field(out, row, columns[i]);
    }
    return err ? err : buf_add(out, STR("\r\n"));
}
