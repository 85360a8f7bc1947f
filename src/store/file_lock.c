/* SPDX-License-Identifier: Apache-2.0 */
/* flock(2): it belongs to the open file, so no other close in this process can lose it. */
#include "store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { BOOT_SIZE = 64, OWNER_SIZE = 128 };

/* The line that begins at `at`. */
static void read_line(int fd, off_t at, char *out, size_t cap)
{
    ssize_t n = pread(fd, out, cap - 1, at);

    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static void read_owner(int fd, char *out, size_t cap)
{
    read_line(fd, 0, out, cap);
}

static void read_boot(char *out, size_t cap);

static enum file_lock_past past_of(int fd)
{
    char owner[32], then[BOOT_SIZE], now[BOOT_SIZE];

    read_owner(fd, owner, sizeof(owner));
    if (!owner[0])
        return FILE_LOCK_CLEAN;
    read_line(fd, (off_t)strlen(owner) + 1, then, sizeof(then));
    read_boot(now, sizeof(now));
    return strcmp(then, now) == 0 ? FILE_LOCK_KILLED : FILE_LOCK_REBOOTED;
}

static enum err refuse(const char *path, int fd, char *ret_why)
{
    int number = errno;
    char owner[32];

    if (fd >= 0 && number == EWOULDBLOCK) {
        read_owner(fd, owner, sizeof(owner));
        snprintf(ret_why, FILE_LOCK_WHY_MAX,
                 "%.300s is in use by the process with pid %s: stop it, or name another file in "
                 "STORE_URL",
                 path, owner[0] ? owner : "unknown");
        return ERR_CONFLICT;
    }
    snprintf(ret_why, FILE_LOCK_WHY_MAX, "%.300s.lock cannot be used (%s)", path, strerror(number));
    return ERR_IO;
}

/* Another one each time the machine starts; "" where the system does not say. */
static void read_boot(char *out, size_t cap)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    out[0] = '\0';
    if (fd < 0)
        return;
    read_line(fd, 0, out, cap);
    close(fd);
}

/* "PID\nBOOT\n" */
static bool write_owner(int fd)
{
    char text[OWNER_SIZE], boot[BOOT_SIZE];
    int n;

    read_boot(boot, sizeof(boot));
    n = snprintf(text, sizeof(text), "%ld\n%s\n", (long)getpid(), boot);
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
}

enum err file_lock_take(const char *path, struct file_lock *ret, enum file_lock_past *ret_past,
                        char *ret_why)
{
    char name[4096];
    enum err err;
    int fd;

    ret->fd = -1;
    snprintf(name, sizeof(name), "%s.lock", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return refuse(path, fd, ret_why);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = refuse(path, fd, ret_why);
        close(fd);
        return err;
    }
    *ret_past = past_of(fd);
    if (!write_owner(fd)) {
        err = refuse(path, -1, ret_why);
        close(fd);
        return err;
    }
    ret->fd = fd;
    return ERR_NONE;
}

/* The file stays: taking it away could take it from under another process that has just opened it.
 */
void file_lock_release(struct file_lock *l)
{
    int cleared;

    if (l->fd < 0)
        return;
    cleared = ftruncate(l->fd, 0);
    (void)cleared; /* else the next owner looks the file through, which is only slower */
    close(l->fd);
    l->fd = -1;
}
