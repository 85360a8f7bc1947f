/* SPDX-License-Identifier: Apache-2.0 */
/* Chats that are deleted at the service, with each store. */
#include "provider/enginelabs/cleanup.h"
#include "provider/enginelabs/cleanup_entry.h"
#include "site_rig.h"
#include "store/redis_rig.h"

enum { TTL_MS = 3600000, GRACE_MS = 60000, HELD_MS = 1000 };

static struct sweepers {
    struct site site;
    struct server server; /* of Redis */
    char folder[32];
    char file[64];
    struct store *store;
    struct store_port *port;
    struct cleanup *cleanup;
    bool is_closed;
    const char *unknown; /* an account that is not configured */
} g;

enum kind { IN_MEMORY, IN_SQLITE, IN_REDIS, KINDS };

static struct account_port *find(UNUSED void *arg, const char *account)
{
    return g.unknown && strcmp(account, g.unknown) == 0 ? NULL : g.site.port;
}

static void open_store(enum kind kind)
{
    char why[STORE_WHY_MAX];

    if (kind == IN_MEMORY)
        g.store = store_memory_new(1000);
    else if (kind == IN_SQLITE)
        EXPECT_INT(store_sqlite_open(g.file, &g.store, why), ERR_NONE);
    else
        g.store = store_at(g.server.port);
    g.port = store_port_open(g.store, g.site.loop);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_store(void)
{
    g.is_closed = false;
    store_port_close(g.port, on_closed, &g.is_closed);
    RUN_UNTIL(g.site.loop, g.is_closed);
    store_close(g.store);
}

static struct cleanup *open_cleanup(bool by_itself)
{
    const struct cleanup_params params = { .config = &g.site.config,
                                           .store = g.port,
                                           .client = g.site.client,
                                           .connect_timeout_ms = SITE_TIMEOUT_MS,
                                           .answer_timeout_ms = SITE_TIMEOUT_MS,
                                           .by_itself = by_itself,
                                           .find = find };

    return cleanup_open(&params);
}

static void begin(enum kind kind, enum enginelabs_delete mode)
{
    memset(&g, 0, sizeof(g));
    site_start(&g.site);
    loop_clock_set(g.site.loop, loop_now_ms(g.site.loop));
    g.site.config.delete_chats = mode;
    snprintf(g.folder, sizeof(g.folder), "/tmp/cleanup-XXXXXX");
    EXPECT(mkdtemp(g.folder) != NULL);
    snprintf(g.file, sizeof(g.file), "%s/state.db", g.folder);
    if (kind == IN_REDIS)
        server_start(&g.server, no_extra, NULL);
    open_store(kind);
    g.cleanup = open_cleanup(true);
}

static void end(void)
{
    cleanup_close(g.cleanup);
    close_store();
    site_end(&g.site);
    if (g.server.pid)
        server_stop(&g.server);
    EXPECT(nftw(g.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void on_flushed(void *arg, UNUSED const struct store_result *result)
{
    *(bool *)arg = true;
}

/* All that can happen without the clock: here, and in the store. */
static void let_happen(void)
{
    struct store_key key = { .space = STORE_CHAT, .n = 1 };

    for (int i = 0; i < 6; i++) {
        bool is_flushed = false;

        for (int k = 0; k < 40; k++)
            run_turn_now(g.site.loop);
        store_get(g.port, &key, on_flushed, &is_flushed);
        for (int k = 0; k < 40 && !is_flushed; k++)
            run_turn_now(g.site.loop);
        RUN_UNTIL(g.site.loop, is_flushed);
    }
}

/* Time passes, and what it brings about is done: at most two deletions. */
static void pass_time(int64_t ms)
{
    loop_clock_set(g.site.loop, loop_now_ms(g.site.loop) + ms);
    let_happen();
    for (int i = 0; i < 3; i++) {
        loop_clock_set(g.site.loop, loop_now_ms(g.site.loop) + HELD_MS);
        let_happen();
    }
}

static void turn(const char *chat)
{
    cleanup_turn(g.port, &g.site.config, "default", str_of(chat), TTL_MS,
                 loop_wall_ms(g.site.loop));
    let_happen();
}

static void at_end(const char *chat)
{
    cleanup_end(g.port, &g.site.config, "default", str_of(chat), loop_wall_ms(g.site.loop));
    let_happen();
}

static unsigned deleted(void)
{
    return g.site.fake.at[FAKE_DELETE].count;
}

static void a_chat_goes_when_it_cannot_be_continued(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        begin(kind, DELETE_AFTER_TTL);
        turn("chat-1");
        at_end("chat-1"); /* says nothing in this mode */
        pass_time(TTL_MS);
        EXPECT_INT(deleted(), 0);
        pass_time(CLEANUP_EVERY_MS);
        EXPECT_INT(deleted(), 1);
        EXPECT_Z(g.site.fake.at[FAKE_DELETE].target, "/engine-agent/chat-histories/chat-1");
        EXPECT(strncmp(g.site.fake.at[FAKE_DELETE].authorization, "Bearer aGVhZA.", 14) == 0);
        pass_time(86400000); /* once is enough */
        EXPECT_INT(deleted(), 1);
        end();
    }
}

static void a_turn_moves_it(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        begin(kind, DELETE_AFTER_TTL);
        turn("chat-1");
        pass_time(TTL_MS);
        turn("chat-1");
        pass_time(CLEANUP_EVERY_MS);
        EXPECT_INT(deleted(), 0);
        pass_time(TTL_MS);
        EXPECT_INT(deleted(), 1);
        end();
    }
}

static void at_the_end_it_goes_at_once(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        begin(kind, DELETE_AT_END);
        turn("chat-1");
        turn("chat-2");
        at_end("chat-2");
        cleanup_sweep(g.cleanup);
        cleanup_sweep(g.cleanup);
        pass_time(200);
        EXPECT_INT(deleted(), 1);
        EXPECT_Z(g.site.fake.at[FAKE_DELETE].target, "/engine-agent/chat-histories/chat-2");
        pass_time(TTL_MS + CLEANUP_EVERY_MS);
        EXPECT_INT(deleted(), 2);
        end();
    }
}

static void what_is_due_survives_a_restart(void)
{
    for (enum kind kind = IN_SQLITE; kind < KINDS; kind++) {
        begin(kind, DELETE_AFTER_TTL);
        turn("chat-1");
        cleanup_close(g.cleanup);
        close_store();
        loop_clock_set(g.site.loop, loop_now_ms(g.site.loop) + TTL_MS + GRACE_MS);
        open_store(kind);
        let_happen();
        g.cleanup = open_cleanup(true);
        pass_time(15000);
        EXPECT_INT(deleted(), 1);
        end();
    }
}

static void never_means_never(void)
{
    begin(IN_MEMORY, DELETE_NEVER);
    turn("chat-1");
    at_end("chat-1");
    pass_time(2 * TTL_MS);
    EXPECT_INT(deleted(), 0);
    end();
}

static void gone_already_is_done(void)
{
    begin(IN_MEMORY, DELETE_AT_END);
    fake_say(&g.site.fake, FAKE_DELETE, 404, NULL);
    at_end("chat-1");
    pass_time(15000);
    EXPECT_INT(deleted(), 1);
    pass_time(86400000);
    EXPECT_INT(deleted(), 1);
    end();
}

/* The browser check's page is no answer of the service. */
static void a_browser_check_is_no_answer(void)
{
    begin(IN_MEMORY, DELETE_AT_END);
    fake_say_header(&g.site.fake, FAKE_DELETE, 404, "cf-mitigated", "challenge");
    fake_say(&g.site.fake, FAKE_DELETE, 0, NULL);
    at_end("chat-1");
    pass_time(15000);
    EXPECT_INT(deleted(), 1);
    pass_time(CLEANUP_EVERY_MS);
    EXPECT_INT(deleted(), 2);
    end();
}

static void what_fails_is_tried_again_ever_more_seldom(void)
{
    unsigned before;

    begin(IN_MEMORY, DELETE_AT_END);
    fake_say(&g.site.fake, FAKE_DELETE, 503, NULL);
    at_end("chat-1");
    pass_time(15000);
    EXPECT_INT(deleted(), 1);
    pass_time(CLEANUP_EVERY_MS);
    EXPECT_INT(deleted(), 2);
    pass_time(CLEANUP_EVERY_MS); /* the pause has doubled */
    EXPECT_INT(deleted(), 2);
    pass_time(CLEANUP_EVERY_MS);
    EXPECT_INT(deleted(), 3);
    for (int i = 0; i < 40; i++)
        pass_time(12 * 3600000);
    EXPECT_INT(deleted(), 10);
    before = deleted();
    pass_time(30 * INT64_C(86400000));
    EXPECT_INT(deleted(), before);
    end();
}

/* One that fails does not hold up those of other accounts, and its own others wait. */
static void an_account_that_fails_is_left_alone_for_now(void)
{
    begin(IN_MEMORY, DELETE_AT_END);
    fake_say(&g.site.fake, FAKE_DELETE, 503, NULL);
    for (int i = 0; i < 6; i++) {
        char chat[24];

        snprintf(chat, sizeof(chat), "chat-%d", i);
        at_end(chat);
    }
    cleanup_end(g.port, &g.site.config, "other", STR("chat-x"), loop_wall_ms(g.site.loop));
    pass_time(15000);
    EXPECT_INT(deleted(), 2);
    end();
}

static void of_an_account_that_is_not_configured_nothing_goes(void)
{
    begin(IN_MEMORY, DELETE_AT_END);
    g.unknown = "default";
    at_end("chat-1");
    pass_time(15000);
    EXPECT_INT(deleted(), 0);
    g.unknown = NULL;
    pass_time(CLEANUP_EVERY_MS);
    EXPECT_INT(deleted(), 1);
    end();
}

static void deletions_come_one_at_a_time(void)
{
    begin(IN_MEMORY, DELETE_AT_END);
    fake_say(&g.site.fake, FAKE_DELETE, FAKE_HOLD, NULL);
    fake_say(&g.site.fake, FAKE_DELETE, 0, NULL);
    at_end("chat-1");
    at_end("chat-2");
    loop_clock_set(g.site.loop, loop_now_ms(g.site.loop) + 10000);
    RUN_UNTIL(g.site.loop, g.site.fake.at[FAKE_DELETE].held);
    let_happen();
    EXPECT_INT(deleted(), 1);
    fake_let_go(&g.site.fake, FAKE_DELETE, 0);
    let_happen();
    EXPECT_INT(deleted(), 1); /* the pause */
    pass_time(HELD_MS);
    EXPECT_INT(deleted(), 2);
    end();
}

/* More than two pages of them, of which a few are due. */
static void all_pages_are_looked_at(void)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        begin(kind, DELETE_AT_END);
        for (int i = 0; i < 150; i++) {
            char chat[24];

            snprintf(chat, sizeof(chat), "chat-%d", i);
            cleanup_turn(g.port, &g.site.config, "default", str_of(chat), TTL_MS,
                         loop_wall_ms(g.site.loop));
            if (i % 50 == 0)
                cleanup_end(g.port, &g.site.config, "default", str_of(chat),
                            loop_wall_ms(g.site.loop));
        }
        let_happen();
        cleanup_sweep(g.cleanup);
        pass_time(200);
        pass_time(2000);
        EXPECT_INT(deleted(), 3);
        end();
    }
}

