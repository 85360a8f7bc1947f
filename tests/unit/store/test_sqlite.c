/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"
#include "sqlite_rig.h"
#include "store/sqlite_db.h"

static void does_what_every_store_must(void)
{
    struct loop *l = loop_new();
    struct place p;
    struct store *s;

    make_folder(&p);
    EXPECT_INT(store_sqlite_open(p.file, &s, p.why), ERR_NONE);
    store_contract(s, l, true);
    loop_free(l);
    remove_folder(&p);
}

static void of_two_workers_exactly_one_gets_a_key(void)
{
    enum { RACES = 2000 };
    static atomic_uchar winners[RACES];
    struct place p;

    set_up(&p);
    store_race(p.b.store, p.b.loop, winners, RACES);
    tear_down(&p);
}

static void what_was_put_is_there_after_a_restart(void)
{
    struct place p;
    struct told t;

    set_up(&p);
    contract_put(&p.b, "a", "kept", 60000);
    contract_append(&p.b, "row");
    close_store(&p);
    open_store(&p);
    EXPECT_Z(p.why, "");
    expect_claimed(&p.b, "a", 0, "kept");
    t = contract_read(&p.b, UINT64_MAX, 10);
    EXPECT_Z(t.rows, "row;");
    tear_down(&p);
}

/* ---- bad disks ---- */

