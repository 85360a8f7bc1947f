/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the operators' API: paths are found, and openapi.json describes the same ones. */
#include "admin/admin_internal.h"
#include "admin/embedded.h"
#include "test.h"

static const char *const methods[] = { "get", "post", "put", "patch", "delete" };
static const enum http_method numbers[] = { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH,
                                            HTTP_DELETE };

static bool is_row(struct str path, enum http_method method)
{
    for (const struct admin_row *row = admin_rows; row->path; row++)
        if (row->method == method && str_eq(str_of(row->path), path))
            return true;
    return false;
}

/* The operations of one path; other members of it are none. */
static size_t check_operations(struct str path, struct json *j)
{
    struct str key;
    size_t n = 0;

    EXPECT(json_enter_object(j));
    while (json_next_member(j, &key)) {
        for (size_t i = 0; i < COUNT_OF(methods); i++) {
            if (!str_eq(key, str_of(methods[i])))
                continue;
            if (!is_row(path, numbers[i]))
                fail_msg("openapi.json has %s %.*s, the table does not", methods[i],
                         STR_ARGS(path));
            n++;
        }
        json_skip(j);
    }
    return n;
}

static void openapi_json_describes_what_there_is(void)
{
    const struct embedded *e = embedded_find(STR("openapi.json"));
    struct json_value paths;
    struct str path;
    struct json j;
    size_t described = 0, there = 0;

    assert_non_null(e);
    EXPECT(json_find(embedded_bytes(e), &paths, "paths", NULL) == ERR_NONE);
    json_init(&j, paths.raw, JSON_DEPTH_MAX);
    EXPECT(json_enter_object(&j));
    while (json_next_member(&j, &path))
        described += check_operations(str_from(path, 1), &j);
    EXPECT(json_end(&j) == ERR_NONE);
    while (admin_rows[there].path)
        there++;
    EXPECT_INT(described, there);
}

/* Each row by a path of its own, with something for every name. */
static void finds_each_row(void)
{
    for (const struct admin_row *row = admin_rows; row->path; row++) {
        char path[256];
        size_t n = 0;
        bool is_name = false, known;

        for (const char *p = row->path; *p; p++) {
            if (*p == '{')
                path[n++] = 'x';
            is_name = *p == '{' || (is_name && *p != '}');
            if (!is_name && *p != '}')
                path[n++] = *p;
        }
        path[n] = '\0';
        EXPECT(admin_find(str_of(path), row->method, &known) == row);
        EXPECT(known);
        if (row->method == HTTP_GET)
            EXPECT(admin_find(str_of(path), HTTP_HEAD, &known) == row);
    }
}

static void finds_nothing_else(void)
{
    static const char *const paths[] = {
        "", "/", "openapi.json/", "openapi.jso", "openapi.json/x", "/openapi.json", "x"
    };
    bool known;

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_null(admin_find(str_of(paths[i]), HTTP_GET, &known));
        EXPECT(!known);
    }
    assert_null(admin_find(STR("openapi.json"), HTTP_POST, &known));
    EXPECT(known);
}

static const struct admin_row pattern = { "a/{x}/b/{y}", HTTP_GET, 0, NULL };

static void decodes_names(void)
{
    static const struct {
        const char *path, *x, *y; /* NULL: cannot be decoded */
    } rows[] = {
        { "a/one/b/two", "one", "two" },       { "a/file%2Flaptop/b/1+1", "file/laptop", "1+1" },
        { "a/%41/b/%c3%a9", "A", "\xc3\xa9" }, { "a/%4/b/x", NULL, NULL },
        { "a/%00/b/x", NULL, NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_request r = { .body = { NULL, 0 } };
        struct admin_call c = { .request = &r, .row = &pattern };

        arena_init(&r.arena);
        EXPECT(admin_take_ids(&c, str_of(rows[i].path)) == (rows[i].x != NULL));
        if (rows[i].x) {
            EXPECT_Z(c.ids[0], rows[i].x);
            EXPECT_Z(c.ids[1], rows[i].y);
        }
        arena_deinit(&r.arena);
    }
}

static const struct test suite[] = {
    { "openapi.json describes what there is", openapi_json_describes_what_there_is },
    { "finds each row", finds_each_row },
    { "finds nothing else", finds_nothing_else },
    { "decodes names", decodes_names },
};

TEST_MAIN(suite)
