/* SPDX-License-Identifier: Apache-2.0 */
/* YAML trees: what they hold, where things stand, and what is refused. */
#include "gateway/yaml_tree.h"

#include "base/buf.h"
#include "test.h"

static char told[1 << 14];

static void on_problem(void *arg, unsigned line, const struct yaml_node *node, const char *what)
{
    char path[YAML_PATH_SIZE];
    size_t n = strlen(told);

    (void)arg;
    snprintf(told + n, sizeof(told) - n, "%u %s: %s\n", line, yaml_path(node, path), what);
}

static enum err parse(struct str text, struct arena *a, struct yaml_node **ret)
{
    told[0] = '\0';
    arena_init(a);
    return yaml_parse(text, a, on_problem, NULL, ret);
}

static void reads_mappings_sequences_and_scalars(void)
{
    static const char text[] = "# first\n"
                               "listen: 127.0.0.1:8089 # behind\n"
                               "upstreams:\n"
                               "  - name: cto\n"
                               "    models: [A, \"~\", ~]\n"
                               "    empty:\n"
                               "    prompt: |\n"
                               "      one\n"
                               "      two\n"
                               "  - {name: 'local', n: 3}\n";
    struct yaml_node *root, *first;
    char path[YAML_PATH_SIZE];
    struct arena a;

    EXPECT_INT(parse(str_of(text), &a, &root), ERR_NONE);
    EXPECT_INT(root->kind, YAML_MAP);
    EXPECT_STR(yaml_find(root, STR("listen"))->text, "127.0.0.1:8089");
    EXPECT_INT(yaml_find(root, STR("listen"))->line, 2);
    EXPECT(!yaml_find(root, STR("Listen")));
    first = yaml_find(root, STR("upstreams"))->first;
    EXPECT_INT(first->kind, YAML_MAP);
    EXPECT_INT(first->line, 4);
    EXPECT_INT(yaml_find(first, STR("empty"))->kind, YAML_NULL);
    EXPECT_STR(yaml_find(first, STR("prompt"))->text, "one\ntwo\n");
    struct yaml_node *models = yaml_find(first, STR("models"));
    EXPECT_INT(models->kind, YAML_LIST);
    EXPECT_INT(models->n, 3);
    EXPECT_INT(models->first->next->kind, YAML_TEXT);
    EXPECT(models->first->next->is_quoted);
    EXPECT_INT(models->last->kind, YAML_NULL);
    EXPECT_Z(yaml_path(models->last, path), "upstreams[0].models[2]");
    EXPECT_Z(yaml_path(yaml_find(first->next, STR("n")), path), "upstreams[1].n");
    EXPECT_INT(first->next->line, 10);
    arena_deinit(&a);
}

static void a_file_without_content_is_empty(void)
{
    static const char *const texts[] = { "", "# only this\n", "---\n", "\n\n", "~" };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct yaml_node *root;
        struct arena a;

        EXPECT_INT(parse(str_of(texts[i]), &a, &root), ERR_NONE);
        EXPECT_INT(root->kind, YAML_NULL);
        EXPECT_Z(told, "");
        arena_deinit(&a);
    }
}

static void tells_a_key_that_stands_twice_and_keeps_the_first(void)
{
    struct yaml_node *root;
    struct arena a;

    EXPECT_INT(parse(STR("a: {b: 1, b: {c: 2}}\nd: 1\nd: 2\n"), &a, &root), ERR_NONE);
    EXPECT_STR(yaml_find(yaml_find(root, STR("a")), STR("b"))->text, "1");
    EXPECT_INT(yaml_find(root, STR("a"))->n, 1);
    EXPECT_STR(yaml_find(root, STR("d"))->text, "1");
    EXPECT_Z(told, "1 a.b: this key stands here twice; remove one\n"
                   "3 d: this key stands here twice; remove one\n");
    arena_deinit(&a);
}