static void a_disk_that_fails_is_an_error_while_reads_go_on(void)
{
    static const struct {
        int code;
        const char *want;
    } rows[] = {
        { SQLITE_FULL, "full" },
        { SQLITE_IOERR_WRITE, "reading or writing" },
        { SQLITE_READONLY, "read-only" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct place p;

        set_up(&p);
        contract_put(&p.b, "a", "before", 60000);
        atomic_store(&disk_write_err, rows[i].code);
        EXPECT_INT(put_told(&p, "b"), ERR_IO);
        expect_problem(&p, rows[i].want);
        EXPECT_INT(contract_claim(&p.b, "a").err, ERR_IO);
        expect_got(&p.b, "a", "before");
        EXPECT_INT(p.problems, 1);
        atomic_store(&disk_write_err, 0);
        RUN_UNTIL(p.b.loop, p.recoveries == 1); /* found out without being asked */
        expect_problem(&p, NULL);
        EXPECT_INT(put_told(&p, "b"), ERR_NONE);
        expect_claimed(&p.b, "ab", 0, "before"); /* the claim that failed did not take it */
        tear_down(&p);
    }
}

static void a_problem_that_becomes_another_is_told_anew(void)
{
    struct place p;

    set_up(&p);
    atomic_store(&disk_write_err, SQLITE_FULL);
    EXPECT_INT(put_told(&p, "a"), ERR_IO);
    EXPECT_INT(put_told(&p, "a"), ERR_IO);
    EXPECT_INT(p.problems, 1);
    EXPECT(strstr(p.told, "full") != NULL);
    atomic_store(&disk_write_err, SQLITE_READONLY);
    EXPECT_INT(put_told(&p, "a"), ERR_IO);
    EXPECT_INT(p.problems, 2);
    EXPECT(strstr(p.told, "read-only") != NULL);
    atomic_store(&disk_write_err, 0);
    EXPECT_INT(put_told(&p, "a"), ERR_NONE);
    EXPECT_INT(p.recoveries, 1);
    EXPECT_Z(p.told, "");
    tear_down(&p);
}

/* That a look without anything to write ends well says nothing of a full disk. */
static void a_full_disk_is_a_problem_until_something_can_be_written(void)
{
    struct place p;
    int before;

    set_up(&p);
    atomic_store(&disk_write_err, SQLITE_FULL);
    EXPECT_INT(put_told(&p, "a"), ERR_IO);
    before = disk_refusals;
    RUN_UNTIL(p.b.loop, p.recoveries || disk_refusals > before); /* it looks on its own */
    EXPECT_INT(p.recoveries, 0);
    expect_problem(&p, "full");
    atomic_store(&disk_write_err, 0);
    RUN_UNTIL(p.b.loop, p.recoveries == 1);
    expect_problem(&p, NULL);
    tear_down(&p);
}

/* Many at once: what only reads is answered though what writes beside it fails. */
static void a_batch_that_fails_is_tried_one_by_one(void)
{
    struct store_key a = contract_key("a");
    struct told got[8] = { { 0 } };
    struct told put[8] = { { 0 } };
    struct place p;

    set_up(&p);
    contract_put(&p.b, "a", "there", 60000);
    atomic_store(&disk_write_err, SQLITE_FULL);
    for (size_t i = 0; i < COUNT_OF(got); i++) {
        store_put(p.b.port, &a, STR("new"), 60000, on_told, &put[i]);
        store_get(p.b.port, &a, on_told, &got[i]);
    }
    RUN_UNTIL(p.b.loop, got[7].calls);
    for (size_t i = 0; i < COUNT_OF(got); i++) {
        EXPECT_INT(put[i].err, ERR_IO);
        EXPECT_INT(got[i].err, ERR_NONE);
        EXPECT_Z(got[i].value, "there");
        EXPECT_INT(got[i].calls, 1);
    }
    atomic_store(&disk_write_err, 0);
    tear_down(&p);
}

static void a_lock_of_another_program_is_an_error_that_ends(void)
{
    struct place p;
    sqlite3 *other;

    set_up(&p);
    EXPECT(sqlite3_open(p.file, &other) == SQLITE_OK);
    EXPECT(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    EXPECT_INT(put_told(&p, "a"), ERR_IO);
    expect_problem(&p, "another program");
    EXPECT(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    EXPECT(sqlite3_close(other) == SQLITE_OK);
    EXPECT_INT(put_told(&p, "a"), ERR_NONE);
    expect_problem(&p, NULL);
    tear_down(&p);
}

/* Whether a row is there is known in the end, however long the file takes. */
static void a_row_has_no_deadline(void)
{
    struct told told = { .calls = 0 };
    struct place p;
    sqlite3 *other;

    set_up(&p);
    EXPECT(sqlite3_open(p.file, &other) == SQLITE_OK);
    EXPECT(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    store_append(p.b.port, STORE_USAGE, STR("row"), 100000, on_told, &told);
    loop_clock_set(p.b.loop, loop_now_ms(p.b.loop) + 60000);
    RUN_UNTIL(p.b.loop, told.calls > 0);
    EXPECT_INT(told.err, ERR_IO);
    EXPECT(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    EXPECT(sqlite3_close(other) == SQLITE_OK);
    tear_down(&p);
}

/* Rows that wait together go many at a time, in their order and with none lost; the log is kept
 * to its bound meanwhile. */
static void rows_that_come_together_stay_in_order(void)
{
    enum { N = 500, KEPT = 100, MORE = 64 + SQLITE_ROWS };
    static struct told told[N];
    struct place p;
    int64_t left;

    set_up(&p);
    for (int i = 0; i < N; i++) {
        char digits[STR_U64_MAX];

        store_append(p.b.port, STORE_USAGE, str_of_u64((uint64_t)i, digits), KEPT, on_told,
                     &told[i]);
        if (i % 100 == 99) /* that does not belong to them */
            contract_put(&p.b, "a", "x", 60000);
    }
    RUN_UNTIL(p.b.loop, told[N - 1].calls);
    for (int i = 0; i < N; i++) {
        EXPECT_INT(told[i].calls, 1);
        EXPECT_INT(told[i].err, ERR_NONE);
    }
    left = sql(&p, "SELECT count(*) FROM log");
    EXPECT(left >= KEPT && left <= KEPT + MORE);
    EXPECT_INT(sql(&p, "SELECT max(id) FROM log"), N);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM log WHERE CAST(value AS INTEGER) = id - 1"), left);
    EXPECT_INT(sql(&p, "SELECT min(id) FROM log"), N + 1 - left);
    tear_down(&p);
}

static void rows_that_fail_together_are_told_one_by_one(void)
{
    enum { N = 2 * SQLITE_ROWS + 1 };
    static struct told told[N];
    struct place p;

    set_up(&p);
    atomic_store(&disk_write_err, SQLITE_FULL);
    for (int i = 0; i < N; i++)
        store_append(p.b.port, STORE_USAGE, STR("row"), 100000, on_told, &told[i]);
    RUN_UNTIL(p.b.loop, told[N - 1].calls);
    for (int i = 0; i < N; i++)
        EXPECT_INT(told[i].err, ERR_IO);
    atomic_store(&disk_write_err, 0);
    contract_append(&p.b, "row");
    EXPECT_INT(sql(&p, "SELECT count(*) FROM log"), 1);
    tear_down(&p);
}

static void only_what_is_durable_waits_for_the_disk(void)
{
    struct place p;
    int before;

    set_up(&p);
    before = disk_syncs;
    for (int i = 0; i < 10; i++)
        contract_put(&p.b, "a", "tip", 60000);
    EXPECT_INT(disk_syncs, before);
    for (int i = 0; i < 10; i++) {
        before = disk_syncs;
        contract_put_in(&p.b, STORE_JAR, "j", "cookie", STORE_FOREVER);
        EXPECT(disk_syncs > before); /* before it was answered */
    }
    before = disk_syncs;
    contract_put(&p.b, "a", "tip", 60000);
    EXPECT_INT(disk_syncs, before);
    tear_down(&p);
}

/* Two for each operation, in portions: those of up to 63 operations may still be due. */
static void what_has_expired_is_swept_a_little_at_a_time(void)
{
    enum { N = 1000, PORTION = 64 };
    struct place p;
    int64_t left;

    set_up(&p);
    loop_clock_set(p.b.loop, loop_now_ms(p.b.loop));
    for (int i = 0; i < N; i++) {
        struct store_key key = race_key((unsigned)i);

        store_put(p.b.port, &key, STR("x"), 1000, NULL, NULL);
    }
    contract_put(&p.b, "a", "x", 60000);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM entry"), N + 1);
    loop_clock_set(p.b.loop, loop_now_ms(p.b.loop) + 1000);
    for (int i = 0; i < PORTION; i++)
        contract_put(&p.b, "a", "x", 60000);
    left = sql(&p, "SELECT count(*) FROM entry");
    EXPECT(left < N + 1 && left >= N + 1 - 2 * (2 * PORTION - 1));
    for (int i = 0; i < N / 2; i++)
        contract_put(&p.b, "a", "x", 60000);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM entry"), 1);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 1);
    tear_down(&p);
}

static void its_entries_are_counted(void)
{
    struct place p;

    set_up(&p);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    contract_put(&p.b, "a", "one", 60000);
    contract_put(&p.b, "a", "again", 60000);
    contract_put_in(&p.b, STORE_JAR, "j", "cookie", STORE_FOREVER);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 2);
    atomic_store(&disk_write_err, SQLITE_FULL);
    EXPECT_INT(put_told(&p, "b"), ERR_IO);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 2);
    atomic_store(&disk_write_err, 0);
    contract_put(&p.b, "b", "two", 60000);
    expect_claimed(&p.b, "a", 0, "again");
    expect_absent(&p.b, "a");
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 2);
    close_store(&p);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    open_store(&p);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 2);
    tear_down(&p);
}

static void what_waits_when_it_closes_is_written(void)
{
    enum { N = 3000 };
    struct place p;

    set_up(&p);
    for (int i = 0; i < N; i++) {
        struct store_key key = race_key((unsigned)i);

        store_put(p.b.port, &key, STR("x"), 60000, NULL, NULL);
    }
    close_store(&p);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM entry"), N);
    remove_folder(&p);
}

static const struct test suite[] = {
    { "does what every store must", does_what_every_store_must },
    { "of two workers exactly one gets a key", of_two_workers_exactly_one_gets_a_key },
    { "what was put is there after a restart", what_was_put_is_there_after_a_restart },
    { "a disk that fails is an error while reads go on",
      a_disk_that_fails_is_an_error_while_reads_go_on },
    { "a full disk is a problem until something can be written",
      a_full_disk_is_a_problem_until_something_can_be_written },
    { "a problem that becomes another is told anew", a_problem_that_becomes_another_is_told_anew },
    { "a batch that fails is tried one by one", a_batch_that_fails_is_tried_one_by_one },
    { "a lock of another program is an error that ends",
      a_lock_of_another_program_is_an_error_that_ends },
    { "a row has no deadline", a_row_has_no_deadline },
    { "rows that come together stay in order", rows_that_come_together_stay_in_order },
    { "rows that fail together are told one by one", rows_that_fail_together_are_told_one_by_one },
    { "only what is durable waits for the disk", only_what_is_durable_waits_for_the_disk },
    { "what has expired is swept a little at a time",
      what_has_expired_is_swept_a_little_at_a_time },
    { "its entries are counted", its_entries_are_counted },
    { "what waits when it closes is written", what_waits_when_it_closes_is_written },
};

static void on_disk(void) __attribute__((constructor));
static void on_disk(void)
{
    disk_install();
}

TEST_MAIN(suite)
