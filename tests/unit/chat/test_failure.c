/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/failure.h"
#include "test.h"

static const enum failure_kind kinds[] = {
#define X(kind, status, type, code, anthropic) kind,
    FAILURE_LIST(X)
#undef X
};

static void every_kind_has_a_whole_row(void)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct failure_row *row = failure_row(kinds[i]);

        EXPECT(row->status >= 400 && row->status < 600);
        EXPECT(strncmp(row->name, "FAILURE_", strlen("FAILURE_")) == 0);
        EXPECT(row->type && row->anthropic_type);
    }
}

static void rows_say_what_the_interface_promises(void)
{
    static const struct {
        enum failure_kind kind;
        int status;
        const char *type;
        const char *code;
    } rows[] = {
        { FAILURE_BAD_REQUEST, 400, "invalid_request_error", NULL },
        { FAILURE_CONTEXT_LENGTH, 400, "invalid_request_error", "context_length_exceeded" },
        { FAILURE_MISSING_KEY, 401, "invalid_request_error", "missing_api_key" },
        { FAILURE_WRONG_KEY, 403, "invalid_request_error", "invalid_api_key" },
        { FAILURE_MODEL_NOT_FOUND, 404, "invalid_request_error", "model_not_found" },
        { FAILURE_QUEUE_TIMEOUT, 429, "rate_limit_error", "queue_timeout" },
        { FAILURE_QUOTA, 429, "rate_limit_error", "insufficient_quota" },
        { FAILURE_UPSTREAM_AUTH, 502, "upstream_error", "upstream_auth_failed" },
        { FAILURE_INTERRUPTED, 502, "upstream_error", "upstream_interrupted" },
        { FAILURE_UPSTREAM_TIMEOUT, 504, "upstream_error", "upstream_timeout" },
        { FAILURE_OVERLOADED, 503, "server_error", "overloaded" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct failure_row *row = failure_row(rows[i].kind);

        EXPECT_INT(row->status, rows[i].status);
        EXPECT_Z(row->type, rows[i].type);
        EXPECT_STR(str_of(row->code ? row->code : "none"), rows[i].code ? rows[i].code : "none");
    }
}

static void a_status_of_the_server_has_a_kind(void)
{
    static const struct {
        int status;
        enum failure_kind kind;
    } rows[] = {
        { 400, FAILURE_BAD_REQUEST },    { 408, FAILURE_REQUEST_SLOW },
        { 413, FAILURE_BODY_TOO_LARGE }, { 414, FAILURE_TARGET_TOO_LONG },
        { 431, FAILURE_HEAD_TOO_LARGE }, { 501, FAILURE_NOT_SUPPORTED },
        { 503, FAILURE_OVERLOADED },     { 505, FAILURE_HTTP_VERSION },
        { 418, FAILURE_BAD_REQUEST },    { 599, FAILURE_INTERNAL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(failure_of_status(rows[i].status), rows[i].kind);
}

static void setting_replaces_all_that_was_there(void)
{
    struct failure f = { .kind = FAILURE_QUOTA, .retry_after_ms = 7, .prompt_accepted = true };
    struct arena a;

    arena_init(&a);
    f.param = STR("stale");
    failure_set(&f, &a, FAILURE_UPSTREAM_TIMEOUT, "no answer in %d s: %s", 30, "upstream");
    EXPECT_INT(f.kind, FAILURE_UPSTREAM_TIMEOUT);
    EXPECT_STR(f.message, "no answer in 30 s: upstream");
    EXPECT(f.param.n == 0 && f.retry_after_ms == 0 && !f.prompt_accepted);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "every kind has a whole row", every_kind_has_a_whole_row },
    { "rows say what the interface promises", rows_say_what_the_interface_promises },
    { "a status of the server has a kind", a_status_of_the_server_has_a_kind },
    { "setting replaces all that was there", setting_replaces_all_that_was_there },
};

TEST_MAIN(suite)
