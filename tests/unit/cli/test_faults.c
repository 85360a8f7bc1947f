/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call that may fail does once: for each kind and each scenario the first, the second, ...
 * until the scenario needs no more of them. Whatever fails, the client gets the whole answer, an
 * error that says so, or a connection that ends before its answer does; the same gateway then
 * answers as ever, and nothing is left of it in the end.
 */
#include "faults_rig.h"

enum { ANSWER_MAX = 1 << 20, TRIES = 40, FAULTS_MAX = 2000 };

/* A try that takes longer waited for a deadline, the shortest of which is 10 s: whoever is told of
 * a failure at once need not. */
enum { NO_DEADLINE_MS = 8000 };

#define WORDS "one two three four five six seven eight nine ten eleven twelve "

static char words[100 * sizeof(WORDS)]; /* larger than what a buffer begins with */

/* In bodies $ stands for the words. */
static const struct scenario {
    const char *name;
    const char *body;
    const char *next; /* a second turn of the conversation; NULL: there is none */
    bool is_stream;
} scenarios[] = {
    { "stream",
      "{\"model\":\"GPT5\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
      "\"!echo $\"}]}",
      NULL, true },
    { "whole, two turns",
      "{\"model\":\"GPT5\",\"messages\":[{\"role\":\"user\",\"content\":\"!echo $\"}]}",
      "{\"model\":\"GPT5\",\"messages\":[{\"role\":\"user\",\"content\":\"!echo $\"},"
      "{\"role\":\"assistant\",\"content\":\"$\"},"
      "{\"role\":\"user\",\"content\":\"!echo $\"}]}",
      false },
    { "stream of an OpenAI-format upstream",
      "{\"model\":\"llama\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
      "\"!echo $\"}]}",
      NULL, true },
};

static void make_words(void)
{
    for (size_t i = 0; i < 80; i++)
        memcpy(words + i * strlen(WORDS), WORDS, strlen(WORDS));
    words[strlen(words) - 1] = '\0';
}

/* ---- the client ---- */

enum outcome { OUTCOME_WHOLE, OUTCOME_ERROR, OUTCOME_CUT, OUTCOMES };

static char answer[ANSWER_MAX];

