/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index (-shm) outlives a process that is killed, and SQLite makes it anew at the next start.
 * It begins with the same header twice (https://sqlite.org/walformat.html), in the machine's byte
 * order: version at 0, committed frames at 16, salts as in the log's header at 32.
 *
 * Only before the file is opened: closing the index would lose the locks that SQLite has there.
 */
#include "store/sqlite_wal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/sqlite_internal.h"

enum {
    HEADER_LEN = 48,
    FRAMES_AT = 16,
    INDEX_SALTS_AT = 32,
    LOG_SALTS_AT = 16, /* in the log's own header */
    SALTS_LEN = 8,
};

static bool read_start(const char *path, const char *suffix, char *out, size_t n)
{
    char name[SQLITE_PATH_MAX + 8];
    bool is_read;
    int fd;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    is_read = pread(fd, out, n, 0) == (ssize_t)n;
    close(fd);
    return is_read;
}

uint32_t sqlite_wal_frames(const char *path)
{
    char index[2 * HEADER_LEN], log[LOG_SALTS_AT + SALTS_LEN];
    uint32_t frames;

    if (!read_start(path, "-shm", index, sizeof(index)))
        return 0;
    memcpy(&frames, index + FRAMES_AT, sizeof(frames));
    if (memcmp(index, index + HEADER_LEN, HEADER_LEN) != 0)
        return UINT32_MAX;
    if (frames == 0)
        return 0;
    if (!read_start(path, "-wal", log, sizeof(log)) ||
        memcmp(log + LOG_SALTS_AT, index + INDEX_SALTS_AT, SALTS_LEN) != 0)
        return UINT32_MAX;
    return frames;
}

bool sqlite_wal_lost(struct sqlite_db *db, uint32_t frames)
{
    int left = 0;

    if (frames == 0)
        return false;
    /* A checkpoint that waits for nobody also counts, and takes nothing from the log. */
    return sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, NULL) !=
               SQLITE_OK ||
           left < 0 || (uint32_t)left < frames;
}
