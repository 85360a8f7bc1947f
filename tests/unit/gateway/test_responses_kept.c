/* SPDX-License-Identifier: Apache-2.0 */
/* Responses that are kept: gone on from, shown, listed and deleted by whose they are; and a store
 * that fails, is slow, or has no room. */
#include "requests.h"

#include "base/mem.h"
#include "gateway/kept.h"
#include "gateway/principal.h"
#include "store/backend.h"

/* ---- a store that does as it is told ---- */

static struct stub {
    struct store store;
    struct store *real;
    enum err fails;      /* every operation */
    bool is_slow;        /* keeps operations */
    struct list waiting; /* struct store_op.node */
    struct store_port *port;
} stub;

static void stub_run(UNUSED struct store *s, void *port, struct store_op *op)
{
    if (stub.is_slow)
        list_add_tail(&stub.waiting, &op->node);
    else if (stub.fails)
        store_answer_here(op, stub.fails);
    else
        stub.real->backend->run(stub.real, port, op);
}

static void begin_kept_set(const char *const *overrides)
{
    static const struct store_backend backend = { .name = "stub",
                                                  .deadline_ms = STORE_DEADLINE_MS,
                                                  .run = stub_run };

    begin_set(overrides);
    stub = (struct stub){ .real = store_memory_new(1000) };
    list_init(&stub.waiting);
    store_init(&stub.store, &backend);
    stub.port = f.worker.store = store_port_open(&stub.store, f.l);
}

static void begin_kept(void)
{
    begin_kept_set(NULL);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void end_kept(void)
{
    struct list *node;
    bool closed = false;

    while ((node = list_take_head(&stub.waiting)))
        store_answer_here(CONTAINER_OF(node, struct store_op, node), ERR_TIMEOUT);
    turn(f.l);
    store_port_close(stub.port, on_closed, &closed);
    turn(f.l);
    EXPECT(closed);
    store_close(stub.real);
    store_deinit(&stub.store);
    end();
}

/* ---- the client ---- */

#define MINE "Authorization: Bearer mine\r\n"

static void post(const char *key, const char *members)
{
    char content[2048], text[4096];
    int n = snprintf(content, sizeof(content), "{\"model\":\"GPT5\",%s}", members);

    EXPECT(n > 0 && (size_t)n < sizeof(content));
    snprintf(text, sizeof(text),
             "POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r1\r\n%s" JSON_TYPE
             "Content-Length: %zu\r\n\r\n%s",
             key, strlen(content), content);
    EXPECT(wire_feed_z(&f.w, text));
    turn(f.l);
}

/* The upstream says all of it; the answer is in body() then. */
static void answered(const char *what)
{
    struct str in;

    text(what);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_INT(in.n, 0);
    wire_clear(&f.w);
    EXPECT_INT(status(), 200);
}

/* The id of the answer in body(). */
static const char *id_of_answer(void)
{
    static char id[64];
    size_t at = str_find(str_of(body()), STR("\"id\":\"resp_"));

    EXPECT(at != SIZE_MAX);
    str_to_z(str_sub(str_of(body()), at + 6, 29), id, sizeof(id));
    return id;
}

static const char *ask_first(void)
{
    post(MINE, "\"input\":\"hi\"");
    answered("A");
    EXPECT(has(str_of(body()), "\"store\":true"));
    return id_of_answer();
}

static void ask_next(const char *key, const char *id)
{
    char members[256];

    snprintf(members, sizeof(members), "\"input\":\"two\",\"previous_response_id\":\"%s\"", id);
    post(key, members);
}

static void get_rest(const char *key, const char *id, const char *rest)
{
    char path[128], lines[256];

    snprintf(path, sizeof(path), "/v1/responses/%s%s", id, rest);
    snprintf(lines, sizeof(lines), HOST "%s", key);
    request("GET", path, lines);
}

static void delete (const char *key, const char *id)
{
    char path[128], lines[256];

    snprintf(path, sizeof(path), "/v1/responses/%s", id);
    snprintf(lines, sizeof(lines), HOST "%s", key);
    request("DELETE", path, lines);
}

static void expect_heard_error(int want, const char *code)
{
    struct str in = wire_str(&f.w);

    EXPECT(hear(&in, HTTP_POST));
    wire_clear(&f.w);
    expect_error(want, code);
}

/* What the provider was asked last: "role(text)..." */
static void expect_asked(const char *want)
{
    const struct chat_request *r = call()->request.chat;
    struct buf got;

    buf_init(&got, 4096);
    for (size_t i = 0; i < r->n_messages; i++)
        EXPECT(!buf_addf(&got, "%s(%.*s)", chat_role_name(r->messages[i].role),
                         STR_ARGS(r->messages[i].parts[0].text)));
    EXPECT_STR(buf_str(&got), want);
    buf_deinit(&got);
}

/* ---- tests ---- */

static void an_answer_is_gone_on_from(void)
{
    char first[64];

    begin_kept();
    str_to_z(str_of(ask_first()), first, sizeof(first));
    ask_next(MINE, first);
    expect_asked("user(hi)assistant(A)user(two)");
    answered("B");
    EXPECT(has(str_of(body()), "\"previous_response_id\":\"resp_"));
    delete (MINE, first);
    EXPECT_INT(status(), 200);
    ask_next(MINE, first); /* it is gone; what went on from it is not */
    expect_heard_error(404, "previous_response_not_found");
    end_kept();
}

static void a_later_turn_needs_no_earlier_answer(void)
{
    char first[64], second[64];

    begin_kept();
    str_to_z(str_of(ask_first()), first, sizeof(first));
    ask_next(MINE, first);
    answered("B");
    str_to_z(str_of(id_of_answer()), second, sizeof(second));
    delete (MINE, first);
    ask_next(MINE, second);
    expect_asked("user(hi)assistant(A)user(two)assistant(B)user(two)");
    answered("C");
    end_kept();
}

static void a_streamed_answer_is_kept_before_its_last_event(void)
{
    char id[64];

    begin_kept();
    post(MINE, "\"input\":\"hi\",\"stream\":true");
    text("A");
    finish(CHAT_FINISH_STOP);
    stub.is_slow = true;
    settled();
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "response.output_item.done"));
    EXPECT(!has(wire_str(&f.w), "response.completed"));
    stub.is_slow = false;
    stub_run(NULL, NULL, CONTAINER_OF(list_take_head(&stub.waiting), struct store_op, node));
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "response.completed"));
    str_to_z(str_sub(wire_str(&f.w), str_find(wire_str(&f.w), STR("resp_")), 29), id, sizeof(id));
    wire_clear(&f.w);
    ask_next(MINE, id);
    expect_asked("user(hi)assistant(A)user(two)");
    answered("B");
    end_kept();
}

