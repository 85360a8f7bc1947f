/* SPDX-License-Identifier: Apache-2.0 */
/* Changes, and the table that requests look into. */
#include "keys/key_change.h"

#include <stdio.h>

#include "base/mem.h"
#include "net/net_test.h"

static struct {
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    struct key_ring *ring;
    bool is_closed;

    unsigned calls; /* what the last change told */
    enum err err;
    char param[64];
    char id[64];
    char name[KEY_NAME_MAX + 1];
    char text[KEY_TEXT_LEN + 1];
} f;

static void begin(void)
{
    memset(&f, 0, sizeof(f));
    f.loop = loop_new();
    f.store = store_memory_new(1000);
    f.port = store_port_open(f.store, f.loop);
    f.ring = key_ring_new();
}

static void on_closed(UNUSED void *arg)
{
    f.is_closed = true;
}

static void end(void)
{
    store_port_close(f.port, on_closed, NULL);
    while (!f.is_closed)
        run_turn(f.loop);
    store_close(f.store);
    key_ring_free(f.ring);
    loop_free(f.loop);
}

static void on_changed(UNUSED void *arg, const struct key_changed *changed)
{
    f.calls++;
    f.err = changed->err;
    str_to_z(str_of(changed->text ? changed->text : ""), f.text, sizeof(f.text));
    if (changed->err == ERR_BAD_INPUT)
        str_to_z(str_of(changed->problem->param), f.param, sizeof(f.param));
    if (changed->err)
        return;
    str_to_z(changed->record->id, f.id, sizeof(f.id));
    str_to_z(changed->record->name, f.name, sizeof(f.name));
}

static enum err change(enum key_change_kind kind, const char *id, const char *json)
{
    f.calls = 0;
    key_change(f.ring, f.port, kind, str_of(id), str_of(json), 1000, on_changed, NULL);
    EXPECT_INT(f.calls, 0);
    while (f.calls == 0)
        run_turn(f.loop);
    return f.err;
}

/* The name of the key with this text, "" when there is none. */
static const char *find(const char *text)
{
    static char name[KEY_NAME_MAX + 1];
    struct key_table *t = key_ring_ref(f.ring);
    unsigned char hash[SHA256_LEN];
    const struct key_record *k;

    key_text_hash(str_of(text), hash);
    k = key_table_find(t, hash);
    str_to_z(k ? k->name : STR(""), name, sizeof(name));
    key_table_unref(t);
    return name;
}

static void a_key_is_found_from_its_making_to_its_end(void)
{
    char first[KEY_TEXT_LEN + 1];

    begin();
    EXPECT(key_ring_ref(f.ring) == NULL);
    EXPECT_INT(change(KEY_ADD, "", "{\"name\":\"one\"}"), ERR_NONE);
    memcpy(first, f.text, sizeof(first));
    EXPECT_INT(key_text_judge(str_of(first)), KEY_TEXT_OURS);
    EXPECT_Z(find(first), "one");
    EXPECT_INT(change(KEY_EDIT, f.id, "{\"name\":\"two\"}"), ERR_NONE);
    EXPECT_Z(f.text, "");
    EXPECT_Z(find(first), "two");
    EXPECT_INT(change(KEY_ROTATE, f.id, ""), ERR_NONE);
    EXPECT_Z(find(first), "");
    EXPECT_Z(find(f.text), "two");
    memcpy(first, f.text, sizeof(first));
    EXPECT_INT(change(KEY_REVOKE, f.id, ""), ERR_NONE);
    EXPECT_Z(find(first), "");
    EXPECT_INT(change(KEY_REVOKE, f.id, ""), ERR_NOT_FOUND);
    end();
}

static void what_is_wrong_changes_nothing(void)
{
    char text[KEY_TEXT_LEN + 1];

    begin();
    EXPECT_INT(change(KEY_ADD, "", "{\"nmae\":\"one\"}"), ERR_BAD_INPUT);
    EXPECT_Z(f.param, "nmae");
    EXPECT_INT(change(KEY_ADD, "", "{\"name\":\"one\"}"), ERR_NONE);
    memcpy(text, f.text, sizeof(text));
    EXPECT_INT(change(KEY_EDIT, f.id, "{\"name\":\"two\",\"expires\":\"x\"}"), ERR_BAD_INPUT);
    EXPECT_Z(f.param, "expires");
    EXPECT_Z(find(text), "one");
    EXPECT_INT(change(KEY_EDIT, "key_none", "{}"), ERR_NOT_FOUND);
    end();
}

