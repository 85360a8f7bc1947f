/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and sums on their way into the store, and the sums read back. */
#include "ledger/ledger.h"

#include <stdio.h>

#include "base/metrics.h"
#include "net/net_test.h"
#include "store/backend.h"

#define DAY INT64_C(1798709999123) /* 2026-12-31T09:39:59.123Z */

static struct {
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    struct ledger *ledger;
    bool is_closed;
    bool is_read;
    char text[4096]; /* what was read */
    int64_t dropped;
} f;

static const struct ledger_params all = { .sums_ttl_ms = STORE_FOREVER, .rows_max = 1000 };

static void begin(void)
{
    memset(&f, 0, sizeof(f));
    f.loop = loop_new();
    f.store = store_memory_new(100000);
    f.port = store_port_open(f.store, f.loop);
    f.ledger = ledger_open(f.loop, f.port, &all);
    f.dropped = metric_get(METRIC_USAGE_DROPPED);
    loop_clock_set(f.loop, loop_now_ms(f.loop)); /* stands */
}

static void on_closed(UNUSED void *arg)
{
    f.is_closed = true;
}

static void end(void)
{
    ledger_close(f.ledger);
    store_port_close(f.port, on_closed, NULL);
    RUN_UNTIL(f.loop, f.is_closed);
    store_close(f.store);
    loop_free(f.loop);
}

static void pass(int64_t ms)
{
    loop_clock_set(f.loop, loop_now_ms(f.loop) + ms);
    for (int i = 0; i < 5; i++)
        run_turn_now(f.loop);
}

static struct ledger_row row_of(const char *key, const char *model)
{
    return (struct ledger_row){ .wall_ms = DAY,
                                .request_id = STR("req_1"),
                                .key = str_of(key),
                                .dialect = STR("openai_chat"),
                                .endpoint = STR("/chat/completions"),
                                .model = str_of(model),
                                .requested_model = STR("as it came"),
                                .upstream = STR("cto"),
                                .account = STR("work"),
                                .prompt_tokens = 10,
                                .completion_tokens = 5,
                                .cost_micros = 7,
                                .status = 200,
                                .finish = STR("stop"),
                                .first_token_ms = 20,
                                .duration_ms = 100,
                                .attempts = 1,
                                .bytes_in = 30,
                                .bytes_out = 40 };
}

static void add(const char *key, const char *model)
{
    struct ledger_row row = row_of(key, model);

    ledger_add(f.ledger, &row);
}

static void on_sum(UNUSED void *arg, const struct ledger_of *of,
                   const int64_t numbers[LEDGER_NUMBERS])
{
    size_t n = strlen(f.text);

    snprintf(f.text + n, sizeof(f.text) - n, "%.*s %.*s %.*s %.*s %lld %lld %lld;",
             STR_ARGS(of->day), STR_ARGS(of->key), STR_ARGS(of->model), STR_ARGS(of->upstream),
             (long long)numbers[LEDGER_REQUESTS], (long long)numbers[LEDGER_PROMPT],
             (long long)numbers[LEDGER_COST]);
}

static void on_sums(UNUSED void *arg, enum err err)
{
    EXPECT_INT(err, ERR_NONE);
    f.is_read = true;
}

static const char *sums(const char *from, const char *to)
{
    f.text[0] = '\0';
    f.is_read = false;
    ledger_read_sums(f.port, str_of(from), str_of(to), on_sum, on_sums, NULL);
    EXPECT(!f.is_read);
    RUN_UNTIL(f.loop, f.is_read);
    return f.text;
}

static size_t n_rows;

static void on_rows(UNUSED void *arg, const struct store_result *result)
{
    n_rows = result->n_rows;
    str_to_z(n_rows ? result->rows[0].value : STR(""), f.text, sizeof(f.text));
    f.is_read = true;
}

static size_t rows(void)
{
    f.is_read = false;
    store_read(f.port, STORE_USAGE, UINT64_MAX, STORE_ROWS_MAX, on_rows, NULL);
    RUN_UNTIL(f.loop, f.is_read);
    return n_rows;
}

