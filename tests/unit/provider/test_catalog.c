/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/catalog.h"

#include <pthread.h>

#include "test.h"

#define TOLD                                                              \
    "{\"chatAdapters\":[{\"key\":\"gpt_5\",\"engineAgentKey\":\"GPT5\"}," \
    "{\"key\":\"old\",\"engineAgentKey\":\"Old\",\"enabled\":false},"     \
    "{\"key\":\"GPT5\",\"engineAgentKey\":\"Other\"},{\"key\":\"key_only\"}]}"

static const char *const settings[] = { "GPT5", "Own", "Old", NULL };

static void the_settings_stand_in_until_the_service_answers(void)
{
    struct catalog *c = catalog_new(settings);
    struct catalog_list *before = catalog_ref(c);
    struct catalog_list *after;

    EXPECT(before->is_configured);
    EXPECT_INT(before->n, 3);
    EXPECT_Z(before->models[1].key, "Own");
    EXPECT_INT(catalog_take(c, STR("<html>")), ERR_BAD_INPUT);
    EXPECT_INT(catalog_take(c, STR("{\"chatAdapters\":[]}")), ERR_NOT_FOUND);
    after = catalog_ref(c);
    EXPECT(after == before);
    catalog_unref(c, after);
    EXPECT_INT(catalog_take(c, STR(TOLD)), ERR_NONE);
    after = catalog_ref(c);
    EXPECT(!after->is_configured);
    EXPECT_INT(after->n, 4);
    EXPECT_INT(catalog_take(c, STR("{}")), ERR_BAD_INPUT);
    EXPECT_INT(catalog_take(c, STR("{\"chatAdapters\":[{\"key\":\"new\"}]}")), ERR_NONE);
    /* Who holds a list keeps it as it was. */
    EXPECT_Z(before->models[0].key, "GPT5");
    EXPECT_Z(after->models[0].key, "gpt_5");
    catalog_unref(c, before);
    catalog_unref(c, after);
    catalog_free(c);
    catalog_free(NULL);
}

static void a_name_is_looked_up_before_it_is_sent(void)
{
    static const struct {
        const char *name;
        const char *classic; /* NULL: must not be sent */
        const char *project;
    } rows[] = {
        { "GPT5", "GPT5", "gpt_5" }, /* an engineAgentKey counts before a key */
        { "gpt_5", "GPT5", "gpt_5" },
        { "Other", "Other", "GPT5" },
        { "key_only", NULL, "key_only" },
        { "Own", "Own", "Own" }, /* the settings' alone */
        { "Old", NULL, NULL },   /* disabled */
        { "gpt5", NULL, NULL },
        { "", NULL, NULL },
        { "unknown", NULL, NULL },
    };
    struct catalog *c = catalog_new(settings);

    EXPECT_INT(catalog_take(c, STR(TOLD)), ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[ADAPTER_NAME_MAX] = "";
        struct str name = str_of(rows[i].name);

        EXPECT_INT(catalog_resolve(c, PROTOCOL_CLASSIC, name, out), rows[i].classic != NULL);
        EXPECT_Z(out, rows[i].classic ? rows[i].classic : "");
        out[0] = '\0';
        EXPECT_INT(catalog_resolve(c, PROTOCOL_PROJECT, name, out), rows[i].project != NULL);
        EXPECT_Z(out, rows[i].project ? rows[i].project : "");
    }
    catalog_free(c);
}

static void without_settings_and_answer_nothing_is_sent(void)
{
    struct catalog *c = catalog_new(NULL);
    char out[ADAPTER_NAME_MAX] = "";

    EXPECT(!catalog_resolve(c, PROTOCOL_CLASSIC, STR("GPT5"), out));
    catalog_free(c);
}

static void a_configured_name_is_never_cut(void)
{
    char name[ADAPTER_NAME_MAX + 1];
    const char *names[] = { name, "", "short", NULL };
    struct catalog_list *list;
    struct catalog *c;

    memset(name, 'x', ADAPTER_NAME_MAX);
    name[ADAPTER_NAME_MAX] = '\0';
    c = catalog_new(names);
    list = catalog_ref(c);
    EXPECT_INT(list->n, 1);
    EXPECT_Z(list->models[0].agent_key, "short");
    catalog_unref(c, list);
    catalog_free(c);
}