static struct store_key key_of(const char *principal)
{
    const struct principal p = { .id = str_of(principal) };
    struct request_context context = { .principal = &p };
    struct http_request r = { .context = &context };

    return kept_key(&r, STR("resp_1"));
}

static void what_one_key_keeps_another_does_not_find(void)
{
    struct store_key mine = key_of("key_a"), again = key_of("key_a"), other = key_of("key_b");

    EXPECT(memcmp(mine.bytes, again.bytes, mine.n) == 0);
    EXPECT(memcmp(mine.bytes, other.bytes, STORE_OWNER_LEN) != 0);
    EXPECT(memcmp(mine.bytes + STORE_OWNER_LEN, other.bytes + STORE_OWNER_LEN, SHA256_LEN) != 0);
}

static void what_is_unknown_is_not_found(void)
{
    begin_kept();
    ask_first();
    ask_next(MINE, "resp_0");
    expect_heard_error(404, "previous_response_not_found");
    EXPECT(has(str_of(body()), "\"param\":\"previous_response_id\""));
    get_rest(MINE, "resp_0", "");
    expect_error(404, "not_found");
    delete (MINE, "resp_0");
    expect_error(404, "not_found");
    end_kept();
}

static void an_answer_is_shown_and_deleted(void)
{
    char id[64], want[256];
    char whole[4096];

    begin_kept();
    str_to_z(str_of(ask_first()), id, sizeof(id));
    str_to_z(str_of(body()), whole, sizeof(whole));
    get_rest(MINE, id, "");
    EXPECT_Z(body(), whole);
    get_rest(MINE, id, "?stream=true");
    EXPECT_INT(status(), 400);
    EXPECT(has(str_of(body()), "\"param\":\"stream\""));
    get_rest(MINE, id, "/input_items?limit=1&order=asc");
    EXPECT_INT(status(), 200);
    EXPECT(has(str_of(body()), "{\"type\":\"input_text\",\"text\":\"hi\"}"));
    get_rest(MINE, id, "/input_items?limit=0");
    EXPECT(has(str_of(body()), "\"param\":\"limit\""));
    get_rest(MINE, id, "/input_items?order=up");
    EXPECT(has(str_of(body()), "\"param\":\"order\""));
    get_rest(MINE, id, "/input_items?after=nobody");
    EXPECT(has(str_of(body()), "\"param\":\"after\""));
    get_rest(MINE, id, "/cancel");
    expect_error(404, "not_found");
    delete (MINE, id);
    snprintf(want, sizeof(want), "{\"id\":\"%s\",\"object\":\"response\",\"deleted\":true}", id);
    EXPECT_Z(body(), want);
    delete (MINE, id);
    expect_error(404, "not_found");
    get_rest(MINE, id, "");
    expect_error(404, "not_found");
    end_kept();
}