static void a_row_is_json(void)
{
    begin();
    add("key_1", "GPT5");
    EXPECT_INT(rows(), 0);
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(rows(), 1);
    EXPECT_Z(f.text,
             "{\"time\":\"2026-12-31T09:39:59.123Z\",\"request_id\":\"req_1\",\"key\":\"key_1\","
             "\"dialect\":\"openai_chat\",\"endpoint\":\"/chat/completions\",\"model\":\"GPT5\","
             "\"requested_model\":\"as it "
             "came\",\"upstream\":\"cto\",\"account\":\"work\",\"prompt_tokens\":10,"
             "\"completion_tokens\":5,\"reasoning_tokens\":0,\"cached_tokens\":0,"
             "\"estimated\":false,\"cost_micros\":7,\"status\":200,\"finish\":\"stop\","
             "\"first_token_ms\":20,\"duration_ms\":100,\"attempts\":1,\"bytes_in\":30,"
             "\"bytes_out\":40,\"aborted\":false}");
    end();
}

static void sums_add_up_by_day_key_model_and_upstream(void)
{
    struct ledger_row late = row_of("key_1", "GPT5");

    begin();
    add("key_1", "GPT5");
    add("key_1", "GPT5");
    pass(LEDGER_EVERY_MS);
    add("key_1", "GPT5");
    add("key_1", "Claude");
    add("key_2", "GPT5");
    late.wall_ms += 24 * 3600 * 1000;
    ledger_add(f.ledger, &late);
    pass(LEDGER_EVERY_MS);
    EXPECT_Z(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_1 Claude cto 1 10 7;"
                                               "2026-12-31 key_1 GPT5 cto 3 30 21;"
                                               "2026-12-31 key_2 GPT5 cto 1 10 7;");
    EXPECT_Z(sums("2027-01-01", "2027-02-01"), "2027-01-01 key_1 GPT5 cto 1 10 7;");
    EXPECT_Z(sums("2026-01-01", "2026-12-30"), "");
    EXPECT_INT(metric_get(METRIC_USAGE_DROPPED), f.dropped);
    end();
}

/* More sums than one page of the store, and than one tally. */
static void many_sums_are_all_read(void)
{
    char key[16], want[64];

    begin();
    for (unsigned i = 0; i < 600; i++) {
        snprintf(key, sizeof(key), "key_%03u", i);
        add(key, "GPT5");
    }
    pass(LEDGER_EVERY_MS);
    f.text[0] = '\0';
    sums("2026-12-31", "2026-12-31");
    snprintf(want, sizeof(want), "2026-12-31 key_000 GPT5 cto 1 10 7;");
    EXPECT(strncmp(f.text, want, strlen(want)) == 0);
    EXPECT_INT(rows(), STORE_ROWS_MAX);
    end();
}

static void a_batch_that_is_full_does_not_wait(void)
{
    begin();
    for (unsigned i = 0; i < LEDGER_BATCH; i++)
        add("key_1", "GPT5");
    EXPECT_INT(rows(), LEDGER_BATCH);
    end();
}

