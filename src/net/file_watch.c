/* SPDX-License-Identifier: Apache-2.0 */
/* A poll of libuv's says that the file changed; a job on its threads reads it. One job at a time.
 */
#include "net/file_watch.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "net/loop_internal.h"

struct file_watch {
    uv_fs_poll_t poll;
    uv_work_t work;
    void (*changed)(void *arg, struct str content);
    void *arg;
    void (*stopped)(void *arg); /* NULL while it watches */
    void *stopped_arg;
    bool is_reading;
    bool is_closed; /* the poll's handle is */
    bool is_due;    /* it changed while it was read */
    size_t n;       /* of content; SIZE_MAX: it could not be read */
    char *path;
    char content[FILE_WATCH_MAX];
};

static void begin_to_read(struct file_watch *w);

static void free_when_idle(struct file_watch *w)
{
    void (*stopped)(void *) = w->stopped;
    void *stopped_arg = w->stopped_arg;

    if (w->is_reading || !w->is_closed)
        return;
    mem_wipe(w->content, sizeof(w->content));
    mem_free(w->path);
    mem_free(w);
    stopped(stopped_arg);
}

/* On a thread of libuv's. */
static void read_file(uv_work_t *work)
{
    struct file_watch *w = CONTAINER_OF(work, struct file_watch, work);
    int fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t got = 1;

    w->n = 0;
    while (fd >= 0 && got > 0 && w->n < sizeof(w->content)) {
        got = read(fd, w->content + w->n, sizeof(w->content) - w->n);
        w->n += got > 0 ? (size_t)got : 0;
    }
    if (fd < 0 || got != 0)
        w->n = SIZE_MAX;
    if (fd >= 0)
        close(fd);
}

static void on_read(uv_work_t *work, UNUSED int status)
{
    struct file_watch *w = CONTAINER_OF(work, struct file_watch, work);

    w->is_reading = false;
    if (w->stopped) {
        free_when_idle(w);
        return;
    }
    if (w->n != SIZE_MAX)
        w->changed(w->arg, (struct str){ w->content, w->n });
    if (w->is_due && !w->stopped)
        begin_to_read(w);
}

static void begin_to_read(struct file_watch *w)
{
    w->is_due = w->is_reading;
    if (w->is_reading)
        return;
    w->is_reading = true;
    BUG_ON(uv_queue_work(w->poll.loop, &w->work, read_file, on_read) != 0);
}

static void on_poll(uv_fs_poll_t *poll, int status, UNUSED const uv_stat_t *before,
                    UNUSED const uv_stat_t *now)
{
    if (status == 0)
        begin_to_read(CONTAINER_OF(poll, struct file_watch, poll));
}

struct file_watch *file_watch_start(struct loop *l, const char *path, unsigned every_ms,
                                    void (*changed)(void *arg, struct str content), void *arg)
{
    struct file_watch *w = mem_new(struct file_watch);
    size_t n = strlen(path) + 1;

    w->changed = changed;
    w->arg = arg;
    w->path = mem_alloc(n);
    memcpy(w->path, path, n);
    BUG_ON(uv_fs_poll_init(loop_uv(l), &w->poll) != 0);
    BUG_ON(uv_fs_poll_start(&w->poll, on_poll, w->path, every_ms) != 0);
    begin_to_read(w);
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    struct file_watch *w = CONTAINER_OF(handle, struct file_watch, poll);

    w->is_closed = true;
    free_when_idle(w);
}

void file_watch_stop(struct file_watch *w, void (*stopped)(void *arg), void *arg)
{
    w->stopped = stopped;
    w->stopped_arg = arg;
    uv_close((uv_handle_t *)&w->poll, on_closed);
}
