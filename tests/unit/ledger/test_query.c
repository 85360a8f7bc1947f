/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about usage, and rows as CSV. */
#include "ledger/query.h"

#include <stdio.h>

#include "net/net_test.h"

static struct {
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    bool is_closed;
    bool is_told;
    enum err err;
    char text[8192];
} f;

#define LONG "a-model-whose-name-is-longer-than-what-sums-keep-of-names"

static void add(const char *day, const char *key, const char *model, int64_t tokens)
{
    struct store_tally t = { .numbers = { [LEDGER_REQUESTS] = 1, [LEDGER_PROMPT] = tokens } };

    ledger_sum_key(&t.key,
                   &(struct ledger_of){ str_of(day), str_of(key), str_of(model), STR("cto") });
    store_tally(f.port, &t, 1, STORE_FOREVER, NULL, NULL, NULL);
}

static void begin(void)
{
    memset(&f, 0, sizeof(f));
    f.loop = loop_new();
    f.store = store_memory_new(1000);
    f.port = store_port_open(f.store, f.loop);
    add("2026-11-25", "key_b", "GPT5", 1);
    add("2026-11-26", "key_a", "Claude", 20);
    add("2026-11-26", "key_a", "GPT5", 300);
    add("2026-11-26", "key_b", "GPT5", 4000);
}

static void on_closed(UNUSED void *arg)
{
    f.is_closed = true;
}

static void end(void)
{
    store_port_close(f.port, on_closed, NULL);
    RUN_UNTIL(f.loop, f.is_closed);
    store_close(f.store);
    loop_free(f.loop);
}

static void on_answer(UNUSED void *arg, enum err err, struct str json)
{
    f.is_told = true;
    f.err = err;
    str_to_z(json, f.text, sizeof(f.text));
}

/* The lines of the answer up to their requests, one behind the other. */
static const char *ask(const struct ledger_query *q)
{
    static char out[2048];
    const char *at;
    size_t n = 0;

    f.is_told = false;
    ledger_ask(f.port, q, on_answer, NULL);
    EXPECT(!f.is_told);
    RUN_UNTIL(f.loop, f.is_told);
    EXPECT_INT(f.err, ERR_NONE);
    at = strstr(f.text, "\"data\":[") + 8;
    for (out[0] = '\0'; *at == '{'; at += *at == ',') {
        const char *cut = strstr(at, "\"requests\"");
        const char *tokens = strstr(at, "\"prompt_tokens\":") + 16;

        struct str number = str_sub(str_of(tokens), 0, strcspn(tokens, ",}"));

        n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s%.*s;", (int)(cut - at), at,
                              STR_ARGS(number));
        at = strchr(at, '}') + 1;
    }
    return out;
}

static struct ledger_query of(const char *by, const char *key, const char *model)
{
    struct ledger_query q;

    ledger_query_init(&q, 1795651200000); /* 2026-11-26 */
    EXPECT(!ledger_query_set(&q, "by", str_of(by)));
    EXPECT(!ledger_query_set(&q, "key", str_of(key)));
    EXPECT(!ledger_query_set(&q, "model", str_of(model)));
    EXPECT(!ledger_query_check(&q));
    return q;
}

static void sums_are_grouped_and_filtered(void)
{
    static const struct {
        const char *by, *key, *model, *want;
    } rows[] = {
        { "day", "", "", "{\"day\":\"2026-11-25\",1;{\"day\":\"2026-11-26\",4320;" },
        { "key", "", "", "{\"key\":\"key_a\",320;{\"key\":\"key_b\",4001;" },
        { "model", "key_a", "", "{\"model\":\"Claude\",20;{\"model\":\"GPT5\",300;" },
        { "upstream", "", "GPT5", "{\"upstream\":\"cto\",4301;" },
        { "model,day", "key_b", "",
          "{\"day\":\"2026-11-25\",\"model\":\"GPT5\",1;"
          "{\"day\":\"2026-11-26\",\"model\":\"GPT5\",4000;" },
        { "day", "key_c", "", "" },
    };

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ledger_query q = of(rows[i].by, rows[i].key, rows[i].model);

        EXPECT_Z(ask(&q), rows[i].want);
    }
    end();
}

static void a_long_name_is_found_by_all_of_it(void)
{
    struct ledger_query q = of("key", "", LONG);

    begin();
    add("2026-11-24", "key_l", LONG, 50000);
    add("2026-11-24", "key_m", LONG "-2", 600000);
    EXPECT_Z(ask(&q), "{\"key\":\"key_l\",50000;");
    end();
}

static void days_are_a_range(void)
{
    struct ledger_query q = of("day", "", "");

    begin();
    EXPECT_Z(q.from, "2026-10-28");
    EXPECT_Z(q.to, "2026-11-26");
    EXPECT(!ledger_query_set(&q, "to", STR("2026-11-25")));
    EXPECT_Z(ask(&q), "{\"day\":\"2026-11-25\",1;");
    EXPECT(!ledger_query_set(&q, "from", STR("2026-11-26")));
    EXPECT(ledger_query_check(&q) != NULL);
    end();
}

static void what_is_wrong_is_refused(void)
{
    struct ledger_query q;
    char name[LEDGER_NAME_MAX + 2];

    ledger_query_init(&q, 0);
    memset(name, 'x', sizeof(name));
    EXPECT(ledger_query_set(&q, "by", STR("hour")) != NULL);
    EXPECT(ledger_query_set(&q, "by", STR("")) != NULL);
    EXPECT(ledger_query_set(&q, "from", STR("2026-1-1")) != NULL);
    EXPECT(ledger_query_set(&q, "key", (struct str){ name, sizeof(name) }) != NULL);
}