/* Of several sweepers one takes it; one of another upstream does not see it. */
static void several_sweepers_delete_it_once(void)
{
    struct cleanup *other, *foreign;
    const char *name;

    begin(IN_MEMORY, DELETE_AT_END);
    other = open_cleanup(true);
    name = g.site.config.name;
    g.site.config.name = "another";
    foreign = open_cleanup(true);
    g.site.config.name = name;
    for (int i = 0; i < 3; i++)
        at_end(i == 0 ? "chat-1" : i == 1 ? "chat-2" : "chat-3");
    cleanup_sweep(foreign);
    pass_time(200);
    EXPECT_INT(deleted(), 0);
    pass_time(15000);
    EXPECT_INT(deleted(), 3);
    cleanup_close(other);
    cleanup_close(foreign);
    end();
}

/* Three are due, the deletion of one runs. Returns which. */
static size_t hold_one_of_three(void)
{
    const char *target = g.site.fake.at[FAKE_DELETE].target;

    fake_say(&g.site.fake, FAKE_DELETE, FAKE_HOLD, NULL);
    fake_say(&g.site.fake, FAKE_DELETE, 0, NULL);
    at_end("chat-0");
    at_end("chat-1");
    at_end("chat-2");
    loop_clock_set(g.site.loop, loop_now_ms(g.site.loop) + 10000);
    RUN_UNTIL(g.site.loop, g.site.fake.at[FAKE_DELETE].held);
    return (size_t)(target[strlen(target) - 1] - '0');
}

