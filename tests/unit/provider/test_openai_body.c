/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of a body in place: what is not edited keeps its bytes. */
#include "provider/openai/body.h"

#include <stdlib.h>

#include "base/mem.h"
#include "test.h"
#include "json/reader.h"

/* "=name value", "?name value" (only where it is), "-name", "~old new", "^text", "+" (usage); one
 * edit a line. */
static const struct provider_edit *edits(const char *note, struct provider_edit *out, size_t *n)
{
    struct str rest = str_of(note);

    for (*n = 0; rest.n > 0; ++*n) {
        struct str line = str_cut(rest, '\n', &rest);
        char type = line.p[0];
        struct str value;
        struct str name = str_cut(str_from(line, 1), ' ', &value);

        out[*n] = (struct provider_edit){
            .type = type == '='   ? EDIT_SET
                    : type == '?' ? EDIT_REPLACE
                    : type == '-' ? EDIT_DROP
                    : type == '~' ? EDIT_RENAME
                    : type == '^' ? EDIT_SYSTEM
                                  : EDIT_USAGE,
            .name = name,
            .value = type == '^' ? str_from(line, 1) : value,
        };
    }
    return out;
}

static enum err edit(const char *in, const char *note, struct buf *out)
{
    struct provider_edit list[8];
    size_t n;

    edits(note, list, &n);
    return body_edit(str_of(in), list, n, out);
}

/* The same with the members listed before, put together again. */
static enum err edit_known(const char *in, const char *note, struct buf *out)
{
    struct json_member members[8];
    struct provider_edit list[8];
    struct json_value value;
    size_t n_members = 0;
    struct body_ends ends;
    struct buf middle;
    struct str key;
    struct json j;
    enum err err;
    size_t n;

    json_init(&j, str_of(in), JSON_DEPTH_MAX);
    EXPECT(json_enter_object(&j));
    while (json_next_member(&j, &key) && json_read(&j, &value)) {
        EXPECT(n_members < COUNT_OF(members));
        members[n_members++] = (struct json_member){ key, value.raw };
    }
    edits(note, list, &n);
    buf_init(&middle, out->max);
    err = body_edit_members(str_of(in), members, n_members, list, n, &middle, &ends);
    if (!err)
        err = buf_add_all(out, STRS(ends.front, buf_str(&middle), ends.tail));
    buf_deinit(&middle);
    return err;
}