/* ---- rows ---- */

static void add_row(const char *key, const char *model, unsigned i)
{
    char row[256];
    int n = snprintf(row, sizeof(row),
                     "{\"time\":\"2026-11-26T00:00:00.000Z\",\"request_id\":\"r%u\","
                     "\"key\":\"%s\",\"model\":\"%s\"}",
                     i, key, model);

    store_append(f.port, STORE_USAGE, (struct str){ row, (size_t)n }, 10000, NULL, NULL);
}

static struct {
    uint64_t first, last; /* ids */
    size_t n;
} got;

static void on_row(UNUSED void *arg, uint64_t id, UNUSED struct str row)
{
    EXPECT(got.n == 0 || id < got.last);
    got.first = got.n++ ? got.first : id;
    got.last = id;
}

static void on_paused(UNUSED void *arg, enum err err)
{
    EXPECT_INT(err, ERR_NONE);
    f.is_told = true;
}

static void read_rows(const struct ledger_query *q, uint64_t before)
{
    struct ledger_reader r = {
        .port = f.port, .query = q, .before = before, .each = on_row, .paused = on_paused
    };

    memset(&got, 0, sizeof(got));
    while (!r.is_at_end) {
        f.is_told = false;
        ledger_read_page(&r);
        RUN_UNTIL(f.loop, f.is_told);
    }
}

static void rows_are_read_from_the_newest_on(void)
{
    struct ledger_query all = of("day", "", ""), mine = of("day", "key_b", "GPT5");

    begin();
    for (unsigned i = 1; i <= 3 * STORE_ROWS_MAX; i++)
        add_row(i % 3 ? "key_a" : "key_b", "GPT5", i);
    read_rows(&all, UINT64_MAX);
    EXPECT(got.n == 3 * STORE_ROWS_MAX && got.first == 3 * STORE_ROWS_MAX && got.last == 1);
    read_rows(&all, 5);
    EXPECT(got.n == 4 && got.first == 4);
    read_rows(&mine, UINT64_MAX);
    EXPECT(got.n == STORE_ROWS_MAX && got.first == 3 * STORE_ROWS_MAX && got.last == 3);
    EXPECT(!ledger_query_set(&mine, "from", STR("2026-11-27")));
    EXPECT(!ledger_query_set(&mine, "to", STR("2026-11-28")));
    read_rows(&mine, UINT64_MAX);
    EXPECT_INT(got.n, 0);
    end();
}

/* As sums have it: all of a long name, or what they show of it. */
static void rows_are_found_by_the_names_of_sums(void)
{
    char part[LEDGER_PART_MAX];
    struct str shown = ledger_part(STR(LONG), part);
    struct ledger_query q = of("day", "", LONG);

    begin();
    add_row("key_a", LONG, 1);
    add_row("key_a", LONG "-2", 2);
    read_rows(&q, UINT64_MAX);
    EXPECT(got.n == 1 && got.last == 1);
    EXPECT(!ledger_query_set(&q, "model", shown));
    read_rows(&q, UINT64_MAX);
    EXPECT(got.n == 1 && got.last == 1);
    end();
}

/* RFC 4180; and no spreadsheet shall calculate what a client wrote. */
static void fields_are_quoted(void)
{
    static const struct {
        const char *text, *field;
    } rows[] = {
        { "GPT5", "\"GPT5\"" }, { "a,\"b\"\n", "\"a,\"\"b\"\"\n\"" }, { "=1+1", "\"'=1+1\"" },
        { "-1", "\"'-1\"" },    { "@SUM(A1)", "\"'@SUM(A1)\"" },      { "\tx", "\"'\tx\"" },
        { "", "\"\"" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;

        buf_init(&out, 100);
        EXPECT_INT(ledger_csv_text(str_of(rows[i].text), &out), ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].field);
        buf_deinit(&out);
    }
}

static void a_row_has_its_columns_in_order(void)
{
    struct buf out;

    buf_init(&out, 4096);
    EXPECT_INT(ledger_csv_row(7,
                              STR("{\"status\":200,\"model\":\"=x\",\"time\":\"T\","
                                  "\"first_token_ms\":null,\"aborted\":false}"),
                              &out),
               ERR_NONE);
    EXPECT_STR(buf_str(&out), "7,\"T\",,,,,\"'=x\",,,,,,,,,,200,,,,,,,false\r\n");
    buf_clear(&out);
    EXPECT_INT(ledger_jsonl_row(7, STR("{\"status\":200}"), &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), "{\"id\":7,\"status\":200}\n");
    buf_clear(&out);
    EXPECT_INT(ledger_csv_head(&out), ERR_NONE);
    EXPECT(str_starts(buf_str(&out),
                      STR("id,time,request_id,key,dialect,endpoint,model,requested_model,")));
    buf_deinit(&out);
}

static const struct test suite[] = {
    { "sums are grouped and filtered", sums_are_grouped_and_filtered },
    { "a long name is found by all of it", a_long_name_is_found_by_all_of_it },
    { "days are a range", days_are_a_range },
    { "what is wrong is refused", what_is_wrong_is_refused },
    { "rows are read from the newest on", rows_are_read_from_the_newest_on },
    { "rows are found by the names of sums", rows_are_found_by_the_names_of_sums },
    { "fields are quoted", fields_are_quoted },
    { "a row has its columns in order", a_row_has_its_columns_in_order },
};
TEST_MAIN(suite)
