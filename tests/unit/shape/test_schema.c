/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/schema.h"

#include <stdlib.h>

#include "base/mem.h"
#include "shape_test.h"

enum { WHY_MAX = 4096 };

static enum schema_verdict verdict(const char *schema, const char *value, struct buf *why)
{
    const struct schema *s = NULL;
    enum schema_verdict got;
    struct arena a;
    struct str wrong;

    arena_init(&a);
    if (!schema_compile(str_of(schema), &a, &s, &wrong))
        fail_msg("%s: %.*s", schema, STR_ARGS(wrong));
    got = schema_check(s, str_of(value), why);
    arena_deinit(&a);
    return got;
}

struct row {
    const char *schema;
    const char *fits[6];
    const char *misfits[6];
};

static void expect_row(const struct row *row)
{
    for (size_t i = 0; i < COUNT_OF(row->fits) && row->fits[i]; i++)
        if (verdict(row->schema, row->fits[i], NULL) != SCHEMA_FITS)
            fail_msg("%s must fit %s", row->fits[i], row->schema);
    for (size_t i = 0; i < COUNT_OF(row->misfits) && row->misfits[i]; i++)
        if (verdict(row->schema, row->misfits[i], NULL) != SCHEMA_MISFIT)
            fail_msg("%s must not fit %s", row->misfits[i], row->schema);
}

static const struct row keywords[] = {
    { "true", { "1", "null" }, { "", "{", "1 2" } },
    { "false", { NULL }, { "1" } },
    { "{}", { "[1,{}]" }, { "[1,]" } },
    { "{\"type\":\"integer\"}", { "1", "1.0", "1e2", "-0" }, { "1.5", "\"1\"", "null" } },
    { "{\"type\":\"number\"}", { "1", "1.5", "1e400" }, { "true" } },
    { "{\"type\":[\"string\",\"null\"]}", { "\"\"", "null" }, { "1", "{}", "false" } },
    { "{\"type\":\"boolean\"}", { "true", "false" }, { "0", "null" } },
    { "{\"properties\":{\"a\":{\"type\":\"string\"}}}",
      { "{}", "{\"b\":1}", "1" },
      { "{\"a\":1}", "{\"\\u0061\":1}" } },
    { "{\"required\":[\"a\",\"b\"]}", { "{\"b\":1,\"a\":null}", "[]" }, { "{\"a\":1}", "{}" } },
    { "{\"properties\":{\"a\":true},\"additionalProperties\":false}",
      { "{}", "{\"a\":1}" },
      { "{\"b\":1}", "{\"a\":1,\"b\":1}" } },
    { "{\"additionalProperties\":{\"type\":\"integer\"}}", { "{\"x\":1}" }, { "{\"x\":\"\"}" } },
    { "{\"patternProperties\":{\"^x\":{}},\"additionalProperties\":false}",
      { "{\"xa\":1}" },
      { NULL } },
    { "{\"items\":{\"type\":\"integer\"}}", { "[]", "[1,2]", "{}" }, { "[1,\"2\"]" } },
    { "{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}",
      { "[]", "[\"a\"]" },
      { "[1]", "[\"a\",1]" } },
    { "{\"items\":[{\"type\":\"string\"}]}", { "[\"a\",1]" }, { "[1]" } },
    { "{\"enum\":[1,\"\\u00e9\",{\"a\":[1,2],\"b\":null}]}",
      { "1.0", "\"\xC3\xA9\"", "{\"b\":null,\"a\":[1,2e0]}" },
      { "2", "\"e\"", "{\"a\":[2,1],\"b\":null}", "{\"a\":[1,2]}" } },
    { "{\"const\":9007199254740993}", { "9007199254740993" }, { "9007199254740992" } },
    { "{\"const\":1.5}", { "1.5", "15e-1" }, { "1.25", "1.75", "1" } },
    { "{\"const\":{\"a\":1}}", { "{ \"a\" : 1 }" }, { "{\"a\":1,\"b\":2}", "{}" } },
    { "{\"const\":[]}", { "[ ]" }, { "[1]", "{}" } },
    { "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":3}]}", { "\"\"", "3" }, { "2" } },
    { "{\"oneOf\":[{\"multipleOf\":3},{\"multipleOf\":5}]}", { "3", "5" }, { "15", "7" } },
    { "{\"allOf\":[{\"minimum\":3},{\"maximum\":5}]}", { "3", "5" }, { "2", "6" } },
    { "{\"not\":{\"type\":\"null\"}}", { "1" }, { "null" } },
    { "{\"exclusiveMinimum\":1,\"exclusiveMaximum\":2}", { "1.5", "\"x\"" }, { "1", "2" } },
    { "{\"multipleOf\":0.1}", { "0.3", "-1.1", "0" }, { "0.35" } },
    { "{\"minLength\":2,\"maxLength\":3}",
      { "\"\xC3\xA9\\u00e9\"", "\"\\ud83d\\ude00a\"" },
      { "\"\xC3\xA9\"", "\"\\ud83d\\ude00\"", "\"abcd\"" } },
    { "{\"minItems\":1,\"maxItems\":2}", { "[1]", "[1,2]" }, { "[]", "[1,2,3]" } },
    { "{\"minProperties\":1,\"maxProperties\":1}", { "{\"a\":1}" }, { "{}", "{\"a\":1,\"b\":1}" } },
    { "{\"uniqueItems\":true}",
      { "[1,2]", "[{\"a\":1},{\"a\":2}]" },
      { "[1,1.0]", "[{\"a\":1,\"b\":2},3,{\"b\":2,\"a\":1}]", "[\"a\",\"\\u0061\"]" } },
    { "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"string\"}}}", { "\"\"" }, { "1" } },
    { "{\"$defs\":{\"a/b~c\":{\"enum\":[1]}},\"$ref\":\"#/$defs/a~1b~0c\"}", { "1" }, { "2" } },
    { "{\"$defs\":{\"List[a]\":{\"enum\":[1]}},\"$ref\":\"#/$defs/List%5Ba%5D\"}",
      { "1" },
      { "2" } },
    { "{\"$ref\":\"#/not/there\",\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"const\":1}}}",
      { "1" },
      { "2" } },
    { "{\"prefixItems\":[{\"$ref\":\"#/prefixItems/1\"},{\"const\":1}]}",
      { "[1,1]" },
      { "[2,1]" } },
    { "{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
      { "{\"next\":{\"next\":{}}}" },
      { "{\"next\":{\"nxt\":{}}}" } },
    { "{\"pattern\":\"^a$\",\"format\":\"email\",\"x-unknown\":{\"type\":1}}",
      { "\"b\"" },
      { NULL } },
};