static const struct {
    const char *in;
    const char *edits;
    const char *want;
} rows[] = {
    { "{}", "", "{}" },
    { " {\t\"a\" : 1e400 , \"b\":-0,\"a\":{\"x\":[1.0,\"\\u0041\"]}\n}\r\n", "",
      " {\t\"a\" : 1e400 , \"b\":-0,\"a\":{\"x\":[1.0,\"\\u0041\"]}\n}\r\n" },
    /* set */
    { "{\"model\":\"a\",\"x\":1}", "=model \"b\"", "{\"model\":\"b\",\"x\":1}" },
    { "{\"x\":1,\"model\" :\n 5 }", "=model \"b\"", "{\"x\":1,\"model\" :\n \"b\" }" },
    { "{\"x\":1 }", "=model \"b\"", "{\"x\":1,\"model\":\"b\" }" },
    { "{ }", "=model \"b\"", "{\"model\":\"b\" }" },
    { "{\"model\":\"a\",\"model\":\"c\"}", "=model \"b\"", "{\"model\":\"b\",\"model\":\"b\"}" },
    { "{\"mod\\u0065l\":\"a\"}", "=model \"b\"", "{\"mod\\u0065l\":\"b\"}" },
    { "{\"x\":{\"model\":\"a\"},\"y\":[{\"model\":\"a\"}]}", "=model \"b\"",
      "{\"x\":{\"model\":\"a\"},\"y\":[{\"model\":\"a\"}],\"model\":\"b\"}" },
    { "{\"x\":\"\\\"model\\\":1\",\"model\":\"}\"}", "=model \"b\"",
      "{\"x\":\"\\\"model\\\":1\",\"model\":\"b\"}" },
    { "{\"a\":1}", "=b 2\n=c 3", "{\"a\":1,\"b\":2,\"c\":3}" },
    { "{\"a\":1}", "=a 2\n=a 3", "{\"a\":3}" },
    /* replace */
    { "{\"model\":\"a\"}", "?model \"b\"", "{\"model\":\"b\"}" },
    { "{\"x\":1}", "?model \"b\"", "{\"x\":1}" },
    /* drop */
    { "{\"a\":1,\"b\":2,\"c\":3}", "-b", "{\"a\":1,\"c\":3}" },
    { "{\"a\":1,\"b\":2,\"c\":3}", "-a", "{\"b\":2,\"c\":3}" },
    { "{\"a\":1,\"b\":2,\"c\":3}", "-c", "{\"a\":1,\"b\":2}" },
    { "{\"a\":1 , \"b\":2}", "-a", "{  \"b\":2}" },
    { "{ \"a\":1 }", "-a", "{ }" },
    { "{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", "-a", "{\"b\":3}" },
    { "{\"a\":1,\"b\":2}", "-a\n-b\n=c 3", "{\"c\":3}" },
    { "{\"a\":1}", "-z", "{\"a\":1}" },
    /* rename */
    { "{\"max_tokens\":5,\"x\":1}", "~max_tokens max_completion_tokens",
      "{\"max_completion_tokens\":5,\"x\":1}" },
    { "{\"a\" : 5}", "~a q\"\\", "{\"q\\\"\\\\\" : 5}" },
    { "{\"a\":1,\"b\":2}", "~a b", "{\"b\":1}" },
    { "{\"b\":2 , \"a\":1,\"c\":3}", "~a b", "{  \"b\":1,\"c\":3}" },
    { "{\"\\u0062\":2,\"a\":1}", "~a b", "{\"b\":1}" },
    { "{\"b\":2,\"c\":3}", "~a b", "{\"b\":2,\"c\":3}" },
    { "{\"b\":2,\"a\":1}", "~a a", "{\"b\":2,\"a\":1}" },
    { "{\"b\":2,\"a\":1}", "-a\n~a b", "{\"b\":2}" },
    { "{\"b\":2,\"a\":1}", "~a b\n=b 7", "{\"b\":7}" },
    { "{\"c\":3,\"b\":2,\"a\":1}", "~a b\n~b c", "{\"c\":1}" },
    { "{\"b\":2,\"a\":1}", "~a c\n~b a\n~c b", "{\"a\":2,\"b\":1}" },
    { "{\"b\":2,\"c\":3}", "~a b\n~c b", "{\"b\":3}" },
    { "{\"b\":2,\"a\":1,\"a\":3}", "~a b", "{\"b\":1,\"b\":3}" },
    { "{\"b\":2}", "=a 1\n~a b", "{\"b\":2,\"b\":1}" },
    { "{\"a\":1}", "~a b\n=b 2", "{\"b\":2}" },
    { "{\"a\":1}", "~a b\n-b", "{}" },
    { "{\"x\":0}", "=a 1\n~a b", "{\"x\":0,\"b\":1}" },
    { "{\"a\":1}", "-a\n=a 2", "{\"a\":2}" },
    /* usage */
    { "{\"a\":1}", "+", "{\"a\":1,\"stream_options\":{\"include_usage\":true}}" },
    { "{\"stream_options\":null}", "+", "{\"stream_options\":{\"include_usage\":true}}" },
    { "{\"stream_options\":{}}", "+", "{\"stream_options\":{\"include_usage\":true}}" },
    { "{\"stream_options\": {\"x\" : 1e9} ,\"b\":1}", "+",
      "{\"stream_options\": {\"x\" : 1e9,\"include_usage\":true} ,\"b\":1}" },
    { "{\"stream_options\":{\"include_usage\":false,\"x\":1}}", "+",
      "{\"stream_options\":{\"include_usage\":true,\"x\":1}}" },
    /* the system prompt */
    { "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "^be \"brief\"",
      "{\"messages\":[{\"role\":\"system\",\"content\":\"be \\\"brief\\\"\"},"
      "{\"role\":\"user\",\"content\":\"a\"}]}" },
    { "{\"messages\":[ {\"content\":\"a\\n\",\"role\":\"system\"}]}", "^b",
      "{\"messages\":[ {\"content\":\"b\\n\\na\\n\",\"role\":\"system\"}]}" },
    { "{\"messages\":[{\"role\":\"developer\",\"content\":[ {\"type\":\"text\",\"text\":\"a\"}]}]}",
      "^b",
      "{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"b\"}, "
      "{\"type\":\"text\",\"text\":\"a\"}]}]}" },
    { "{\"messages\":[{\"role\":\"system\",\"content\":[]}]}", "^b",
      "{\"messages\":[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"b\"}]}]}" },
    { "{\"messages\":[{\"role\":\"system\",\"content\":7}]}", "^b",
      "{\"messages\":[{\"role\":\"system\",\"content\":\"b\"},{\"role\":\"system\",\"content\":7}]"
      "}" },
    { "{\"messages\":[ ]}", "^b", "{\"messages\":[{\"role\":\"system\",\"content\":\"b\"} ]}" },
    { "{\"messages\":5}", "^b", "{\"messages\":5}" },
    { "{\"messages\":[5]}", "^b", "{\"messages\":[{\"role\":\"system\",\"content\":\"b\"},5]}" },
    { "{\"messages\":[{\"x\":{}}]}", "^b",
      "{\"messages\":[{\"role\":\"system\",\"content\":\"b\"},{\"x\":{}}]}" },
    { "{\"messages\":[]}", "^b\n=messages 7", "{\"messages\":7}" },
    { "{\"stream_options\":{}}", "+\n=stream_options 7", "{\"stream_options\":7}" },
    { "{\"a\":1}", "+\n-stream_options", "{\"a\":1}" },
    { "{\"a\":1}", "^b", "{\"a\":1}" },
    /* all at once */
    { "{\"model\":\"m\",\"messages\":[],\"top_k\":5,\"max_tokens\":7,\"stream\":true}",
      "=model \"n\"\n-top_k\n~max_tokens max_completion_tokens\n=seed 1\n+",
      "{\"model\":\"n\",\"messages\":[],\"max_completion_tokens\":7,\"stream\":true,\"seed\":1,"
      "\"stream_options\":{\"include_usage\":true}}" },
};

