/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-ins: tokens are renewed in time, once for all who want one, and written before they are
 * used. */
#include "openai_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct rig r;
static struct watch w;
static char folder[64];
static char path[128];
static const char *files[1];

static void write_file(const char *access, const char *refresh, int64_t expires_ms)
{
    char text[256];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int n = snprintf(text, sizeof(text),
                     "{\"accessToken\":\"%s\",\"refreshToken\":\"%s\",\"expiresAt\":%lld,\"x\":1}",
                     access, refresh, (long long)expires_ms);

    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, text, (size_t)n), n);
    close(fd);
}

static const char *read_file(void)
{
    static char text[1024];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    close(fd);
    EXPECT(n >= 0);
    text[n] = '\0';
    return text;
}

/* A sign-in whose token has `life_ms` left. */
static void begin(int64_t life_ms)
{
    snprintf(folder, sizeof(folder), "/tmp/test_openai.XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/credentials", folder);
    files[0] = path;
    write_file("old", "refresh-1", clock_wall_ms() + life_ms);
    rig_open(&r);
    r.config.credentials_files = files;
    r.config.n_credentials_files = 1;
    rig_attach(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    SAY(&r.up, UP_TOKEN,
        .body = "{\"access_token\":\"new\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}");
}

static void end(void)
{
    rig_end(&r);
    unlink(path);
    EXPECT_INT(rmdir(folder), 0);
}

static void answered(void)
{
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_Z(w.text, "");
    EXPECT(w.is_finished);
    watch_end(&w);
}

static void failed(enum failure_kind kind)
{
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT(w.is_failed);
    EXPECT_INT(w.failure.kind, kind);
    EXPECT(!w.failure.prompt_accepted);
    watch_end(&w);
}

static void uses_a_token_while_it_is_good(void)
{
    begin(3600000);
    answered();
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer old");
    EXPECT_INT(r.up.at[UP_TOKEN].count, 0);
    end();
}

static void renews_a_token_before_its_end(void)
{
    static const int64_t lives[] = { 30000, 0, -5000 };

    for (size_t i = 0; i < COUNT_OF(lives); i++) {
        begin(lives[i]);
        answered();
        answered();
        EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer new");
        EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
        EXPECT_Z(r.up.at[UP_TOKEN].target, "/v1/oauth/token");
        EXPECT_Z(r.up.at[UP_TOKEN].authorization[0], "");
        EXPECT_Z(r.up.at[UP_TOKEN].body,
                 "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"refresh-1\"}");
        EXPECT(strstr(read_file(), "\"accessToken\":\"new\",\"refreshToken\":\"refresh-2\""));
        EXPECT(strstr(read_file(), "\"x\":1"));
        end();
    }
}

static void the_file_is_written_before_the_token_is_used(void)
{
    begin(0);
    r.up.at[UP_CHAT].n_lines = 0;
    SAY(&r.up, UP_CHAT, .end = UP_HOLD, .body = hello);
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, r.up.at[UP_CHAT].count == 1);
    EXPECT(strstr(read_file(), "refresh-2"));
    up_let_go(&r.up, UP_CHAT);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    watch_end(&w);
    end();
}

static void a_refresh_token_that_does_not_rotate_stays(void)
{
    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .body = "{\"access_token\":\"new\"}");
    answered();
    EXPECT(strstr(read_file(), "\"accessToken\":\"new\",\"refreshToken\":\"refresh-1\""));
    end();
}

static void many_who_wait_cost_one_request(void)
{
    enum { N = 20 };
    static struct watch many[N];

    begin(0);
    for (size_t i = 0; i < N; i++) {
        watch_init(&many[i], &r);
        watch_start(&many[i], ASK_STREAM, true);
    }
    for (size_t i = 0; i < N; i++)
        RUN_UNTIL(r.loop, watch_is_over(&many[i]));
    for (size_t i = 0; i < N; i++) {
        EXPECT(many[i].is_finished);
        watch_end(&many[i]);
    }
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    end();
}

