/* SPDX-License-Identifier: Apache-2.0 */
/* In what state a file is found, and what becomes of it. */
#include "base/metrics.h"
#include "sqlite_rig.h"

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
    static const char *const files[] = { "tests/data/store/v1.sql", "tests/data/store/v2.sql",
                                         "tests/data/store/v3.sql", "tests/data/store/v4.sql" };

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct told t;
        struct place p;

        make_folder(&p);
        load(&p, files[i]);
        EXPECT_INT(sql(&p, "PRAGMA user_version"), i + 1);
        open_store(&p);
        EXPECT_Z(p.why, "");
        EXPECT_INT(sql(&p, "PRAGMA user_version"), COUNT_OF(files));
        EXPECT_INT(sql(&p, "PRAGMA application_id"), 0x456C3261);
        expect_claimed(&p.b, "a", 0, "one");
        t = contract_list(&p.b, "", 10);
        EXPECT_Z(t.rows, "b=two;");
        EXPECT_INT(contract_keep(&p.b, "own12", 995, 4000), ERR_NONE);
        EXPECT_INT(contract_keep(&p.b, "two12", 995, 4000), ERR_NONE);
        EXPECT_INT(sql(&p, "SELECT bytes FROM share WHERE owner = X'6F776E31'"), 1000);
        EXPECT_INT(sql(&p, "SELECT bytes FROM share WHERE owner = X''"), 2000);
        contract_append(&p.b, "new");
        t = contract_read(&p.b, UINT64_MAX, 10);
        EXPECT_Z(t.rows, i == 0 ? "new;" : "new;row;");
        tear_down(&p);
    }
}

static void refuses_a_file_of_a_later_version(void)
{
    struct store *s;
    struct place p;

    make_folder(&p);
    sql(&p, "PRAGMA application_id=0x456C3261; CREATE TABLE future (x); PRAGMA user_version=99;");
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
        contract_put_in(&p->b, STORE_ANSWER, "own1", "kept", 60000);
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
    EXPECT_INT(sql(&p, "SELECT bytes FROM share WHERE owner = X''"), sizeof("own1kept") - 1);
    tear_down(&p);
}

/* The last transactions before a power cut may be gone, claims among them. */
static void after_a_crash_of_the_machine_no_tip_is_trusted(void)
{
    struct place p;
    struct told t;

    make_folder(&p);
    be_killed(&p);
    write_lock(&p, "4711\nanother-boot\n");
    open_store(&p);
    EXPECT_Z(p.why, "");
    expect_absent(&p.b, "a");
    t = contract_list(&p.b, "", 10);
    EXPECT_Z(t.rows, "j=a cookie;");
    tear_down(&p);
}

/* Overwrites 8 bytes of a file beside the store's; `at` counts from its end when it is negative. */
static void scribble(const struct place *p, const char *suffix, off_t at)
{
    char name[160];
    int fd;

    snprintf(name, sizeof(name), "%s%s", p->file, suffix);
    fd = open(name, O_RDWR);
    EXPECT(fd >= 0);
    if (at < 0)
        at += lseek(fd, 0, SEEK_END);
    EXPECT(pwrite(fd, "scribble", 8, at) == 8);
    EXPECT(close(fd) == 0);
}

