/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for a request of a key with limits, and that it is settled once, however the
 * request ends and whenever its client leaves. */
#include "flow.h"
#include "keys/key_window.h"
#include "store/backend.h"

enum { TTL_MS = 20000 }; /* of a place whose gateway has died */

#define KEY_TEXT "sk-admission"

/* A store that answers when the test says so. */
static struct {
    struct store store;
    struct store_op *op; /* asked and not answered */
    unsigned n_holds, n_lets_go, n_counts;
    int64_t given_back;
} slow;

static struct {
    struct key_settings key;
    struct store *memory;
    struct store_port *port; /* the memory's */
    struct store_port *slow_port;
    bool is_closed;
    int64_t sum;
} k;

/* ---- stores ---- */

static void run_slow(UNUSED struct store *s, UNUSED void *port, struct store_op *op)
{
    bool lets_go = op->verb == STORE_HOLD && op->ttl_ms == 0;

    slow.n_lets_go += lets_go;
    slow.n_holds += op->verb == STORE_HOLD && !lets_go;
    slow.n_counts += op->verb == STORE_COUNT;
    if (op->port) {
        EXPECT(!slow.op);
        slow.op = op;
        return;
    }
    if (op->verb == STORE_COUNT)
        slow.given_back -= op->counters[0].amount;
    store_answer_here(op, ERR_NONE);
}

static const struct store_backend slow_backend = { .name = "slow", .run = run_slow };

static void answer_slow(enum err err)
{
    EXPECT(slow.op != NULL);
    store_answer_here(TAKE(slow.op), err);
    turn(f.l);
}

static void on_closed(UNUSED void *arg)
{
    k.is_closed = true;
}

static void close_port(struct store_port *p)
{
    k.is_closed = false;
    store_port_close(p, on_closed, NULL);
    while (!k.is_closed)
        turn(f.l);
}

static void on_sum(UNUSED void *arg, const struct store_result *result)
{
    EXPECT_INT(result->err, ERR_NONE);
    k.sum = result->sums[0];
}

static int64_t sum_at(const char *unit, enum key_window window, int64_t wall_ms)
{
    struct key_span span = key_window_at(window, wall_ms);
    struct store_counter c = { .limit = INT64_MAX, .ttl_ms = 1 };

    key_window_name(&c.key, k.key.record.id, unit, &span);
    c.ttl_ms = span.ttl_ms;
    store_count(k.port, &c, 1, on_sum, NULL);
    turn(f.l);
    return k.sum;
}

static int64_t used(void)
{
    return sum_at("tokens", KEY_WINDOW_EVER, loop_wall_ms(f.l));
}

static int64_t running(void)
{
    struct store_key key;

    key_window_name(&key, k.key.record.id, "parallel", NULL);
    store_hold(k.port, &key, 0, 0, 0, on_sum, NULL);
    turn(f.l);
    return k.sum;
}

/* ---- a gateway with one key ---- */

static void begin_key(void)
{
    memset(&k, 0, sizeof(k));
    memset(&slow, 0, sizeof(slow));
    begin();
    k.key.name = "one";
    secret_set(&k.key.key, STR(KEY_TEXT));
    k.key.record = (struct key_record){ .id = STR("file/one"), .name = STR("one") };
    f.settings.keys = &k.key;
    f.settings.n_keys = 1;
    k.memory = store_memory_new(1000);
    k.port = store_port_open(k.memory, f.l);
    f.worker.store = k.port;
}

static void use_slow_store(void)
{
    store_init(&slow.store, &slow_backend);
    k.slow_port = store_port_open(&slow.store, f.l);
    f.worker.store = k.slow_port;
    f.worker.spare = k.port;
}

static void end_key(void)
{
    turn(f.l);
    if (k.slow_port) {
        close_port(k.slow_port);
        store_deinit(&slow.store);
    }
    close_port(k.port);
    store_close(k.memory);
    f.worker.store = f.worker.spare = NULL;
    f.settings.n_keys = 0;
    secret_deinit(&k.key.key);
    end();
}

