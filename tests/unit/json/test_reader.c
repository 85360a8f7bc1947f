/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar: a table of texts to accept and to refuse, each also shifted through the
 * blocks of the scanner and cut at every byte, always in memory of exactly its size, so
 * that a sanitizer sees a read behind the end.
 */
#include "json/reader.h"

#include "base/mem.h"
#include "cases.h"
#include "test.h"

enum { SHIFTS = 72 };

static enum err verdict(struct str text, unsigned depth_max)
{
    char *copy = mem_alloc(text.n ? text.n : 1);
    struct json j;
    enum err err;

    if (text.n)
        memcpy(copy, text.p, text.n);
    json_init(&j, (struct str){ copy, text.n }, depth_max);
    json_skip(&j);
    err = json_end(&j);
    mem_free(copy);
    return err;
}

static void expect_verdict(const struct json_case *c, struct str text, const char *how)
{
    enum err want = c->name[0] == 'y' ? ERR_NONE : ERR_BAD_INPUT;
    enum err got = verdict(text, 64);

    if (got == want)
        return;
    print_error("%s, %s: %s\n", c->name, how, got ? err_name(got) : "accepted");
    _fail(__FILE__, __LINE__);
}

static struct str text_of(const struct json_case *c)
{
    return (struct str){ c->text, c->size };
}

static void accepts_and_refuses_what_the_table_says(void)
{
    for (size_t i = 0; i < COUNT_OF(json_cases); i++)
        expect_verdict(&json_cases[i], text_of(&json_cases[i]), "alone");
}

static void judges_alike_at_every_offset(void)
{
    char text[512];

    for (size_t i = 0; i < COUNT_OF(json_cases); i++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            const struct json_case *c = &json_cases[i];

            memset(text, ' ', shift);
            memcpy(text + shift, c->text, c->size);
            expect_verdict(c, (struct str){ text, shift + c->size }, "behind spaces");
        }
}

/* Plain text in front, inside the string, and a long string behind it. */
static void judges_strings_alike_at_every_offset(void)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMN";
    char text[512];

    for (size_t i = 0; i < COUNT_OF(json_cases); i++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            const struct json_case *c = &json_cases[i];
            int n;

            if (c->size == 0 || c->text[0] != '"')
                continue;
            n = snprintf(text, sizeof(text), "[\"%.*s", (int)shift, plain);
            memcpy(text + n, c->text + 1, c->size - 1);
            n += (int)c->size - 1;
            n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"%s\"]", plain);
            expect_verdict(c, (struct str){ text, (size_t)n }, "behind text");
        }
}

static void refuses_every_cut_of_what_it_accepts(void)
{
    for (size_t i = 0; i < COUNT_OF(json_cases); i++) {
        struct str text = str_trim(text_of(&json_cases[i]));

        if (json_cases[i].name[0] != 'y' || !memchr("[{\"", text.p[0], 3))
            continue;
        for (size_t cut = 0; cut < text.n; cut++)
            EXPECT(verdict(str_sub(text, 0, cut), 64) == ERR_BAD_INPUT);
    }
}

/* By hand, through everything, as a dialect would; returns what it saw. */
static void walk(struct json *j, struct buf *seen)
{
    struct json_value v;
    struct str key;

    if (json_enter_object(j)) {
        EXPECT(buf_add(seen, STR("{")) == ERR_NONE);
        while (json_next_member(j, &key)) {
            EXPECT(buf_addf(seen, "%.*s=", STR_ARGS(key)) == ERR_NONE);
            walk(j, seen);
        }
        EXPECT(buf_add(seen, STR("}")) == ERR_NONE);
    } else if (json_enter_array(j)) {
        EXPECT(buf_add(seen, STR("[")) == ERR_NONE);
        while (json_next_item(j))
            walk(j, seen);
        EXPECT(buf_add(seen, STR("]")) == ERR_NONE);
    } else if (json_read(j, &v)) {
        EXPECT(buf_addf(seen, "%d:%.*s;", (int)v.type, STR_ARGS(v.raw)) == ERR_NONE);
    }
}

static void judges_a_walk_as_it_judges_a_skip(void)
{
    for (size_t i = 0; i < COUNT_OF(json_cases); i++) {
        struct buf seen;
        struct json j;

        buf_init(&seen, 4096);
        json_init(&j, text_of(&json_cases[i]), 64);
        walk(&j, &seen);
        EXPECT_INT(json_end(&j), verdict(text_of(&json_cases[i]), 64));
        buf_deinit(&seen);
    }
}