static void knows_the_keywords(void)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        expect_row(&keywords[i]);
}

static void says_what_is_wrong_and_where(void)
{
    static const char order[] =
        "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"minLength\":2},"
        "\"days\":{\"type\":[\"integer\",\"null\"],\"minimum\":1},"
        "\"unit\":{\"enum\":[\"C\",\"F\"]},"
        "\"list\":{\"items\":{\"properties\":{\"n\":{\"type\":\"number\"}},\"required\":[\"n\"]}},"
        "\"who\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"required\":[\"id\"]}]}},"
        "\"required\":[\"city\"],\"additionalProperties\":false}";
    static const struct {
        const char *value;
        const char *why;
    } rows[] = {
        { "{\"days\":0}", "- $.days: expected a number not below 1, got 0\n"
                          "- $: the property \"city\" (a string) is missing\n" },
        { "{\"city\":\"\",\"unit\":\"K\"}",
          "- $.city: expected at least 2 characters, got 0\n"
          "- $.unit: expected one of [\"C\",\"F\"], got \"K\"\n" },
        { "{\"city\":\"Rome\",\"days\":\"two\"}",
          "- $.days: expected a whole number or null, got \"two\"\n" },
        { "{\"city\":\"Rome\",\"list\":[{\"n\":1},{\"n\":[]},{}]}",
          "- $.list[1].n: expected a number, got an array\n"
          "- $.list[2]: the property \"n\" (a number) is missing\n" },
        { "{\"city\":\"Rome\",\"x\":1}", "- $.x: this property is not allowed; allowed are "
                                         "\"city\", \"days\", \"unit\", \"list\", "
                                         "\"who\"\n" },
        { "{\"city\":\"Rome\",\"who\":{}}",
          "- $.who: the property \"id\" (any value) is missing\n" },
        { "{\"city\":\"Rome\",\"who\":7}", "- $.who: expected an object or null, got 7\n" },
        { "[]", "- $: expected an object, got an array\n" },
        { "{\"city\":",
          "- it is no valid JSON: byte 8 of 8 is wrong, or something is missing there\n" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf why;

        buf_init(&why, WHY_MAX);
        EXPECT_INT(verdict(order, rows[i].value, &why), SCHEMA_MISFIT);
        EXPECT_STR(buf_str(&why), rows[i].why);
        buf_deinit(&why);
    }
}

static void says_no_more_than_a_few_lines(void)
{
    struct buf why;
    size_t lines = 0;

    buf_init(&why, WHY_MAX);
    EXPECT_INT(verdict("{\"items\":{\"type\":\"string\"}}", "[1,2,3,4,5,6,7,8,9,0,1,2,3,4]", &why),
               SCHEMA_MISFIT);
    for (size_t i = 0; i < why.n; i++)
        lines += why.p[i] == '\n';
    EXPECT_INT(lines, SCHEMA_LINES_MAX);
    buf_deinit(&why);
    buf_init(&why, 20);
    EXPECT_INT(verdict("{\"type\":\"string\"}", "1", &why), SCHEMA_MISFIT);
    buf_deinit(&why);
}

static void reports_wrong_schemas_with_where(void)
{
    static const struct {
        const char *schema;
        const char *why;
    } rows[] = {
        { "", "#: the schema is no JSON (byte 0)" },
        { "{\"type\":}", "#: the schema is no JSON (byte 8)" },
        { "[]", "#: must be a schema: an object, true or false" },
        { "{\"type\":\"strnig\"}",
          "#/type: must be null, boolean, number, integer, string, array or object" },
        { "{\"type\":[]}", "#/type: must name a type" },
        { "{\"properties\":{\"a\":{\"items\":3}}}",
          "#/properties/a/items: must be a schema: an object, true or false" },
        { "{\"properties\":[]}", "#/properties: must be an object of schemas" },
        { "{\"anyOf\":[true,{\"minLength\":-1}]}",
          "#/anyOf/1/minLength: must be a whole number, 0 or more" },
        { "{\"anyOf\":{}}", "#/anyOf: must be an array of schemas" },
        { "{\"required\":\"a\"}", "#/required: must be an array of names" },
        { "{\"required\":[1]}", "#/required: must be a string" },
        { "{\"minimum\":\"1\"}", "#/minimum: must be a number" },
        { "{\"multipleOf\":0}", "#/multipleOf: must be a number above 0" },
        { "{\"uniqueItems\":1}", "#/uniqueItems: must be true or false" },
        { "{\"enum\":1}", "#/enum: must be an array" },
        { "{\"$ref\":\"https://a/b\"}",
          "#/$ref: only references into this schema (\"#/...\") can be followed" },
        { "{\"$ref\":\"#/%zz\"}", "#/$ref: a '%' has no two digits behind it" },
        { "{\"$ref\":\"#/$defs/a\"}", "#/$defs/a: a $ref leads there, where nothing is" },
        { "{\"$defs\":{\"a\":{\"type\":1}},\"$ref\":\"#/$defs/a\"}",
          "#/$defs/a/type: must be a string" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct schema *s;
        struct arena a;
        struct str why;

        arena_init(&a);
        EXPECT(!schema_compile(str_of(rows[i].schema), &a, &s, &why));
        EXPECT_STR(why, rows[i].why);
        arena_deinit(&a);
    }
}

/* Schemas whose full answer would take for ever, or a stack without end. */
static void gives_up_on_what_has_no_end(void)
{
    struct buf deep;

    EXPECT_INT(verdict("{\"$ref\":\"#\"}", "1", NULL), SCHEMA_UNDECIDED);
    EXPECT_INT(verdict("{\"not\":{\"$ref\":\"#\"}}", "1", NULL), SCHEMA_UNDECIDED);
    buf_init(&deep, WHY_MAX);
    for (int i = 0; i < 40; i++)
        EXPECT(!buf_add(&deep, STR("{\"a\":")));
    EXPECT(!buf_add(&deep, STR("1")));
    for (int i = 0; i < 40; i++)
        EXPECT(!buf_add(&deep, STR("}")));
    EXPECT(!buf_add_char(&deep, '\0'));
    EXPECT_INT(
        verdict("{\"$defs\":{\"t\":{\"anyOf\":[{\"properties\":{\"a\":{\"$ref\":\"#/$defs/t\"}},"
                "\"type\":\"object\"},{\"properties\":{\"a\":{\"$ref\":\"#/$defs/t\"}}},"
                "{\"type\":\"string\"}]},\"u\":{\"not\":{\"$ref\":\"#/$defs/v\"}},"
                "\"v\":{\"allOf\":[{\"$ref\":\"#/$defs/w\"},{\"$ref\":\"#/$defs/w\"}]},"
                "\"w\":{\"properties\":{\"a\":{\"$ref\":\"#/$defs/v\"}}}},"
                "\"$ref\":\"#/$defs/v\"}",
                deep.p, NULL),
        SCHEMA_UNDECIDED);
    buf_deinit(&deep);
}

/* Each level asks for the next one twice: 2^20 schemas over a value of one byte. */
static void counts_each_schema_that_is_tried_as_work(void)
{
    struct buf text;

    buf_init(&text, WHY_MAX);
    EXPECT(!buf_add(&text, STR("{\"$ref\":\"#/$defs/0\",\"$defs\":{\"20\":true")));
    for (int i = 0; i < 20; i++)
        EXPECT(!buf_addf(
            &text, ",\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"},{\"$ref\":\"#/$defs/%d\"}]}", i,
            i + 1, i + 1));
    EXPECT(!buf_add(&text, (struct str){ "}}", sizeof("}}") }));
    EXPECT_INT(verdict(text.p, "1", NULL), SCHEMA_UNDECIDED);
    buf_deinit(&text);
}

/* "[0,1,2...]" behind `before`. */
static void count_up(struct buf *out, const char *before, int n)
{
    buf_clear(out);
    EXPECT(!buf_addf(out, "%s[0", before));
    for (int i = 1; i < n; i++)
        EXPECT(!buf_addf(out, ",%d", i));
    EXPECT(!buf_add_char(out, ']'));
}

/* However small the values are: each is compared with many. */
static void counts_each_comparison_as_work(void)
{
    struct buf schema;
    struct buf value;

    buf_init(&schema, SCHEMA_BYTES_MAX);
    buf_init(&value, SCHEMA_BYTES_MAX);
    count_up(&value, "", 1000);
    EXPECT(!buf_add_char(&value, '\0'));
    EXPECT_INT(verdict("{\"uniqueItems\":true}", value.p, NULL), SCHEMA_FITS);
    count_up(&value, "", 2000);
    EXPECT(!buf_add_char(&value, '\0'));
    EXPECT_INT(verdict("{\"uniqueItems\":true}", value.p, NULL), SCHEMA_UNDECIDED);
    count_up(&schema, "{\"items\":{\"enum\":", 2000);
    EXPECT(!buf_add(&schema, (struct str){ "}}", sizeof("}}") }));
    EXPECT_INT(verdict(schema.p, value.p, NULL), SCHEMA_UNDECIDED);
    buf_deinit(&schema);
    buf_deinit(&value);
}

static void bounds_the_size_of_schemas(void)
{
    const struct schema *s;
    struct buf text;
    struct arena a;
    struct str why;

    buf_init(&text, SCHEMA_BYTES_MAX * 2);
    EXPECT(!buf_add(&text, STR("{\"anyOf\":[true")));
    for (int i = 0; i < SCHEMA_NODES_MAX; i++)
        EXPECT(!buf_add(&text, STR(",true")));
    EXPECT(!buf_add(&text, STR("]}")));
    arena_init(&a);
    EXPECT(!schema_compile(buf_str(&text), &a, &s, &why));
    EXPECT(str_ends(why, STR("more parts than this gateway checks (10000)")));
    buf_clear(&text);
    EXPECT(!buf_add(&text, STR("{\"required\":[\"a\"")));
    for (int i = 0; i < SCHEMA_NODES_MAX; i++)
        EXPECT(!buf_add(&text, STR(",\"a\"")));
    EXPECT(!buf_add(&text, STR("]}")));
    EXPECT(!schema_compile(buf_str(&text), &a, &s, &why));
    EXPECT_STR(why, "#/required: the schema has more parts than this gateway checks (10000)");
    while (text.n <= SCHEMA_BYTES_MAX)
        EXPECT(!buf_add(&text, STR("          ")));
    EXPECT(!schema_compile(buf_str(&text), &a, &s, &why));
    EXPECT(str_ends(why, STR("longer than this gateway checks (256 KiB)")));
    arena_deinit(&a);
    buf_deinit(&text);
}

/* `before`, `n` numbered items, `behind`. */
static void write_items(struct buf *out, const char *before, const char *item, const char *value,
                        int n, const char *behind)
{
    buf_clear(out);
    EXPECT(!buf_add(out, str_of(before)));
    for (int i = 0; i < n; i++)
        EXPECT(!buf_addf(out, "%s\"%s%d\"%s", i ? "," : "", item, i, value));
    EXPECT(!buf_add(out, str_of(behind)));
}

/* Compiles with `n`, and with one more is refused with `why`. */
static void expect_bound(const char *before, const char *item, const char *value, int n,
                         const char *behind, const char *why)
{
    const struct schema *s;
    struct str said;
    struct arena a;
    struct buf text;

    arena_init(&a);
    buf_init(&text, SCHEMA_BYTES_MAX);
    write_items(&text, before, item, value, n, behind);
    EXPECT(schema_compile(buf_str(&text), &a, &s, &said));
    write_items(&text, before, item, value, n + 1, behind);
    EXPECT(!schema_compile(buf_str(&text), &a, &s, &said));
    EXPECT(str_ends(said, str_of(why)));
    buf_deinit(&text);
    arena_deinit(&a);
}

static void bounds_properties_and_depth(void)
{
    const struct schema *s;
    struct str why;
    struct arena a;
    struct buf text;

    expect_bound("{\"properties\":{", "p", ":true", SCHEMA_PROPERTIES_MAX, "}}",
                 "there are more properties than this gateway checks (1024)");
    arena_init(&a);
    buf_init(&text, SCHEMA_BYTES_MAX);
    for (int i = 0; i < 2 * SCHEMA_DEPTH_MAX; i++)
        EXPECT(!buf_add(&text, STR("{\"not\":")));
    EXPECT(!buf_add(&text, STR("true")));
    for (int i = 0; i < 2 * SCHEMA_DEPTH_MAX; i++)
        EXPECT(!buf_add_char(&text, '}'));
    EXPECT(!schema_compile(buf_str(&text), &a, &s, &why));
    EXPECT(str_ends(why, STR("nested deeper than this gateway checks (64)")));
    buf_deinit(&text);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "bounds properties and depth", bounds_properties_and_depth },
    { "knows the keywords", knows_the_keywords },
    { "says what is wrong and where", says_what_is_wrong_and_where },
    { "says no more than a few lines", says_no_more_than_a_few_lines },
    { "reports wrong schemas with where", reports_wrong_schemas_with_where },
    { "gives up on what has no end", gives_up_on_what_has_no_end },
    { "counts each schema that is tried as work", counts_each_schema_that_is_tried_as_work },
    { "counts each comparison as work", counts_each_comparison_as_work },
    { "bounds the size of schemas", bounds_the_size_of_schemas },
};

TEST_MAIN(suite)
