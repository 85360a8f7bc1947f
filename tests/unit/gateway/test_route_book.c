/* SPDX-License-Identifier: Apache-2.0 */
/* The book of routes: a new table when an upstream has other models, the old one for whom has it.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/route_book.h"

#include "settings_test.h"

enum { UPSTREAMS = 2 };

/* An upstream that knows `n` models "m0", "m1", ... */
struct fake {
    atomic_uint turn;
    atomic_size_t n;
    atomic_uint asked;
};

static size_t fake_models(void *upstream, struct arena *a, const struct provider_model **ret)
{
    struct fake *u = upstream;
    size_t n = atomic_load(&u->n);
    struct provider_model *models = arena_alloc(a, (n + 1) * sizeof(*models));

    atomic_fetch_add(&u->asked, 1);
    for (size_t i = 0; i < n; i++)
        models[i] = (struct provider_model){ .name = arena_printf(a, "m%zu", i),
                                             .members = arena_printf(a, "{\"i\":%zu}", i) };
    *ret = models;
    return n;
}

static unsigned fake_turn(void *upstream)
{
    struct fake *u = upstream;

    return atomic_load(&u->turn);
}

static const struct provider_ops telling = { .models = fake_models, .models_turn = fake_turn };
static const struct provider_ops silent = { .name = "silent" };

static struct settings settings;
static struct fake fakes[UPSTREAMS];
static struct upstream upstreams[UPSTREAMS];
static struct route_book *book;

static void begin(void)
{
    if (load_yaml("upstreams:\n"
                  "  - {name: a, provider: openai, base_url: \"http://127.0.0.1:1/v1\"}\n"
                  "  - {name: b, provider: openai, base_url: \"http://127.0.0.1:1/v1\"}\n",
                  &settings))
        fail_msg("%s", problems);
    memset(fakes, 0, sizeof(fakes));
    upstreams[0] = (struct upstream){ "a", &telling, &fakes[0] };
    upstreams[1] = (struct upstream){ "b", &telling, &fakes[1] };
    book = route_book_new(&settings, upstreams, UPSTREAMS);
}

static void end(void)
{
    route_book_free(book);
    settings_deinit(&settings);
}

static void tell(size_t upstream, size_t n)
{
    atomic_store(&fakes[upstream].n, n);
    atomic_fetch_add(&fakes[upstream].turn, 1);
}

static size_t names_in(const struct route_table *t)
{
    struct routes_entry e;
    size_t n = 0;

    while (routes_entry_at(t->routes, n, &e))
        n++;
    return n;
}

static void is_made_anew_when_an_upstream_says_so(void)
{
    struct route_table *first, *second;

    begin();
    first = route_book_ref(book);
    EXPECT_INT(names_in(first), 0);
    EXPECT(!routes_find(first->routes, STR("m0")));
    second = route_book_ref(book);
    EXPECT(first == second);
    EXPECT_INT(atomic_load(&fakes[0].asked), 1);
    route_book_unref(book, second);
    tell(0, 2);
    second = route_book_ref(book);
    EXPECT(first != second);
    EXPECT_INT(names_in(second), 2);
    EXPECT(routes_find(second->routes, STR("m1")) != NULL);
    EXPECT_INT(names_in(first), 0);
    route_book_unref(book, first);
    route_book_unref(book, second);
    end();
}

/* Whoever is at work with the old names goes on with them. */
static void an_old_table_lives_as_long_as_it_is_held(void)
{
    struct route_table *tables[20];

    begin();
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        tell(i % 2, i);
        tables[i] = route_book_ref(book);
    }
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        const struct provider_model *model;

        EXPECT_INT(names_in(tables[i]), i);
        model = route_table_model(tables[i], i % 2, STR("m0"));
        EXPECT_INT(model != NULL, i > 0);
        if (model)
            EXPECT_STR(model->members, "{\"i\":0}");
        EXPECT(!route_table_model(tables[i], i % 2, STR("m99")));
        route_book_unref(book, tables[i]);
    }
    end();
}

static void an_upstream_that_tells_nothing_has_no_models(void)
{
    struct route_table *t;

    begin();
    route_book_free(book);
    upstreams[0].provider = &silent;
    book = route_book_new(&settings, upstreams, UPSTREAMS);
    tell(0, 5);
    tell(1, 3);
    t = route_book_ref(book);
    EXPECT_INT(names_in(t), 3);
    EXPECT_INT(t->lists[0].n, 0);
    EXPECT(!route_table_model(t, 0, STR("m0")));
    EXPECT(route_table_model(t, 1, STR("m0")) != NULL);
    route_book_unref(book, t);
    end();
}

/* Each of them sees tables that are whole, whatever the others do. */
static void *read_on(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2000; i++) {
        struct route_table *t = route_book_ref(book);

        tell(i % 2, i % 7);
        for (size_t k = 0; k < UPSTREAMS; k++)
            for (size_t m = 0; m < t->lists[k].n; m++)
                EXPECT(t->lists[k].at[m].name.n == 2);
        EXPECT(names_in(t) >= t->lists[0].n);
        route_book_unref(book, t);
    }
    return NULL;
}

static void any_thread_may_look(void)
{
    pthread_t threads[3];

    begin();
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        EXPECT(!pthread_create(&threads[i], NULL, read_on, NULL));
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        EXPECT(!pthread_join(threads[i], NULL));
    end();
}

static const struct test suite[] = {
    { "is made anew when an upstream says so", is_made_anew_when_an_upstream_says_so },
    { "an old table lives as long as it is held", an_old_table_lives_as_long_as_it_is_held },
    { "an upstream that tells nothing has no models",
      an_upstream_that_tells_nothing_has_no_models },
    { "any thread may look", any_thread_may_look },
};

TEST_MAIN(suite)
