/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies as answers. A server may say anything: what does not look like a reply to the command is
 * ERR_PROTOCOL, since then the next replies may belong to other commands than we think.
 */
#include "store/redis_internal.h"

static bool is_type(const struct redis_reply *reply, enum redis_type type)
{
    return reply->type == type;
}

static bool is_list(const struct redis_reply *reply, size_t n)
{
    return is_type(reply, REDIS_LIST) && reply->n == n;
}

/* A value that we may have written. */
static bool is_value(const struct store_op *op, const struct redis_reply *reply)
{
    return is_type(reply, REDIS_TEXT) && reply->text.n <= store_space_max(store_op_space(op));
}

static enum err answer_get(struct store_op *op, const struct redis_reply *reply)
{
    if (is_type(reply, REDIS_NOTHING))
        return ERR_NOT_FOUND;
    if (!is_value(op, reply))
        return ERR_PROTOCOL;
    store_op_set_value(op, reply->text);
    return ERR_NONE;
}

static enum err answer_done(UNUSED struct store_op *op, const struct redis_reply *reply)
{
    bool is_done = is_type(reply, REDIS_NUMBER) || is_type(reply, REDIS_STATUS);

    return is_done ? ERR_NONE : ERR_PROTOCOL;
}

static enum err answer_put(struct store_op *op, const struct redis_reply *reply)
{
    bool is_kept = store_space_is_large(op->keys->space);

    if (is_kept && is_type(reply, REDIS_NUMBER) && reply->number == 0)
        return ERR_LIMIT;
    return answer_done(op, reply);
}

static enum err answer_claim(struct store_op *op, const struct redis_reply *reply)
{
    int64_t at;

    if (is_type(reply, REDIS_NOTHING))
        return ERR_NOT_FOUND;
    if (!is_list(reply, 2) || !is_type(reply->items[0], REDIS_NUMBER) ||
        !is_value(op, reply->items[1]))
        return ERR_PROTOCOL;
    at = reply->items[0]->number;
    if (at < 1 || at > (int64_t)op->n_keys)
        return ERR_PROTOCOL;
    op->index = (size_t)at - 1;
    store_op_set_value(op, reply->items[1]->text);
    return ERR_NONE;
}

static enum err answer_swap(struct store_op *op, const struct redis_reply *reply)
{
    if (is_type(reply, REDIS_NUMBER))
        return ERR_NONE;
    if (!is_list(reply, 1))
        return ERR_PROTOCOL;
    if (is_value(op, reply->items[0])) {
        op->found = true;
        store_op_set_value(op, reply->items[0]->text);
    } else if (!is_type(reply->items[0], REDIS_NOTHING)) {
        return ERR_PROTOCOL;
    }
    return ERR_CONFLICT;
}

static enum err answer_count(struct store_op *op, const struct redis_reply *reply)
{
    int64_t refused;

    if (!is_list(reply, op->n_counters + 1) || !is_type(reply->items[0], REDIS_NUMBER))
        return ERR_PROTOCOL;
    refused = reply->items[0]->number;
    if (refused < 0 || refused > (int64_t)op->n_counters)
        return ERR_PROTOCOL;
    for (size_t i = 0; i < op->n_counters; i++) {
        const struct redis_reply *sum = reply->items[i + 1];
        uint64_t value;

        if (!is_type(sum, REDIS_TEXT) || str_to_u64(sum->text, INT64_MAX, &value))
            return ERR_PROTOCOL;
        op->sums[i] = (int64_t)value;
    }
    if (refused == 0)
        return ERR_NONE;
    op->index = (size_t)refused - 1;
    return ERR_LIMIT;
}

static enum err answer_hold(struct store_op *op, const struct redis_reply *reply)
{
    if (!is_list(reply, 2) || !is_type(reply->items[0], REDIS_NUMBER) ||
        !is_type(reply->items[1], REDIS_NUMBER) || reply->items[1]->number < 0)
        return ERR_PROTOCOL;
    op->sums[0] = reply->items[1]->number;
    return reply->items[0]->number == 1 ? ERR_NONE : ERR_LIMIT;
}

/* False when the answer is full: whoever asks for more gets the rest. */
static bool add_row(struct store_op *op, struct str key, uint64_t id, struct str value)
{
    if (op->n_rows == op->max)
        return false;
    store_op_add_row(op, key, id, value);
    if (op->err == ERR_TOO_BIG && op->n_rows > 0) {
        op->err = ERR_NONE;
        return false;
    }
    return true;
}

/* "7-0": a row is the second of its words, behind its name. */
static bool read_row(const struct store_op *op, const struct redis_reply *row, uint64_t *ret_id,
                     struct str *ret_value)
{
    struct str rest;

    if (!is_list(row, 2) || !is_type(row->items[0], REDIS_TEXT) || !is_list(row->items[1], 2) ||
        !is_value(op, row->items[1]->items[1]))
        return false;
    *ret_value = row->items[1]->items[1]->text;
    return str_to_u64(str_cut(row->items[0]->text, '-', &rest), UINT64_MAX, ret_id) == ERR_NONE;
}

static enum err answer_read(struct store_op *op, const struct redis_reply *reply)
{
    uint64_t last = op->before_id;

    if (!is_type(reply, REDIS_LIST))
        return ERR_PROTOCOL;
    for (size_t i = 0; i < reply->n; i++) {
        uint64_t id;
        struct str value;

        if (!read_row(op, reply->items[i], &id, &value) || id >= last)
            return ERR_PROTOCOL;
        if (!add_row(op, STR(""), id, value))
            break;
        last = id;
    }
    return ERR_NONE;
}

static enum err answer_list(struct store_op *op, const struct redis_reply *reply)
{
    if (!is_type(reply, REDIS_LIST) || reply->n % 2 != 0)
        return ERR_PROTOCOL;
    for (size_t i = 0; i < reply->n; i += 2) {
        const struct redis_reply *key = reply->items[i];
        const struct redis_reply *value = reply->items[i + 1];

        if (!is_type(key, REDIS_TEXT) || key->text.n > STORE_KEY_MAX || !is_value(op, value))
            return ERR_PROTOCOL;
        if (!add_row(op, key->text, 0, value->text))
            break;
    }
    return ERR_NONE;
}

enum err redis_command_answer(struct store_op *op, const struct redis_reply *reply)
{
    static enum err (*const verbs[])(struct store_op *, const struct redis_reply *) = {
        [STORE_GET] = answer_get,   [STORE_PUT] = answer_put,     [STORE_CLAIM] = answer_claim,
        [STORE_SWAP] = answer_swap, [STORE_COUNT] = answer_count, [STORE_APPEND] = answer_done,
        [STORE_READ] = answer_read, [STORE_LIST] = answer_list,   [STORE_TALLY] = answer_done,
        [STORE_HOLD] = answer_hold,
    };

    if (is_type(reply, REDIS_FAILURE))
        return ERR_IO;
    return verbs[op->verb](op, reply);
}
