/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: which name leads where, in which order, and what the list shows. */
#include "gateway/routes.h"

#include "settings_test.h"

static struct settings settings;
static struct routes *routes;

static void begin_with(const char *yaml, const struct routes_models *discovered)
{
    if (load_yaml(yaml, &settings))
        fail_msg("%s", problems);
    routes = routes_new(&settings, discovered);
}

static void begin(const char *yaml)
{
    begin_with(yaml, NULL);
}

static void end(void)
{
    routes_free(routes);
    settings_deinit(&settings);
}

/* "upstream:model upstream:model", or "" where there is no route. */
static const char *order_of(const char *name, const char *message)
{
    static char text[1000];
    struct route_step steps[ROUTE_TARGETS_MAX];
    const struct route *route = routes_find(routes, str_of(name));
    size_t n = 0, at = 0;

    text[0] = '\0';
    if (route)
        n = routes_order(routes, route, str_of(name), STR("laptop"), str_of(message), steps);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s:%.*s", i ? " " : "",
                               settings.upstreams[steps[i].target->upstream].name,
                               STR_ARGS(steps[i].model));
    return text;
}

static const char *where(const char *name)
{
    return order_of(name, "");
}

static const char *list(void)
{
    static char text[1000];
    struct routes_entry entry;
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; routes_entry_at(routes, i, &entry); i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s@%s", i ? " " : "", entry.id,
                               entry.upstream);
    return text;
}

#define OPENAI(name) "  - {name: " name ", provider: openai, base_url: \"http://h\""
#define UPSTREAMS \
    "upstreams:\n" OPENAI("a") ", models: [m, n]}\n" OPENAI("b") "}\n" OPENAI("c") "}\n"