static int dial(const struct house *h)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(h->at.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    EXPECT(fd >= 0);
    EXPECT_INT(__real_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* All until the connection ends; a gateway that keeps its client waiting fails the test. */
static void read_answer(int fd)
{
    int64_t give_up_ms = clock_now_ms() + NO_DEADLINE_MS;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    size_t n = 0;
    ssize_t got;

    do {
        EXPECT(poll(&p, 1, NO_DEADLINE_MS) == 1 && clock_now_ms() < give_up_ms);
        got = __real_recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    answer[n] = '\0';
}

static void write_body(const char *pattern, char out[ANSWER_MAX])
{
    size_t n = 0;

    for (; *pattern; pattern++)
        n += (size_t)snprintf(out + n, ANSWER_MAX - n, "%.*s", *pattern == '$' ? ANSWER_MAX : 1,
                              *pattern == '$' ? words : pattern);
}

static void ask(const struct house *h, const char *pattern)
{
    static char body[ANSWER_MAX];
    char head[256];
    int fd = dial(h);
    int n;

    write_body(pattern, body);
    n = snprintf(head, sizeof(head),
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 strlen(body));
    EXPECT(send(fd, head, (size_t)n, MSG_NOSIGNAL) == n);
    if (send(fd, body, strlen(body), MSG_NOSIGNAL) < 0)
        EXPECT(errno == ECONNRESET || errno == EPIPE);
    read_answer(fd);
    close(fd);
}

/* ---- what came ---- */

/* The contents of all pieces; words and blanks alone, so nothing is escaped. */
static void contents(char out[ANSWER_MAX])
{
    static const char member[] = "\"content\":\"";
    const char *at = answer;
    size_t n = 0;

    while ((at = strstr(at, member))) {
        at += strlen(member);
        while (*at && *at != '"')
            out[n++] = *at++;
    }
    out[n] = '\0';
}

static bool is_beginning(const char *text, const char *of)
{
    return strncmp(text, of, strlen(text)) == 0;
}

static bool is_complete(void)
{
    const char *body = strstr(answer, "\r\n\r\n");
    const char *length = strstr(answer, "content-length: ");

    if (!body)
        return false;
    if (!length || length > body)
        return strstr(body, "\r\n0\r\n\r\n") != NULL;
    return strlen(body + 4) == strtoul(length + strlen("content-length: "), NULL, 10);
}

static enum outcome outcome_of(const struct scenario *s)
{
    static char text[ANSWER_MAX];
    bool is_ok = strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
    bool has_error = strstr(answer, "\"error\":{") != NULL;

    contents(text);
    EXPECT(is_beginning(text, words) || !is_ok);
    if (!is_complete())
        return OUTCOME_CUT;
    if (has_error) {
        EXPECT(!is_ok || (s->is_stream && !strstr(answer, "\"finish_reason\":\"stop\"")));
        return OUTCOME_ERROR;
    }
    EXPECT(is_ok);
    EXPECT_Z(text, words);
    EXPECT(!s->is_stream || strstr(answer, "data: [DONE]"));
    return OUTCOME_WHOLE;
}

/* ---- the runs ---- */

struct tally {
    long tries;
    long by[OUTCOMES];
    long refused; /* starts */
};

static enum outcome play(const struct house *h, const struct scenario *s)
{
    enum outcome o;

    ask(h, s->body);
    o = outcome_of(s);
    if (o != OUTCOME_WHOLE || !s->next)
        return o;
    ask(h, s->next);
    return outcome_of(s);
}

/* What rests after a failure, or is tried again later, may take a moment. */
static void expect_recovery(const struct house *h, const struct scenario *s)
{
    for (int i = 0; i < TRIES; i++) {
        ask(h, s->body);
        if (outcome_of(s) == OUTCOME_WHOLE)
            return;
        poll(NULL, 0, 100);
    }
    fail_msg("it does not answer any more");
}

/* False: fewer than n calls were made. */
static bool fails_at(const struct scenario *s, struct server *redis, enum fault_kind kind, long n,
                     struct tally *t)
{
    int64_t began_ms = clock_now_ms();
    struct house h;
    bool has_struck;

    if (redis)
        server_does(redis, "FLUSHALL");
    house_prepare(&h, redis);
    if (kind == FAULT_SQLITE)
        fault_arm(kind, n);
    if (house_open(&h)) {
        if (kind != FAULT_SQLITE)
            fault_arm(kind, n);
        t->by[play(&h, s)]++;
        has_struck = atomic_load(&fault.has_struck);
        fault_arm(FAULT_NONE, 0);
        if (redis) /* a lock whose last reply was lost would end after 30 s */
            server_does(redis, "FLUSHALL");
        expect_recovery(&h, s);
    } else {
        has_struck = true;
        fault_arm(FAULT_NONE, 0);
        t->refused++;
    }
    house_close(&h);
    t->tries++;
    EXPECT(clock_now_ms() - began_ms < NO_DEADLINE_MS);
    return has_struck;
}

static void fail_each(enum fault_kind kind, struct server *redis)
{
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        struct tally t = { 0 };
        long n = 1;

        if (scenarios[i].next && !(kind == FAULT_MEMORY || kind == FAULT_SQLITE || redis))
            continue; /* a second turn waits 100 ms for what its chat says, and adds little */
        while (fails_at(&scenarios[i], redis, kind, n, &t))
            EXPECT(n++ < FAULTS_MAX);
        print_message("%s, %s: %ld faults, %ld answers whole, %ld errors, %ld cut, %ld starts "
                      "refused\n",
                      fault_names[kind], scenarios[i].name, t.tries - 1, t.by[OUTCOME_WHOLE],
                      t.by[OUTCOME_ERROR], t.by[OUTCOME_CUT], t.refused);
        EXPECT(t.tries > 1 || kind == FAULT_REDIS || kind == FAULT_SQLITE);
    }
}

#define EACH(name, kind)         \
    static void name(void)       \
    {                            \
        fail_each((kind), NULL); \
    }

EACH(memory, FAULT_MEMORY)
EACH(reads, FAULT_READ)
EACH(writes, FAULT_WRITE)
EACH(accepts, FAULT_ACCEPT)
EACH(sockets, FAULT_SOCKET)
EACH(connects, FAULT_CONNECT)
EACH(timers, FAULT_TIMER)
EACH(sqlite, FAULT_SQLITE)

static void redis(void)
{
    struct server s;

    server_start(&s, no_extra, NULL);
    fail_each(FAULT_REDIS, &s);
    server_stop(&s);
}

static void none(void)
{
    struct tally t = { 0 };

    make_words();
    loop_free(loop_new()); /* libuv opens what it keeps for good */
    for (size_t i = 0; i < COUNT_OF(scenarios); i++)
        EXPECT(!fails_at(&scenarios[i], NULL, FAULT_NONE, 0, &t));
    EXPECT_INT(t.by[OUTCOME_WHOLE], COUNT_OF(scenarios));
}

static const struct test suite[] = {
    { "nothing", none },      { "memory that grows", memory },
    { "reads", reads },       { "writes", writes },
    { "accepts", accepts },   { "sockets", sockets },
    { "connects", connects }, { "timers strike at once", timers },
    { "SQLite", sqlite },     { "Redis", redis },
};

TEST_MAIN(suite)
