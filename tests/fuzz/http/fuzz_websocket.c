/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames, by our rules around wslay's. The first byte chooses the side that reads them and whether
 * its reader pauses after each message, two more the cut.
 *
 * Properties: cuts do not matter; messages are within the bound and text is UTF-8; the end is told
 * once; nothing is left behind; what was read, written by the other side (whole, or in fragments),
 * reads the same.
 */
#include <uv.h>

#include "base/encoding.h"
#include "digest.h"
#include "http/websocket_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { IN_MAX = 1 << 14, MESSAGE_MAX = 1000, OUT_MAX = 1 << 20, FRAGMENTS = 3 };

struct side {
    struct loop *loop;
    struct conn *conn;    /* NULL: closed */
    struct websocket *ws; /* NULL: it ended */
    struct side *other;   /* writes what this one reads; NULL: nobody */
    struct buf sent;
    uint64_t messages;
    uint64_t all; /* messages, the end, and what a server sent */
    bool pauses;
    unsigned ends;
};

/* ---- a connection that is none ---- */

static enum err take_parts(void *arg, const struct str *parts, size_t n, size_t *ret_written)
{
    struct side *s = arg;

    *ret_written = 0;
    for (size_t i = 0; i < n; i++) {
        BUG_ON(buf_add(&s->sent, parts[i]));
        *ret_written += parts[i].n;
    }
    return ERR_NONE;
}

static void on_close(void *arg, bool reset)
{
    struct side *s = arg;

    (void)reset;
    s->conn = NULL;
}

/* ---- what is told ---- */

static void on_message(void *arg, bool is_text, struct str message)
{
    struct side *s = arg;

    BUG_ON(s->ends > 0 || message.n > MESSAGE_MAX);
    BUG_ON(is_text && !utf8_is_valid(message));
    digest_u64(&s->messages, is_text);
    digest_str(&s->messages, message);
    if (s->other && is_text)
        BUG_ON(websocket_send_fragmented(s->other->ws, message, 1 + message.n % FRAGMENTS));
    else if (s->other)
        BUG_ON(websocket_send(s->other->ws, is_text, message));
    if (s->pauses)
        websocket_pause(s->ws);
}

static void on_end(void *arg, const struct websocket_end *end)
{
    struct side *s = arg;

    s->ends++;
    s->ws = NULL;
    BUG_ON(!end->detail || end->status);
    digest_u64(&s->all, (uint64_t)end->err);
    digest_u64(&s->all, (uint64_t)end->close_code);
}

/* ---- a side ---- */

static void turn(struct side *s)
{
    for (int i = 0; i < 2; i++)
        uv_run(loop_uv(s->loop), UV_RUN_NOWAIT);
}

static void side_open(struct side *s, struct loop *l, bool is_client, struct side *other)
{
    static const struct websocket_handler handler = { .on_message = on_message, .on_end = on_end };
    const struct conn_script script = { .write = take_parts, .close = on_close, .arg = s };

    *s = (struct side){ .loop = l, .other = other };
    buf_init(&s->sent, OUT_MAX);
    s->conn = conn_new_scripted(l, &script);
    s->ws = websocket_new(l, MESSAGE_MAX, &handler, s, STR("peer"));
    s->ws->conn = s->conn;
    s->ws->is_client = is_client;
    websocket_set_state(s->ws, WEBSOCKET_UPGRADE);
    websocket_set_state(s->ws, WEBSOCKET_OPEN);
    websocket_open(s->ws);
}

static void side_close(struct side *s)
{
    websocket_abort(s->ws, false);
    turn(s);
    BUG_ON(s->conn);
    buf_deinit(&s->sent);
}

/* A piece is read when the reader is ready again, as the kernel would keep it. */
static void feed(struct side *s, struct str piece)
{
    struct str copy = copy_of(piece);

    if (s->conn)
        BUG_ON(conn_script_read(s->conn, ERR_NONE, copy));
    free_copy(copy);
    turn(s);
    while (s->ws && s->ws->is_paused) {
        websocket_resume(s->ws);
        turn(s);
    }
}

static void feed_cut(struct side *s, struct str in, size_t first, size_t step)
{
    for (size_t at = 0, n = first ? first : step; at < in.n; at += n, n = step)
        feed(s, str_sub(in, at, n));
}

/* ---- runs ---- */

static struct side run(struct loop *l, struct str in, bool is_client, bool pauses, size_t first,
                       size_t step)
{
    struct side s;

    side_open(&s, l, is_client, NULL);
    s.pauses = pauses;
    feed_cut(&s, in, first, step);
    if (s.conn)
        BUG_ON(conn_script_read(s.conn, ERR_CLOSED, STR("")));
    BUG_ON(s.ends != 1);
    digest_u64(&s.all, s.messages);
    if (!is_client) /* a client's masks are random */
        digest_str(&s.all, buf_str(&s.sent));
    side_close(&s);
    return s;
}

/* `in` is what made `want` messages. */
static void check_rewritten(struct loop *l, struct str in, bool is_client, uint64_t want)
{
    struct side reader, writer, again;

    side_open(&writer, l, !is_client, NULL);
    side_open(&reader, l, is_client, &writer);
    side_open(&again, l, is_client, NULL);
    feed_cut(&reader, in, in.n, in.n);
    turn(&writer);
    feed_cut(&again, buf_str(&writer.sent), 0, LOOP_READ_SIZE);
    BUG_ON(again.ends > 0 || again.messages != want);
    side_close(&reader);
    side_close(&writer);
    side_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 4 || n > IN_MAX)
        return 0;
    struct str in = { (const char *)p + 3, n - 3 };
    bool is_client = p[0] & 1;
    size_t cut = ((size_t)p[1] << 8 | p[2]) % (in.n + 1);
    struct loop *l = loop_new();
    struct side whole = run(l, in, is_client, false, in.n, in.n);

    BUG_ON(run(l, in, is_client, p[0] & 2, cut, in.n).all != whole.all);
    BUG_ON(run(l, in, is_client, p[0] & 2, 1, 1 + in.n / 64).all != whole.all);
    check_rewritten(l, in, is_client, whole.messages);
    BUG_ON(loop_timers(l) != 0 || mem_budget_used() != 0);
    loop_free(l);
    return 0;
}
