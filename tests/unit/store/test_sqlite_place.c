/* SPDX-License-Identifier: Apache-2.0 */
/* Which file it is, and whose. */
#include <fcntl.h>

#include "sqlite_rig.h"

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

/* ---- files of others ---- */

static size_t read_file(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, out, cap);

    EXPECT(n >= 0);
    EXPECT(close(fd) == 0);
    return (size_t)n;
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    int fd = creat(path, 0644);

    EXPECT(write(fd, bytes, n) == (ssize_t)n);
    EXPECT(close(fd) == 0);
}

static void expect_left_alone(struct place *p, const char *want)
{
    static char before[65536], after[65536];
    struct store *s;
    struct stat st;
    char lock[160];
    size_t n = read_file(p->file, before, sizeof(before));

    EXPECT(chmod(p->file, 0644) == 0);
    EXPECT_INT(store_sqlite_open(p->file, &s, p->why), ERR_IO);
    EXPECT(strstr(p->why, want) != NULL);
    EXPECT(strstr(p->why, p->file) != NULL);
    EXPECT(strstr(p->why, "STORE_URL") != NULL);
    EXPECT_INT(read_file(p->file, after, sizeof(after)), n);
    EXPECT(memcmp(before, after, n) == 0);
    EXPECT(stat(p->file, &st) == 0);
    EXPECT_INT(st.st_mode & 0777, 0644);
    snprintf(lock, sizeof(lock), "%s.lock", p->file);
    EXPECT(access(lock, F_OK) != 0); /* others may have a meaning for it */
}

static void a_database_of_another_program_is_left_alone(void)
{
    static const char *const rows[] = {
        "PRAGMA application_id=42; CREATE TABLE t (x)",
        "CREATE TABLE t (x)",
        "CREATE TABLE entry (space, key, something); PRAGMA user_version=2",
        "PRAGMA user_version=7; CREATE TABLE t (x); DROP TABLE t",
        "PRAGMA journal_mode=WAL; CREATE TABLE t (x)",
        "PRAGMA application_id=42; CREATE TABLE entry (space, key, value, expires);"
        "PRAGMA user_version=2",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct place p;

        make_folder(&p);
        sql(&p, rows[i]);
        expect_left_alone(&p, "another program");
        remove_folder(&p);
    }
}

static void what_is_no_database_is_left_alone(void)
{
    static const char text[] = "root:x:0:0:root:/root:/bin/bash";
    char bytes[8192];
    struct store *s;
    struct place p;

    make_folder(&p);
    write_file(p.file, text, sizeof(text));
    expect_left_alone(&p, "is no database");
    memset(bytes, 'x', sizeof(bytes));
    write_file(p.file, bytes, sizeof(bytes));
    expect_left_alone(&p, "is no database");
    memcpy(bytes, "SQLite format 3", 16);
    memset(bytes + 16, 0, 84);
    write_file(p.file, bytes, sizeof(bytes));
    expect_left_alone(&p, "cannot be read as a database");
    EXPECT_INT(store_sqlite_open(p.folder, &s, p.why), ERR_IO);
    EXPECT(strstr(p.why, "is no file") != NULL);
    EXPECT_INT(store_sqlite_open("/dev/null", &s, p.why), ERR_IO);
    EXPECT(strstr(p.why, "is no file") != NULL);
    remove_folder(&p);
}

/* Another program's id counts for more than an old lock of ours. */
static void a_file_of_others_beside_our_lock_is_left_alone(void)
{
    char bytes[4096] = "SQLite format 3";
    struct store *s;
    struct place p;

    set_up(&p);
    close_store(&p);
    memset(bytes + 16, 'x', sizeof(bytes) - 16);
    memcpy(bytes + 68, "GPKG", 4);
    write_file(p.file, bytes, sizeof(bytes));
    EXPECT_INT(store_sqlite_open(p.file, &s, p.why), ERR_IO);
    EXPECT(strstr(p.why, "another program") != NULL);
    remove_folder(&p);
}

static void an_empty_file_is_taken(void)
{
    struct place p;

    make_folder(&p);
    write_file(p.file, "", 0);
    open_store(&p);
    EXPECT_Z(p.why, "");
    EXPECT_INT(sql(&p, "PRAGMA application_id"), 0x456C3261);
    tear_down(&p);
}

static void all_names_of_a_file_have_one_lock(void)
{
    struct store *second;
    char name[128];
    struct place p;

    make_folder(&p);
    snprintf(name, sizeof(name), "%s/alias.db", p.folder);
    EXPECT(symlink(p.file, name) == 0);
    for (int i = 0; i < 2; i++) { /* before the file is there, and when it is */
        EXPECT_INT(store_sqlite_open(i ? p.file : name, &p.b.store, p.why), ERR_NONE);
        EXPECT_INT(store_sqlite_open(i ? name : p.file, &second, p.why), ERR_CONFLICT);
        EXPECT(strstr(p.why, "stop it, or name another file") != NULL);
        store_close(p.b.store);
    }
    snprintf(name, sizeof(name), "%s/alias.db.lock", p.folder);
    EXPECT(access(name, F_OK) != 0);
    remove_folder(&p);
}