static void edits_in_place(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_value whole;
        struct buf out;

        buf_init(&out, 4096);
        EXPECT_INT(edit(rows[i].in, rows[i].edits, &out), ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        EXPECT_INT(json_find(buf_str(&out), &whole, NULL), ERR_NONE);
        buf_clear(&out);
        EXPECT_INT(edit_known(rows[i].in, rows[i].edits, &out), ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_deinit(&out);
    }
}

static void refuses_what_is_no_object(void)
{
    static const char *const bad[] = { "[]", "\"model\"", "null", "1", "[{\"model\":1}]" };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf out;

        buf_init(&out, 4096);
        EXPECT_INT(edit(bad[i], "=model \"b\"\n-a", &out), ERR_BAD_INPUT);
        buf_deinit(&out);
    }
}

/* Half a surrogate pair is the client's and the upstream's own business. */
static void lets_half_a_pair_through(void)
{
    struct buf out;

    buf_init(&out, 4096);
    EXPECT_INT(edit("{\"a\":\"\\ud83d\",\"model\":1}", "?model 2", &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), "{\"a\":\"\\ud83d\",\"model\":2}");
    buf_deinit(&out);
}

static void knows_its_bounds(void)
{
    struct provider_edit many[BODY_EDITS_MAX + 1];
    struct buf out;

    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct provider_edit){ EDIT_SET, STR("a"), STR("1") };
    buf_init(&out, 8);
    EXPECT_INT(body_edit(STR("{}"), many, BODY_EDITS_MAX + 1, &out), ERR_BAD_INPUT);
    EXPECT_INT(edit("{\"a\":123}", "", &out), ERR_TOO_BIG);
    buf_deinit(&out);
    buf_init(&out, 65536);
    EXPECT_INT(body_edit(STR("{\"a\":2}"), many, BODY_EDITS_MAX, &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), "{\"a\":1}");
    buf_deinit(&out);
}