static void changes_at_once_all_happen(void)
{
    static const char *const edits[] = { "{\"expires\":5}", "{\"tokens_per_minute\":6}",
                                         "{\"disabled\":true}" };
    struct key_table *t;
    const struct key_record *k;

    begin();
    change(KEY_ADD, "", "{\"name\":\"one\"}");
    f.calls = 0;
    for (size_t i = 0; i < COUNT_OF(edits); i++)
        key_change(f.ring, f.port, KEY_EDIT, str_of(f.id), str_of(edits[i]), 0, on_changed, NULL);
    while (f.calls < COUNT_OF(edits)) {
        run_turn(f.loop);
        EXPECT_INT(f.err, ERR_NONE);
    }
    t = key_ring_ref(f.ring);
    k = key_table_find_id(t, str_of(f.id));
    EXPECT(k->expires_s == 5 && k->tokens_per_minute == 6 && k->disabled);
    key_table_unref(t);
    end();
}

/* More than the store lists at once; what is no key is left out. */
static void the_watch_reads_all_of_them(void)
{
    struct store_key odd = { .space = STORE_KEY, .n = 3, .bytes = "odd" };
    struct key_watch *watch;
    struct key_table *t;

    begin();
    for (unsigned i = 0; i < STORE_ROWS_MAX + 10; i++)
        change(KEY_ADD, "", "{\"name\":\"one\"}");
    store_put(f.port, &odd, STR("no record"), STORE_FOREVER, NULL, NULL);
    key_ring_free(f.ring);
    f.ring = key_ring_new();
    watch = key_watch_open(f.ring, f.loop, f.port);
    while (!(t = key_ring_ref(f.ring)))
        run_turn(f.loop);
    EXPECT_INT(t->n, STORE_ROWS_MAX + 10);
    EXPECT(key_table_find_id(t, str_of(f.id)) != NULL);
    key_table_unref(t);
    key_watch_close(watch);
    end();
}

static void a_watch_may_be_closed_while_it_reads(void)
{
    begin();
    key_watch_close(key_watch_open(f.ring, f.loop, f.port));
    key_watch_close(NULL);
    end();
}

static void uses_are_noted(void)
{
    begin();
    key_ring_note_use(f.ring, STR("one"), 5);
    key_ring_note_use(f.ring, STR("two"), 6);
    key_ring_note_use(f.ring, STR("one"), 7);
    EXPECT_INT(key_ring_last_use(f.ring, STR("one")), 7);
    EXPECT_INT(key_ring_last_use(f.ring, STR("two")), 6);
    EXPECT_INT(key_ring_last_use(f.ring, STR("on")), 0);
    end();
}

static void on_loaded(void *arg, enum err err)
{
    *(enum err *)arg = err;
}

/* What takes several operations ends with the one that runs. */
static void a_port_that_closes_ends_what_runs(void)
{
    static const enum key_change_kind kinds[] = { KEY_ADD, KEY_EDIT, KEY_ROTATE, KEY_REVOKE };

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        enum err loaded = ERR_NONE;
        char id[64];

        begin();
        change(KEY_ADD, "", "{\"name\":\"one\"}");
        memcpy(id, f.id, sizeof(id));
        f.calls = 0;
        key_change(f.ring, f.port, kinds[i], str_of(id), STR("{\"name\":\"two\"}"), 0, on_changed,
                   NULL);
        key_ring_load(f.ring, f.port, on_loaded, &loaded);
        end();
        EXPECT_INT(f.calls, 1);
        EXPECT_INT(f.err, kinds[i] == KEY_ADD ? ERR_NONE : ERR_CLOSED);
        EXPECT_INT(loaded, ERR_CLOSED);
    }
}

static const struct test suite[] = {
    { "a key is found from its making to its end", a_key_is_found_from_its_making_to_its_end },
    { "what is wrong changes nothing", what_is_wrong_changes_nothing },
    { "changes at once all happen", changes_at_once_all_happen },
    { "the watch reads all of them", the_watch_reads_all_of_them },
    { "a watch may be closed while it reads", a_watch_may_be_closed_while_it_reads },
    { "uses are noted", uses_are_noted },
    { "a port that closes ends what runs", a_port_that_closes_ends_what_runs },
};
TEST_MAIN(suite)
