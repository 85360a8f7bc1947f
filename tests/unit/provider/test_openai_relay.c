/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for other endpoints at an upstream of OpenAI's format: what goes out once more, and what
 * is said of who may have taken it. */
#include "openai_rig.h"

#include "provider/openai/relay.h"

static struct rig r;

static const char *model; /* that requests are for; NULL: none */

struct heard {
    struct relay_call *call;
    unsigned n_attempts;
    unsigned hides_at; /* the upstream listens no more when this try begins; 0: never */
    unsigned n_ends;
    int status;
    size_t n; /* bytes of the answer */
    enum failure_kind kind;
    bool prompt_accepted;
};

static void on_attempt(void *arg, struct str account)
{
    struct heard *h = arg;

    (void)account;
    if (++h->n_attempts != h->hides_at)
        return;
    listener_free(TAKE(r.up.listener));
    shutdown(r.up.fd, SHUT_RDWR);
}

static void on_head(void *arg, const struct http_head *head)
{
    ((struct heard *)arg)->status = head->status;
}

static void on_body(void *arg, struct str bytes)
{
    ((struct heard *)arg)->n += bytes.n;
}

static void on_end(void *arg, const struct failure *f, bool is_unsent)
{
    struct heard *h = arg;

    (void)is_unsent;
    h->n_ends++;
    h->kind = f ? f->kind : FAILURE_NONE;
    h->prompt_accepted = f && f->prompt_accepted;
}

static void ask(struct heard *h, enum http_method method, const char *body)
{
    static const struct relay_sink sink = {
        .on_attempt = on_attempt, .on_head = on_head, .on_body = on_body, .on_end = on_end
    };
    const struct relay_request request = {
        .method = method,
        .target = STR("/files/a"),
        .model = str_of(model),
        .body = str_of(body),
        .head_timeout_ms = RIG_TIMEOUT_MS,
        .idle_timeout_ms = RIG_TIMEOUT_MS,
        .sink = &sink,
        .arg = h,
    };

    h->call = openai_relay.start(r.instance, &request);
    RUN_UNTIL(r.loop, h->n_ends == 1);
    openai_relay.release(TAKE(h->call));
}

/* One answer, behind which the connection is kept, and then one that proves stale. */
static void begin_stale(struct heard *h)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = "{}");
    SAY(&r.up, UP_CHAT, .end = UP_DROP);
    SAY(&r.up, UP_CHAT, .body = "{\"a\":1}");
    *h = (struct heard){ .n = 0 };
    ask(h, HTTP_GET, "");
    EXPECT_INT(h->status, 200);
    EXPECT_INT(http_client_idle(r.client), 1);
    *h = (struct heard){ .n = 0 };
}

static void what_changes_nothing_is_repeated_on_a_fresh_connection(void)
{
    static const enum http_method methods[] = { HTTP_GET, HTTP_HEAD };

    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct heard h;

        begin_stale(&h);
        ask(&h, methods[i], "");
        EXPECT_INT(h.kind, FAILURE_NONE);
        EXPECT_INT(h.status, 200);
        EXPECT_INT(h.n, methods[i] == HTTP_GET ? 7 : 0);
        EXPECT_INT(r.up.at[UP_CHAT].count, 3);
        rig_end(&r);
    }
}

static void only_once(void)
{
    struct heard h = { .n = 0 };

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = "{}");
    SAY(&r.up, UP_CHAT, .end = UP_DROP);
    ask(&h, HTTP_GET, "");
    h = (struct heard){ .n = 0 };
    ask(&h, HTTP_GET, "");
    EXPECT_INT(h.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(r.up.at[UP_CHAT].count, 3);
    rig_end(&r);
}