static void what_waits_is_written_at_the_end(void)
{
    begin();
    add("key_1", "GPT5");
    ledger_close(TAKE(f.ledger));
    EXPECT_INT(rows(), 1);
    EXPECT_Z(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_1 GPT5 cto 1 10 7;");
    end();
}

static void rows_and_sums_can_be_off(void)
{
    begin();
    ledger_set(f.ledger, &(struct ledger_params){ .sums_ttl_ms = 0, .rows_max = 0 });
    add("key_1", "GPT5");
    EXPECT_INT(loop_timers(f.loop), 0);
    ledger_set(f.ledger, &(struct ledger_params){ .sums_ttl_ms = 1000, .rows_max = 0 });
    add("key_1", "GPT5");
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(rows(), 0);
    EXPECT_Z(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_1 GPT5 cto 1 10 7;");
    end();
}

/* Rows are bounded, sums go on: they are few. */
static void a_store_that_fails_gets_what_fits_later(void)
{
    begin();
    store_set_problem(f.store, "the disk is full");
    for (unsigned i = 0; i < LEDGER_WAITING + 10; i++) {
        add("key_1", "GPT5");
        if (i % 1000 == 0)
            pass(LEDGER_EVERY_MS);
    }
    EXPECT_INT(metric_get(METRIC_USAGE_DROPPED) - f.dropped, 10);
    EXPECT_INT(rows(), 0);
    store_set_problem(f.store, NULL);
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(rows(), STORE_ROWS_MAX);
    EXPECT_Z(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_1 GPT5 cto 4106 41060 28742;");
    end();
}

/* ---- a store whose answers are lost ---- */

/* What becomes of the next writes: 'o': all goes well; 'a': it is done, and the answer is lost;
 * 'q': the question is. Behind its end all goes well. */
static struct {
    struct store store;
    struct store *memory;
    const char *fate;
    size_t writes;
} lossy;

static void run_lossy(UNUSED struct store *s, void *port, struct store_op *op)
{
    char fate = 'o';

    if (op->verb == STORE_TALLY || op->verb == STORE_APPEND) {
        lossy.writes++;
        fate = *lossy.fate ? *lossy.fate++ : 'o';
    }
    if (fate == 'q') {
        store_answer_here(op, ERR_CLOSED);
        return;
    }
    op->err = fate == 'a' ? ERR_CLOSED : ERR_NONE; /* an error that is there stays */
    lossy.memory->backend->run(lossy.memory, port, op);
}

static void close_lossy(struct store *s)
{
    store_close(lossy.memory);
    store_deinit(s);
}

static void begin_lossy(const char *fate)
{
    static const struct store_backend backend = { .name = "lossy",
                                                  .run = run_lossy,
                                                  .close = close_lossy };

    memset(&f, 0, sizeof(f));
    f.loop = loop_new();
    store_init(&lossy.store, &backend);
    lossy.memory = store_memory_new(100000);
    lossy.fate = fate;
    lossy.writes = 0;
    f.store = &lossy.store;
    f.port = store_port_open(f.store, f.loop);
    f.ledger = ledger_open(f.loop, f.port, &all);
    f.dropped = metric_get(METRIC_USAGE_DROPPED);
    loop_clock_set(f.loop, loop_now_ms(f.loop)); /* stands */
}

/* Without rows, so that only sums are written. */
static void sums_whose_answer_is_lost_count_once(void)
{
    static const char *const fates[] = { "a", "q", "aqaq", "qqaa", "oaoqo" };

    for (size_t i = 0; i < COUNT_OF(fates); i++) {
        begin_lossy(fates[i]);
        ledger_set(f.ledger, &(struct ledger_params){ .sums_ttl_ms = STORE_FOREVER });
        for (unsigned k = 0; k < 10; k++) {
            add("key_1", "GPT5");
            add("key_2", k % 2 ? "GPT5" : "Claude");
            pass(LEDGER_EVERY_MS);
        }
        EXPECT_Z(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_1 GPT5 cto 10 100 70;"
                                                   "2026-12-31 key_2 Claude cto 5 50 35;"
                                                   "2026-12-31 key_2 GPT5 cto 5 50 35;");
        EXPECT_INT(metric_get(METRIC_USAGE_DROPPED), f.dropped);
        end();
    }
}

/* One after the other, since the store knows the last number only; but at the end. */
static void parcels_keep_their_order(void)
{
    char key[16];

    begin_lossy("oq");
    ledger_set(f.ledger, &(struct ledger_params){ .sums_ttl_ms = STORE_FOREVER });
    for (unsigned i = 0; i < 3 * STORE_TALLY_MAX; i++) {
        snprintf(key, sizeof(key), "key_%03u", i);
        add(key, "GPT5");
    }
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(lossy.writes, 2);
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(lossy.writes, 4);
    add("key_000", "GPT5");
    pass(LEDGER_EVERY_MS);
    EXPECT(strncmp(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_000 GPT5 cto 2 20 14;", 36) ==
           0);
    for (unsigned i = 0; i < 3 * STORE_TALLY_MAX; i++) {
        snprintf(key, sizeof(key), "key_%03u", i);
        add(key, "GPT5");
    }
    ledger_close(TAKE(f.ledger));
    EXPECT_INT(lossy.writes, 8);
    end();
}

static void a_row_that_failed_waits_again(void)
{
    begin_lossy("oq");
    ledger_set(f.ledger, &(struct ledger_params){ .rows_max = 1000 });
    for (unsigned i = 0; i < 3; i++)
        add("key_1", "GPT5");
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(rows(), 2);
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(rows(), 3);
    EXPECT_INT(metric_get(METRIC_USAGE_DROPPED), f.dropped);
    end();
}

/* At the end nobody asks again: what is not known to be there counts as dropped. */
static void what_fails_at_the_end_is_counted(void)
{
    begin_lossy("qq");
    add("key_1", "GPT5");
    ledger_close(TAKE(f.ledger));
    pass(LEDGER_EVERY_MS);
    EXPECT_INT(metric_get(METRIC_USAGE_DROPPED) - f.dropped, 2);
    end();
}

static void sums_that_wait_are_kept_when_none_are_any_more(void)
{
    begin();
    add("key_1", "GPT5");
    ledger_set(f.ledger, &(struct ledger_params){ .sums_ttl_ms = 0 });
    pass(LEDGER_EVERY_MS);
    EXPECT_Z(sums("2026-12-31", "2026-12-31"), "2026-12-31 key_1 GPT5 cto 1 10 7;");
    end();
}

static void long_names_are_cut_and_stay_apart(void)
{
    char a[201], b[201], cut[LEDGER_PART_MAX];
    struct store_key one, other;
    struct ledger_of of = { STR("2026-12-31"), STR("k"), STR("m"), STR("u") };
    struct ledger_of back;

    memset(a, 'x', sizeof(a) - 1);
    memset(b, 'x', sizeof(b) - 1);
    a[200] = b[200] = '\0';
    b[199] = 'y';
    of.model = str_of(a);
    ledger_sum_key(&one, &of);
    of.model = str_of(b);
    of.key = of.upstream = str_of(a);
    ledger_sum_key(&other, &of);
    EXPECT(ledger_sum_of((struct str){ (const char *)one.bytes, one.n }, &back));
    EXPECT_STR(back.day, "2026-12-31");
    EXPECT_STR(back.key, "k");
    EXPECT_STR(back.upstream, "u");
    EXPECT(back.model.n < 50 && str_starts(back.model, STR("xxxxxxxx")));
    EXPECT(ledger_sum_of((struct str){ (const char *)other.bytes, other.n }, &of));
    EXPECT(!str_eq(of.model, back.model));
    memset(a, 'x', 38);
    memcpy(a + 38, "\xc3\xa9\xc3\xa9", 4); /* a cut would fall into the first */
    EXPECT_STR(str_sub(ledger_part(str_of(a), cut), 0, 39),
               "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx~");
    EXPECT(!ledger_sum_of(STR("no key"), &back));
    EXPECT(ledger_is_day(STR("2026-02-31")) && !ledger_is_day(STR("2026-2-1")));
}

static const struct test suite[] = {
    { "a row is JSON", a_row_is_json },
    { "sums add up by day, key, model and upstream", sums_add_up_by_day_key_model_and_upstream },
    { "many sums are all read", many_sums_are_all_read },
    { "a batch that is full does not wait", a_batch_that_is_full_does_not_wait },
    { "what waits is written at the end", what_waits_is_written_at_the_end },
    { "rows and sums can be off", rows_and_sums_can_be_off },
    { "a store that fails gets what fits later", a_store_that_fails_gets_what_fits_later },
    { "sums whose answer is lost count once", sums_whose_answer_is_lost_count_once },
    { "parcels keep their order", parcels_keep_their_order },
    { "a row that failed waits again", a_row_that_failed_waits_again },
    { "what fails at the end is counted", what_fails_at_the_end_is_counted },
    { "sums that wait are kept when none are any more",
      sums_that_wait_are_kept_when_none_are_any_more },
    { "long names are cut and stay apart", long_names_are_cut_and_stay_apart },
};
TEST_MAIN(suite)
