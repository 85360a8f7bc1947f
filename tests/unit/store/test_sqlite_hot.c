/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that are at hand, and the file that gets them a moment later. */
#include "sqlite_rig.h"
#include "store/sqlite_hot.h"

static struct told count_one(struct bench *b, const char *key, int64_t amount)
{
    struct store_counter c = counter_of(key, amount, INT64_MAX, STORE_FOREVER);

    return contract_count(b, &c, 1);
}

/* What the file has of a counter; -1: nothing. */
static int64_t in_file(struct place *p, const char *key)
{
    char text[160];

    snprintf(text, sizeof(text),
             "SELECT CAST(value AS INTEGER) FROM entry WHERE space = 'limit' AND key = "
             "CAST('%s' AS BLOB)",
             key);
    return sql(p, text);
}

static void what_is_counted_is_in_the_file_a_moment_later(void)
{
    struct place p;

    set_up(&p);
    EXPECT_INT(count_one(&p.b, "a", 3).sums[0], 3);
    EXPECT_INT(count_one(&p.b, "a", 4).sums[0], 7);
    EXPECT_INT(count_one(&p.b, "b", 1).sums[0], 1);
    RUN_UNTIL(p.b.loop, in_file(&p, "a") == 7 && in_file(&p, "b") == 1);
    EXPECT_INT(count_one(&p.b, "a", -2).sums[0], 5);
    RUN_UNTIL(p.b.loop, in_file(&p, "a") == 5);
    contract_hold(&p.b, 1, 1, STORE_FOREVER);
    RUN_UNTIL(p.b.loop, in_file(&p, "parallel") >= 0);
    contract_hold(&p.b, 1, 1, 0);
    RUN_UNTIL(p.b.loop, in_file(&p, "parallel") == -1);
    tear_down(&p);
}

static void what_is_counted_last_is_there_after_a_restart(void)
{
    struct place p;

    set_up(&p);
    for (int i = 0; i < 100; i++)
        count_one(&p.b, "a", 1);
    close_store(&p);
    EXPECT_INT(in_file(&p, "a"), 100);
    open_store(&p);
    EXPECT_INT(count_one(&p.b, "a", 1).sums[0], 101);
    tear_down(&p);
}

/* The disk is full: limits are kept all the same, and nothing of them is lost when it has room. */
static void a_disk_that_fails_keeps_nobody_from_counting(void)
{
    struct place p;

    set_up(&p);
    EXPECT_INT(count_one(&p.b, "a", 1).err, ERR_NONE);
    RUN_UNTIL(p.b.loop, in_file(&p, "a") == 1);
    atomic_store(&disk_write_err, SQLITE_FULL);
    EXPECT_INT(count_one(&p.b, "a", 1).sums[0], 2);
    RUN_UNTIL(p.b.loop, atomic_load(&p.problems) == 1);
    expect_problem(&p, "the disk is full");
    EXPECT_INT(count_one(&p.b, "a", 1).sums[0], 3);
    EXPECT_INT(count_one(&p.b, "new", 1).sums[0], 1);
    EXPECT_INT(in_file(&p, "a"), 1);
    atomic_store(&disk_write_err, 0);
    RUN_UNTIL(p.b.loop, atomic_load(&p.recoveries) == 1);
    EXPECT_INT(in_file(&p, "a"), 3);
    EXPECT_INT(in_file(&p, "new"), 1);
    tear_down(&p);
}

static void more_than_can_be_at_hand_is_counted_as_well(void)
{
    enum { N = 2 * SQLITE_HOT_MAX };
    struct place p;
    char key[16];

    set_up(&p);
    loop_clock_set(p.b.loop, loop_now_ms(p.b.loop)); /* no deadline passes */
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < N; i++) {
            struct store_counter c;

            snprintf(key, sizeof(key), "k%d", i);
            c = counter_of(key, i, INT64_MAX, STORE_FOREVER);
            store_count(p.b.port, &c, 1, NULL, NULL);
        }
        EXPECT_INT(count_one(&p.b, "k1", 0).sums[0], round);
    }
    close_store(&p);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM entry"), N);
    EXPECT_INT(sql(&p, "SELECT sum(CAST(value AS INTEGER)) FROM entry"), (int64_t)N * (N - 1));
    remove_folder(&p);
}

/* ---- what is at hand ---- */

static enum err add_one(struct sqlite_hot *h, struct sqlite_db *db, int i)
{
    struct store_counter c = {
        .key = race_key((unsigned)i), .amount = 1, .limit = INT64_MAX, .ttl_ms = STORE_FOREVER
    };
    struct store_op op = { .verb = STORE_COUNT, .counters = &c, .n_counters = 1 };

    c.key.space = STORE_LIMIT;
    return sqlite_hot_run(h, db, &op);
}

/* What was counted, without the file; -1: it is not at hand. */
static int64_t at_hand(struct sqlite_hot *h, int i)
{
    struct store_counter c = { .key = race_key((unsigned)i), .limit = INT64_MAX, .ttl_ms = 1 };
    struct store_op op = { .verb = STORE_COUNT, .counters = &c, .n_counters = 1 };
    enum err err;
    bool wakes;

    c.key.space = STORE_LIMIT;
    return sqlite_hot_try(h, &op, &err, &wakes) ? op.sums[0] : -1;
}