static void limit_tokens(int64_t limit)
{
    k.key.record.budgets[0] =
        (struct key_budget){ .unit = KEY_TOKENS, .per = KEY_EVER, .limit = limit };
    k.key.record.n_budgets = 1;
}

static void ask_key_on(struct wire *w, const char *members)
{
    char text[1024], content[512];
    int n = snprintf(content, sizeof(content), "{\"model\":\"GPT5\",\"stream\":true,%s" HI "}",
                     members);

    EXPECT(n > 0 && (size_t)n < sizeof(content));
    n = snprintf(text, sizeof(text),
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer " KEY_TEXT "\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n\r\n%s",
                 n, content);
    EXPECT(n > 0 && (size_t)n < sizeof(text));
    EXPECT(wire_feed_z(w, text));
    turn(f.l);
}

static void ask_key(const char *members)
{
    ask_key_on(&f.w, members);
}

/* The newest call answers with 3 tokens for a prompt of 2. */
static void answer(void)
{
    text("hello");
    usage(2, 3, 0);
    finish(CHAT_FINISH_STOP);
    turn(f.l);
    if (call()->state == CALL_SETTLES)
        settled();
    turn(f.l);
    wire_clear(&f.w);
}

/* ---- tests ---- */

static void settles_what_was_used_when_it_is_over(void)
{
    begin_key();
    limit_tokens(5000);
    ask_key("\"max_tokens\":1000,");
    EXPECT(used() > 1000);
    answer();
    EXPECT_INT(used(), 5);
    ask_key("");
    EXPECT(used() > 5 + 1024); /* without a limit of its own */
    answer();
    EXPECT_INT(used(), 10);
    end_key();
}

static void gives_back_all_of_what_failed_before_a_prompt_went_out(void)
{
    const struct failure e = { .kind = FAILURE_RATE_LIMIT, .message = STR("no") };

    begin_key();
    limit_tokens(5000);
    ask_key("");
    phase(PHASE_CONNECTING);
    error(&e);
    turn(f.l);
    EXPECT_INT(used(), 0);
    end_key();
}

static void settles_once_when_the_client_leaves(void)
{
    struct wire other;
    int64_t sum;

    begin_key();
    limit_tokens(5000);
    k.key.record.parallel_requests = 2;
    open_wire(&other);
    ask_key_on(&other, "");
    text("hello hello hello");
    EXPECT(used() > 1000);
    EXPECT_INT(running(), 1);
    wire_end(&other, ERR_CLOSED);
    turn(f.l);
    sum = used();
    EXPECT(sum > 0 && sum < 50); /* estimated: the prompt went out */
    EXPECT_INT(running(), 0);
    pass(60000);
    EXPECT_INT(used(), sum);
    wire_free(&other);
    end_key();
}

/* What is settled goes to the minute that it was taken from. */
static void settles_in_the_window_where_it_was_reserved(void)
{
    int64_t began_ms;

    begin_key();
    k.key.record.tokens_per_minute = 5000;
    began_ms = loop_wall_ms(f.l);
    ask_key("\"max_tokens\":1000,");
    pass(70000);
    answer();
    EXPECT_INT(sum_at("tokens", KEY_WINDOW_MINUTE, began_ms), 5);
    EXPECT_INT(sum_at("tokens", KEY_WINDOW_MINUTE, loop_wall_ms(f.l)), 0);
    end_key();
}

static void keeps_its_place_as_long_as_it_runs(void)
{
    struct wire other;

    begin_key();
    k.key.record.parallel_requests = 1;
    open_wire(&other);
    ask_key_on(&other, "");
    text("slow");
    for (int64_t ms = 0; ms < 3 * (int64_t)TTL_MS; ms += 1000) {
        pass(1000);
        text("slow");
        EXPECT_INT(running(), 1);
    }
    ask_key("");
    expect_refusal(429, "rate_limit_exceeded");
    EXPECT(has(str_of(head()), "retry-after: 1\r\n"));
    wire_end(&other, ERR_CLOSED);
    turn(f.l);
    ask_key("");
    answer();
    EXPECT_INT(running(), 0);
    wire_free(&other);
    end_key();
}