/* A turn that comes between the look and the deletion: that one stays, what is behind it goes. */
static void what_a_turn_moves_meanwhile_stays(void)
{
    static const char *const chats[] = { "chat-0", "chat-1", "chat-2" };

    for (size_t k = 1; k < COUNT_OF(chats); k++) {
        size_t held;

        begin(IN_MEMORY, DELETE_AT_END);
        held = hold_one_of_three();
        turn(chats[held]); /* the deletion that runs does not take back this entry */
        turn(chats[(held + k) % COUNT_OF(chats)]);
        fake_let_go(&g.site.fake, FAKE_DELETE, 0);
        pass_time(2000);
        EXPECT_INT(deleted(), 2);
        pass_time(TTL_MS + CLEANUP_EVERY_MS);
        EXPECT_INT(deleted(), 4);
        end();
    }
}

static void a_sweep_that_is_asked_for_meanwhile_follows(void)
{
    begin(IN_MEMORY, DELETE_AT_END);
    hold_one_of_three();
    at_end("chat-3");
    cleanup_sweep(g.cleanup);
    fake_let_go(&g.site.fake, FAKE_DELETE, 0);
    pass_time(2000);
    pass_time(2000);
    EXPECT_INT(deleted(), 4);
    end();
}

static void may_be_closed_anywhere(void)
{
    for (int turns = 0; turns < 12; turns++) {
        begin(IN_MEMORY, DELETE_AT_END);
        cleanup_end(g.port, &g.site.config, "default", STR("chat-1"), loop_wall_ms(g.site.loop));
        loop_clock_set(g.site.loop, loop_now_ms(g.site.loop) + 10000);
        for (int i = 0; i < turns; i++)
            run_turn(g.site.loop);
        cleanup_close(g.cleanup);
        let_happen();
        g.cleanup = open_cleanup(true);
        pass_time(15000);
        pass_time(CLEANUP_EVERY_MS);
        EXPECT(deleted() >= 1 && deleted() <= 2);
        end();
    }
}

