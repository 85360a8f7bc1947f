/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "store/redis_reply.h"
#include "test.h"

static void write_reply(struct buf *out, const struct redis_reply *r)
{
    static const char marks[] = { [REDIS_TEXT] = '"', [REDIS_STATUS] = '+', [REDIS_FAILURE] = '-' };
    enum err err = ERR_NONE;

    if (r->type == REDIS_NUMBER)
        err = buf_addf(out, "%lld", (long long)r->number);
    else if (r->type == REDIS_NOTHING)
        err = buf_add(out, STR("nothing"));
    else if (r->type == REDIS_LIST)
        err = buf_add_char(out, '[');
    else
        err = buf_addf(out, "%c%.*s", marks[r->type], STR_ARGS(r->text));
    for (size_t i = 0; i < r->n; i++)
        write_reply(out, r->items[i]);
    if (r->type == REDIS_LIST)
        err = buf_add_char(out, ']');
    EXPECT(!err && !buf_add_char(out, ' '));
}

/* What the reader makes of the bytes in two parts, as text; its error at the end. */
static enum err read_cut(struct str in, size_t cut, struct buf *out)
{
    struct str parts[] = { str_sub(in, 0, cut), str_from(in, cut) };
    const struct redis_reply *reply;
    struct redis_reader r;
    enum err err = ERR_AGAIN;

    buf_clear(out);
    redis_reader_init(&r);
    for (size_t i = 0; i < COUNT_OF(parts) && err == ERR_AGAIN; i++) {
        if (parts[i].n > 0)
            EXPECT_INT(redis_reader_feed(&r, parts[i]), ERR_NONE);
        while ((err = redis_reader_next(&r, &reply)) == ERR_NONE)
            write_reply(out, reply);
    }
    redis_reader_deinit(&r);
    redis_reader_deinit(&r);
    return err;
}

static void reads_whatever_the_cut(void)
{
    static const struct {
        const char *in;
        const char *want;
        enum err err;
    } rows[] = {
        { "+OK\r\n", "+OK ", ERR_AGAIN },
        { "-ERR no\r\n", "-ERR no ", ERR_AGAIN },
        { ":-7\r\n:9223372036854775807\r\n", "-7 9223372036854775807 ", ERR_AGAIN },
        { "$-1\r\n*-1\r\n", "nothing nothing ", ERR_AGAIN },
        { "$0\r\n\r\n$4\r\na\r\nb\r\n", "\" \"a\r\nb ", ERR_AGAIN },
        { "*0\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "[] [\"a [1 ] ] ", ERR_AGAIN },
        { "*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$3\r\nrow\r\n$1\r\nx\r\n$-1\r\n+OK\r\n",
          "[[\"1-0 [\"row \"x ] ] nothing ] +OK ", ERR_AGAIN },
        { "+OK\r\n@what\r\n", "+OK ", ERR_PROTOCOL },
        { "HTTP/1.1 400 Bad Request\r\n", "", ERR_PROTOCOL },
        { "$-7\r\n", "", ERR_PROTOCOL },
        { "*-7\r\n", "", ERR_PROTOCOL },
        { "*2147483647\r\n", "", ERR_TOO_BIG },
        { "*4097\r\n", "", ERR_TOO_BIG },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "", ERR_PROTOCOL },
        { "$9223372036854775807\r\nabc", "", ERR_AGAIN },
        { "$5\r\nab", "", ERR_AGAIN },
    };
    struct buf out;

    buf_init(&out, 1024);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str in = str_of(rows[i].in);

        for (size_t cut = 0; cut <= in.n; cut++) {
            EXPECT_INT(read_cut(in, cut, &out), rows[i].err);
            EXPECT_STR(buf_str(&out), rows[i].want);
        }
    }
    buf_deinit(&out);
}

/* Feeds `piece` until the reader has enough of it; how many bytes that took. */
static size_t feed_until(const char *piece, enum err want)
{
    const struct redis_reply *reply;
    struct redis_reader r;
    size_t n = 0;
    enum err err;

    redis_reader_init(&r);
    do {
        EXPECT_INT(redis_reader_feed(&r, str_of(piece)), ERR_NONE);
        n += strlen(piece);
        err = redis_reader_next(&r, &reply);
    } while (err == ERR_AGAIN && n < 4 * (size_t)REDIS_REPLY_MAX);
    EXPECT_INT(err, want);
    redis_reader_deinit(&r);
    return n;
}

static void a_reply_without_an_end_is_too_big(void)
{
    static char piece[65536];

    memset(piece, 'x', sizeof(piece) - 1);
    piece[0] = '+';
    EXPECT(feed_until(piece, ERR_TOO_BIG) < REDIS_REPLY_MAX + 2 * sizeof(piece));
    memcpy(piece, "$99999999999\r\n", 14);
    EXPECT(feed_until(piece, ERR_TOO_BIG) < REDIS_REPLY_MAX + 2 * sizeof(piece));
}

/* A list of two lists that have `a` and `b` empty lists. */
static enum err read_lists(int a, int b)
{
    struct buf in, out;
    enum err err;

    buf_init(&in, 65536);
    buf_init(&out, 65536);
    EXPECT_INT(buf_addf(&in, "*2\r\n*%d\r\n", a), ERR_NONE);
    for (int i = 0; i < a; i++)
        EXPECT_INT(buf_add(&in, STR("*0\r\n")), ERR_NONE);
    EXPECT_INT(buf_addf(&in, "*%d\r\n", b), ERR_NONE);
    for (int i = 0; i < b; i++)
        EXPECT_INT(buf_add(&in, STR("*0\r\n")), ERR_NONE);
    err = read_cut(buf_str(&in), 0, &out);
    EXPECT_INT(buf_is_empty(&out), err != ERR_AGAIN);
    buf_deinit(&in);
    buf_deinit(&out);
    return err;
}

/* Lists in lists hold much for few bytes. */
static void all_levels_together_are_bounded(void)
{
    EXPECT_INT(read_lists(4000, 93), ERR_AGAIN);
    EXPECT_INT(read_lists(4000, 94), ERR_TOO_BIG);
    EXPECT_INT(feed_until("*4096\r\n", ERR_PROTOCOL), 9 * 7);
}

static void many_replies_of_one_read_come_one_by_one(void)
{
    const struct redis_reply *reply;
    struct redis_reader r;

    redis_reader_init(&r);
    for (int i = 0; i < 1000; i++)
        EXPECT_INT(redis_reader_feed(&r, STR("*2\r\n:1\r\n$3\r\nabc\r\n")), ERR_NONE);
    for (int i = 0; i < 1000; i++) {
        EXPECT_INT(redis_reader_next(&r, &reply), ERR_NONE);
        EXPECT(reply->n == 2 && reply->items[0]->number == 1);
        EXPECT_STR(reply->items[1]->text, "abc");
    }
    EXPECT_INT(redis_reader_next(&r, &reply), ERR_AGAIN);
    redis_reader_deinit(&r);
}

static const struct test suite[] = {
    { "reads whatever the cut", reads_whatever_the_cut },
    { "a reply without an end is too big", a_reply_without_an_end_is_too_big },
    { "all levels together are bounded", all_levels_together_are_bounded },
    { "many replies of one read come one by one", many_replies_of_one_read_come_one_by_one },
};

TEST_MAIN(suite)
