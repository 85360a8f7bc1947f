/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers format a line on their stack and copy it into a ring under a short
 * lock; the writer takes whole lines out, as many as it may write at once, and
 * writes them without the lock. A line alone is written at once, under load those
 * of some milliseconds together. It polls before it writes, and then writes no more
 * to a pipe than that has certainly room for, so that a reader who has stopped
 * reading holds up neither log_stop() nor the end of the program.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_line.h"
#include "base/mem.h"

enum {
    RING = 1024 * 1024,
    FILE_PIECE = 64 * 1024, /* at once to a file, which never makes wait */
    PACE_MS = 10,           /* from one writing to the next */
    PATIENCE_MS = 1000,     /* how long a reader that reads nothing is waited for at the end */
    POLL_MS = 100,
};

static _Atomic int level_now = LOG_INFO;
static _Atomic int format_now = LOG_TEXT;
static _Atomic int fd_now = STDERR_FILENO;
static _Atomic bool has_colors;
static _Atomic bool is_file;
static _Atomic uint64_t dropped;

/* From then on the writer waits for no reader; set by log_stop(). */
static _Atomic int64_t stop_waiting_ms = INT64_MAX;

static struct {
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t wake;  /* there is something to write, or it is time to stop */
    pthread_cond_t idle;  /* all is written */
    pthread_t thread;
    char *ring; /* owned; NULL when the thread does not run */
    size_t head;
    size_t n;
    bool is_writing; /* the thread holds lines that left the ring */
    bool is_open;    /* lines go into the ring; false before log_start() and from log_stop() on */
    bool is_urgent;  /* somebody waits for all to be written */
    int64_t next_ms; /* when to write again */
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

_Static_assert((int)LOG_LINE_MAX <= PIPE_BUF, "a pipe that is ready has room for a line");

static struct timespec in_ms(int64_t ms)
{
    int64_t at_ms = clock_now_ms() + ms;

    return (struct timespec){ .tv_sec = (time_t)(at_ms / 1000),
                              .tv_nsec = (long)(at_ms % 1000 * 1000000) };
}

static void lock(void)
{
    BUG_ON(pthread_mutex_lock(&queue.lock) != 0);
}

static void unlock(void)
{
    BUG_ON(pthread_mutex_unlock(&queue.lock) != 0);
}

static void ring_put(struct str line)
{
    size_t at = (queue.head + queue.n) % RING;
    size_t first = line.n < RING - at ? line.n : RING - at;

    memcpy(queue.ring + at, line.p, first);
    memcpy(queue.ring, line.p + first, line.n - first);
    queue.n += line.n;
}

/* Moves as many whole lines as fit into `out`; lines are never longer than that. */
static size_t ring_take(char *out, size_t cap)
{
    size_t n = queue.n < cap ? queue.n : cap;
    size_t first = n < RING - queue.head ? n : RING - queue.head;
    const char *end;

    memcpy(out, queue.ring + queue.head, first);
    memcpy(out + first, queue.ring, n - first);
    end = memrchr(out, '\n', n);
    BUG_ON(!end);
    n = (size_t)(end - out) + 1;
    queue.head = (queue.head + n) % RING;
    queue.n -= n;
    return n;
}

static uint64_t count_lines(struct str s)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < s.n; i++)
        lines += s.p[i] == '\n';
    return lines;
}

/* Waits until the reader has room; false when it had none until *give_up_ms. */
static bool wait_for_room(int fd, const _Atomic int64_t *give_up_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    for (;;) {
        bool is_late = clock_now_ms() >= *give_up_ms;

        if (poll(&p, 1, is_late ? 0 : POLL_MS) > 0)
            return true;
        if (is_late)
            return false;
    }
}

/* Returns what could not be written. */
static struct str write_all(int fd, struct str s, const _Atomic int64_t *give_up_ms)
{
    while (s.n > 0 && wait_for_room(fd, give_up_ms)) {
        ssize_t n = write(fd, s.p, s.n);

        if (n >= 0)
            s = str_from(s, (size_t)n);
        else if (errno != EINTR && errno != EAGAIN)
            break;
    }
    return s;
}

static void write_or_count(struct str lines, const _Atomic int64_t *give_up_ms)
{
    struct str lost = write_all(fd_now, lines, give_up_ms);

    atomic_fetch_add_explicit(&dropped, count_lines(lost), memory_order_relaxed);
}

/* Lines come together for a moment, when others were written just before. With the lock held. */
static void gather(void)
{
    int64_t left = queue.next_ms - clock_now_ms();
    struct timespec until = in_ms(left);
    bool may_wait = left > 0;

    while (may_wait && queue.is_open && !queue.is_urgent && queue.n < RING / 2)
        may_wait = pthread_cond_timedwait(&queue.wake, &queue.lock, &until) == 0;
    queue.next_ms = clock_now_ms() + PACE_MS;
}

