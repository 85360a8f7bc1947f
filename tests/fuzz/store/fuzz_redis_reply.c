/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Redis server says, as the store understands it. The first bytes choose the cut and the
 * operations that wait for the replies, which hiredis and our functions make of the rest.
 *
 * Properties: cuts do not matter; a reply is within its bounds; an answer is one that the operation
 * can have; a greeting that is refused says why.
 */
#include "http/digest.h"
#include "store/redis_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { IN_MAX = 1 << 16, VERBS = STORE_LIST + 1 };

/* ---- one reply as the answer to an operation ---- */

static const struct store_key key = { .space = STORE_JAR, .n = 1, .bytes = "k" };
static const struct store_counter counters[2];

static struct store_op op_of(unsigned how)
{
    return (struct store_op){ .verb = (enum store_verb)(how % VERBS),
                              .keys = &key,
                              .n_keys = 1,
                              .counters = counters,
                              .n_counters = COUNT_OF(counters),
                              .space = how % VERBS == STORE_LIST ? STORE_JAR : STORE_USAGE,
                              .before_id = UINT64_MAX,
                              .max = how / VERBS % STORE_ROWS_MAX + 1 };
}

static void check_answer(const struct store_op *op, enum err err)
{
    size_t bytes = 0;

    BUG_ON(err && err != ERR_IO && err != ERR_PROTOCOL && err != ERR_NOT_FOUND &&
           err != ERR_CONFLICT && err != ERR_LIMIT);
    BUG_ON(op->verb == STORE_CLAIM && !err && op->index >= op->n_keys);
    BUG_ON(op->verb == STORE_COUNT && err == ERR_LIMIT && op->index >= op->n_counters);
    BUG_ON(op->n_rows > op->max);
    for (size_t i = 0; i < op->n_rows; i++) {
        BUG_ON(op->rows[i].key_n > STORE_KEY_MAX);
        BUG_ON(i > 0 && op->verb == STORE_READ && op->rows[i].id >= op->rows[i - 1].id);
        bytes += op->rows[i].key_n + op->rows[i].value_n;
    }
    BUG_ON(op->n_rows > 0 && bytes != op->bytes.n);
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        BUG_ON(op->sums[i] < 0);
}

static void answer(const struct redis_reply *reply, unsigned how, uint64_t *d)
{
    struct store_op op = op_of(how);
    enum err err;

    buf_init(&op.bytes, IN_MAX);
    err = redis_command_answer(&op, reply);
    check_answer(&op, err);
    digest_u64(d, (uint64_t)err);
    digest_u64(d, op.n_rows);
    digest_str(d, buf_str(&op.bytes));
    buf_deinit(&op.bytes);
    mem_free(op.rows);
}

static void greet(const struct redis_reply *reply, unsigned how, uint64_t *d)
{
    static const struct redis server = { .name = "redis:6379", .prefix = "p" };
    enum redis_step step = (enum redis_step)(how % REDIS_GREETED);
    enum redis_step before = step;
    struct redis_server told = { 0 };
    char why[REDIS_WHY_MAX] = "";

    if (redis_greeting_take(&server, reply, &step, &told, why))
        BUG_ON(!why[0] || !memchr(why, '\0', sizeof(why)));
    else
        BUG_ON(step <= before);
    BUG_ON(!memchr(told.run, '\0', sizeof(told.run)));
    digest_str(d, str_of(why)); /* but not the run, which is made up where the server tells none */
    digest_u64(d, told.has_aof + 2U * redis_aof_is_on(reply));
}

/* ---- replies ---- */

static size_t check_reply(const struct redis_reply *r, uint64_t *d)
{
    size_t n = 1;

    digest_u64(d, (uint64_t)r->type);
    digest_str(d, r->text);
    digest_u64(d, (uint64_t)r->number);
    BUG_ON(r->n > REDIS_ITEMS_MAX || (r->n > 0 && r->type != REDIS_LIST));
    for (size_t i = 0; i < r->n; i++)
        n += check_reply(r->items[i], d);
    return n;
}

static uint64_t read_replies(struct str in, size_t first, size_t step, unsigned how)
{
    const struct redis_reply *reply;
    struct redis_reader reader;
    enum err err = ERR_AGAIN;
    uint64_t d = 0;

    redis_reader_init(&reader);
    for (size_t at = 0, n = first; err == ERR_AGAIN && at < in.n; at += n, n = step) {
        struct str copy = copy_of(str_sub(in, at, n));

        BUG_ON(redis_reader_feed(&reader, copy));
        free_copy(copy);
        while ((err = redis_reader_next(&reader, &reply)) == ERR_NONE) {
            BUG_ON(check_reply(reply, &d) > REDIS_ITEMS_MAX);
            answer(reply, how, &d);
            greet(reply, how++, &d);
        }
    }
    digest_u64(&d, (uint64_t)err);
    redis_reader_deinit(&reader);
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 3 || n > IN_MAX)
        return 0;
    struct str in = { (const char *)p + 3, n - 3 };
    size_t cut = ((size_t)p[0] << 8 | p[1]) % (in.n + 1);
    uint64_t whole = read_replies(in, in.n, 1, p[2]);

    BUG_ON(read_replies(in, cut, in.n - cut + 1, p[2]) != whole);
    BUG_ON(read_replies(in, 1, 1 + in.n / 64, p[2]) != whole);
    return 0;
}