static void finds_names_aliases_and_stars_the_longest_first(void)
{
    static const struct {
        const char *name, *want;
    } rows[] = {
        { "one", "a:m b:x" },
        { "uno", "a:m b:x" },
        { "ein", "a:m b:x" },
        { "One", "" },
        { "m", "" }, /* not by its own name: there is a section */
        { "x/y", "b:y" },
        { "x/y/z", "c:z" },
        { "x/y/", "b:y/" },
        { "x/y/z/w", "c:z/w" },
        { "x/fixed", "c:whole" },
        { "x/", "" },
        { "x", "" },
        { "/", "" },
        { "xx/y", "" },
        { "a/m", "a:m" },
        { "a/n", "a:n b:n" },
        { "a/q", "b:q" },
        { "only/q", "" },
        { "only/m", "a:m" },
    };

    begin(UPSTREAMS "models:\n"
                    "  - name: one\n"
                    "    aliases: [uno, ein]\n"
                    "    targets: [{upstream: a, model: m}, {upstream: b, model: x}]\n"
                    "  - {name: x/*, targets: [{upstream: b, model: '*'}]}\n"
                    "  - {name: x/y/*, targets: [{upstream: c, model: '*'}]}\n"
                    "  - {name: x/fixed, targets: [{upstream: c, model: whole}]}\n"
                    "  - {name: a/*, targets: [{upstream: a, model: '*'}, {upstream: b, model: "
                    "'*'}]}\n"
                    "  - {name: a/m, targets: [{upstream: a, model: m}]}\n"
                    "  - {name: only/*, targets: [{upstream: a, model: '*'}]}\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(where(rows[i].name), rows[i].want) != 0)
            fail_msg("%s leads to \"%s\", not \"%s\"", rows[i].name, where(rows[i].name),
                     rows[i].want);
    EXPECT_Z(list(), "one@a uno@a ein@a x/fixed@c a/m@a");
    EXPECT_Z(route_name(routes_find(routes, STR("x/y/z"))), "x/y/*");
    end();
}

static void a_lone_star_takes_what_nothing_else_does(void)
{
    begin(UPSTREAMS "models:\n"
                    "  - {name: '*', targets: [{upstream: b, model: '*'}]}\n"
                    "  - {name: x/*, targets: [{upstream: c, model: fixed}]}\n");
    EXPECT_Z(where("any/name"), "b:any/name");
    EXPECT_Z(where("x/name"), "c:fixed");
    EXPECT_Z(where("x/"), "b:x/");
    EXPECT_Z(where(""), "b:ClaudeSonnet4_5");
    EXPECT_Z(list(), "");
    end();
}

static void without_a_section_every_model_goes_by_its_name(void)
{
    static const struct str of_b[] = { { "m", 1 }, { "p", 1 },    { "p", 1 },
                                       { "", 0 },  { "x\ny", 3 }, { "q*", 2 } };
    static const struct str of_a[] = { { "ignored", 7 } };
    const struct routes_models discovered[] = { { of_a, COUNT_OF(of_a) },
                                                { of_b, COUNT_OF(of_b) },
                                                { NULL, 0 } };

    begin_with(UPSTREAMS, discovered);
    EXPECT_Z(list(), "m@a n@a p@b");
    EXPECT_Z(where("m"), "a:m"); /* the first that has it, and no other */
    EXPECT_Z(where("p"), "b:p");
    EXPECT_Z(where("ignored"), "");
    EXPECT_Z(where("q"), "");
    end();
    begin(UPSTREAMS);
    EXPECT_Z(list(), "m@a n@a");
    end();
}

static void known_models_stand_in_until_there_is_a_list(void)
{
    static const struct str names[] = { { "New", 3 } };
    const struct routes_models discovered = { names, 1 };

    begin("clerk_cookie: c\n");
    EXPECT_Z(list(), "ClaudeSonnet4_5@cto GPT5@cto");
    EXPECT_Z(where(""), "cto:ClaudeSonnet4_5");
    end();
    begin_with("clerk_cookie: c\n", &discovered);
    EXPECT_Z(list(), "New@cto");
    EXPECT_Z(where("GPT5"), "");
    end();
    begin_with("default_model: Mine\n", &discovered);
    EXPECT_Z(list(), "New@cto Mine@cto");
    EXPECT_Z(where(""), "cto:Mine");
    end();
    begin_with("known_models: [X]\n", &discovered);
    EXPECT_Z(list(), "ClaudeSonnet4_5@cto X@cto");
    EXPECT_Z(where("New"), "");
    end();
}

static void an_upstream_may_take_any_name_at_last(void)
{
    begin("upstreams:\n" OPENAI("a") ", models: [m]}\n" OPENAI(
        "b") ", models: [n], any_model: on}\n" OPENAI("c") ", any_model: on}\n");
    EXPECT_Z(where("m"), "a:m");
    EXPECT_Z(where("n"), "b:n");
    EXPECT_Z(where("what/ever"), "b:what/ever");
    EXPECT_Z(list(), "m@a n@b");
    end();
    begin(UPSTREAMS OPENAI("d") ", any_model: on}\n"
                                "models: [{name: r, targets: [{upstream: a, model: m}]}]\n");
    EXPECT_Z(where("r"), "a:m");
    EXPECT_Z(where("m"), "d:m");
    end();
}

static void refuses_a_name_beyond_its_bound(void)
{
    char name[MODEL_NAME_MAX + 2];

    begin("upstreams:\n" OPENAI("a") ", any_model: on}\n");
    memset(name, 'x', sizeof(name));
    EXPECT(routes_find(routes, (struct str){ name, MODEL_NAME_MAX }) != NULL);
    EXPECT(routes_find(routes, (struct str){ name, MODEL_NAME_MAX + 1 }) == NULL);
    EXPECT(routes_find(routes, (struct str){ "a\0b", 3 }) != NULL);
    end();
}

#define WEIGHTED                                             \
    UPSTREAMS "models:\n"                                    \
              "  - name: w\n"                                \
              "    strategy: weighted\n"                     \
              "    targets:\n"                               \
              "      - {upstream: a, model: m, weight: 3}\n" \
              "      - {upstream: b, model: x}\n"            \
              "      - {upstream: c, model: y, weight: 2}\n"

/* Other numbers would move every conversation at an upgrade, or between replicas. */
static void a_weighted_route_chooses_the_same_forever(void)
{
    static const struct {
        const char *message, *want;
    } rows[] = {
        { "", "a:m b:x c:y" },  { "hello", "c:y a:m b:x" }, { "hi", "b:x a:m c:y" },
        { "a", "b:x a:m c:y" }, { "b", "c:y a:m b:x" },     { "c", "c:y a:m b:x" },
        { "d", "a:m b:x c:y" }, { "e", "c:y a:m b:x" },     { "f", "a:m b:x c:y" },
    };

    begin(WEIGHTED);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_Z(order_of("w", rows[i].message), rows[i].want);
    end();
}

static void a_weighted_route_keeps_its_weights(void)
{
    enum { N = 60000 };
    size_t first[3] = { 0 };

    begin(WEIGHTED);
    const struct route *route = routes_find(routes, STR("w"));
    for (int i = 0; i < N; i++) {
        struct route_step steps[ROUTE_TARGETS_MAX];
        char message[20];

        snprintf(message, sizeof(message), "message %d", i);
        EXPECT_INT(routes_order(routes, route, STR("w"), STR("k"), str_of(message), steps), 3);
        first[steps[0].target->upstream]++;
    }
    /* Five times the deviation that chance allows for. */
    EXPECT(first[0] > N * 3 / 6 - 612 && first[0] < N * 3 / 6 + 612);
    EXPECT(first[1] > N * 1 / 6 - 456 && first[1] < N * 1 / 6 + 456);
    EXPECT(first[2] > N * 2 / 6 - 577 && first[2] < N * 2 / 6 + 577);
    end();
}

/* Key and message are apart: no two pairs are one text. */
static void key_and_message_both_count(void)
{
    size_t moved = 0;

    begin(WEIGHTED);
    const struct route *route = routes_find(routes, STR("w"));
    for (int i = 0; i < 100; i++) {
        struct route_step one[ROUTE_TARGETS_MAX], other[ROUTE_TARGETS_MAX];
        char key[20];

        snprintf(key, sizeof(key), "key%d", i);
        routes_order(routes, route, STR("w"), str_of(key), STR("x"), one);
        routes_order(routes, route, STR("w"), STR("key"), str_of(key + 3), other);
        moved += one[0].target != other[0].target;
    }
    EXPECT(moved > 20);
    end();
}

/* Of a star only some targets may be able to; the weights of the others do not count. */
static void a_weighted_star_leaves_out_who_cannot(void)
{
    begin(UPSTREAMS "models:\n"
                    "  - name: w/*\n"
                    "    strategy: weighted\n"
                    "    targets:\n"
                    "      - {upstream: a, model: '*', weight: 1000000}\n"
                    "      - {upstream: b, model: '*'}\n");
    EXPECT_Z(where("w/q"), "b:q");
    EXPECT_Z(where("w/m"), "a:m b:m");
    end();
}

static void holds_many_names(void)
{
    enum { N = 1000 };
    static char text[N * 100];
    size_t at = (size_t)snprintf(text, sizeof(text), UPSTREAMS "models:\n");
    char name[20];

    for (int i = 0; i < N; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at,
                               "  - {name: r%d, targets: [{upstream: b, model: m%d}]}\n", i, i);
    begin(text);
    for (int i = 0; i < N; i++) {
        char want[20];

        snprintf(name, sizeof(name), "r%d", i);
        snprintf(want, sizeof(want), "b:m%d", i);
        EXPECT_Z(where(name), want);
    }
    EXPECT_Z(where("r1000"), "");
    end();
}

static const struct test suite[] = {
    { "finds names, aliases and stars, the longest first",
      finds_names_aliases_and_stars_the_longest_first },
    { "a lone star takes what nothing else does", a_lone_star_takes_what_nothing_else_does },
    { "without a section every model goes by its name",
      without_a_section_every_model_goes_by_its_name },
    { "KNOWN_MODELS stands in until there is a list", known_models_stand_in_until_there_is_a_list },
    { "an upstream may take any name at last", an_upstream_may_take_any_name_at_last },
    { "refuses a name beyond its bound", refuses_a_name_beyond_its_bound },
    { "a weighted route chooses the same forever", a_weighted_route_chooses_the_same_forever },
    { "a weighted route keeps its weights", a_weighted_route_keeps_its_weights },
    { "key and message both count", key_and_message_both_count },
    { "a weighted star leaves out who cannot", a_weighted_star_leaves_out_who_cannot },
    { "holds many names", holds_many_names },
};

TEST_MAIN(suite)
