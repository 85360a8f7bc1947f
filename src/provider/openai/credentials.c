/* SPDX-License-Identifier: Apache-2.0 */
/* A file is replaced by rename, after its content and before its folder is forced to the disk. */
#include "provider/openai/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "provider/openai/body.h"
#include "json/reader.h"
#include "json/writer.h"

enum {
    TEXT_MAX = 8192, /* of a token */
    PATH_BYTES = PATH_MAX,
};

/* Seconds since 1970 stay below it for 3000 years; milliseconds are above it since 1973. */
static const int64_t SECONDS_BELOW = INT64_C(100000000000);

void credentials_deinit(struct credentials *c)
{
    secret_deinit(&c->access);
    secret_deinit(&c->refresh);
    *c = (struct credentials){ 0 };
}

static FORMAT(3, 4) enum err explain(char *why, enum err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, CREDENTIALS_WHY, format, args);
    va_end(args);
    return err;
}

static enum err explain_errno(char *why, const char *what, const char *path)
{
    char text[64];
    int number = errno;

    return explain(why, number == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be %s: %s", path,
                   what, strerror_r(number, text, sizeof(text)));
}

/* ---- reading ---- */

static enum err read_open(int fd, const char *path, struct buf *out, char *why)
{
    struct stat st;
    ssize_t n;
    char *room;

    if (fstat(fd, &st))
        return explain_errno(why, "looked at", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return explain(why, ERR_BAD_INPUT, "%s may be read by others: chmod 600 it", path);
    for (;;) {
        if (buf_reserve(out, 4096, &room))
            return explain(why, ERR_BAD_INPUT, "%s is too large for a credentials file", path);
        n = read(fd, room, 4096);
        if (n < 0 && errno != EINTR)
            return explain_errno(why, "read", path);
        if (n == 0)
            return ERR_NONE;
        buf_commit(out, n > 0 ? (size_t)n : 0);
    }
}

static enum err read_file(const char *path, struct buf *out, char *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err;

    if (fd < 0)
        return explain_errno(why, "read", path);
    err = read_open(fd, path, out, why);
    close(fd);
    return err;
}

static bool read_secret(struct str text, const char *name, struct secret *ret)
{
    struct json_value v;
    struct buf token;
    bool is_there;

    buf_init(&token, TEXT_MAX);
    is_there = !json_find(text, &v, name, NULL) && v.type == JSON_STRING &&
               !json_text_add(&v, &token) && token.n > 0;
    if (is_there)
        secret_set(ret, buf_str(&token));
    buf_wipe(&token);
    return is_there;
}

static bool is_in_seconds(struct str text, int64_t *ret)
{
    struct json_value v;

    return !json_find(text, &v, "expiresAt", NULL) && !json_int(&v, ret) && *ret > 0 &&
           *ret < SECONDS_BELOW;
}

static int64_t read_expiry(struct str text)
{
    struct json_value v;
    double ms;
    int64_t s;

    if (is_in_seconds(text, &s))
        return s * 1000;
    if (json_find(text, &v, "expiresAt", NULL) || json_double(&v, &ms) || !(ms > 0 && ms < 1e15))
        return 0;
    return ms < (double)SECONDS_BELOW ? (int64_t)(ms * 1000) : (int64_t)ms;
}

enum err credentials_read(const char *path, struct credentials *ret, char *why)
{
    struct credentials c = { .expires_wall_ms = 0 };
    struct buf text;
    enum err err;

    buf_init(&text, CREDENTIALS_MAX);
    err = read_file(path, &text, why);
    if (!err && !read_secret(buf_str(&text), "refreshToken", &c.refresh))
        err = explain(why, ERR_BAD_INPUT, "%s holds no refreshToken: sign in anew", path);
    if (!err) {
        read_secret(buf_str(&text), "accessToken", &c.access);
        c.expires_wall_ms = read_expiry(buf_str(&text));
        credentials_deinit(ret);
        *ret = c;
    }
    buf_wipe(&text);
    return err;
}

/* ---- writing ---- */

static enum err quote(struct str token, struct buf *out)
{
    struct json_writer w;

