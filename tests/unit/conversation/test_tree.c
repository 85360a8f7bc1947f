/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random trees of conversations against a model: clients go on, branch, edit, ask again, switch
 * model, key and system prompt, and write the same text in other ways; answers are exact, diverge,
 * or are never asked for; tips expire. The model knows what each upstream chat was told, so a
 * request must never go to a chat that was told something else, and it knows all tips that are
 * there, so the longest one must be found. Few words and few scopes, so that histories collide.
 */
#include <stdlib.h>

#include "chat/chat_test.h"
#include "conversation/tips.h"
#include "net/net_test.h"

enum {
    STEPS = 10000,
    POOL = 48,       /* histories that clients still have */
    TALK_MAX = 11,   /* messages of a history */
    KEY_SIZE = 1024, /* of a history as text */
    TTL_MS = 1000,
};

/* Who talks to what. */
struct scope {
    int key, model, system;
};

struct talk {
    struct scope scope;
    size_t n;
    char role[TALK_MAX + 1]; /* 'u' or 'a' */
    char text[TALK_MAX + 1];
};

/* An upstream chat: what it was told and said, as text. */
struct chat {
    char told[KEY_SIZE];
};

struct model_tip {
    char at[KEY_SIZE]; /* the history */
    size_t chat;
    int64_t expires_ms;
};

static struct world {
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    struct talk pool[POOL];
    size_t n_pool;
    struct chat *chats;
    size_t n_chats;
    struct model_tip *tips;
    size_t n_tips;
    uint64_t seed;
    unsigned hits;
    bool is_closed;
} w;

/* splitmix64: the same trees in each run. */
static unsigned draw(unsigned below)
{
    uint64_t z = w.seed += 0x9E3779B97F4A7C15U;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return (unsigned)((z ^ (z >> 31)) % below);
}

/* ---- the model ---- */

/* The first `n` messages as text. */
static void key_of(const struct talk *t, size_t n, char out[KEY_SIZE])
{
    size_t at = (size_t)snprintf(out, KEY_SIZE, "key%d model%d system%d", t->scope.key,
                                 t->scope.model, t->scope.system);

    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, KEY_SIZE - at, " %c:%c", t->role[i], t->text[i]);
}

static struct model_tip *find_tip(const char *at)
{
    for (size_t i = 0; i < w.n_tips; i++)
        if (strcmp(w.tips[i].at, at) == 0 && w.tips[i].expires_ms > loop_now_ms(w.loop))
            return &w.tips[i];
    return NULL;
}

static void drop_tip(const char *at)
{
    for (size_t i = 0; i < w.n_tips; i++)
        if (strcmp(w.tips[i].at, at) == 0)
            w.tips[i--] = w.tips[--w.n_tips];
}

static void set_tip(const char *at, size_t chat)
{
    drop_tip(at);
    w.tips = realloc(w.tips, (w.n_tips + 1) * sizeof(*w.tips));
    w.tips[w.n_tips].chat = chat;
    w.tips[w.n_tips].expires_ms = loop_now_ms(w.loop) + TTL_MS;
    snprintf(w.tips[w.n_tips++].at, KEY_SIZE, "%s", at);
}

static size_t new_chat(void)
{
    w.chats = realloc(w.chats, (w.n_chats + 1) * sizeof(*w.chats));
    w.chats[w.n_chats].told[0] = '\0';
    return w.n_chats++;
}

/* ---- clients ---- */

/* A history that somebody has, cut anywhere behind an answer. */
static struct talk pick_history(void)
{
    struct talk t = { .scope = { (int)draw(2), (int)draw(2), (int)draw(2) } };

    if (w.n_pool == 0 || draw(6) == 0)
        return t;
    t = w.pool[draw((unsigned)w.n_pool)];
    if (draw(3) == 0)
        t.n = draw((unsigned)t.n + 1);
    while (t.n > 0 && t.role[t.n - 1] != 'a')
        t.n--;
    if (draw(10) == 0 && t.n > 0)
        t.text[draw((unsigned)t.n)] = (char)('a' + draw(3));
    if (draw(12) == 0)
        t.scope = (struct scope){ (int)draw(2), (int)draw(2), (int)draw(2) };
    return t;
}

static void add(struct talk *t, char role)
{
    t->role[t->n] = role;
    t->text[t->n++] = (char)('a' + draw(3));
}

/* The same message, as different clients write it. */
static void write_message(struct made_chat *m, char role, char text)
{
    static char room[64][16];
    static size_t next;
    char *line = room[next++ % COUNT_OF(room)];

    /* Two lines, so that line ends matter. */
    switch (draw(5)) {
    case 0:
        snprintf(line, 16, "%c:%c\n%c", role, text, text);
        break;
    case 1:
        snprintf(line, 16, "%c:%c\r\n%c", role, text, text);
        break;
    case 2:
        snprintf(line, 16, "%c:%c\n|%c", role, text, text);
        break;
    case 3:
        snprintf(line, 16, "%c: %c\r\n%c\n", role, text, text);
        break;
    default:
        snprintf(line, 16, "%c:|%c|\n%c ", role, text, text);
    }
    made_add(m, str_of(line));
}

static void write_request(const struct talk *t, struct made_chat *m, size_t *ret_systems)
{
    *m = (struct made_chat){ 0 };
    *ret_systems = t->scope.system ? 1 : 0;
    if (t->scope.system)
        made_add(m, STR("s:be brief"));
    for (size_t i = 0; i < t->n; i++)
        write_message(m, t->role[i], t->text[i]);
}

