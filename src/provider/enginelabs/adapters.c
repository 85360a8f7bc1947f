/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the text. */
#include "provider/enginelabs/adapters.h"

#include <stddef.h>

#include "provider/enginelabs/fields.h"

static const struct {
    const char *name;
    size_t offset; /* of an array of ADAPTER_NAME_MAX */
} texts[] = {
    { "key", offsetof(struct adapter, key) },
    { "engineAgentKey", offsetof(struct adapter, agent_key) },
    { "model", offsetof(struct adapter, model) },
    { "provider", offsetof(struct adapter, provider) },
};

static bool take_text(struct adapter *a, struct str key, const struct json_value *v)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *out = (char *)a + texts[i].offset;

        if (!json_key_eq(key, str_of(texts[i].name)))
            continue;
        if (!out[0])
            field_text(v, out, ADAPTER_NAME_MAX);
        return true;
    }
    return false;
}

static double multiplier_of(const struct json_value *v)
{
    double d;

    return !json_double(v, &d) && d > 0 && d < 1e6 ? d : 0;
}

static int64_t tier_of(const struct json_value *v)
{
    int64_t tier;

    return !json_int(v, &tier) && tier >= 0 ? tier : -1;
}

static void take_member(struct adapter *a, struct str key, const struct json_value *v)
{
    if (take_text(a, key, v))
        return;
    if (json_key_eq(key, STR("enabled")))
        a->is_enabled = v->type != JSON_FALSE;
    else if (json_key_eq(key, STR("supportsImages")))
        a->supports_images = v->type == JSON_TRUE;
    else if (json_key_eq(key, STR("minimumTier")))
        a->minimum_tier = tier_of(v);
    else if (json_key_eq(key, STR("usageMultiplier")))
        a->usage_multiplier = multiplier_of(v);
}

static struct adapter read_one(struct json *j)
{
    struct adapter a = { .minimum_tier = -1, .is_enabled = true };
    struct json_value v;
    struct str key;

    while (json_next_member(j, &key))
        if (json_read(j, &v))
            take_member(&a, key, &v);
    return a;
}

static enum err read_list(struct json *j, struct adapter *out, size_t *ret_n)
{
    size_t n = 0;

    while (json_next_item(j)) {
        struct adapter a;

        if (!json_enter_object(j)) {
            json_skip(j);
            continue;
        }
        a = read_one(j);
        if (!a.key[0] && !a.agent_key[0])
            continue;
        if (n == ADAPTERS_MAX)
            return ERR_TOO_BIG;
        out[n++] = a;
    }
    *ret_n = n;
    return ERR_NONE;
}

enum err adapters_read(struct str body, struct adapter *out, size_t *ret_n)
{
    struct json j;
    struct str key;
    bool is_found = false;
    size_t n = 0;
    enum err err = ERR_NONE;

    json_init(&j, body, JSON_DEPTH_MAX);
    if (json_enter_object(&j))
        while (!err && json_next_member(&j, &key)) {
            bool is_list = !is_found && json_key_eq(key, STR("chatAdapters"));

            if (is_list && json_enter_array(&j)) {
                is_found = true;
                err = read_list(&j, out, &n);
            } else {
                json_skip(&j);
            }
        }
    if (!err)
        err = json_end(&j);
    if (!err && !is_found)
        err = ERR_BAD_INPUT;
    if (!err)
        *ret_n = n;
    return err;
}

struct str adapter_name(const struct adapter *a, enum enginelabs_protocol protocol)
{
    return str_of(protocol == PROTOCOL_PROJECT ? a->key : a->agent_key);
}