static void a_refused_token_is_renewed_once(void)
{
    begin(3600000);
    r.up.at[UP_CHAT].n_lines = 0;
    SAY(&r.up, UP_CHAT, .status = 401);
    SAY(&r.up, UP_CHAT, .body = hello);
    answered();
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer old");
    EXPECT_Z(r.up.at[UP_CHAT].authorization[1], "Bearer new");
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    up_reset(&r.up, UP_CHAT);
    SAY(&r.up, UP_CHAT, .status = 401);
    failed(FAILURE_UPSTREAM_AUTH);
    EXPECT_INT(r.up.at[UP_CHAT].count, 2);
    EXPECT_INT(r.up.at[UP_TOKEN].count, 2);
    end();
}

/* A refresh token that was taken is no good any more: it is not sent twice. */
static void a_renewal_is_sent_once(void)
{
    begin(3600000);
    answered();
    EXPECT_INT(http_client_idle(r.client), 1);
    up_reset(&r.up, UP_CHAT);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_CHAT, .status = 401);
    SAY(&r.up, UP_TOKEN, .end = UP_DROP);
    failed(FAILURE_UNAVAILABLE);
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    end();
}

/* 5xx says that it was not: nobody is told of a hiccup. */
static void asks_again_while_the_service_has_a_problem(void)
{
    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 503);
    SAY(&r.up, UP_TOKEN, .status = 500);
    SAY(&r.up, UP_TOKEN, .body = "{\"access_token\":\"third\",\"expires_in\":3600}");
    answered();
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer third");
    EXPECT_INT(r.up.at[UP_TOKEN].count, 3);
    end();

    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 503);
    failed(FAILURE_UNAVAILABLE);
    EXPECT_INT(r.up.at[UP_TOKEN].count, 3);
    end();
}

static void tells_how_long_to_wait_for_a_renewal(void)
{
    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 429, .header = "retry-after", .value = "7");
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_RATE_LIMIT);
    EXPECT_INT(w.failure.retry_after_ms, 7000);
    watch_end(&w);
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    end();
}

static void a_browser_check_is_no_end_of_the_sign_in(void)
{
    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 403, .type = "text/html", .header = "cf-mitigated",
        .value = "challenge");
    failed(FAILURE_CHALLENGE);
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    end();
}

/* The vendor's own program renewed it meanwhile. */
static void a_new_token_in_the_file_is_taken(void)
{
    begin(0);
    write_file("theirs", "refresh-9", clock_wall_ms() + 3600000);
    answered();
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer theirs");
    EXPECT_INT(r.up.at[UP_TOKEN].count, 0);
    end();
}

static void the_files_refresh_token_is_the_newer_one(void)
{
    begin(0);
    write_file("theirs", "refresh-9", clock_wall_ms() - 1);
    answered();
    EXPECT(strstr(r.up.at[UP_TOKEN].body, "refresh-9"));
    end();
}

static void says_that_the_sign_in_is_over(void)
{
    char why[128];

    begin(0);
    EXPECT(provider_openai.is_ready(r.openai, why));
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 400, .body = "{\"error\":\"invalid_grant\"}");
    failed(FAILURE_UPSTREAM_AUTH);
    EXPECT(!provider_openai.is_ready(r.openai, why));
    EXPECT(strstr(why, "sign in") != NULL);
    failed(FAILURE_UPSTREAM_AUTH); /* at once: nobody asks again so soon */
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    EXPECT_INT(r.up.at[UP_CHAT].count, 0);
    end();
}

/* Its owner signs in anew: found without a restart. */
static void finds_a_new_sign_in(void)
{
    char why[128];
    int64_t until;

    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 401);
    failed(FAILURE_UPSTREAM_AUTH);
    write_file("fresh", "refresh-5", clock_wall_ms() + 3600000);
    until = clock_now_ms() + 1100;
    while (clock_now_ms() < until)
        run_turn(r.loop);
    provider_openai.prepare(r.instance);
    RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why));
    answered();
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer fresh");
    end();
}

static void a_renewal_that_fails_is_no_end_while_the_token_is_good(void)
{
    begin(30000);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .status = 503);
    answered();
    answered();
    EXPECT_Z(r.up.at[UP_CHAT].authorization[1], "Bearer old");
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    end();
}

static void nonsense_is_no_token(void)
{
    static const char *const bodies[] = { "{}", "nonsense", "{\"access_token\":5}", "" };

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        begin(0);
        r.up.at[UP_TOKEN].n_lines = 0;
        SAY(&r.up, UP_TOKEN, .body = bodies[i]);
        failed(FAILURE_PROTOCOL);
        EXPECT(strstr(read_file(), "refresh-1"));
        end();
    }
}