static void the_service_is_asked_by_one_and_seldom(void)
{
    struct catalog *c = catalog_new(settings);

    EXPECT(catalog_is_due(c, 5));
    EXPECT(!catalog_is_due(c, 5));
    EXPECT(!catalog_is_due(c, 60004));
    EXPECT(catalog_is_due(c, 60005)); /* it did not answer: the settings stand in still */
    EXPECT_INT(catalog_take(c, STR(TOLD)), ERR_NONE);
    EXPECT(!catalog_is_due(c, 60005 + 599999));
    EXPECT(catalog_is_due(c, 60005 + 600000));
    catalog_forget(c);
    EXPECT(catalog_is_due(c, 60005 + 600001));
    EXPECT(!catalog_is_due(c, 60005 + 600001));
    catalog_free(c);
}

static void what_was_told_is_handed_down(void)
{
    static const char *const others[] = { "Own2", NULL };
    struct catalog *told = catalog_new(settings);
    struct catalog *untold = catalog_new(settings);
    struct catalog *c = catalog_new(others);
    char name[ADAPTER_NAME_MAX];
    struct wait w = { 0 };

    catalog_inherit(c, untold); /* there is nothing to hand down */
    EXPECT(!catalog_resolve(c, PROTOCOL_CLASSIC, STR("gpt_5"), name));
    EXPECT(catalog_is_due(told, 1000));
    EXPECT_INT(catalog_take(told, STR(TOLD)), ERR_NONE);
    catalog_inherit(c, told);
    catalog_free(told);
    catalog_free(untold);
    EXPECT(catalog_resolve(c, PROTOCOL_CLASSIC, STR("gpt_5"), name));
    EXPECT_Z(name, "GPT5");
    EXPECT(catalog_resolve(c, PROTOCOL_CLASSIC, STR("Own2"), name));
    EXPECT(!catalog_resolve(c, PROTOCOL_CLASSIC, STR("Own"), name));
    EXPECT(catalog_is_tried(c, &w, NULL, NULL, NULL));
    EXPECT(!catalog_is_due(c, 1000 + 599999)); /* as if nothing had happened */
    EXPECT(catalog_is_due(c, 1000 + 600000));
    catalog_free(c);
}

static void *read_much(void *arg)
{
    struct catalog *c = arg;

    for (int i = 0; i < 2000; i++) {
        struct catalog_list *list = catalog_ref(c);
        char out[ADAPTER_NAME_MAX];

        EXPECT(catalog_find(list, STR("GPT5")) != NULL);
        EXPECT(catalog_resolve(c, PROTOCOL_CLASSIC, STR("GPT5"), out));
        catalog_unref(c, list);
    }
    return NULL;
}

static void lists_may_be_replaced_while_others_read(void)
{
    struct catalog *c = catalog_new(settings);
    pthread_t threads[2];

    for (size_t i = 0; i < COUNT_OF(threads); i++)
        EXPECT(!pthread_create(&threads[i], NULL, read_much, c));
    for (int i = 0; i < 500; i++)
        EXPECT_INT(catalog_take(c, STR(TOLD)), ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        EXPECT(!pthread_join(threads[i], NULL));
    catalog_free(c);
}

static const struct test suite[] = {
    { "the settings stand in until the service answers",
      the_settings_stand_in_until_the_service_answers },
    { "a name is looked up before it is sent", a_name_is_looked_up_before_it_is_sent },
    { "without settings and answer nothing is sent", without_settings_and_answer_nothing_is_sent },
    { "a configured name is never cut", a_configured_name_is_never_cut },
    { "the service is asked by one and seldom", the_service_is_asked_by_one_and_seldom },
    { "what was told is handed down", what_was_told_is_handed_down },
    { "lists may be replaced while others read", lists_may_be_replaced_while_others_read },
};

TEST_MAIN(suite)