static void hands_out_values_as_they_stand(void)
{
    struct json j;
    struct buf seen;

    buf_init(&seen, 4096);
    json_init(&j,
              STR(" {\"a\" : 1e400, \"b\\n\":[ \"x\\u0041\" , true,false,null, [ ], {}],"
                  "\"\":{\"k\":-0.5}}\n"),
              64);
    walk(&j, &seen);
    EXPECT(json_end(&j) == ERR_NONE);
    EXPECT_STR(buf_str(&seen),
               "{a=4:1e400;b\\n=[5:\"x\\u0041\";3:true;2:false;1:null;[]{}]={k=4:-0.5;}}");
    buf_deinit(&seen);
}

static void reads_arrays_and_objects_whole(void)
{
    static const struct {
        const char *text;
        enum json_type type;
        const char *raw;
        bool escaped;
    } rows[] = {
        { " [1, [2]] ", JSON_ARRAY, "[1, [2]]", false },
        { "\n{\"a\":{}}", JSON_OBJECT, "{\"a\":{}}", false },
        { "\"\"", JSON_STRING, "\"\"", false },
        { " \"a\\tb\" ", JSON_STRING, "\"a\\tb\"", true },
        { "-1.5e3 ", JSON_NUMBER, "-1.5e3", false },
        { " null", JSON_NULL, "null", false },
        { "false", JSON_FALSE, "false", false },
        { "true", JSON_TRUE, "true", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_value v;
        struct json j;

        json_init(&j, str_of(rows[i].text), 64);
        EXPECT(json_peek(&j) == rows[i].type);
        EXPECT(json_read(&j, &v));
        EXPECT(json_end(&j) == ERR_NONE);
        EXPECT(v.type == rows[i].type);
        EXPECT(v.escaped == rows[i].escaped);
        EXPECT_STR(v.raw, rows[i].raw);
    }
}

static void peeks_without_consuming(void)
{
    struct json_value v;
    struct json j;

    json_init(&j, STR("  [7]"), 64);
    EXPECT(json_peek(&j) == JSON_ARRAY);
    EXPECT(json_peek(&j) == JSON_ARRAY);
    EXPECT(!json_enter_object(&j));
    EXPECT(json_enter_array(&j));
    EXPECT(json_next_item(&j));
    EXPECT(!json_enter_array(&j));
    EXPECT(!json_enter_object(&j));
    EXPECT(json_peek(&j) == JSON_NUMBER);
    EXPECT(json_read(&j, &v));
    EXPECT_STR(v.raw, "7");
    EXPECT(!json_next_item(&j));
    EXPECT(json_end(&j) == ERR_NONE);
}

static void keeps_the_first_error(void)
{
    struct json_value v = { .type = JSON_TRUE };
    struct str key;
    struct json j;

    json_init(&j, STR("{\"a\": [1, x], \"b\": 2}"), 64);
    EXPECT(json_enter_object(&j));
    EXPECT(json_next_member(&j, &key));
    EXPECT(!json_read(&j, &v));
    EXPECT(v.type == JSON_NONE);
    EXPECT_INT(json_offset(&j), 10);
    EXPECT(json_peek(&j) == JSON_NONE);
    EXPECT(!json_next_member(&j, &key));
    EXPECT(!json_next_item(&j));
    EXPECT(!json_enter_object(&j));
    EXPECT(!json_enter_array(&j));
    EXPECT(!json_skip(&j));
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    EXPECT_INT(json_offset(&j), 10);
}

/* Even where the text ends right behind an opening byte. */
static void ends_every_loop_after_an_error(void)
{
    struct str key;
    struct json j;

    json_init(&j, STR("["), 64);
    EXPECT(json_enter_array(&j));
    EXPECT(!json_next_item(&j));
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    json_init(&j, STR("{"), 64);
    EXPECT(json_enter_object(&j));
    EXPECT(!json_next_member(&j, &key));
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
}

static void tells_where_it_went_wrong(void)
{
    static const struct {
        const char *text;
        size_t offset;
    } rows[] = {
        { "", 0 },
        { "  ", 2 },
        { "[1,]", 3 },
        { "[1 2]", 3 },
        { "{\"a\" 1}", 5 },
        { "{\"a\":tru}", 5 },
        { "[\"0123456789abcdef\\x\"]", 18 },
        { "[\"0123456789abcdef\xFF\"]", 18 },
        { "[\"0123456789abcde\xE2\x82\"]", 17 },
        { "[\"0123456789\\uD800\"]", 12 },
        { "\"abc", 4 },
        { "1 1", 2 },
        { "-x", 1 },
        { "1.x", 2 },
        { "1e+x", 3 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json j;

        json_init(&j, str_of(rows[i].text), 64);
        json_skip(&j);
        EXPECT(json_end(&j) == ERR_BAD_INPUT);
        EXPECT_INT(json_offset(&j), rows[i].offset);
    }
}

static void refuses_what_is_deeper_than_allowed(void)
{
    static const struct {
        const char *text;
        unsigned depth_max;
        enum err want;
    } rows[] = {
        { "[[[]]]", 3, ERR_NONE },
        { "[[[1],[2]],[[3]]]", 3, ERR_NONE },
        { "[[[[]]]]", 3, ERR_TOO_BIG },
        { "{\"a\":{\"b\":{}}}", 3, ERR_NONE },
        { "{\"a\":{\"b\":{\"c\":{}}}}", 3, ERR_TOO_BIG },
        { "{\"a\":[{}]}", 2, ERR_TOO_BIG },
        { "1", 0, ERR_NONE },
        { "[]", 0, ERR_TOO_BIG },
        { "[[]", 1, ERR_TOO_BIG },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(verdict(str_of(rows[i].text), rows[i].depth_max), rows[i].want);
}

static void never_goes_deeper_than_the_fixed_bound(void)
{
    enum { DEPTH = 100000 };
    char *text = mem_alloc(2 * DEPTH);

    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    EXPECT(verdict((struct str){ text, 2 * DEPTH }, 1000000) == ERR_TOO_BIG);
    for (size_t n = JSON_DEPTH_MAX - 1; n <= JSON_DEPTH_MAX + 1; n++)
        EXPECT_INT(verdict((struct str){ text + DEPTH - n, 2 * n }, 1000000),
                   n <= JSON_DEPTH_MAX ? ERR_NONE : ERR_TOO_BIG);
    mem_free(text);
}

static void lets_lone_surrogates_through_when_told(void)
{
    static const struct {
        const char *text;
        enum err want;
    } rows[] = {
        { "\"\\uD83D\"", ERR_NONE },         { "\"\\uDE00\"", ERR_NONE },
        { "\"\\uDE00\\uD83D\"", ERR_NONE },  { "{\"\\uD83D\":[\"\\uD83D\\u0041\"]}", ERR_NONE },
        { "\"\\uD83D\\uDE00\"", ERR_NONE },  { "\"\\uD83\"", ERR_BAD_INPUT },
        { "\"\\uD83D\\x\"", ERR_BAD_INPUT }, { "\"\xED\xA0\xBD\"", ERR_BAD_INPUT },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json j;

        json_init(&j, str_of(rows[i].text), 64);
        j.lone_surrogates = true;
        json_skip(&j);
        EXPECT_INT(json_end(&j), rows[i].want);
    }
}

static void refuses_an_end_before_the_end(void)
{
    struct str key;
    struct json j;

    json_init(&j, STR("1"), 64);
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    json_init(&j, STR(" "), 64);
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    json_init(&j, (struct str){ NULL, 0 }, 64);
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    json_init(&j, STR("{\"a\":1}"), 64);
    EXPECT(json_enter_object(&j));
    EXPECT(json_next_member(&j, &key));
    json_skip(&j);
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
    json_init(&j, STR("[1"), 64);
    EXPECT(json_enter_array(&j));
    EXPECT(json_next_item(&j));
    json_skip(&j);
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
}

/* A caller that forgets a value gets an error, not a shifted reading. */
static void refuses_a_value_left_lying(void)
{
    struct str key;
    struct json j;

    json_init(&j, STR("{\"a\":1,\"b\":2}"), 64);
    EXPECT(json_enter_object(&j));
    EXPECT(json_next_member(&j, &key));
    EXPECT(!json_next_member(&j, &key));
    EXPECT(json_end(&j) == ERR_BAD_INPUT);
}

static const struct test suite[] = {
    { "accepts and refuses what the table says", accepts_and_refuses_what_the_table_says },
    { "judges alike at every offset", judges_alike_at_every_offset },
    { "judges strings alike at every offset", judges_strings_alike_at_every_offset },
    { "refuses every cut of what it accepts", refuses_every_cut_of_what_it_accepts },
    { "judges a walk as it judges a skip", judges_a_walk_as_it_judges_a_skip },
    { "hands out values as they stand", hands_out_values_as_they_stand },
    { "reads arrays and objects whole", reads_arrays_and_objects_whole },
    { "peeks without consuming", peeks_without_consuming },
    { "keeps the first error", keeps_the_first_error },
    { "ends every loop after an error", ends_every_loop_after_an_error },
    { "tells where it went wrong", tells_where_it_went_wrong },
    { "refuses what is deeper than allowed", refuses_what_is_deeper_than_allowed },
    { "never goes deeper than the fixed bound", never_goes_deeper_than_the_fixed_bound },
    { "lets lone surrogates through when told", lets_lone_surrogates_through_when_told },
    { "refuses an end before the end", refuses_an_end_before_the_end },
    { "refuses a value left lying", refuses_a_value_left_lying },
};

TEST_MAIN(suite)
