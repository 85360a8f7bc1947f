/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks for the models, and what becomes of the answer. */
#include "provider/enginelabs/catalog_port.h"
#include "site_rig.h"

static const char *const settings[] = { "Own", NULL };

static struct told {
    unsigned n;
    enum err err;
    struct catalog_port *close; /* in the callback */
} told;

static void on_told(void *arg, enum err err)
{
    struct told *t = arg;

    t->n++;
    t->err = err;
    if (t->close)
        catalog_port_close(t->close);
}

static struct catalog_port *open_port(struct site *s, struct catalog *c)
{
    const struct catalog_port_params params = { .config = &s->config,
                                                .account = s->port,
                                                .client = s->client,
                                                .connect_timeout_ms = SITE_TIMEOUT_MS,
                                                .answer_timeout_ms = SITE_TIMEOUT_MS,
                                                .told = on_told,
                                                .arg = &told };

    return catalog_port_open(c, &params);
}

static bool is_listed(struct catalog *c, const char *name)
{
    struct catalog_list *list = catalog_ref(c);
    bool found = catalog_find(list, str_of(name)) != NULL;

    catalog_unref(c, list);
    return found;
}

static void one_asks_for_all(void)
{
    struct catalog *c = catalog_new(settings);
    struct catalog_port *p, *other;
    struct site s;

    told = (struct told){ 0 };
    site_start(&s);
    p = open_port(&s, c);
    other = open_port(&s, c);
    EXPECT(catalog_port_poll(p));
    EXPECT(catalog_port_poll(p)); /* it runs */
    EXPECT(!catalog_port_poll(other));
    EXPECT(is_listed(c, "Own"));
    RUN_UNTIL(s.loop, told.n);
    EXPECT_INT(told.err, ERR_NONE);
    EXPECT(is_listed(c, "GPT5"));
    EXPECT(!catalog_port_poll(p));
    EXPECT_INT(s.fake.at[FAKE_ADAPTERS].count, 1);
    catalog_port_close(p);
    catalog_port_close(other);
    site_end(&s);
    catalog_free(c);
}

static void what_is_no_answer_changes_nothing(void)
{
    static const struct {
        struct fake_line line;
        enum err err;
    } rows[] = {
        { { 404, NULL, NULL, NULL }, ERR_IO },
        { { FAKE_DROP, NULL, NULL, NULL }, ERR_IO },
        { { 200, "{}", NULL, NULL }, ERR_BAD_INPUT },
        { { 200, "{\"chatAdapters\":[]}", NULL, NULL }, ERR_NOT_FOUND },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct catalog *c = catalog_new(settings);
        struct catalog_port *p;
        struct site s;

        told = (struct told){ 0 };
        site_start(&s);
        s.fake.at[FAKE_ADAPTERS].lines[0] = rows[i].line;
        s.fake.at[FAKE_ADAPTERS].n_lines = 1;
        p = open_port(&s, c);
        EXPECT(catalog_port_poll(p));
        RUN_UNTIL(s.loop, told.n);
        EXPECT_INT(told.err, rows[i].err);
        EXPECT(is_listed(c, "Own"));
        catalog_port_close(p);
        site_end(&s);
        catalog_free(c);
    }
}

static void a_port_may_close_at_any_time(void)
{
    for (int how = 0; how < 3; how++) {
        struct catalog *c = catalog_new(settings);
        struct catalog_port *p;
        struct site s;

        told = (struct told){ 0 };
        site_start(&s);
        p = open_port(&s, c);
        if (how == 1)
            fake_say(&s.fake, FAKE_ADAPTERS, FAKE_HOLD, NULL);
        if (how == 2)
            told.close = p;
        EXPECT(catalog_port_poll(p));
        if (how == 1)
            RUN_UNTIL(s.loop, s.fake.at[FAKE_ADAPTERS].held);
        if (how == 2)
            RUN_UNTIL(s.loop, told.n);
        else
            catalog_port_close(p);
        run_for(s.loop, 20);
        EXPECT_INT(told.n, how == 2);
        site_end(&s);
        catalog_free(c);
    }
}

static const struct test suite[] = {
    { "one asks for all", one_asks_for_all },
    { "what is no answer changes nothing", what_is_no_answer_changes_nothing },
    { "a port may close at any time", a_port_may_close_at_any_time },
};

TEST_MAIN(suite)