static void only_what_the_file_has_makes_room(void)
{
    struct sqlite_hot *h = sqlite_hot_new();
    struct sqlite_why why;
    struct sqlite_db *db;
    struct place p;
    int i;

    make_folder(&p);
    EXPECT_INT(sqlite_db_open(p.file, SQLITE_CHECK_NONE, &db, &why), ERR_NONE);
    for (i = 0; i < SQLITE_HOT_MAX + 10; i++)
        EXPECT_INT(add_one(h, db, i), ERR_NONE);
    EXPECT_INT(at_hand(h, 0), 1);
    EXPECT_INT(sqlite_hot_write(h, db), ERR_NONE);
    sqlite_hot_written(h, false); /* it was not kept: all is to be written yet */
    EXPECT_INT(sqlite_hot_due_ms(h), 0);
    EXPECT_INT(add_one(h, db, i++), ERR_NONE);
    EXPECT_INT(at_hand(h, 1), 1);
    EXPECT_INT(sqlite_hot_write(h, db), ERR_NONE);
    sqlite_hot_written(h, true);
    EXPECT(sqlite_hot_due_ms(h) == INT64_MAX);
    EXPECT_INT(add_one(h, db, i), ERR_NONE);
    EXPECT_INT(at_hand(h, i), 1);
    EXPECT_INT(at_hand(h, 2), -1);
    EXPECT_INT(add_one(h, db, 2), ERR_NONE);
    EXPECT_INT(at_hand(h, 2), 2);
    sqlite_hot_free(h);
    sqlite_db_close(db);
    remove_folder(&p);
}

/* ---- two processes ---- */

enum { SECOND_COUNTED = 1, FIRST_LEFT = 2 };

static void tell(int fd, char what)
{
    EXPECT(write(fd, &what, 1) == 1);
}

static void wait_for(int fd, char what)
{
    char got;

    EXPECT(read(fd, &got, 1) == 1 && got == what);
}

/* The process after the first one: counts beside it, and alone when it has gone. */
static void be_second(struct place *p, int in, int out)
{
    char lock[160];
    struct store *s;

    wait_for(in, SECOND_COUNTED);
    snprintf(lock, sizeof(lock), "%s.lock", p->file);
    EXPECT_INT(store_sqlite_take_over(p->file, open(lock, O_RDWR), &s, p->why), ERR_NONE);
    bench_open(&p->b, s, loop_new());
    EXPECT_INT(count_one(&p->b, "a", 10).sums[0], 11);
    EXPECT_INT(in_file(p, "a"), 11); /* at once */
    tell(out, SECOND_COUNTED);
    wait_for(in, SECOND_COUNTED);
    EXPECT_INT(count_one(&p->b, "a", 10).sums[0], 121);
    EXPECT(store_is_joint(s));
    tell(out, SECOND_COUNTED);
    wait_for(in, FIRST_LEFT);
    RUN_UNTIL(p->b.loop, !store_is_joint(s));
    EXPECT_INT(count_one(&p->b, "a", 10).sums[0], 1131);
    EXPECT_INT(count_one(&p->b, "a", 10).sums[0], 1141);
    close_store(p);
    EXPECT_INT(in_file(p, "a"), 1141);
    _exit(0);
}

static void two_processes_count_as_one(void)
{
    int to_second[2], from_second[2], status;
    struct place p;
    pid_t pid;

    make_folder(&p);
    EXPECT(pipe(to_second) == 0 && pipe(from_second) == 0);
    pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0)
        be_second(&p, to_second[0], from_second[1]);
    open_store(&p);
    EXPECT_INT(count_one(&p.b, "a", 1).sums[0], 1);
    store_give(p.b.store, true);
    EXPECT_INT(in_file(&p, "a"), 1); /* before the other one looks */
    tell(to_second[1], SECOND_COUNTED);
    wait_for(from_second[0], SECOND_COUNTED);
    EXPECT_INT(count_one(&p.b, "a", 100).sums[0], 111);
    tell(to_second[1], SECOND_COUNTED);
    wait_for(from_second[0], SECOND_COUNTED);
    EXPECT_INT(count_one(&p.b, "a", 1000).sums[0], 1121);
    close_store(&p);
    tell(to_second[1], FIRST_LEFT);
    EXPECT(waitpid(pid, &status, 0) == pid);
    EXPECT_INT(status, 0);
    for (size_t i = 0; i < 2; i++)
        EXPECT(close(to_second[i]) == 0 && close(from_second[i]) == 0);
    remove_folder(&p);
}

/* The other process ended before it served. */
static void who_is_alone_again_has_its_counters_at_hand(void)
{
    struct place p;

    set_up(&p);
    count_one(&p.b, "a", 1);
    store_give(p.b.store, true);
    EXPECT_INT(count_one(&p.b, "a", 1).sums[0], 2);
    EXPECT_INT(in_file(&p, "a"), 2);
    store_give(p.b.store, false);
    RUN_UNTIL(p.b.loop, !store_is_joint(p.b.store));
    count_one(&p.b, "a", 1);
    atomic_store(&disk_write_err, SQLITE_FULL);
    EXPECT_INT(count_one(&p.b, "a", 1).sums[0], 4);
    atomic_store(&disk_write_err, 0);
    tear_down(&p);
}

static const struct test suite[] = {
    { "what is counted is in the file a moment later",
      what_is_counted_is_in_the_file_a_moment_later },
    { "what is counted last is there after a restart",
      what_is_counted_last_is_there_after_a_restart },
    { "a disk that fails keeps nobody from counting",
      a_disk_that_fails_keeps_nobody_from_counting },
    { "more than can be at hand is counted as well", more_than_can_be_at_hand_is_counted_as_well },
    { "only what the file has makes room", only_what_the_file_has_makes_room },
    { "two processes count as one", two_processes_count_as_one },
    { "who is alone again has its counters at hand", who_is_alone_again_has_its_counters_at_hand },
};

static void on_disk(void) __attribute__((constructor));
static void on_disk(void)
{
    disk_install();
}

TEST_MAIN(suite)