static void entries_are_read_as_they_were_written(void)
{
    static const char *const bad[] = { "",
                                       "chat 2\n1\n0\na\nb",
                                       "chat 1\nx\n0\na\nb",
                                       "chat 1\n1\n-1\na\nb",
                                       "chat 1\n1\n0\n\nb",
                                       "chat 1\n1\n0\na\n",
                                       "chat 1\n1\n0\na",
                                       "chat 1\n1\n0\na\nb\nc" };
    char text[CLEANUP_ENTRY_MAX];
    char name[TIP_CHAT_MAX + 1];
    struct cleanup_entry e, back;

    EXPECT_INT(cleanup_entry_set(&e, "work", STR("chat"), 17), ERR_NONE);
    e.tries = 3;
    EXPECT_INT(cleanup_entry_read(cleanup_entry_write(&e, text), &back), ERR_NONE);
    EXPECT_Z(back.account, "work");
    EXPECT_Z(back.chat, "chat");
    EXPECT_INT(back.due_wall_ms, 17);
    EXPECT_INT(back.tries, 3);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT_INT(cleanup_entry_read(str_of(bad[i]), &back), ERR_BAD_INPUT);
    memset(name, 'x', sizeof(name));
    EXPECT_INT(cleanup_entry_set(&e, "a", (struct str){ name, TIP_CHAT_MAX }, 1), ERR_TOO_BIG);
    EXPECT_INT(cleanup_entry_set(&e, "a", (struct str){ name, TIP_CHAT_MAX - 1 }, INT64_MAX),
               ERR_NONE);
    EXPECT_INT(cleanup_entry_read(cleanup_entry_write(&e, text), &back), ERR_NONE);
    EXPECT_INT(cleanup_entry_set(&e, "a\nb", STR("c"), 1), ERR_BAD_INPUT);
    EXPECT_INT(cleanup_entry_set(&e, "a", STR(""), 1), ERR_BAD_INPUT);
}

static const struct test suite[] = {
    { "a chat goes when it cannot be continued", a_chat_goes_when_it_cannot_be_continued },
    { "a turn moves it", a_turn_moves_it },
    { "at the end it goes at once", at_the_end_it_goes_at_once },
    { "what is due survives a restart", what_is_due_survives_a_restart },
    { "never means never", never_means_never },
    { "gone already is done", gone_already_is_done },
    { "a browser check is no answer", a_browser_check_is_no_answer },
    { "what fails is tried again ever more seldom", what_fails_is_tried_again_ever_more_seldom },
    { "an account that fails is left alone for now", an_account_that_fails_is_left_alone_for_now },
    { "of an account that is not configured nothing goes",
      of_an_account_that_is_not_configured_nothing_goes },
    { "deletions come one at a time", deletions_come_one_at_a_time },
    { "all pages are looked at", all_pages_are_looked_at },
    { "several sweepers delete it once", several_sweepers_delete_it_once },
    { "what a turn moves meanwhile stays", what_a_turn_moves_meanwhile_stays },
    { "a sweep that is asked for meanwhile follows", a_sweep_that_is_asked_for_meanwhile_follows },
    { "may be closed anywhere", may_be_closed_anywhere },
    { "entries are read as they were written", entries_are_read_as_they_were_written },
};

TEST_MAIN(suite)