static void a_file_that_cannot_be_used_is_told(void)
{
    char why[128];

    begin(3600000);
    provider_openai.detach(r.instance, on_rig_detached, &r);
    RUN_UNTIL(r.loop, r.is_detached);
    r.is_detached = false;
    openai_free(r.openai);
    EXPECT_INT(chmod(path, 0644), 0);
    rig_attach(&r);
    EXPECT(!provider_openai.is_ready(r.openai, why));
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_UPSTREAM_AUTH);
    EXPECT(strstr(w.text, "chmod 600") != NULL);
    watch_end(&w);
    end();
}

/* What could not be written is used, told, and written later. */
static void tokens_that_cannot_be_written_are_used(void)
{
    char aside[160];
    char why[128];

    begin(0);
    snprintf(aside, sizeof(aside), "%s.aside", folder);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .end = UP_HOLD,
        .body = "{\"access_token\":\"new\",\"refresh_token\":\"refresh-2\",\"expires_in\":3600}");
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, r.up.at[UP_TOKEN].count == 1);
    EXPECT_INT(rename(folder, aside), 0);
    r.up.at[UP_TOKEN].line.end = UP_WHOLE;
    up_let_go(&r.up, UP_TOKEN);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    watch_end(&w);
    EXPECT(!provider_openai.is_ready(r.openai, why));
    EXPECT(strstr(why, "written") != NULL);
    EXPECT_INT(rename(aside, folder), 0);
    provider_openai.prepare(r.instance);
    RUN_UNTIL(r.loop, provider_openai.is_ready(r.openai, why));
    EXPECT(strstr(read_file(), "refresh-2"));
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    end();
}

/* ---- ends ---- */

static void a_client_that_leaves_leaves_the_renewal(void)
{
    begin(0);
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    run_turn_now(r.loop);
    run_turn_now(r.loop);
    leave(&w);
    watch_end(&w);
    RUN_UNTIL(r.loop, strstr(read_file(), "refresh-2") != NULL);
    EXPECT_INT(r.up.at[UP_CHAT].count, 0);
    end();
}

/* A worker that ends waits for what was given to be written, and not for ever for an answer. */
static void a_worker_that_ends_hurries_its_renewal(void)
{
    begin(0);
    r.up.at[UP_TOKEN].n_lines = 0;
    SAY(&r.up, UP_TOKEN, .end = UP_HOLD);
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, r.up.at[UP_TOKEN].count == 1);
    leave(&w);
    watch_end(&w);
    end();
}

static const struct test suite[] = {
    { "uses a token while it is good", uses_a_token_while_it_is_good },
    { "renews a token before its end", renews_a_token_before_its_end },
    { "the file is written before the token is used",
      the_file_is_written_before_the_token_is_used },
    { "a refresh token that does not rotate stays", a_refresh_token_that_does_not_rotate_stays },
    { "many who wait cost one request", many_who_wait_cost_one_request },
    { "a refused token is renewed once", a_refused_token_is_renewed_once },
    { "a renewal is sent once", a_renewal_is_sent_once },
    { "asks again while the service has a problem", asks_again_while_the_service_has_a_problem },
    { "tells how long to wait for a renewal", tells_how_long_to_wait_for_a_renewal },
    { "a browser check is no end of the sign-in", a_browser_check_is_no_end_of_the_sign_in },
    { "a new token in the file is taken", a_new_token_in_the_file_is_taken },
    { "the file's refresh token is the newer one", the_files_refresh_token_is_the_newer_one },
    { "says that the sign-in is over", says_that_the_sign_in_is_over },
    { "finds a new sign-in", finds_a_new_sign_in },
    { "a renewal that fails is no end while the token is good",
      a_renewal_that_fails_is_no_end_while_the_token_is_good },
    { "nonsense is no token", nonsense_is_no_token },
    { "a file that cannot be used is told", a_file_that_cannot_be_used_is_told },
    { "tokens that cannot be written are used", tokens_that_cannot_be_written_are_used },
    { "a client that leaves leaves the renewal", a_client_that_leaves_leaves_the_renewal },
    { "a worker that ends hurries its renewal", a_worker_that_ends_hurries_its_renewal },
};

TEST_MAIN(suite)