/* Whatever the store was asked when the client left, nothing is left of it. */
static void leaving_while_the_store_is_asked_leaves_nothing(void)
{
    for (unsigned answers = 0; answers < 2; answers++) {
        struct wire other;

        begin_key();
        limit_tokens(5000);
        k.key.record.parallel_requests = 1;
        use_slow_store();
        open_wire(&other);
        ask_key_on(&other, "\"max_tokens\":1000,");
        if (answers > 0)
            answer_slow(ERR_NONE); /* it has its place, and is being counted */
        wire_end(&other, ERR_CLOSED);
        turn(f.l);
        EXPECT_INT(slow.n_lets_go, 0);
        answer_slow(ERR_NONE);
        EXPECT_INT(slow.n_holds, 1);
        EXPECT_INT(slow.n_lets_go, 1);
        EXPECT_INT(slow.n_counts, 2 * answers);
        EXPECT((slow.given_back > 1000) == (answers > 0));
        EXPECT_INT(f.n_calls, 0);
        wire_free(&other);
        end_key();
    }
}

static void counts_alone_where_the_store_fails(void)
{
    int64_t alone = metric_get(METRIC_LIMITS_ALONE);

    begin_key();
    k.key.record.parallel_requests = 1;
    k.key.record.requests_per_minute = 1;
    use_slow_store();
    ask_key("");
    answer_slow(ERR_TIMEOUT);
    EXPECT_INT(metric_get(METRIC_LIMITS_ALONE), alone + 1);
    EXPECT_INT(running(), 1);
    answer();
    EXPECT_INT(running(), 0);
    EXPECT_INT(slow.n_lets_go, 1); /* it may have happened after all */
    ask_key("");
    answer_slow(ERR_CLOSED);
    expect_refusal(429, "rate_limit_exceeded");
    end_key();
}

static void refuses_what_is_above_a_limit_by_itself(void)
{
    begin_key();
    k.key.record.tokens_per_minute = 500;
    ask_key("\"max_tokens\":501,");
    expect_refusal(429, "rate_limit_exceeded");
    EXPECT(has(str_of(body()), "send less, or a smaller max_tokens"));
    EXPECT(!has(str_of(head()), "retry-after"));
    EXPECT(has(str_of(head()), "x-ratelimit-remaining-tokens: 500\r\n"));
    ask_key("\"max_tokens\":400,");
    answer();
    end_key();
}

static void tells_when_a_window_ends_as_openai_writes_it(void)
{
    static const char *const ends[] = { "1m0s", "59s", "58s" };
    char line[64];

    begin_key();
    k.key.record.tokens_per_minute = 500;
    pass(60000 - loop_wall_ms(f.l) % 60000);
    for (size_t i = 0; i < COUNT_OF(ends); i++, pass(1000)) {
        ask_key("\"max_tokens\":501,");
        expect_refusal(429, "rate_limit_exceeded");
        snprintf(line, sizeof(line), "x-ratelimit-reset-tokens: %s\r\n", ends[i]);
        EXPECT(has(str_of(head()), line));
    }
    end_key();
}

static const struct test suite[] = {
    { "settles what was used when it is over", settles_what_was_used_when_it_is_over },
    { "gives back all of what failed before a prompt went out",
      gives_back_all_of_what_failed_before_a_prompt_went_out },
    { "settles once when the client leaves", settles_once_when_the_client_leaves },
    { "settles in the window where it was reserved", settles_in_the_window_where_it_was_reserved },
    { "keeps its place as long as it runs", keeps_its_place_as_long_as_it_runs },
    { "leaving while the store is asked leaves nothing",
      leaving_while_the_store_is_asked_leaves_nothing },
    { "counts alone where the store fails", counts_alone_where_the_store_fails },
    { "refuses what is above a limit by itself", refuses_what_is_above_a_limit_by_itself },
    { "tells when a window ends as OpenAI writes it",
      tells_when_a_window_ends_as_openai_writes_it },
};

TEST_MAIN(suite)