/* SQLite ends the log where the damage begins, and finds the file whole: claims are undone. */
static void after_a_kill_no_tip_is_trusted_when_the_log_lost_its_end(void)
{
    static const struct {
        const char *suffix;
        off_t at;
    } rows[] = { { "-wal", -8 }, { "-wal", 16 }, { "-shm", 16 } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct place p;

        make_folder(&p);
        open_store(&p);
        contract_put(&p.b, "k", "a chat that went on", 60000);
        close_store(&p);
        be_killed(&p);
        scribble(&p, rows[i].suffix, rows[i].at);
        open_store(&p);
        EXPECT_Z(p.why, "");
        expect_absent(&p.b, "k");
        expect_absent(&p.b, "a");
        tear_down(&p);
    }
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
    name += strlen("moved to ");
    str_to_z((struct str){ name, strcspn(name, ";") }, path, sizeof(path));
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

/* The number of the page in which `text` stands. */
static int64_t page_of(struct place *p, const char *text)
{
    static char bytes[4 * 1024 * 1024];
    int fd = open(p->file, O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    const char *at = n > 0 ? memmem(bytes, (size_t)n, text, strlen(text)) : NULL;

    EXPECT(at != NULL);
    EXPECT(close(fd) == 0);
    return (at - bytes) / 4096 + 1;
}

static void damage_page(struct place *p, int64_t page)
{
    static const char noise[4096] = "this is no page of a database";
    int fd = open(p->file, O_RDWR);

    EXPECT(pwrite(fd, noise, sizeof(noise), (page - 1) * 4096) == sizeof(noise));
    EXPECT(close(fd) == 0);
}

/* Two cookies, and tips on pages of their own: "t10" to "t99". */
static void fill(struct place *p)
{
    char key[16], value[2048];

    contract_put_in(&p->b, STORE_JAR, "j", "a cookie", STORE_FOREVER);
    contract_put_in(&p->b, STORE_JAR, "k", "another", STORE_FOREVER);
    memset(value, '.', sizeof(value));
    for (int i = 10; i < 100; i++) {
        snprintf(key, sizeof(key), "t%d", i);
        snprintf(value, sizeof(value), "value of %s", key);
        value[strlen(value)] = '.';
        value[sizeof(value) - 1] = '\0';
        contract_put(&p->b, key, value, 60000);
    }
}

static enum err get_told(struct place *p, const char *key)
{
    struct store_key k = contract_key(key);
    struct told t;

    TOLD(&p->b, t, store_get(p->b.port, &k, on_told, &t));
    return t.err;
}

static void damage_found_while_it_runs_is_repaired_at_the_next_start(void)
{
    struct place p;
    struct told t;

    set_up(&p);
    fill(&p);
    close_store(&p);
    damage_page(&p, page_of(&p, "value of t50"));
    open_store(&p);
    EXPECT_Z(p.why, "");
    EXPECT_INT(get_told(&p, "t50"), ERR_IO);
    expect_problem(&p, "damaged: restart");
    EXPECT_INT(get_told(&p, "t10"), ERR_NONE);
    contract_put(&p.b, "t10", "can be written", 60000);
    expect_problem(&p, "damaged: restart"); /* that the rest works does not end it */
    close_store(&p);
    open_store(&p);
    EXPECT(strstr(p.why, "could be saved: 2") != NULL);
    EXPECT_INT(get_told(&p, "t10"), ERR_NOT_FOUND);
    t = contract_list(&p.b, "", 10);
    EXPECT_Z(t.rows, "j=a cookie;k=another;");
    close_store(&p);
    open_store(&p);
    EXPECT_Z(p.why, "");
    expect_problem(&p, NULL);
    tear_down(&p);
}

/* quick_check would not see it. */
static void a_damaged_index_that_was_met_is_repaired_too(void)
{
    char text[256];
    struct place p;
    int64_t root;

    set_up(&p);
    contract_put_in(&p.b, STORE_JAR, "j", "a cookie", STORE_FOREVER);
    close_store(&p);
    root = sql(&p, "SELECT rootpage FROM sqlite_master WHERE name = 'entry_expires'");
    sql(&p, "PRAGMA writable_schema=ON; DELETE FROM sqlite_master WHERE name = 'entry_expires'");
    sql(&p, "INSERT INTO entry VALUES ('tip', x'61', x'62', 9223372036854775807)");
    snprintf(text, sizeof(text),
             "PRAGMA writable_schema=ON; INSERT INTO sqlite_master VALUES ('index',"
             " 'entry_expires', 'entry', %d, 'CREATE INDEX entry_expires ON entry (expires)')",
             (int)root);
    sql(&p, text);
    open_store(&p);
    EXPECT_Z(p.why, "");
    EXPECT_INT(contract_claim(&p.b, "a").err, ERR_IO);
    expect_problem(&p, "damaged: restart");
    close_store(&p);
    open_store(&p);
    EXPECT(strstr(p.why, "could be saved: 1") != NULL);
    EXPECT_Z(contract_list(&p.b, "", 10).rows, "j=a cookie;");
    tear_down(&p);
}

static void cookies_on_both_sides_of_the_damage_are_saved(void)
{
    enum { FIRST = 10, LAST = 39 };
    char key[16], value[2048];
    int64_t root, page;
    struct place p;
    struct told t;
    int saved;

    set_up(&p);
    for (int i = FIRST; i <= LAST; i++) {
        memset(value, '.', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        snprintf(key, sizeof(key), "j%d", i);
        memcpy(value, key, strlen(key));
        contract_put_in(&p.b, STORE_JAR, key, value, STORE_FOREVER);
    }
    close_store(&p);
    root = sql(&p, "SELECT rootpage FROM sqlite_master WHERE name = 'entry'");
    page = page_of(&p, "j25...");
    damage_page(&p, page != root ? page : page_of(&p, "j26..."));
    write_lock(&p, "4711\nthis-boot\nstore\n");
    open_store(&p);
    EXPECT(strstr(p.why, "could be saved: ") != NULL);
    EXPECT(sscanf(strstr(p.why, "saved: "), "saved: %d", &saved) == 1);
    EXPECT(saved >= 20 && saved < LAST - FIRST + 1);
    EXPECT_INT(sql(&p, "SELECT count(*) FROM entry WHERE space = 'jar'"), saved);
    t = contract_list(&p.b, "", 1);
    EXPECT(strncmp(t.rows, "j10=j10...", 10) == 0);
    t = contract_list(&p.b, "j38", 1);
    EXPECT(strncmp(t.rows, "j39=j39...", 10) == 0);
    tear_down(&p);
}

/* Its lock says that it was ours. */
static void our_file_with_a_damaged_header_is_moved_aside(void)
{
    static const char *const locks[] = { NULL, "4711\nthis-boot\n" }; /* an earlier version's */

    for (size_t i = 0; i < COUNT_OF(locks); i++) {
        struct place p;
        int fd;

        set_up(&p);
        close_store(&p);
        if (locks[i])
            write_lock(&p, locks[i]);
        fd = open(p.file, O_WRONLY);
        EXPECT(pwrite(fd, "lost", 4, 0) == 4);
        EXPECT(close(fd) == 0);
        expect_moved_aside(&p);
        tear_down(&p);
    }
}

/* ---- starts in trouble ---- */

static void expect_reads_only(struct place *p, const char *want)
{
    expect_problem(p, want);
    EXPECT_INT(p->problems, 1); /* told as soon as somebody watches */
    EXPECT(strstr(p->told, want) != NULL);
    EXPECT_INT(put_told(p, "n"), ERR_IO);
    EXPECT_INT(contract_claim(&p->b, "a").err, ERR_IO);
    expect_got(&p->b, "n", NULL);
}

/* It has to be brought up to date, which is to write. */
static void a_file_that_cannot_be_written_is_read_until_it_can(void)
{
    static const struct {
        int code;
        const char *want;
    } rows[] = { { SQLITE_FULL, "full" }, { SQLITE_READONLY, "read-only" } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct place p;

        make_folder(&p);
        load(&p, "tests/data/store/v2.sql");
        atomic_store(&disk_write_err, rows[i].code);
        open_store(&p);
        EXPECT_Z(p.why, "");
        expect_reads_only(&p, rows[i].want);
        EXPECT_Z(contract_list(&p.b, "", 10).rows, "b=two;");
        EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 2);
        atomic_store(&disk_write_err, 0);
        RUN_UNTIL(p.b.loop, p.recoveries == 1);
        expect_problem(&p, NULL);
        EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 2);
        expect_claimed(&p.b, "a", 0, "one");
        EXPECT_INT(sql(&p, "PRAGMA application_id"), 0x456C3261);
        tear_down(&p);
    }
}

static void a_file_that_cannot_be_made_is_an_empty_one_until_it_can(void)
{
    struct place p;

    make_folder(&p);
    atomic_store(&disk_write_err, SQLITE_FULL);
    open_store(&p);
    EXPECT_Z(p.why, "");
    expect_reads_only(&p, "full");
    EXPECT_Z(contract_list(&p.b, "", 10).rows, "");
    close_store(&p); /* nothing of it stays */
    p.problems = 0;
    open_store(&p);
    expect_reads_only(&p, "full");
    atomic_store(&disk_write_err, 0);
    RUN_UNTIL(p.b.loop, p.recoveries == 1);
    EXPECT_INT(put_told(&p, "n"), ERR_NONE);
    close_store(&p);
    open_store(&p);
    expect_got(&p.b, "n", "x");
    tear_down(&p);
}

/* Operations that keep coming must not keep it from being tried. */
static void a_stand_in_ends_under_load_too(void)
{
    struct place p;

    make_folder(&p);
    atomic_store(&disk_write_err, SQLITE_FULL);
    open_store(&p);
    atomic_store(&disk_write_err, 0);
    RUN_UNTIL(p.b.loop, (store_get(p.b.port, &(struct store_key){ .n = 1 }, NULL, NULL), true) &&
                            p.recoveries == 1);
    EXPECT_INT(put_told(&p, "n"), ERR_NONE);
    tear_down(&p);
}

/* What the lock says of the owner before must not get lost with a start that fails. */
static void after_a_crash_and_a_full_disk_no_tip_is_trusted(void)
{
    struct place p;

    make_folder(&p);
    be_killed(&p);
    write_lock(&p, "4711\nanother-boot\nstore\n");
    atomic_store(&disk_write_err, SQLITE_FULL);
    open_store(&p);
    expect_reads_only(&p, "full");
    close_store(&p);
    atomic_store(&disk_write_err, 0);
    open_store(&p);
    expect_absent(&p.b, "a");
    EXPECT_Z(contract_list(&p.b, "", 10).rows, "j=a cookie;");
    tear_down(&p);
}

static const struct test suite[] = {
    { "opens a file of every earlier version", opens_a_file_of_every_earlier_version },
    { "refuses a file of a later version", refuses_a_file_of_a_later_version },
    { "after a kill all that was answered is there", after_a_kill_all_that_was_answered_is_there },
    { "after a crash of the machine no tip is trusted",
      after_a_crash_of_the_machine_no_tip_is_trusted },
    { "after a kill no tip is trusted when the log lost its end",
      after_a_kill_no_tip_is_trusted_when_the_log_lost_its_end },
    { "a damaged file is found after a kill and moved aside",
      a_damaged_file_is_found_after_a_kill_and_moved_aside },
    { "damage found while it runs is repaired at the next start",
      damage_found_while_it_runs_is_repaired_at_the_next_start },
    { "a damaged index that was met is repaired too",
      a_damaged_index_that_was_met_is_repaired_too },
    { "cookies on both sides of the damage are saved",
      cookies_on_both_sides_of_the_damage_are_saved },
    { "our file with a damaged header is moved aside",
      our_file_with_a_damaged_header_is_moved_aside },
    { "a file that cannot be written is read until it can",
      a_file_that_cannot_be_written_is_read_until_it_can },
    { "a file that cannot be made is an empty one until it can",
      a_file_that_cannot_be_made_is_an_empty_one_until_it_can },
    { "a stand in ends under load too", a_stand_in_ends_under_load_too },
    { "after a crash and a full disk no tip is trusted",
      after_a_crash_and_a_full_disk_no_tip_is_trusted },
};

static void on_disk(void) __attribute__((constructor));
static void on_disk(void)
{
    disk_install();
}

TEST_MAIN(suite)
