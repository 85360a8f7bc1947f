/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with a store in a file, on a disk that may fail, and what is done to it from outside. */
#pragma once

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

static inline void on_changed(void *arg, const char *problem)
{
    struct place *p = arg;

    str_to_z(str_of(problem), p->told, sizeof(p->told));
    atomic_fetch_add(problem ? &p->problems : &p->recoveries, 1);
}

static inline void make_folder(struct place *p)
{
    *p = (struct place){ .folder = "/tmp/store-test-XXXXXX" };
    EXPECT(mkdtemp(p->folder) != NULL);
    snprintf(p->file, sizeof(p->file), "%s/state.db", p->folder);
}

static inline void open_store(struct place *p)
{
    struct store *s;

    EXPECT_INT(store_sqlite_open(p->file, &s, p->why), ERR_NONE);
    store_watch(s, on_changed, p);
    bench_open(&p->b, s, loop_new());
}

static inline void close_store(struct place *p)
{
    bench_close(&p->b);
    loop_free(p->b.loop);
}

static inline int delete_one(const char *path, UNUSED const struct stat *st, UNUSED int type,
                             UNUSED struct FTW *at)
{
    return remove(path);
}

static inline void remove_folder(struct place *p)
{
    EXPECT(nftw(p->folder, delete_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static inline void set_up(struct place *p)
{
    make_folder(p);
    open_store(p);
    EXPECT_Z(p->why, "");
}

static inline void tear_down(struct place *p)
{
    close_store(p);
    remove_folder(p);
}

/* Runs SQL on the file beside the store; the first column of its last row as a number. */
static inline int64_t sql(struct place *p, const char *text)
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

static inline void write_lock(struct place *p, const char *text)
{
    char lock[160];
    int fd;

    snprintf(lock, sizeof(lock), "%s.lock", p->file);
    fd = open(lock, O_WRONLY | O_TRUNC);
    EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    EXPECT(close(fd) == 0);
}

static inline enum err put_told(struct place *p, const char *key)
{
    struct store_key k = contract_key(key);
    struct told t;

    TOLD(&p->b, t, store_put(p->b.port, &k, STR("x"), 60000, on_told, &t));
    return t.err;
}

static inline void expect_problem(struct place *p, const char *want)
{
    char why[STORE_PROBLEM_MAX];

    if (want) {
        EXPECT(!store_is_ready(p->b.store, why));
        EXPECT(strstr(why, want) != NULL);
    } else {
        EXPECT(store_is_ready(p->b.store, why));
    }
}
