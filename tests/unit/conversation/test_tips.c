/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation/tips.h"

#include "base/metrics.h"
#include "chat/chat_test.h"
#include "net/net_test.h"

enum { TTL_MS = 60000 };

/* What a claim told. */
struct claimed {
    unsigned calls;
    bool found;
    struct tip tip;
    struct fingerprint at;
    size_t from;
};

static void on_claimed(void *arg, bool found, const struct tip *tip, const struct fingerprint *at,
                       size_t from)
{
    struct claimed *c = arg;

    c->calls++;
    c->found = found;
    if (!found)
        return;
    c->tip = *tip;
    c->at = *at;
    c->from = from;
}

struct rig {
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    bool is_closed;
};

static void set_up(struct rig *r)
{
    *r = (struct rig){ .loop = loop_new(), .store = store_memory_new(1000) };
    r->port = store_port_open(r->store, r->loop);
}

static void on_closed(void *arg)
{
    struct rig *r = arg;

    r->is_closed = true;
}

static void tear_down(struct rig *r)
{
    store_port_close(r->port, on_closed, r);
    RUN_UNTIL(r->loop, r->is_closed);
    store_close(r->store);
    loop_free(r->loop);
}

static void chain_of(const char *chat, struct made_chat *m, struct fingerprint *chain)
{
    static const struct fingerprint_scope scope;

    made_chat(m, chat);
    fingerprint_chain(&scope, &m->req, chain);
}

/* Says that upstream chat `id` stands at the end of `chat`. */
static void set(struct rig *r, const char *chat, const char *id)
{
    struct fingerprint chain[MADE_MESSAGES];
    struct tip tip = { .account = "work" };
    struct made_chat m;

    chain_of(chat, &m, chain);
    str_to_z(str_of(id), tip.chat, sizeof(tip.chat));
    EXPECT(!tip_set(r->port, &chain[m.req.n_messages - 1], &tip, TTL_MS, NULL, NULL));
}

static struct tip_claim *start(struct rig *r, const char *chat, struct claimed *c)
{
    struct fingerprint chain[MADE_MESSAGES];
    struct tip_claim *claim;
    struct made_chat m;

    *c = (struct claimed){ 0 };
    chain_of(chat, &m, chain);
    claim = tip_claim_start(r->port, &m.req, chain, on_claimed, c);
    EXPECT_INT(c->calls, 0);
    return claim;
}

static void expect_found(struct rig *r, const char *chat, const char *id, size_t from)
{
    struct claimed c;

    EXPECT(start(r, chat, &c) != NULL);
    RUN_UNTIL(r->loop, c.calls > 0);
    EXPECT(c.found);
    EXPECT_Z(c.tip.account, "work");
    EXPECT_Z(c.tip.chat, id);
    EXPECT_INT(c.from, from);
}

static void expect_none(struct rig *r, const char *chat)
{
    struct claimed c;

    if (!start(r, chat, &c))
        return;
    RUN_UNTIL(r->loop, c.calls > 0);
    EXPECT(!c.found);
}

static void the_second_turn_finds_the_chat_of_the_first(void)
{
    struct rig r;

    set_up(&r);
    set(&r, "u:hi;a:hello", "chat-1");
    expect_found(&r, "u:hi;a:hello;u:and now?", "chat-1", 2);
    expect_none(&r, "u:hi;a:hello;u:and now?"); /* a tip is claimed once */
    tear_down(&r);
}

static void the_longest_prefix_wins(void)
{
    struct rig r;

    set_up(&r);
    set(&r, "u:a;a:b", "short");
    set(&r, "u:a;a:b;u:c;a:d", "long");
    expect_found(&r, "u:a;a:b;u:c;a:d;u:e", "long", 4);
    expect_found(&r, "u:a;a:b;u:c;a:d;u:e", "short", 2);
    tear_down(&r);
}

static void another_conversation_finds_nothing(void)
{
    struct rig r;

    set_up(&r);
    set(&r, "s:sys;u:hi;a:hello", "chat-1");
    expect_none(&r, "u:hi;a:hello;u:x");             /* no system prompt */
    expect_none(&r, "s:other;u:hi;a:hello;u:x");     /* another one */
    expect_none(&r, "s:sys;u:hi!;a:hello;u:x");      /* edited history */
    expect_none(&r, "s:sys;u:hi;a:hello there;u:x"); /* edited answer */
    expect_none(&r, "s:sys;u:hi");                   /* a regenerated answer */
    expect_found(&r, "s:sys;u:hi;a:hello;u:x", "chat-1", 3);
    tear_down(&r);
}

static void first_turns_share_nothing(void)
{
    struct claimed c;
    struct rig r;

    set_up(&r);
    EXPECT(start(&r, "u:hi", &c) == NULL);
    EXPECT(start(&r, "s:sys;u:hi", &c) == NULL);
    tear_down(&r);
}

static void a_prefix_needs_something_new_behind_it(void)
{
    struct claimed c;
    struct rig r;

    set_up(&r);
    set(&r, "s:sys;u:hi;a:hello", "chat-1");
    EXPECT(start(&r, "s:sys;u:hi;a:hello", &c) == NULL);
    EXPECT(start(&r, "u:hi;a:hello;s:sys", &c) == NULL);
    expect_found(&r, "u:hi;a:hello;s:sys;u:x", "chat-1", 2);
    set(&r, "u:q;a:calls", "chat-2");
    expect_found(&r, "u:q;a:calls;t:result", "chat-2", 2);
    set(&r, "u:q;a:one", "chat-3");
    expect_found(&r, "u:q;a:one;a:two", "chat-3", 2);
    tear_down(&r);
}

