/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the simulator's way in OpenAI's format: event streams as they end. */
#pragma once

#include "http/message.h"
#include "live.h"

enum sse_end { SSE_WHOLE, SSE_CUT, SSE_RESET };

struct sse_answer {
    int status;
    enum sse_end end;
    size_t chunks;   /* of HTTP */
    struct buf text; /* the decoded body */
};

/* Feeds what lies in `in` to the decoder; false once the body is done. */
static inline bool sse_decode(struct http_body *b, struct buf *in, struct sse_answer *ret)
{
    struct str rest = buf_str(in);
    struct str piece;

    do {
        EXPECT_INT(http_body_next(b, &rest, &piece), ERR_NONE);
        EXPECT_INT(buf_add(&ret->text, piece), ERR_NONE);
        ret->chunks += piece.n > 0;
    } while (piece.n > 0);
    buf_consume(in, in->n - rest.n);
    return !b->done;
}

static inline void sse_read(int fd, struct sse_answer *ret)
{
    struct http_refusal why;
    struct http_head head;
    struct http_body body;
    struct buf in;
    size_t scanned = 0;
    size_t used = 0;
    ssize_t n = 1;

    buf_init(&in, LIVE_MAX);
    while (n > 0 && (in.n == 0 || http_parse_response(buf_str(&in), HTTP_POST, &scanned, &head,
                                                      &used, &why) == ERR_AGAIN))
        n = live_read(fd, &in);
    if (n > 0) {
        ret->status = head.status;
        http_body_init(&body, &head);
        buf_consume(&in, used);
        while (sse_decode(&body, &in, ret) && (n = live_read(fd, &in)) > 0)
            ;
    }
    ret->end = n > 0 ? SSE_WHOLE : n == 0 ? SSE_CUT : SSE_RESET;
    buf_deinit(&in);
}

static inline int sse_send(struct live *v, const char *path, const char *headers, const char *body)
{
    struct buf request;
    int fd = live_connect(v);

    buf_init(&request, LIVE_MAX);
    EXPECT_INT(buf_addf(&request,
                        "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        "%scontent-length: %zu\r\n\r\n%s",
                        path, headers, strlen(body), body),
               ERR_NONE);
    live_write(fd, buf_str(&request));
    buf_deinit(&request);
    return fd;
}

/* The caller frees ret->text. */
static inline void sse_call(struct live *v, const char *headers, const char *body,
                            struct sse_answer *ret)
{
    int fd = sse_send(v, "/v1/chat/completions", headers, body);

    *ret = (struct sse_answer){ .status = -1 };
    buf_init(&ret->text, LIVE_MAX);
    sse_read(fd, ret);
    close(fd);
}
