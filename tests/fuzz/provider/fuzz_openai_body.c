/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a body. Properties: without edits nothing changes; what was JSON is JSON after any
 * edits; what was set is there, what was dropped is not; making the same edits again changes
 * nothing more. What is not copied is where it belongs.
 */
#include "base/mem.h"
#include "provider/openai/body.h"
#include "json/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 24 };

static enum err edit(struct str in, const struct provider_edit *edits, size_t n, struct buf *out)
{
    struct body_ends ends;
    struct buf middle;
    enum err err;

    buf_init(out, OUT_MAX);
    buf_init(&middle, OUT_MAX);
    err = body_edit(in, edits, n, out);
    BUG_ON(body_edit_members(in, NULL, 0, edits, n, &middle, &ends) != err);
    if (!err) {
        struct str whole = buf_str(out);

        BUG_ON(!str_starts(whole, ends.front));
        BUG_ON(!str_starts(str_from(whole, ends.front.n), buf_str(&middle)));
        BUG_ON(!str_eq(str_from(whole, ends.front.n + middle.n), ends.tail));
    }
    buf_deinit(&middle);
    return err;
}

/* How often `name` stands at the top; its last value in *ret. */
static size_t count(struct str text, struct str name, struct json_value *ret)
{
    struct json_value v;
    struct str key;
    struct json j;
    size_t n = 0;

    json_init(&j, text, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    BUG_ON(!json_enter_object(&j));
    while (json_next_member(&j, &key) && json_read(&j, &v))
        if (json_key_eq(key, name)) {
            *ret = v;
            n++;
        }
    BUG_ON(json_end(&j));
    return n;
}

static void check_same(struct str in)
{
    struct buf out;
    enum err err = edit(in, NULL, 0, &out);

    if (!err)
        BUG_ON(!str_eq(buf_str(&out), in));
    buf_deinit(&out);
}

static void check_edits(struct str in)
{
    const struct provider_edit edits[] = {
        { EDIT_SET, STR("model"), STR("\"m\"") },
        { EDIT_DROP, STR("a"), STR("") },
        { EDIT_REPLACE, STR("b"), STR("[1]") },
        { EDIT_USAGE, STR(""), STR("") },
    };
    struct json_value v;
    struct buf once;
    struct buf twice;

    if (!edit(in, edits, COUNT_OF(edits), &once)) {
        struct str text = buf_str(&once);

        BUG_ON(count(text, STR("model"), &v) == 0 || !str_eq(v.raw, STR("\"m\"")));
        BUG_ON(count(text, STR("a"), &v) != 0);
        BUG_ON(count(text, STR("b"), &v) != 0 && !str_eq(v.raw, STR("[1]")));
        BUG_ON(count(text, STR("stream_options"), &v) == 0);
        BUG_ON(count(v.raw, STR("include_usage"), &v) == 0 || v.type != JSON_TRUE);
        BUG_ON(edit(text, edits, COUNT_OF(edits), &twice));
        BUG_ON(!str_eq(buf_str(&twice), text));
        buf_deinit(&twice);
    }
    buf_deinit(&once);
}

static void check_prompt(struct str in)
{
    const struct provider_edit edits[] = { { EDIT_SYSTEM, STR(""), STR("be \"brief\"") },
                                           { EDIT_RENAME, STR("c"), STR("d\\") } };
    struct json_value v;
    struct buf out;

    if (!edit(in, edits, COUNT_OF(edits), &out)) {
        bool has = count(in, STR("messages"), &v) > 0 && v.type == JSON_ARRAY;

        BUG_ON(count(buf_str(&out), STR("c"), &v) != 0);
        BUG_ON(has && str_find(buf_str(&out), STR("be \\\"brief\\\"")) == SIZE_MAX);
    }
    buf_deinit(&out);
}

/* What a caller does before it edits. */
static bool is_json(struct str in)
{
    struct json j;

    json_init(&j, in, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    json_skip(&j);
    return json_end(&j) == ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *copy = mem_alloc(n + 1); /* of exactly the size, so that reads behind it are seen */
    struct str in = { copy, n };

    memcpy(copy, p, n);
    if (is_json(in)) {
        check_same(in);
        check_edits(in);
        check_prompt(in);
    }
    mem_free(copy);
    return 0;
}
