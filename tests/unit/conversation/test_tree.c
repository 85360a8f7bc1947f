/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random trees of conversations against a model: clients go on, two at once, branch, edit, ask
 * again, leave, switch model, key and system prompt, and write the same text in other ways; answers
 * are exact, diverge, or are never asked for; tips expire. The model knows what each upstream chat
 * was told, so a request must never go to a chat that was told something else, and it knows all
 * tips that are there, so the longest one must be found. Few words and few scopes, so that
 * histories collide. Every kind of step is counted, and must have been met often.
 */
#include <stdlib.h>

#include "chat/chat_test.h"
#include "conversation/tips.h"
#include "net/net_test.h"

enum {
    STEPS = 10000,
    POOL = 96,      /* histories that clients still have */
    TALK_MAX = 25,  /* messages of a history */
    KEY_SIZE = 160, /* of a history as text */
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
    uint64_t hash;     /* of `at`, to pass over others quickly */
    char at[KEY_SIZE]; /* the history */
    size_t chat;
    int64_t expires_ms;
};

enum kind {
    FRESH,      /* a conversation begins */
    BRANCH,     /* from the middle of a history */
    EDIT,       /* of what was said before */
    REGENERATE, /* the last question again */
    MOVE,       /* to another key, model or system prompt */
    DOUBLE,     /* two messages of the user */
    LATE,       /* the system message stands behind others */
    PARALLEL,   /* two requests go on from one point at once */
    SPLIT,      /* of which both found a chat: the second a shorter prefix */
    CANCEL,     /* the claim, which finds a tip all the same */
    WHOLE,      /* the chat knows all but the news */
    PARTIAL,    /* the chat knows a shorter prefix only */
    MISS,       /* there is a history, and no chat for any of it */
    EXPIRED,    /* a tip that was there is not any more */
    UNSENT,     /* the claim went back */
    BROKEN,     /* the chat was told and did not answer */
    DIVERGED,   /* the answer is not what the chat said */
    EXACT,
    DEEPEST, /* a history as long as they get */
    KINDS
};