static void a_lock_that_cannot_be_made_says_what_to_do(void)
{
    char lock[160];
    struct store *s;
    struct place p;

    make_folder(&p);
    snprintf(lock, sizeof(lock), "%s.lock", p.file);
    EXPECT(mkdir(lock, 0700) == 0);
    EXPECT_INT(store_sqlite_open(p.file, &s, p.why), ERR_IO);
    EXPECT(strstr(p.why, "let this user write to it") != NULL);
    EXPECT(strstr(p.why, "STORE_URL") != NULL);
    remove_folder(&p);
}

/* ---- handed on ---- */

static void take_over(struct place *to, const struct place *from)
{
    struct store *s;
    int lock = dup(store_lock(from->b.store)); /* as the next process has it */

    EXPECT(lock >= 0);
    *to = *from;
    EXPECT(!store_is_joint(from->b.store));
    store_give(from->b.store, true);
    EXPECT(store_is_joint(from->b.store));
    EXPECT_INT(store_sqlite_take_over(to->file, lock, &s, to->why), ERR_NONE);
    EXPECT_Z(to->why, "");
    EXPECT(store_is_joint(s) && !store_is_shared(s));
    bench_open(&to->b, s, loop_new());
}

/* Both work on it; a claim is one's alone; the lock is held until the last has closed. */
static void two_processes_have_it_while_it_is_handed_on(void)
{
    struct store *third;
    struct place old, new;
    char why[STORE_WHY_MAX];

    set_up(&old);
    contract_put(&old.b, "b", "x", 60000);
    take_over(&new, &old);
    contract_put(&old.b, "d", "y", 60000);
    expect_claimed(&new.b, "d", 0, "y");
    expect_claimed(&new.b, "b", 0, "x");
    contract_put(&new.b, "a", "z", 60000);
    close_store(&old);
    EXPECT_INT(store_sqlite_open(new.file, &third, why), ERR_CONFLICT);
    expect_claimed(&new.b, "a", 0, "z");
    close_store(&new);
    open_store(&new); /* it was a clean end */
    EXPECT_Z(new.why, "");
    tear_down(&new);
}

static void lock_text(const struct place *p, char out[64])
{
    char path[160];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s.lock", p->file);
    fd = open(path, O_RDONLY);
    n = read(fd, out, 63);
    EXPECT(n > 0);
    out[n] = '\0';
    close(fd);
}

static void the_lock_says_that_the_last_of_them_has_ended(void)
{
    struct place old, new;
    char text[64];

    set_up(&old);
    take_over(&new, &old);
    close_store(&old);
    lock_text(&new, text);
    EXPECT(text[0] != '\n'); /* it is in use, and who is killed now was no clean end */
    close_store(&new);
    lock_text(&new, text);
    EXPECT_Z(text, "\n\nstore\n");
    remove_folder(&new);
}

/* Who was to take over did not come. */
static void what_is_taken_back_ends_as_ever(void)
{
    struct place p;
    char text[64];

    set_up(&p);
    store_give(p.b.store, true);
    store_give(p.b.store, false);
    close_store(&p);
    lock_text(&p, text);
    EXPECT_Z(text, "\n\nstore\n");
    remove_folder(&p);
}

/* The settings name another file than before. */
static void a_lock_of_another_file_is_let_go(void)
{
    struct place p;
    struct store *s;
    int ends[2];
    char byte;

    make_folder(&p);
    EXPECT(pipe(ends) == 0); /* whose reader learns when it is closed */
    EXPECT_INT(store_sqlite_take_over(p.file, ends[1], &s, p.why), ERR_NONE);
    EXPECT_INT(read(ends[0], &byte, 1), 0);
    EXPECT(store_lock(s) >= 0);
    store_close(s);
    close(ends[0]);
    remove_folder(&p);
}

static const struct test suite[] = {
    { "nobody else may read its files", nobody_else_may_read_its_files },
    { "a second process is told who has the file", a_second_process_is_told_who_has_the_file },
    { "a folder that is not there is named", a_folder_that_is_not_there_is_named },
    { "a database of another program is left alone", a_database_of_another_program_is_left_alone },
    { "what is no database is left alone", what_is_no_database_is_left_alone },
    { "a file of others beside our lock is left alone",
      a_file_of_others_beside_our_lock_is_left_alone },
    { "an empty file is taken", an_empty_file_is_taken },
    { "all names of a file have one lock", all_names_of_a_file_have_one_lock },
    { "a lock that cannot be made says what to do", a_lock_that_cannot_be_made_says_what_to_do },
    { "two processes have it while it is handed on", two_processes_have_it_while_it_is_handed_on },
    { "the lock says that the last of them has ended",
      the_lock_says_that_the_last_of_them_has_ended },
    { "what is taken back ends as ever", what_is_taken_back_ends_as_ever },
    { "a lock of another file is let go", a_lock_of_another_file_is_let_go },
};

static void on_disk(void) __attribute__((constructor));
static void on_disk(void)
{
    disk_install();
}

TEST_MAIN(suite)
