/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/usage.h"

static const int64_t COUNT_MAX = INT64_C(1) << 40; /* tokens */

static bool read_count(struct json *j, int64_t *ret)
{
    struct json_value v;
    int64_t n;

    if (!json_read(j, &v) || v.type != JSON_NUMBER || json_int(&v, &n) || n < 0 || n > COUNT_MAX)
        return false;
    *ret = n;
    return true;
}

static void read_detail(struct json *j, const char *name, int64_t *ret)
{
    struct str key;

    if (!json_enter_object(j)) {
        json_skip(j);
        return;
    }
    while (json_next_member(j, &key))
        if (json_key_eq(key, str_of(name)))
            read_count(j, ret);
        else
            json_skip(j);
}

/* Servers that tell both ways leave the newer names at 0: chat's count. */
static void read_member(struct json *j, struct str key, struct chat_usage *u, struct usage_told *t)
{
    if (json_key_eq(key, STR("prompt_tokens")) ||
        (json_key_eq(key, STR("input_tokens")) && !t->has_prompt))
        t->has_prompt = read_count(j, &u->prompt_tokens);
    else if (json_key_eq(key, STR("completion_tokens")) ||
             (json_key_eq(key, STR("output_tokens")) && !t->has_completion))
        t->has_completion = read_count(j, &u->completion_tokens);
    else if (json_key_eq(key, STR("total_tokens")))
        read_count(j, &t->total);
    else if (json_key_eq(key, STR("prompt_tokens_details")) ||
             (json_key_eq(key, STR("input_tokens_details")) && !u->cached_tokens))
        read_detail(j, "cached_tokens", &u->cached_tokens);
    else if (json_key_eq(key, STR("completion_tokens_details")) ||
             (json_key_eq(key, STR("output_tokens_details")) && !u->reasoning_tokens))
        read_detail(j, "reasoning_tokens", &u->reasoning_tokens);
    else
        json_skip(j);
}

bool usage_read(struct json *j, struct chat_usage *u, struct usage_told *ret)
{
    struct str key;

    *ret = (struct usage_told){ .total = -1 };
    if (!json_enter_object(j)) {
        json_skip(j);
        return false;
    }
    while (json_next_member(j, &key))
        read_member(j, key, u, ret);
    return true;
}