static const char *const kind_names[KINDS] = {
    "fresh",    "branch", "edit",     "regenerate", "move",    "double", "late",
    "parallel", "split",  "cancel",   "whole",      "partial", "miss",   "expired",
    "unsent",   "broken", "diverged", "exact",      "deepest",
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
    unsigned met[KINDS];
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

static uint64_t hash_of(const char *at)
{
    uint64_t hash = 0xCBF29CE484222325U;

    for (; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3U;
    return hash;
}

/* A tip that is there or has expired. */
static struct model_tip *find_any(const char *at)
{
    uint64_t hash = hash_of(at);

    for (size_t i = 0; i < w.n_tips; i++)
        if (w.tips[i].hash == hash && strcmp(w.tips[i].at, at) == 0)
            return &w.tips[i];
    return NULL;
}

static struct model_tip *find_tip(const char *at)
{
    struct model_tip *tip = find_any(at);

    return tip && tip->expires_ms > loop_now_ms(w.loop) ? tip : NULL;
}

static void drop_tip(const char *at)
{
    struct model_tip *tip = find_any(at);

    if (tip)
        *tip = w.tips[--w.n_tips];
}

/* Those that nobody remembers: the others are slow enough to go through. */
static void forget_expired(void)
{
    for (size_t i = 0; i < w.n_tips; i++)
        if (w.tips[i].expires_ms + TTL_MS < loop_now_ms(w.loop))
            w.tips[i--] = w.tips[--w.n_tips];
}

static void set_tip(const char *at, size_t chat)
{
    drop_tip(at);
    w.tips = realloc(w.tips, (w.n_tips + 1) * sizeof(*w.tips));
    w.tips[w.n_tips].hash = hash_of(at);
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

static struct scope draw_scope(void)
{
    return (struct scope){ (int)draw(2), (int)draw(2), (int)draw(2) };
}

/* Cuts a history behind an answer. */
static void cut(struct talk *t, size_t n)
{
    t->n = n;
    while (t->n > 0 && t->role[t->n - 1] != 'a')
        t->n--;
}

/* A history that somebody has. */
static struct talk pick_history(void)
{
    struct talk t = { .scope = draw_scope() };

    if (w.n_pool == 0 || draw(12) == 0) {
        w.met[FRESH]++;
        return t;
    }
    t = w.pool[draw((unsigned)w.n_pool)];
    if (draw(5) == 0) {
        cut(&t, draw((unsigned)t.n));
        w.met[BRANCH]++;
    }
    if (draw(10) == 0 && t.n > 0) {
        t.text[draw((unsigned)t.n)] = (char)('a' + draw(3));
        w.met[EDIT]++;
    }
    if (draw(12) == 0) {
        t.scope = draw_scope();
        w.met[MOVE]++;
    }
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

/* The system message is the first or, seldom, stands anywhere. */
static void write_request(const struct talk *t, struct made_chat *m, size_t *ret_system)
{
    *m = (struct made_chat){ 0 };
    *ret_system = SIZE_MAX;
    if (t->scope.system) {
        *ret_system = draw(8) == 0 ? draw((unsigned)t->n) : 0;
        w.met[LATE] += *ret_system > 0;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (i == *ret_system)
            made_add(m, STR("s:be brief"));
        write_message(m, t->role[i], t->text[i]);
    }
}

/* ---- a step ---- */

/* A request, and what it claimed. */
struct turn {
    struct talk talk;
    struct made_chat chat;
    size_t system; /* its system message stands before this message of the talk */
    struct fingerprint chain[MADE_MESSAGES];
    struct tip_claim *claim;
    bool is_done;
    bool found;
    struct tip tip;
    struct fingerprint at;
    size_t from;
    size_t want; /* what the model says: how many messages the chat knows */
};

static void on_claimed(void *arg, bool found, const struct tip *tip, const struct fingerprint *at,
                       size_t from)
{
    struct turn *c = arg;

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
        if (t->role[n - 1] != 'a')
            continue;
        key_of(t, n, key);
        if (find_tip(key))
            return n;
        w.met[EXPIRED] += find_any(key) != NULL;
    }
    return 0;
}

static size_t chat_of(const struct turn *c)
{
    return (size_t)strtoul(c->tip.chat, NULL, 10);
}

/* How many messages of the history end in the last answer. */
static size_t answered(const struct talk *t)
{
    struct talk known = *t;

    cut(&known, t->n);
    return known.n;
}

static void count_claim(const struct turn *c)
{
    size_t most = answered(&c->talk);

    if (most > 0)
        w.met[!c->found ? MISS : c->want == most ? WHOLE : PARTIAL]++;
    w.met[DEEPEST] += c->talk.n + 2 >= TALK_MAX;
}

/* What was claimed must be what the model says, and the chat must have been told just that. */
static void judge(struct turn *c)
{
    char key[KEY_SIZE];

    c->want = longest(&c->talk);
    EXPECT_INT(c->found, c->want > 0);
    count_claim(c);
    if (!c->found)
        return;
    EXPECT_INT(c->from, c->want + (c->system < c->want));
    key_of(&c->talk, c->want, key);
    EXPECT_INT(chat_of(c), find_tip(key)->chat);
    EXPECT_Z(w.chats[chat_of(c)].told, key);
    drop_tip(key);
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
    w.met[is_exact ? EXACT : DIVERGED]++;
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

static void go_on(struct turn *c)
{
    char key[KEY_SIZE];
    unsigned how = draw(8);
    size_t chat;

    if (how == 0 && c->found) { /* never sent: the claim goes back */
        tip_set(w.port, &c->at, &c->tip, TTL_MS, NULL, NULL);
        key_of(&c->talk, c->want, key);
        set_tip(key, chat_of(c));
        w.met[UNSENT]++;
        return;
    }
    chat = c->found ? chat_of(c) : new_chat();
    if (how == 1) { /* sent, and then it failed: the chat was told, nobody may go on there */
        key_of(&c->talk, c->talk.n, w.chats[chat].told);
        w.met[BROKEN]++;
        return;
    }
    answer(&c->talk, chat, &c->chain[c->chat.req.n_messages - 1], how != 2);
}

/* What the client asks behind its history. */
static void ask(struct talk *t)
{
    add(t, 'u');
    if (draw(8) == 0 && t->n + 2 <= TALK_MAX) {
        add(t, 'u');
        w.met[DOUBLE]++;
    }
}

static void start(struct turn *c)
{
    static const char *const names[] = { "one", "two" };
    struct fingerprint_scope scope = { str_of(names[c->talk.scope.key]), STR("cto"),
                                       str_of(names[c->talk.scope.model]) };

    write_request(&c->talk, &c->chat, &c->system);
    fingerprint_chain(&scope, &c->chat.req, c->chain);
    c->claim = tip_claim_start(w.port, &c->chat.req, c->chain, on_claimed, c);
    c->is_done = !c->claim;
}

static void on_set(void *arg, const struct store_result *result)
{
    EXPECT_INT(result->err, ERR_NONE);
    *(bool *)arg = true;
}

/* The client leaves at once: a tip that is claimed all the same goes back. */
static void leave(struct turn *c)
{
    static const struct fingerprint nowhere;
    static const struct tip nothing;
    size_t found = longest(&c->talk);
    bool is_behind = false;
    char key[KEY_SIZE];

    if (!c->claim)
        return;
    tip_claim_cancel(c->claim, TTL_MS);
    tip_set(w.port, &nowhere, &nothing, TTL_MS, on_set, &is_behind);
    while (!is_behind)
        run_turn_now(w.loop);
    EXPECT(!c->is_done);
    if (found == 0)
        return;
    key_of(&c->talk, found, key);
    set_tip(key, find_tip(key)->chat);
    w.met[CANCEL]++;
}

/* One request, or two from the same point that are both under way. */
static void run_turns(struct turn *turns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        start(&turns[i]);
    for (size_t i = 0; i < n; i++) {
        while (!turns[i].is_done)
            run_turn_now(w.loop);
        judge(&turns[i]);
    }
    w.met[PARALLEL] += n > 1;
    w.met[SPLIT] += n > 1 && turns[0].found && turns[1].found;
    for (size_t i = 0; i < n; i++)
        go_on(&turns[i]);
}

/* Drops the last answer, so that its question is asked again. */
static bool regenerate(struct talk *t)
{
    if (t->n < 2 || draw(8) != 0)
        return false;
    t->n--;
    w.met[REGENERATE]++;
    return true;
}

static void step(void)
{
    struct turn turns[2] = { { .talk = pick_history() } };
    struct talk *t = &turns[0].talk;
    size_t n = draw(4) == 0 ? 2 : 1;

    if (t->n + 2 > TALK_MAX)
        cut(t, TALK_MAX - 2);
    turns[1].talk = *t;
    if (!regenerate(t))
        ask(t);
    ask(&turns[1].talk);
    if (draw(16) == 0) {
        start(&turns[0]);
        leave(&turns[0]);
    } else {
        run_turns(turns, n);
    }
    if (draw(100) == 0) {
        loop_clock_set(w.loop, loop_now_ms(w.loop) + draw(TTL_MS / 2));
        forget_expired();
    }
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
    for (int i = 0; i < KINDS; i++)
        if (w.met[i] < STEPS / 500)
            fail_msg("%s: %u of %d steps prove nothing", kind_names[i], w.met[i], STEPS);
    EXPECT(w.met[WHOLE] + w.met[PARTIAL] > STEPS / 5);
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