/* ---- a step ---- */

struct claimed {
    bool is_done;
    bool found;
    struct tip tip;
    struct fingerprint at;
    size_t from;
};

static void on_claimed(void *arg, bool found, const struct tip *tip, const struct fingerprint *at,
                       size_t from)
{
    struct claimed *c = arg;

    c->is_done = true;
    c->found = found;
    if (!found)
        return;
    c->tip = *tip;
    c->at = *at;
    c->from = from;
}

/* The longest prefix that ends in an answer and has a tip; 0: none. */
static size_t longest(const struct talk *t)
{
    char key[KEY_SIZE];

    for (size_t n = t->n; n-- > 1;) {
        key_of(t, n, key);
        if (t->role[n - 1] == 'a' && find_tip(key))
            return n;
    }
    return 0;
}

static size_t chat_of(const struct claimed *c)
{
    return (size_t)strtoul(c->tip.chat, NULL, 10);
}

/* What was claimed must be what the model says, and the chat must have been told just that. */
static void judge(const struct talk *t, const struct claimed *c, size_t systems, size_t want)
{
    char key[KEY_SIZE];

    EXPECT_INT(c->found, want > 0);
    if (!c->found)
        return;
    EXPECT_INT(c->from, want + systems);
    key_of(t, want, key);
    EXPECT_INT(chat_of(c), find_tip(key)->chat);
    EXPECT_Z(w.chats[chat_of(c)].told, key);
    drop_tip(key);
    w.hits++;
}

/* The answer is the client's and the chat's; its tip, if it is exact, the next turn's. */
static void answer(struct talk *t, size_t chat, const struct fingerprint *last, bool is_exact)
{
    struct fingerprint_text said;
    struct fingerprint at;
    struct tip tip = { .account = "work" };
    char piece[4];

    add(t, 'a');
    key_of(t, t->n, w.chats[chat].told);
    if (w.n_pool < POOL)
        w.pool[w.n_pool++] = *t;
    else
        w.pool[draw(POOL)] = *t;
    if (!is_exact)
        return;
    fingerprint_text_init(&said);
    snprintf(piece, sizeof(piece), "%c\n%c", t->text[t->n - 1], t->text[t->n - 1]);
    fingerprint_text_add(&said, str_of(piece));
    fingerprint_answer(last, &said, &at);
    snprintf(tip.chat, sizeof(tip.chat), "%zu", chat);
    EXPECT(!tip_set(w.port, &at, &tip, TTL_MS, NULL, NULL));
    set_tip(w.chats[chat].told, chat);
}

static void go_on(struct talk *t, const struct claimed *c, const struct fingerprint *last,
                  size_t want)
{
    char key[KEY_SIZE];
    unsigned how = draw(8);
    size_t chat;

    if (how == 0 && c->found) { /* never sent: the claim goes back */
        tip_set(w.port, &c->at, &c->tip, TTL_MS, NULL, NULL);
        key_of(t, want, key);
        set_tip(key, chat_of(c));
        return;
    }
    chat = c->found ? chat_of(c) : new_chat();
    if (how == 1) { /* sent, and then it failed: the chat was told, nobody may go on there */
        key_of(t, t->n, w.chats[chat].told);
        return;
    }
    if (t->n < TALK_MAX)
        answer(t, chat, last, how != 2);
}

static void step(void)
{
    static const char *const names[] = { "one", "two" };
    struct fingerprint chain[MADE_MESSAGES];
    struct talk t = pick_history();
    struct claimed c = { .is_done = false };
    struct fingerprint_scope scope = { str_of(names[t.scope.key]), STR("cto"),
                                       str_of(names[t.scope.model]) };
    struct made_chat m;
    size_t systems, want;

    if (t.n + 2 > TALK_MAX)
        return;
    add(&t, 'u');
    if (draw(8) == 0 && t.n + 2 <= TALK_MAX)
        add(&t, 'u');
    write_request(&t, &m, &systems);
    fingerprint_chain(&scope, &m.req, chain);
    want = longest(&t);
    if (tip_claim_start(w.port, &m.req, chain, on_claimed, &c))
        while (!c.is_done)
            run_turn_now(w.loop);
    judge(&t, &c, systems, want);
    go_on(&t, &c, &chain[m.req.n_messages - 1], want);
    if (draw(20) == 0)
        loop_clock_set(w.loop, loop_now_ms(w.loop) + draw(TTL_MS / 2));
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void no_request_ever_goes_to_a_wrong_chat(void)
{
    w = (struct world){ .loop = loop_new(), .store = store_memory_new(100000), .seed = 20261125 };
    w.port = store_port_open(w.store, w.loop);
    loop_clock_set(w.loop, loop_now_ms(w.loop));
    for (int i = 0; i < STEPS; i++)
        step();
    /* A test without hits, or without new chats, would prove nothing. */
    EXPECT(w.hits > STEPS / 5);
    EXPECT(w.n_chats > STEPS / 5);
    store_port_close(w.port, on_closed, &w.is_closed);
    RUN_UNTIL(w.loop, w.is_closed);
    store_close(w.store);
    loop_free(w.loop);
    free(w.chats);
    free(w.tips);
}

static const struct test suite[] = {
    { "no request ever goes to a wrong chat", no_request_ever_goes_to_a_wrong_chat },
};

TEST_MAIN(suite)