static void at_most_64_prefixes_are_asked_for(void)
{
    enum { TURNS = 70, N = 2 * TURNS + 1 };
    static const struct fingerprint_scope scope;
    struct chat_part part = { .text = STR("x") };
    struct chat_message messages[N];
    struct chat_request req = { .messages = messages, .n_messages = N };
    struct fingerprint chain[N];
    struct tip tip = { .account = "a", .chat = "c" };
    struct claimed c = { 0 };
    struct rig r;

    set_up(&r);
    for (size_t i = 0; i < N; i++)
        messages[i] = (struct chat_message){ .role = i % 2 ? CHAT_ASSISTANT : CHAT_USER,
                                             .parts = &part,
                                             .n_parts = 1 };
    fingerprint_chain(&scope, &req, chain);
    tip_set(r.port, &chain[2 * (TURNS - 65) + 1], &tip, TTL_MS, NULL, NULL);
    EXPECT(tip_claim_start(r.port, &req, chain, on_claimed, &c) != NULL);
    RUN_UNTIL(r.loop, c.calls == 1);
    EXPECT(!c.found);
    tip_set(r.port, &chain[2 * (TURNS - 64) + 1], &tip, TTL_MS, NULL, NULL);
    EXPECT(tip_claim_start(r.port, &req, chain, on_claimed, &c) != NULL);
    RUN_UNTIL(r.loop, c.calls == 2);
    EXPECT(c.found);
    EXPECT_INT(c.from, 2 * (TURNS - 64) + 2);
    tear_down(&r);
}

static void a_canceled_claim_puts_the_tip_back(void)
{
    struct claimed canceled;
    struct rig r;

    set_up(&r);
    set(&r, "u:hi;a:hello", "chat-1");
    tip_claim_cancel(start(&r, "u:hi;a:hello;u:x", &canceled), TTL_MS);
    tip_claim_cancel(start(&r, "u:no;a:hello;u:x", &canceled), TTL_MS);
    run_turn_now(r.loop);
    expect_found(&r, "u:hi;a:hello;u:x", "chat-1", 2);
    EXPECT_INT(canceled.calls, 0);
    tear_down(&r);
}

static void names_of_any_allowed_length_come_back(void)
{
    struct fingerprint chain[MADE_MESSAGES];
    struct claimed c;
    struct tip tip;
    struct made_chat m;
    struct rig r;

    set_up(&r);
    memset(&tip, 'x', sizeof(tip));
    tip.account[TIP_ACCOUNT_MAX - 1] = '\0';
    tip.chat[TIP_CHAT_MAX - 1] = '\0';
    tip.past_n = sizeof(tip.past);
    chain_of("u:a;a:b", &m, chain);
    tip_set(r.port, &chain[1], &tip, TTL_MS, NULL, NULL);
    start(&r, "u:a;a:b;u:c", &c);
    RUN_UNTIL(r.loop, c.calls > 0);
    EXPECT(c.found);
    EXPECT_Z(c.tip.account, tip.account);
    EXPECT_Z(c.tip.chat, tip.chat);
    EXPECT_INT(c.tip.past_n, sizeof(tip.past));
    EXPECT(memcmp(c.tip.past, tip.past, sizeof(tip.past)) == 0);
    tear_down(&r);
}

static void a_value_that_is_no_tip_counts_as_none(void)
{
    static const char long_one[5 + TIP_PAST_MAX] = "a\0b";
    static const struct {
        const char *p;
        size_t n;
    } values[] = { { "", 0 }, { "a", 1 }, { "a\0b", 3 }, { long_one, sizeof(long_one) } };
    struct fingerprint chain[MADE_MESSAGES];
    struct made_chat m;
    struct rig r;

    set_up(&r);
    chain_of("u:a;a:b", &m, chain);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct store_key key = { .space = STORE_TIP, .n = SHA256_LEN };

        memcpy(key.bytes, chain[1].bytes, SHA256_LEN);
        store_put(r.port, &key, (struct str){ values[i].p, values[i].n }, TTL_MS, NULL, NULL);
        expect_none(&r, "u:a;a:b;u:c");
    }
    tear_down(&r);
}

static void hits_and_misses_are_counted(void)
{
    int64_t hits = metric_get(METRIC_TIPS_HIT);
    int64_t misses = metric_get(METRIC_TIPS_MISS);
    struct rig r;

    set_up(&r);
    expect_none(&r, "u:first");
    set(&r, "u:hi;a:hello", "chat-1");
    expect_found(&r, "u:hi;a:hello;u:x", "chat-1", 2);
    expect_none(&r, "u:hi;a:hello;u:x");
    EXPECT_INT(metric_get(METRIC_TIPS_HIT) - hits, 1);
    EXPECT_INT(metric_get(METRIC_TIPS_MISS) - misses, 1);
    tear_down(&r);
}

static const struct test suite[] = {
    { "the second turn finds the chat of the first", the_second_turn_finds_the_chat_of_the_first },
    { "the longest prefix wins", the_longest_prefix_wins },
    { "another conversation finds nothing", another_conversation_finds_nothing },
    { "first turns share nothing", first_turns_share_nothing },
    { "a prefix needs something new behind it", a_prefix_needs_something_new_behind_it },
    { "at most 64 prefixes are asked for", at_most_64_prefixes_are_asked_for },
    { "a canceled claim puts the tip back", a_canceled_claim_puts_the_tip_back },
    { "names of any allowed length come back", names_of_any_allowed_length_come_back },
    { "a value that is no tip counts as none", a_value_that_is_no_tip_counts_as_none },
    { "hits and misses are counted", hits_and_misses_are_counted },
};

TEST_MAIN(suite)