/* Nothing at all is asked of the store. */
static void what_is_not_to_be_kept_is_not(void)
{
    static const char *const none[] = { "RESPONSES_TTL=0", NULL };

    begin_kept();
    stub.is_slow = true;
    post(MINE, "\"input\":\"hi\",\"store\":false");
    answered("A");
    EXPECT(has(str_of(body()), "\"store\":false"));
    end_kept();
    begin_kept_set(none);
    stub.is_slow = true;
    post(MINE, "\"input\":\"hi\"");
    answered("A");
    EXPECT(has(str_of(body()), "\"store\":false"));
    end_kept();
}

static void an_answer_is_kept_for_its_time(void)
{
    static const char *const brief[] = { "RESPONSES_TTL=60", NULL };
    char id[64];

    begin_kept_set(brief);
    str_to_z(str_of(ask_first()), id, sizeof(id));
    pass(59999);
    get_rest(MINE, id, "");
    EXPECT_INT(status(), 200);
    pass(1);
    get_rest(MINE, id, "");
    expect_error(404, "not_found");
    end_kept();
}

static void a_store_that_fails_costs_no_answer(void)
{
    const char *id;

    begin_kept();
    stub.fails = ERR_IO;
    post(MINE, "\"input\":\"hi\"");
    answered("A");
    EXPECT(has(str_of(body()), "\"text\":\"A\""));
    EXPECT(has(str_of(body()), "\"store\":false"));
    id = id_of_answer();
    get_rest(MINE, id, "");
    expect_error(503, "overloaded");
    ask_next(MINE, id);
    expect_heard_error(503, "overloaded");
    stub.fails = ERR_NONE;
    ask_next(MINE, id);
    expect_heard_error(404, "previous_response_not_found");
    end_kept();
}

static void a_slow_store_is_not_waited_for(void)
{
    struct str in;

    begin_kept();
    stub.is_slow = true;
    post(MINE, "\"input\":\"hi\"");
    text("A");
    finish(CHAT_FINISH_STOP);
    settled();
    pass(STORE_DEADLINE_MS - 1);
    EXPECT_INT(wire_str(&f.w).n, 0);
    pass(1);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT(has(str_of(body()), "\"store\":false"));
    wire_clear(&f.w);
    end_kept();
}

static void a_client_may_leave_while_the_store_is_asked(void)
{
    begin_kept();
    stub.is_slow = true;
    post(MINE, "\"input\":\"hi\"");
    text("A");
    finish(CHAT_FINISH_STOP);
    settled();
    wire_end(&f.w, ERR_CLOSED);
    pass(STORE_DEADLINE_MS);
    wire_free(&f.w);
    open_wire(&f.w);
    ask_next(MINE, "resp_x");
    wire_end(&f.w, ERR_CLOSED);
    turn(f.l);
    EXPECT_INT(f.n_calls, 1);
    end_kept();
}

static void what_is_too_large_is_not_kept(void)
{
    char big[4000];

    begin_kept();
    memset(big, '"', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    post(MINE, "\"input\":\"hi\"");
    for (size_t i = 0; i < STORE_LARGE_MAX / (2 * sizeof(big)) + 1; i++)
        text(big);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "\"store\":false"));
    wire_clear(&f.w);
    end_kept();
}

static void a_failed_answer_is_not_kept(void)
{
    static const struct failure failure = { .kind = FAILURE_PROTOCOL, .message = { "no", 2 } };
    char id[64];

    begin_kept();
    post(MINE, "\"input\":\"hi\",\"stream\":true");
    text("A");
    error(&failure);
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "\"store\":false"));
    str_to_z(str_sub(wire_str(&f.w), str_find(wire_str(&f.w), STR("resp_")), 29), id, sizeof(id));
    wire_clear(&f.w);
    get_rest(MINE, id, "");
    expect_error(404, "not_found");
    end_kept();
}

static const struct test suite[] = {
    { "an answer is gone on from", an_answer_is_gone_on_from },
    { "a later turn needs no earlier answer", a_later_turn_needs_no_earlier_answer },
    { "a streamed answer is kept before its last event",
      a_streamed_answer_is_kept_before_its_last_event },
    { "what one key keeps another does not find", what_one_key_keeps_another_does_not_find },
    { "what is unknown is not found", what_is_unknown_is_not_found },
    { "an answer is shown and deleted", an_answer_is_shown_and_deleted },
    { "what is not to be kept is not", what_is_not_to_be_kept_is_not },
    { "an answer is kept for its time", an_answer_is_kept_for_its_time },
    { "a store that fails costs no answer", a_store_that_fails_costs_no_answer },
    { "a slow store is not waited for", a_slow_store_is_not_waited_for },
    { "a client may leave while the store is asked", a_client_may_leave_while_the_store_is_asked },
    { "what is too large is not kept", what_is_too_large_is_not_kept },
    { "a failed answer is not kept", a_failed_answer_is_not_kept },
};

TEST_MAIN(suite)
