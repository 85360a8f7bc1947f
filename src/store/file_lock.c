/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flock(2): it belongs to the open file, so no other close in this process can lose it. The file
 * has three lines: the owner's pid (empty after a clean end), its boot, and what the file is
 * ("store", or "damaged"); earlier versions wrote the first two, and none at a clean end.
 *
 * A flock that was passed on does not tell how many processes have it. So each marks a byte far
 * behind the text besides, with a lock of fcntl(2) that belongs to the process: it is shared, and
 * whoever asks whether the byte could be his alone learns of the others.
 */
#include "store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

enum { BOOT_SIZE = 64, NAME_SIZE = 4096, MARKED_BYTE = 1 << 20 };

struct lines {
    struct str owner;
    struct str boot;
    struct str state;
};

static void read_text(int fd, char *out, size_t cap)
{
    ssize_t n = pread(fd, out, cap - 1, 0);

    out[n > 0 ? n : 0] = '\0';
}

static struct lines lines_of(const char *text)
{
    struct str rest = str_of(text);
    struct lines l;

    l.owner = str_cut(rest, '\n', &rest);
    l.boot = str_cut(rest, '\n', &rest);
    l.state = str_cut(rest, '\n', &rest);
    return l;
}

/* Another one each time the machine starts; "" where the system does not say. */
static struct str read_boot(char out[BOOT_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    struct str rest;

    out[0] = '\0';
    if (fd < 0)
        return STR("");
    read_text(fd, out, BOOT_SIZE);
    close(fd);
    return str_cut(str_of(out), '\n', &rest);
}

static struct file_lock_past past_of(const char *former)
{
    struct lines l = lines_of(former);
    char boot[BOOT_SIZE];
    bool was_killed = l.owner.n > 0;

    return (struct file_lock_past){ .was_killed = was_killed,
                                    .was_rebooted = was_killed && !str_eq(l.boot, read_boot(boot)),
                                    .was_damaged = str_eq(l.state, STR("damaged")) };
}

static enum err refuse(const char *path, int fd, char *ret_why)
{
    int number = errno; /* of what was tried last */
    char text[FILE_LOCK_TEXT_MAX];
    struct str owner;

    if (fd >= 0 && number == EWOULDBLOCK) {
        read_text(fd, text, sizeof(text));
        owner = lines_of(text).owner;
        if (owner.n == 0)
            owner = STR("unknown");
        snprintf(ret_why, FILE_LOCK_WHY_MAX,
                 "%.300s is in use by the process with pid %.*s: stop it, or name another file in "
                 "STORE_URL",
                 path, STR_ARGS(owner));
        return ERR_CONFLICT;
    }
    snprintf(ret_why, FILE_LOCK_WHY_MAX,
             "%.300s.lock cannot be written (%s): let this user write to it and its folder, or "
             "name another file in STORE_URL",
             path, strerror(number));
    errno = number;
    return ERR_IO;
}

/* Over what is there, which must not be lost when there is no room. */
static bool write_text(int fd, const char *text)
{
    size_t n = strlen(text);

    return pwrite(fd, text, n, 0) == (ssize_t)n && ftruncate(fd, (off_t)n) == 0;
}

static bool write_lines(const struct file_lock *l, const char *owner, struct str boot)
{
    char text[FILE_LOCK_TEXT_MAX];

    snprintf(text, sizeof(text), "%s\n%.*s\n%s\n", owner, STR_ARGS(boot),
             l->is_damaged ? "damaged" : "store");
    return write_text(l->fd, text);
}

static bool write_owner(const struct file_lock *l)
{
    char pid[24], boot[BOOT_SIZE];

    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    return write_lines(l, pid, read_boot(boot));
}

/* Where the file system cannot, nobody is ever known to be gone. */
static void mark(int fd)
{
    struct flock l = { .l_type = F_RDLCK, .l_start = MARKED_BYTE, .l_len = 1 };

    (void)fcntl(fd, F_SETLK, &l);
}

bool file_lock_is_alone(const struct file_lock *l)
{
    struct flock other = { .l_type = F_WRLCK, .l_start = MARKED_BYTE, .l_len = 1 };

    return l->fd >= 0 && fcntl(l->fd, F_GETLK, &other) == 0 && other.l_type == F_UNLCK;
}

static int open_lock(const char *path, int flags)
{
    char name[NAME_SIZE];

    snprintf(name, sizeof(name), "%s.lock", path);
    return open(name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

enum err file_lock_take(const char *path, struct file_lock *ret, struct file_lock_past *ret_past,
                        char *ret_why)
{
    struct file_lock l = { .fd = open_lock(path, O_RDWR | O_CREAT) };
    enum err err;

    ret->fd = -1;
    if (l.fd < 0)
        return refuse(path, -1, ret_why);
    if (flock(l.fd, LOCK_EX | LOCK_NB) != 0) {
        err = refuse(path, l.fd, ret_why);
        close(l.fd);
        return err;
    }
    read_text(l.fd, l.former, sizeof(l.former));
    *ret_past = past_of(l.former);
    if (!write_owner(&l)) {
        err = refuse(path, -1, ret_why);
        file_lock_put_back(&l);
        return err;
    }
    mark(l.fd);
    *ret = l;
    return ERR_NONE;
}

static bool is_lock_of(const char *path, int fd)
{
    int named = open_lock(path, O_RDONLY | O_NONBLOCK);
    struct stat a, b;
    bool is_same = named >= 0 && fstat(named, &a) == 0 && fstat(fd, &b) == 0 &&
                   a.st_dev == b.st_dev && a.st_ino == b.st_ino;

    if (named >= 0)
        close(named);
    return is_same;
}

bool file_lock_take_over(const char *path, int fd, struct file_lock *ret)
{
    struct file_lock l = { .fd = fd };

    if (!is_lock_of(path, fd))
        return false;
    read_text(fd, l.former, sizeof(l.former));
    l.is_damaged = str_eq(lines_of(l.former).state, STR("damaged"));
    (void)write_owner(&l); /* else it names the process before, until that one is gone */
    mark(l.fd);
    *ret = l;
    return true;
}

bool file_lock_knows(const char *path)
{
    char text[FILE_LOCK_TEXT_MAX];
    int fd = open_lock(path, O_RDONLY | O_NONBLOCK);
    struct lines l;
    uint64_t pid;

    if (fd < 0)
        return false;
    read_text(fd, text, sizeof(text));
    close(fd);
    l = lines_of(text);
    return str_eq(l.state, STR("store")) || str_eq(l.state, STR("damaged")) ||
           (l.boot.n > 0 && str_to_u64(l.owner, UINT32_MAX, &pid) == ERR_NONE);
}

void file_lock_note_damage(struct file_lock *l)
{
    if (l->fd < 0 || l->is_damaged)
        return;
    l->is_damaged = true;
    if (!write_owner(l))
        l->is_damaged = false; /* the next failure tries again */
}

/* The file stays: taking it away could take it from under another process that has just opened it.
 * What cannot be written leaves the pid, and the next owner looks the file through. */
static void let_go(struct file_lock *l, bool is_written)
{
    (void)is_written;
    close(l->fd);
    l->fd = -1;
}

void file_lock_release(struct file_lock *l)
{
    if (l->fd >= 0) /* what is given on goes with the last descriptor */
        let_go(l, l->is_given || write_lines(l, "", STR("")));
}

void file_lock_put_back(struct file_lock *l)
{
    if (l->fd >= 0)
        let_go(l, write_text(l->fd, l->former));
}