/* A megabyte on both sides of what is edited, and every failed allocation. */
static void edits_large_bodies(void)
{
    enum { SIZE = 1 << 20 };
    char *in = malloc(SIZE + 64);
    struct buf out;

    EXPECT(in != NULL);
    memcpy(in, "{\"a\":\"", 6);
    memset(in + 6, 'x', SIZE);
    memcpy(in + 6 + SIZE, "\",\"model\":\"m\"}", 15);
    for (uint64_t fail = 1;; fail++) {
        enum err err;

        buf_init(&out, 2 * SIZE);
        mem_fail_nth(fail);
        err = edit(in, "=model \"other\"", &out);
        mem_fail_nth(0);
        EXPECT(!err || err == ERR_NOMEM);
        if (!err)
            break;
        buf_deinit(&out);
    }
    EXPECT_INT(out.n, strlen(in) + 4);
    EXPECT(memcmp(out.p, in, 6 + SIZE + 11) == 0);
    EXPECT(str_ends(buf_str(&out), STR("x\",\"model\":\"other\"}")));
    buf_deinit(&out);
    free(in);
}

static void what_is_not_edited_is_not_copied(void)
{
    static const struct {
        const char *in;
        const char *edits;
        const char *front;
        const char *middle;
        const char *tail;
    } cases[] = {
        { "{\"a\":1,\"m\":2,\"z\":3}", "=m 4", "{\"a\":1", ",\"m\":4", ",\"z\":3}" },
        { "{\"a\":1,\"m\":2,\"b\":5,\"n\":6,\"z\":3}", "=m 4\n=n 7", "{\"a\":1",
          ",\"m\":4,\"b\":5,\"n\":7", ",\"z\":3}" },
        { "{\"a\":1,\"z\":3 }", "=m 4", "{\"a\":1,\"z\":3", ",\"m\":4", " }" },
        { "{\"a\":1,\"z\":3}", "-a", "{", "\"z\":3", "}" },
        { "{\"a\":1,\"z\":3}", "-b", "", "", "{\"a\":1,\"z\":3}" },
    };
    struct body_ends ends;
    struct buf out;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str in = str_of(cases[i].in);
        struct provider_edit list[8];
        size_t n;

        buf_init(&out, 1024);
        edits(cases[i].edits, list, &n);
        EXPECT_INT(body_edit_members(in, NULL, 0, list, n, &out, &ends), ERR_NONE);
        EXPECT_STR(ends.front, cases[i].front);
        EXPECT_STR(buf_str(&out), cases[i].middle);
        EXPECT_STR(ends.tail, cases[i].tail);
        EXPECT(ends.front.n == 0 || ends.front.p == in.p);
        EXPECT(ends.tail.p + ends.tail.n == in.p + in.n);
        buf_deinit(&out);
    }
}

static const struct test suite[] = {
    { "what is not edited is not copied", what_is_not_edited_is_not_copied },
    { "edits in place", edits_in_place },
    { "refuses what is no object", refuses_what_is_no_object },
    { "lets half a pair through", lets_half_a_pair_through },
    { "knows its bounds", knows_its_bounds },
    { "edits large bodies", edits_large_bodies },
};

TEST_MAIN(suite)