static void refuses_what_is_no_single_plain_document(void)
{
    static const struct {
        const char *text;
        const char *line;
        const char *what;
    } rows[] = {
        { "a: 1\n\tb: 2\n", "2 ", "a tab" },
        { "a:\n\t- b\n", "2 ", "a tab" },
        { "a: 1\n---\nb: 2\n", "2 ", "a second document" },
        { "a: &x 1\nb: 2\n", "1 ", "anchors" },
        { "a: 1\nb: *x\n", "2 ", "aliases" },
        { "<<: *x\n", "1 ", "aliases" },
        { "a: !!str 1\n", "1 ", "tags" },
        { "? [a]\n: b\n", "1 ", "a key must be plain text" },
        { "a: [1\n", "2 ", "no valid YAML" },
        { "a: 1\n b: 2\n", "2 ", "no valid YAML" },
        { "a: \"x\n", "2 ", "no valid YAML" },
        { "a: 1\nb: \xff\n", "2 ", "no UTF-8" },
        { "a: 1\nb: \x01\n", "2 ", "control character" },
        { "a: @x\n", "1 ", "no valid YAML" },
        { "%FOO 1\n%YAML 3.0\n--- a\n", "1 ", "no valid YAML" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct yaml_node *root;
        struct arena a;

        EXPECT_INT(parse(str_of(rows[i].text), &a, &root), ERR_BAD_INPUT);
        if (strncmp(told, rows[i].line, strlen(rows[i].line)) != 0 || !strstr(told, rows[i].what))
            fail_msg("%s\ntold: %s", rows[i].text, told);
        arena_deinit(&a);
    }
}

static void tells_every_anchor_alias_and_tag(void)
{
    struct yaml_node *root;
    struct arena a;

    EXPECT_INT(parse(STR("a: &x [1]\nb: *x\nc: !t {d: *x}\n*x : 1\n"), &a, &root), ERR_BAD_INPUT);
    EXPECT(strstr(told, "1 : anchors"));
    EXPECT(strstr(told, "2 : aliases"));
    EXPECT(strstr(told, "3 : tags"));
    EXPECT(strstr(told, "3 : aliases"));
    EXPECT(strstr(told, "4 : aliases"));
    arena_deinit(&a);
}

static void add(struct buf *b, const char *text, size_t times)
{
    while (times-- > 0)
        EXPECT_INT(buf_add(b, str_of(text)), ERR_NONE);
}

static void is_bounded_in_depth_width_and_number(void)
{
    static const struct {
        const char *begin, *again, *end;
        size_t good, bad;
        const char *what;
    } rows[] = {
        { "", "[", "]", YAML_DEPTH_MAX, YAML_DEPTH_MAX + 1, "nested too deeply" },
        { "", "- a\n", "", YAML_CHILDREN_MAX, YAML_CHILDREN_MAX + 1, "more than 1000 items" },
        { "", "- &x *x\n", "", 0, 100000, "anchors" },
        { "", "{a: ", "}", YAML_DEPTH_MAX, 100000, "nested too deeply" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int bad = 0; bad < 2; bad++) {
            size_t times = bad ? rows[i].bad : rows[i].good;
            struct yaml_node *root;
            struct arena a;
            struct buf b;

            buf_init(&b, 1 << 20);
            add(&b, rows[i].begin, 1);
            add(&b, rows[i].again, times);
            add(&b, rows[i].end, times);
            EXPECT_INT(parse(buf_str(&b), &a, &root), bad ? ERR_BAD_INPUT : ERR_NONE);
            EXPECT(!bad || strstr(told, rows[i].what));
            arena_deinit(&a);
            buf_deinit(&b);
        }
}

/* A list of `lists` lists of 1000 values. */
static enum err parse_lists(size_t lists, struct arena *a)
{
    struct yaml_node *root;
    struct buf b;
    enum err err;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < lists; i++) {
        add(&b, "- [", 1);
        add(&b, "a,", YAML_CHILDREN_MAX);
        add(&b, "]\n", 1);
    }
    err = parse(buf_str(&b), a, &root);
    buf_deinit(&b);
    return err;
}

static void the_number_of_values_is_bounded(void)
{
    struct arena a;

    EXPECT_INT(parse_lists(49, &a), ERR_NONE);
    arena_deinit(&a);
    EXPECT_INT(parse_lists(50, &a), ERR_BAD_INPUT);
    EXPECT(strstr(told, "more than 50000 values") != NULL);
    arena_deinit(&a);
}

static void knows_the_words_for_nothing(void)
{
    static const struct {
        const char *text;
        enum yaml_kind kind;
    } rows[] = {
        { "a: null\n", YAML_NULL },   { "a: Null\n", YAML_NULL },  { "a: NULL\n", YAML_NULL },
        { "a: ~\n", YAML_NULL },      { "a:\n", YAML_NULL },       { "a: nULL\n", YAML_TEXT },
        { "a: 'null'\n", YAML_TEXT }, { "a: \"~\"\n", YAML_TEXT }, { "a: ''\n", YAML_TEXT },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct yaml_node *root;
        struct arena a;

        EXPECT_INT(parse(str_of(rows[i].text), &a, &root), ERR_NONE);
        EXPECT_INT(yaml_find(root, STR("a"))->kind, rows[i].kind);
        EXPECT(!yaml_find(yaml_find(root, STR("a")), STR("a")));
        arena_deinit(&a);
    }
}

static void a_long_path_is_cut(void)
{
    static const char key[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn";
    struct yaml_node *node;
    char path[YAML_PATH_SIZE];
    struct arena a;
    struct buf b;

    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < 12; i++)
        EXPECT_INT(buf_addf(&b, "{%s: ", key), ERR_NONE);
    add(&b, "}", 12);
    EXPECT_INT(parse(buf_str(&b), &a, &node), ERR_NONE);
    while (node->first)
        node = node->first;
    yaml_path(node, path);
    EXPECT_INT(strlen(path), YAML_PATH_SIZE - 1);
    EXPECT(str_starts(str_of(path), str_of(key)));
    arena_deinit(&a);
    buf_deinit(&b);
}

static void shows_no_key_that_could_be_a_secret(void)
{
    struct yaml_node *root;
    char path[YAML_PATH_SIZE];
    struct arena a;

    EXPECT_INT(parse(STR("a: {sk-123: 1}\nb: {__client=x: {c: 1}}\n"), &a, &root), ERR_NONE);
    EXPECT_Z(yaml_path(yaml_find(root, STR("a"))->first, path), "a[0]");
    EXPECT_Z(yaml_path(yaml_find(root, STR("b"))->first->first, path), "b[0].c");
    EXPECT(yaml_may_show_key(STR("max_parallel")) && yaml_may_show_key(STR("X-Team")));
    EXPECT(!yaml_may_show_key(STR("")) && !yaml_may_show_key(STR("a b")));
    EXPECT(yaml_may_show_key(STR("azAZ")) && !yaml_may_show_key(STR("a@")));
    EXPECT(!yaml_may_show_key(STR("a[")) && !yaml_may_show_key(STR("a`")));
    EXPECT(!yaml_may_show_key(STR("a{")));
    EXPECT(!yaml_may_show_key(STR("abcdefghijklmnopqrstuvwxyzabcdefghijklmno")));
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "reads mappings, sequences and scalars", reads_mappings_sequences_and_scalars },
    { "a file without content is empty", a_file_without_content_is_empty },
    { "tells a key that stands twice and keeps the first",
      tells_a_key_that_stands_twice_and_keeps_the_first },
    { "refuses what is no single plain document", refuses_what_is_no_single_plain_document },
    { "tells every anchor, alias and tag", tells_every_anchor_alias_and_tag },
    { "is bounded in depth, width and number", is_bounded_in_depth_width_and_number },
    { "the number of values is bounded", the_number_of_values_is_bounded },
    { "knows the words for nothing", knows_the_words_for_nothing },
    { "a long path is cut", a_long_path_is_cut },
    { "shows no key that could be a secret", shows_no_key_that_could_be_a_secret },
};

TEST_MAIN(suite)
