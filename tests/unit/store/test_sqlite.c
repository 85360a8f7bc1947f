/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bad_disk.h"
#include "store_race.h"

/* A folder of its own, a store in it, and what the store told of its state. */
struct place {
    char folder[64];
    char file[128];
    struct bench b;
    char why[STORE_WHY_MAX];
    char told[STORE_PROBLEM_MAX]; /* read it after the count below */
    atomic_int problems;
    atomic_int recoveries;
};

static void on_changed(void *arg, const char *problem)
{
    struct place *p = arg;

    str_to_z(str_of(problem), p->told, sizeof(p->told));
    atomic_fetch_add(problem ? &p->problems : &p->recoveries, 1);
}

static void make_folder(struct place *p)
{
    *p = (struct place){ .folder = "/tmp/store-test-XXXXXX" };
    EXPECT(mkdtemp(p->folder) != NULL);
    snprintf(p->file, sizeof(p->file), "%s/state.db", p->folder);
}

static void open_store(struct place *p)
{
    struct store *s;

    EXPECT_INT(store_sqlite_open(p->file, &s, p->why), ERR_NONE);
    store_watch(s, on_changed, p);
    bench_open(&p->b, s, loop_new());
}

static void close_store(struct place *p)
{
    bench_close(&p->b);
    loop_free(p->b.loop);
}

static int delete_one(const char *path, UNUSED const struct stat *st, UNUSED int type,
                      UNUSED struct FTW *at)
{
    return remove(path);
}