/* With the lock held; lets it go while it writes. */
static void write_some(void)
{
    static char lines[FILE_PIECE]; /* the thread's */
    size_t n = ring_take(lines, is_file ? FILE_PIECE : LOG_LINE_MAX);

    queue.is_writing = true;
    unlock();
    write_or_count((struct str){ lines, n }, &stop_waiting_ms);
    lock();
    queue.is_writing = false;
}

static void *run(void *arg)
{
    (void)arg;
    lock();
    for (;;) {
        if (queue.n > 0)
            gather();
        while (queue.n > 0)
            write_some();
        queue.is_urgent = false;
        BUG_ON(pthread_cond_broadcast(&queue.idle) != 0);
        if (!queue.is_open)
            break;
        BUG_ON(pthread_cond_wait(&queue.wake, &queue.lock) != 0);
    }
    unlock();
    return NULL;
}

/* Signals are the business of the threads that were there before. */
static void start_thread(void)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    BUG_ON(pthread_sigmask(SIG_SETMASK, &all, &before) != 0);
    if (pthread_create(&queue.thread, NULL, run, NULL) != 0) {
        queue.is_open = false; /* so that die() writes at once */
        die(__FILE__, __LINE__, "cannot start the thread that writes the log");
    }
    BUG_ON(pthread_sigmask(SIG_SETMASK, &before, NULL) != 0);
}

/* Once and for good: somebody may still be waking up from one of them. */
static void init_conditions(void)
{
    pthread_condattr_t attr;

    BUG_ON(pthread_condattr_init(&attr) != 0);
    BUG_ON(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0);
    BUG_ON(pthread_cond_init(&queue.wake, &attr) != 0);
    BUG_ON(pthread_cond_init(&queue.idle, &attr) != 0);
    BUG_ON(pthread_condattr_destroy(&attr) != 0);
}

/* Where they are wanted and understood: no-color.org, and a terminal that says what it is. */
static bool wants_colors(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fd) && !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
}

void log_start(enum log_level level, enum log_format format, int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct stat st;
    char *ring = mem_alloc(RING);

    level_now = (int)level;
    format_now = (int)format;
    fd_now = fd;
    has_colors = wants_colors(fd);
    is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    stop_waiting_ms = INT64_MAX;
    BUG_ON(pthread_once(&once, init_conditions) != 0);
    lock();
    BUG_ON(queue.ring);
    queue.head = 0;
    queue.n = 0;
    queue.is_open = true;
    queue.next_ms = 0;
    queue.ring = ring;
    unlock();
    start_thread();
}

void log_stop(void)
{
    lock();
    if (!queue.is_open) {
        unlock();
        return;
    }
    queue.is_open = false;
    stop_waiting_ms = clock_now_ms() + PATIENCE_MS;
    BUG_ON(pthread_cond_signal(&queue.wake) != 0);
    unlock();
    BUG_ON(pthread_join(queue.thread, NULL) != 0);
    lock();
    mem_free(queue.ring);
    queue.ring = NULL;
    unlock();
}

void log_flush(void)
{
    struct timespec until = in_ms(PATIENCE_MS);
    bool may_wait;

    lock();
    may_wait = queue.ring && !pthread_equal(pthread_self(), queue.thread);
    queue.is_urgent = may_wait && (queue.n > 0 || queue.is_writing);
    if (queue.is_urgent)
        BUG_ON(pthread_cond_signal(&queue.wake) != 0);
    while (may_wait && (queue.n > 0 || queue.is_writing))
        may_wait = pthread_cond_timedwait(&queue.idle, &queue.lock, &until) == 0;
    unlock();
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&level_now, memory_order_relaxed) && level != LOG_OFF;
}

static const char *const level_names[] = { [LOG_DEBUG] = "debug",
                                           [LOG_INFO] = "info",
                                           [LOG_WARN] = "warn",
                                           [LOG_ERROR] = "error",
                                           [LOG_OFF] = "off" };

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_find(struct str name, enum log_level *ret)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (!str_eq(name, str_of(level_names[i])))
            continue;
        *ret = (enum log_level)i;
        return true;
    }
    return false;
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

/* False when no thread writes and the caller has to. */
static bool enqueue(struct str line)
{
    bool is_open;

    lock();
    is_open = queue.is_open;
    if (is_open && ((queue.n == 0 && !queue.is_writing) || queue.n >= RING / 2))
        BUG_ON(pthread_cond_signal(&queue.wake) != 0);
    if (is_open && line.n <= RING - queue.n)
        ring_put(line);
    else if (is_open)
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    unlock();
    return is_open;
}

static void write_now(struct str line)
{
    const _Atomic int64_t give_up_ms = clock_now_ms() + PATIENCE_MS;

    write_or_count(line, &give_up_ms);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
    char out[LOG_LINE_MAX];
    struct log_entry entry = { level, clock_wall_ms(), message, fields, n };
    struct str line;

    if (!log_is_on(level))
        return;
    line.p = out;
    line.n = log_line(out, (enum log_format)format_now, has_colors, &entry);
    if (!enqueue(line))
        write_now(line);
}