    buf_init(out, (size_t)6 * TEXT_MAX);
    json_w_init(&w, out);
    json_w_str(&w, token);
    return json_w_end(&w);
}

/* The file's own JSON with the tokens replaced; a new one where there is none. */
static enum err merge(struct str old, const struct credentials *c, struct buf *out)
{
    int64_t s;
    int64_t expires = is_in_seconds(old, &s) ? c->expires_wall_ms / 1000 : c->expires_wall_ms;
    char number[32];
    struct buf access;
    struct buf refresh;
    struct json_value whole;
    enum err err = quote(secret_reveal(&c->access), &access);

    if (quote(secret_reveal(&c->refresh), &refresh))
        err = ERR_NOMEM;
    snprintf(number, sizeof(number), "%lld", (long long)expires);
    const struct provider_edit edits[] = {
        { EDIT_SET, STR("accessToken"), buf_str(&access) },
        { EDIT_SET, STR("refreshToken"), buf_str(&refresh) },
        { EDIT_SET, STR("expiresAt"), str_of(number) },
    };
    if (!err && (json_find(old, &whole, NULL) || body_edit(old, edits, COUNT_OF(edits), out))) {
        buf_clear(out);
        err = body_edit(STR("{}"), edits, COUNT_OF(edits), out);
    }
    buf_wipe(&access);
    buf_wipe(&refresh);
    return err;
}

static bool write_whole(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno != EINTR)
            return false;
        text = str_from(text, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd) == 0;
}

static void sync_folder(const char *path)
{
    char folder[PATH_BYTES];
    char *slash;
    int fd;

    str_to_z(str_of(path), folder, sizeof(folder));
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd); /* the rename holds without it, but for a power cut */
    close(fd);
}

static enum err replace(const char *path, struct str text, char *why)
{
    char real[PATH_BYTES];
    char beside[PATH_BYTES];
    bool is_written;
    int fd;
    int n;

    if (realpath(path, real)) /* a link stays one */
        path = real;
    n = snprintf(beside, sizeof(beside), "%s.%ld.new", path, (long)getpid());

    if (n < 0 || (size_t)n >= sizeof(beside))
        return explain(why, ERR_IO, "%s: the path is too long", path);
    (void)unlink(beside);
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        explain_errno(why, "written", beside);
        return ERR_IO;
    }
    is_written = write_whole(fd, text);
    is_written = close(fd) == 0 && is_written && rename(beside, path) == 0;
    if (!is_written) {
        explain_errno(why, "replaced", path);
        (void)unlink(beside);
        return ERR_IO;
    }
    sync_folder(path);
    return ERR_NONE;
}

enum err credentials_write(const char *path, const struct credentials *c, char *why)
{
    struct buf old;
    struct buf text;
    enum err err;

    buf_init(&old, CREDENTIALS_MAX);
    buf_init(&text, 2 * CREDENTIALS_MAX);
    if (read_file(path, &old, why))
        buf_clear(&old);
    why[0] = '\0';
    err = merge(buf_str(&old), c, &text);
    err = err ? explain(why, ERR_IO, "%s: %s", path, err_text(err))
              : replace(path, buf_str(&text), why);
    buf_wipe(&old);
    buf_wipe(&text);
    return err;
}

/* ---- a thread for it ---- */

struct job {
    struct mail mail;
    struct loop *loop;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void deliver(struct mail *m)
{
    struct job *job = CONTAINER_OF(m, struct job, mail);
    void (*done)(void *) = job->done;
    void *arg = job->arg;

    mem_free(job);
    done(arg);
}

static void *run(void *arg)
{
    struct job *job = arg;

    job->work(job->arg);
    loop_post(job->loop, &job->mail);
    return NULL;
}

void credentials_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct job *job = mem_new(struct job);
    pthread_t thread;

    *job = (struct job){
        .mail = { .deliver = deliver }, .loop = l, .work = work, .done = done, .arg = arg
    };
    if (pthread_create(&thread, NULL, run, job))
        run(job); /* no thread to be had: a file of a few bytes is worth the wait */
    else
        pthread_detach(thread);
}