static void remove_folder(struct place *p)
{
    EXPECT(nftw(p->folder, delete_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void set_up(struct place *p)
{
    make_folder(p);
    open_store(p);
    EXPECT_Z(p->why, "");
}

static void tear_down(struct place *p)
{
    close_store(p);
    remove_folder(p);
}

/* Runs SQL on the file beside the store; the first column of its last row as a number. */
static int64_t sql(struct place *p, const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    int64_t value = -1;

    EXPECT(sqlite3_open(p->file, &db) == SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    for (const char *rest = text; *rest;) {
        EXPECT(sqlite3_prepare_v2(db, rest, -1, &s, &rest) == SQLITE_OK);
        while (s && sqlite3_step(s) == SQLITE_ROW)
            value = sqlite3_column_int64(s, 0);
        EXPECT(sqlite3_finalize(s) == SQLITE_OK);
    }
    EXPECT(sqlite3_close(db) == SQLITE_OK);
    return value;
}

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
    t = contract_read(&p.b, 0, 10);
    EXPECT_Z(t.rows, "row;");
    tear_down(&p);
}

static void nobody_else_may_read_its_files(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
    struct place p;
    struct stat st;
    char path[160];

    make_folder(&p);
    EXPECT(close(creat(p.file, 0644)) == 0); /* an older one of a careless user */
    open_store(&p);
    contract_put(&p.b, "a", "x", 60000);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        snprintf(path, sizeof(path), "%s%s", p.file, suffixes[i]);
        EXPECT(stat(path, &st) == 0);
        EXPECT_INT(st.st_mode & 0777, 0600);
    }
    tear_down(&p);
}

static void a_second_process_is_told_who_has_the_file(void)
{
    struct store *second = NULL;
    char pid[32];
    struct place p;

    set_up(&p);
    snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
    EXPECT_INT(store_sqlite_open(p.file, &second, p.why), ERR_CONFLICT);
    EXPECT(!second);
    EXPECT(strstr(p.why, pid) != NULL);
    EXPECT(strstr(p.why, p.file) != NULL);
    close_store(&p);
    open_store(&p); /* the lock went with the first */
    tear_down(&p);
}

static void a_folder_that_is_not_there_is_named(void)
{
    struct store *s;
    char why[STORE_WHY_MAX];

    EXPECT_INT(store_sqlite_open("/nonexistent/folder/state.db", &s, why), ERR_IO);
    EXPECT(strstr(why, "/nonexistent/folder/state.db") != NULL);
}

/* ---- versions ---- */

static void load(struct place *p, const char *name)
{
    char text[8192];
    FILE *f = fopen(name, "r");
    size_t n;

    EXPECT(f != NULL);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    EXPECT(fclose(f) == 0);
    sql(p, text);
}

static void opens_a_file_of_every_earlier_version(void)
{
    static const char *const files[] = { "tests/data/store/v1.sql", "tests/data/store/v2.sql" };

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct told t;
        struct place p;

        make_folder(&p);
        load(&p, files[i]);
        EXPECT_INT(sql(&p, "PRAGMA user_version"), i + 1);
        open_store(&p);
        EXPECT_Z(p.why, "");
        EXPECT_INT(sql(&p, "PRAGMA user_version"), COUNT_OF(files));
        expect_claimed(&p.b, "a", 0, "one");
        t = contract_list(&p.b, "", 10);
        EXPECT_Z(t.rows, "b=two;");
        contract_append(&p.b, "new");
        t = contract_read(&p.b, 0, 10);
        EXPECT_Z(t.rows, i == 0 ? "new;" : "row;new;");
        tear_down(&p);
    }
}

static void refuses_a_file_of_a_later_version(void)
{
    struct store *s;
    struct place p;

    make_folder(&p);
    sql(&p, "CREATE TABLE future (x); PRAGMA user_version=99;");
    EXPECT_INT(store_sqlite_open(p.file, &s, p.why), ERR_IO);
    EXPECT(strstr(p.why, "99") != NULL);
    EXPECT_INT(sql(&p, "PRAGMA user_version"), 99); /* and leaves it as it is */
    remove_folder(&p);
}

/* ---- unclean ends ---- */

/* A process of its own that puts "a", says so, and is killed. */
static void be_killed(struct place *p)
{
    int tell[2];
    char byte;
    pid_t pid;

    EXPECT(pipe(tell) == 0);
    pid = fork();
    EXPECT(pid >= 0);
    if (pid == 0) {
        open_store(p);
        contract_put(&p->b, "a", "before the end", 60000);
        contract_put_in(&p->b, STORE_JAR, "j", "a cookie", STORE_FOREVER);
        if (write(tell[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    EXPECT(read(tell[0], &byte, 1) == 1);
    EXPECT(kill(pid, SIGKILL) == 0);
    EXPECT(waitpid(pid, NULL, 0) == pid);
    close(tell[0]);
    close(tell[1]);
}

static void after_a_kill_all_that_was_answered_is_there(void)
{
    struct place p;
    struct told t;

    make_folder(&p);
    be_killed(&p);
    open_store(&p);
    EXPECT_Z(p.why, "");
    expect_claimed(&p.b, "a", 0, "before the end");
    t = contract_list(&p.b, "", 10);
    EXPECT_Z(t.rows, "j=a cookie;");
    tear_down(&p);
}

/* The last transactions before a power cut may be gone, claims among them. */
static void after_a_crash_of_the_machine_no_tip_is_trusted(void)
{
    char lock[160];
    struct place p;
    struct told t;
    int fd;

    make_folder(&p);
    be_killed(&p);
    snprintf(lock, sizeof(lock), "%s.lock", p.file);
    fd = open(lock, O_WRONLY | O_TRUNC);
    EXPECT(write(fd, "4711\nanother-boot\n", 18) == 18);
    EXPECT(close(fd) == 0);
    open_store(&p);
    EXPECT_Z(p.why, "");
    expect_absent(&p.b, "a");
    t = contract_list(&p.b, "", 10);
    EXPECT_Z(t.rows, "j=a cookie;");
    tear_down(&p);
}

/* Overwrites all but the first page. */
static void damage(struct place *p)
{
    static const char noise[4096] = "this is no page of a database";
    int fd = open(p->file, O_RDWR);

    EXPECT(fd >= 0);
    for (off_t at = 4096; at < 5 * 4096; at += 4096)
        EXPECT(pwrite(fd, noise, sizeof(noise), at) == (ssize_t)sizeof(noise));
    EXPECT(close(fd) == 0);
}

static void expect_moved_aside(struct place *p)
{
    const char *name;
    struct stat st;
    char path[256];

    open_store(p);
    name = strstr(p->why, "moved to ");
    EXPECT(name != NULL);
    str_to_z(str_of(name + strlen("moved to ")), path, sizeof(path));
    EXPECT(stat(path, &st) == 0); /* nothing was thrown away */
    contract_put(&p->b, "n", "works", 60000);
    expect_claimed(&p->b, "n", 0, "works");
    close_store(p);
    open_store(p);
    EXPECT_Z(p->why, "");
}

static void a_damaged_file_is_found_after_a_kill_and_moved_aside(void)
{
    struct place p;

    make_folder(&p);
    be_killed(&p);
    sql(&p, "PRAGMA wal_checkpoint(TRUNCATE)");
    damage(&p);
    expect_moved_aside(&p);
    tear_down(&p);
}

static void what_is_no_database_is_moved_aside(void)
{
    static const char text[] = "Dear diary, this is not a database but a text of some length.";
    struct place p;
    int fd;

    make_folder(&p);
    fd = creat(p.file, 0600);
    for (int i = 0; i < 100; i++)
        EXPECT(write(fd, text, sizeof(text)) == (ssize_t)sizeof(text));
    EXPECT(close(fd) == 0);
    expect_moved_aside(&p);
    tear_down(&p);
}

/* ---- bad disks ---- */

static enum err put_told(struct place *p, const char *key)
{
    struct store_key k = contract_key(key);
    struct told t;

    TOLD(&p->b, t, store_put(p->b.port, &k, STR("x"), 60000, on_told, &t));
    return t.err;
}

static void expect_problem(struct place *p, const char *want)
{
    char why[STORE_PROBLEM_MAX];

    if (want) {
        EXPECT(!store_is_ready(p->b.store, why));
        EXPECT(strstr(why, want) != NULL);
    } else {
        EXPECT(store_is_ready(p->b.store, why));
    }
}

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

static void what_has_expired_is_swept_a_little_at_a_time(void)
{
    enum { N = 100 };
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
    contract_put(&p.b, "a", "x", 60000);
    left = sql(&p, "SELECT count(*) FROM entry");
    EXPECT_INT(left, N + 1 - 2);
    for (int i = 0; i < N / 2; i++)
        contract_put(&p.b, "a", "x", 60000);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM entry"), 1);
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
    { "nobody else may read its files", nobody_else_may_read_its_files },
    { "a second process is told who has the file", a_second_process_is_told_who_has_the_file },
    { "a folder that is not there is named", a_folder_that_is_not_there_is_named },
    { "opens a file of every earlier version", opens_a_file_of_every_earlier_version },
    { "refuses a file of a later version", refuses_a_file_of_a_later_version },
    { "after a kill all that was answered is there", after_a_kill_all_that_was_answered_is_there },
    { "after a crash of the machine no tip is trusted",
      after_a_crash_of_the_machine_no_tip_is_trusted },
    { "a damaged file is found after a kill and moved aside",
      a_damaged_file_is_found_after_a_kill_and_moved_aside },
    { "what is no database is moved aside", what_is_no_database_is_moved_aside },
    { "a disk that fails is an error while reads go on",
      a_disk_that_fails_is_an_error_while_reads_go_on },
    { "a full disk is a problem until something can be written",
      a_full_disk_is_a_problem_until_something_can_be_written },
    { "a problem that becomes another is told anew", a_problem_that_becomes_another_is_told_anew },
    { "a batch that fails is tried one by one", a_batch_that_fails_is_tried_one_by_one },
    { "a lock of another program is an error that ends",
      a_lock_of_another_program_is_an_error_that_ends },
    { "only what is durable waits for the disk", only_what_is_durable_waits_for_the_disk },
    { "what has expired is swept a little at a time",
      what_has_expired_is_swept_a_little_at_a_time },
    { "what waits when it closes is written", what_waits_when_it_closes_is_written },
};

static void on_disk(void) __attribute__((constructor));
static void on_disk(void)
{
    disk_install();
}

TEST_MAIN(suite)
