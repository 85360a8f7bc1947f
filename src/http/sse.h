/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (WHATWG HTML 9.2), both ways. The reader is a pure decoder:
 * input may be cut at any byte. BOM, CR, LF, CRLF, comments, id and retry are handled.
 */
#pragma once

#include "base/buf.h"

/* One event. The strings belong to the decoder and live until on_event returns. */
struct sse_event {
    struct str type; /* "message" when the stream names none */
    struct str data; /* its lines joined by '\n' */
};

/* Called once per event, in order. An error stops the decoder for good. May not release it. */
typedef enum err sse_on_event(void *arg, const struct sse_event *ev);

struct sse {
    struct buf line; /* bytes of the line not yet ended */
    struct buf type; /* of the event being gathered */
    struct buf data; /* of the event being gathered, '\n' after each line */
    sse_on_event *on_event;
    void *arg;       /* borrowed; handed to on_event */
    enum err failed; /* first error, returned ever after */
    bool skip_lf;    /* last byte was CR: a LF now is the same line end */
    bool started;    /* a BOM can only come first */
};

/* Starts a stream; a line or an event above `max` bytes fails it with ERR_TOO_BIG. */
void sse_init(struct sse *s, size_t max, sse_on_event *on_event, void *arg);

/* Consumes all of `in`. On error (ERR_TOO_BIG, ERR_NOMEM, on_event's own) the
 * stream is dead: later calls return the same error and read nothing. */
MUST_USE enum err sse_feed(struct sse *s, struct str in);

/* Releases what the decoder holds. An event not yet ended is dropped. */
void sse_deinit(struct sse *s);

/* Appends "data: <data>\n\n"; one "data:" line for each line of `data` (CR, LF or CRLF ends one,
 * and is read back as LF). On error (ERR_TOO_BIG, ERR_NOMEM) `out` is as it was; this and
 * sse_write_comment() alike. */
MUST_USE enum err sse_write_data(struct buf *out, struct str data);

/* Appends ": <text>\n\n", one ":" line for each line of `text`. */
MUST_USE enum err sse_write_comment(struct buf *out, struct str text);
