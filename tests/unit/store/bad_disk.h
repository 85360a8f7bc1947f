/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that counts what is forced onto it, and that fails when the test says so: SQLite's own way
 * to files with three functions replaced (sqlite.org/vfs.html).
 */
#pragma once

#include <sqlite3.h>
#include <stdatomic.h>

#include "test.h"

static atomic_int disk_syncs;     /* how often bytes were forced onto it */
static atomic_int disk_write_err; /* SQLITE_FULL and so on, for each write; 0: it works */
static atomic_int disk_refusals;  /* writes that failed so */

struct disk_file {
    sqlite3_file base;
    sqlite3_io_methods methods;
    sqlite3_file real[]; /* of the real VFS */
};

static inline sqlite3_file *real_file(sqlite3_file *f)
{
    return ((struct disk_file *)(void *)f)->real;
}

static inline int disk_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int err = atomic_load(&disk_write_err);

    atomic_fetch_add(&disk_refusals, err != 0);
    return err ? err : real_file(f)->pMethods->xWrite(real_file(f), p, n, at);
}

static inline int disk_sync(sqlite3_file *f, int flags)
{
    atomic_fetch_add(&disk_syncs, 1);
    return real_file(f)->pMethods->xSync(real_file(f), flags);
}

static inline int disk_close(sqlite3_file *f)
{
    return real_file(f)->pMethods->xClose(real_file(f));
}

/* The rest passes through. */
#define PASS(name, ret, params, ...)                                       \
    static inline ret disk_##name params                                   \
    {                                                                      \
        return real_file(f)->pMethods->x##name(real_file(f), __VA_ARGS__); \
    }
PASS(Read, int, (sqlite3_file * f, void *p, int n, sqlite3_int64 at), p, n, at)
PASS(Truncate, int, (sqlite3_file * f, sqlite3_int64 n), n)
PASS(FileSize, int, (sqlite3_file * f, sqlite3_int64 *n), n)
PASS(Lock, int, (sqlite3_file * f, int level), level)
PASS(Unlock, int, (sqlite3_file * f, int level), level)
PASS(CheckReservedLock, int, (sqlite3_file * f, int *out), out)
PASS(FileControl, int, (sqlite3_file * f, int op, void *arg), op, arg)
PASS(ShmMap, int, (sqlite3_file * f, int i, int n, int extend, void volatile **out), i, n, extend,
     out)
PASS(ShmLock, int, (sqlite3_file * f, int at, int n, int flags), at, n, flags)
PASS(ShmUnmap, int, (sqlite3_file * f, int del), del)

static inline int disk_SectorSize(sqlite3_file *f)
{
    return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static inline int disk_Characteristics(sqlite3_file *f)
{
    return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static inline void disk_ShmBarrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static sqlite3_vfs *real_vfs;

static inline int disk_open(UNUSED sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                            int *out)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = disk_close,
        .xRead = disk_Read,
        .xWrite = disk_write,
        .xTruncate = disk_Truncate,
        .xSync = disk_sync,
        .xFileSize = disk_FileSize,
        .xLock = disk_Lock,
        .xUnlock = disk_Unlock,
        .xCheckReservedLock = disk_CheckReservedLock,
        .xFileControl = disk_FileControl,
        .xSectorSize = disk_SectorSize,
        .xDeviceCharacteristics = disk_Characteristics,
        .xShmMap = disk_ShmMap,
        .xShmLock = disk_ShmLock,
        .xShmBarrier = disk_ShmBarrier,
        .xShmUnmap = disk_ShmUnmap,
    };
    int code = real_vfs->xOpen(real_vfs, name, real_file(f), flags, out);

    f->pMethods = real_file(f)->pMethods ? &methods : NULL;
    return code;
}

/* From now on every database is on this disk. */
static inline void disk_install(void)
{
    static sqlite3_vfs vfs;

    if (real_vfs)
        return;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "disk";
    vfs.szOsFile += (int)sizeof(struct disk_file);
    vfs.xOpen = disk_open;
    EXPECT(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}
