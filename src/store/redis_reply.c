/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reply is a tree in an arena. hiredis calls create_...() for each part as soon as it is whole
 * and says where in the tree it belongs; NULL makes it give up.
 */
#include "store/redis_reply.h"

#include <hiredis/read.h>

#include "base/mem.h"

enum { KEPT_BUFFER = 65536 };

/* ---- parts ---- */

static struct redis_reply *create(const redisReadTask *task, size_t extra)
{
    struct redis_reader *r = task->privdata;
    struct redis_reply *reply = NULL;

    if (r->n_items < REDIS_ITEMS_MAX && extra <= REDIS_REPLY_MAX)
        reply = arena_try(&r->arena, sizeof(*reply) + extra);
    if (!reply)
        return NULL;
    r->n_items++;
    *reply = (struct redis_reply){ .type = REDIS_NOTHING };
    if (task->parent) {
        struct redis_reply *parent = task->parent->obj;

        parent->items[task->idx] = reply;
    }
    return reply;
}

static void *create_text(const redisReadTask *task, char *p, size_t n)
{
    struct redis_reply *reply = create(task, n);

    if (!reply)
        return NULL;
    reply->type = task->type == REDIS_REPLY_ERROR    ? REDIS_FAILURE
                  : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                     : REDIS_TEXT;
    memcpy(reply + 1, p, n);
    reply->text = (struct str){ (const char *)(reply + 1), n };
    return reply;
}

static void *create_list(const redisReadTask *task, int n)
{
    struct redis_reply *reply;

    if (n < 0 || n > REDIS_ITEMS_MAX)
        return NULL;
    reply = create(task, (size_t)n * sizeof(struct redis_reply *));
    if (!reply)
        return NULL;
    reply->type = REDIS_LIST;
    reply->items = (const struct redis_reply **)(void *)(reply + 1);
    reply->n = (size_t)n;
    return reply;
}

static void *create_number(const redisReadTask *task, long long number)
{
    struct redis_reply *reply = create(task, 0);

    if (!reply)
        return NULL;
    reply->type = REDIS_NUMBER;
    reply->number = number;
    return reply;
}

static void *create_nothing(const redisReadTask *task)
{
    return create(task, 0);
}

/* The arena does. */
static void free_nothing(UNUSED void *reply)
{
}

/* ---- the reader ---- */

void redis_reader_init(struct redis_reader *r)
{
    static redisReplyObjectFunctions functions = { .createString = create_text,
                                                   .createArray = create_list,
                                                   .createInteger = create_number,
                                                   .createNil = create_nothing,
                                                   .freeObject = free_nothing };

    r->hiredis = redisReaderCreateWithFunctions(&functions);
    BUG_ON(!r->hiredis);
    r->hiredis->privdata = r;
    r->hiredis->maxbuf = KEPT_BUFFER;
    arena_init(&r->arena);
    r->n_items = 0;
}

void redis_reader_deinit(struct redis_reader *r)
{
    if (!r->hiredis)
        return;
    if (r->hiredis->buf)
        mem_wipe(r->hiredis->buf, r->hiredis->len);
    redisReaderFree(r->hiredis);
    r->hiredis = NULL;
    arena_deinit(&r->arena);
}

enum err redis_reader_feed(struct redis_reader *r, struct str bytes)
{
    return redisReaderFeed(r->hiredis, bytes.p, bytes.n) == REDIS_OK ? ERR_NONE : ERR_NOMEM;
}

enum err redis_reader_next(struct redis_reader *r, const struct redis_reply **ret)
{
    void *reply = NULL;

    /* Not before the next one begins: a reply that is not whole yet is in there too. */
    if (!r->hiredis->reply) {
        arena_deinit(&r->arena);
        r->n_items = 0;
    }
    if (redisReaderGetReply(r->hiredis, &reply) != REDIS_OK)
        return r->hiredis->err == REDIS_ERR_OOM ? ERR_TOO_BIG : ERR_PROTOCOL;
    if (!reply)
        return r->hiredis->len - r->hiredis->pos > REDIS_REPLY_MAX ? ERR_TOO_BIG : ERR_AGAIN;
    *ret = reply;
    return ERR_NONE;
}