static void all_else_is_not(void)
{
    static const enum http_method methods[] = { HTTP_POST, HTTP_DELETE };

    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        struct heard h;

        begin_stale(&h);
        ask(&h, methods[i], methods[i] == HTTP_POST ? "{}" : "");
        EXPECT_INT(h.kind, FAILURE_UNAVAILABLE);
        EXPECT(h.prompt_accepted);
        EXPECT_INT(r.up.at[UP_CHAT].count, 2);
        rig_end(&r);
    }
}

/* What the first key's try sent was refused: nobody has the request. */
static void a_try_that_sent_nothing_left_nobody_at_work(void)
{
    struct heard h = { .hides_at = 2 };

    rig_open(&r);
    rig_key(&r, "one");
    rig_key(&r, "two");
    rig_attach(&r);
    SAY(&r.up, UP_CHAT, .status = 401, .body = "{}", .header = "connection", .value = "close");
    ask(&h, HTTP_POST, "{}");
    EXPECT_INT(h.n_attempts, 2);
    EXPECT_INT(h.kind, FAILURE_UNAVAILABLE);
    EXPECT(!h.prompt_accepted);
    EXPECT_INT(r.up.at[UP_CHAT].count, 1);
    rig_end(&r);
}

/* A limit of one model, or of files, concerns nothing else. */
static void a_limit_is_of_a_model_or_a_kind_of_endpoint(void)
{
    struct heard h = { .n = 0 };

    rig_open(&r);
    rig_key(&r, "one");
    rig_key(&r, "two");
    rig_attach(&r);
    SAY(&r.up, UP_CHAT, .status = 429, .body = "{}", .header = "retry-after", .value = "60");
    SAY(&r.up, UP_CHAT, .status = 429, .body = "{}", .header = "retry-after", .value = "60");
    SAY(&r.up, UP_CHAT, .body = "{}");
    ask(&h, HTTP_POST, "{}");
    EXPECT_INT(h.kind, FAILURE_RATE_LIMIT);
    EXPECT_INT(r.up.at[UP_CHAT].count, 2);
    h = (struct heard){ .n = 0 };
    ask(&h, HTTP_POST, "{}");
    EXPECT_INT(h.kind, FAILURE_RATE_LIMIT); /* the upstream said how long */
    EXPECT_INT(r.up.at[UP_CHAT].count, 2);
    h = (struct heard){ .n = 0 };
    model = "big";
    ask(&h, HTTP_POST, "{}");
    model = NULL;
    EXPECT_INT(h.status, 200);
    rig_end(&r);
}

static void tells_whether_all_is_sent(void)
{
    static const struct relay_sink sink = {
        .on_attempt = on_attempt, .on_head = on_head, .on_body = on_body, .on_end = on_end
    };
    struct heard h = { .n = 0 };
    const struct relay_request request = { .method = HTTP_POST,
                                           .target = STR("/files"),
                                           .body = STR("{}"),
                                           .head_timeout_ms = RIG_TIMEOUT_MS,
                                           .idle_timeout_ms = RIG_TIMEOUT_MS,
                                           .sink = &sink,
                                           .arg = &h };

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .end = UP_HOLD);
    h.call = openai_relay.start(r.instance, &request);
    EXPECT(!openai_relay.is_sent(h.call));
    RUN_UNTIL(r.loop, r.up.at[UP_CHAT].held);
    EXPECT(openai_relay.is_sent(h.call));
    openai_relay.release(TAKE(h.call));
    RUN_UNTIL(r.loop, r.up.at[UP_CHAT].is_gone);
    rig_end(&r);
}

static const struct test suite[] = {
    { "what changes nothing is repeated on a fresh connection",
      what_changes_nothing_is_repeated_on_a_fresh_connection },
    { "only once", only_once },
    { "all else is not", all_else_is_not },
    { "a try that sent nothing left nobody at work", a_try_that_sent_nothing_left_nobody_at_work },
    { "a limit is of a model or a kind of endpoint", a_limit_is_of_a_model_or_a_kind_of_endpoint },
    { "tells whether all is sent", tells_whether_all_is_sent },
};

TEST_MAIN(suite)
