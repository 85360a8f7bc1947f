/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of every request to the API but the prompt's, in one place. */
#include "provider/enginelabs/errand.h"

#include "base/mem.h"

enum { ANSWER_MAX = 1024 * 1024, HEADERS_MAX = 4 };

struct errand {
    const struct enginelabs_config *config;
    const char *what;
    struct loop *loop;
    on_errand *done;
    void *arg;
    struct fetch *fetch; /* running */
};

static void on_answer(void *arg, const struct fetch_result *result)
{
    struct errand *a = arg;
    struct errand_result r = { .body = result->body };
    struct failure f;
    struct arena arena;

    arena_init(&arena);
    if (result->outcome.err || !result->head) {
        api_transport_failure(&f, &arena, a->config, API_PEER_API, a->what, result->outcome.err,
                              result->outcome.detail);
        r.failure = &f;
        r.certainly_unsent = result->outcome.certainly_unsent;
    } else {
        r.status = api_status_of(result->head->status, result->head, loop_wall_ms(a->loop));
    }
    if (!r.failure && (r.status.is_challenge || r.status.status / 100 != 2)) {
        api_failure(&f, &arena, a->config, API_PEER_API, a->what, &r.status, result->body);
        r.failure = &f;
    }
    a->done(a->arg, &r);
    arena_deinit(&arena);
    mem_free(a);
}

struct errand *errand_start(const struct errand_params *params, on_errand *done, void *arg)
{
    struct errand *a = mem_new(struct errand);
    struct http_header headers[HEADERS_MAX];
    struct http_call_params call = { .url = &params->config->api,
                                     .method = params->method,
                                     .target = params->target,
                                     .headers = headers,
                                     .body = params->body,
                                     .connect_timeout_ms = params->connect_timeout_ms,
                                     .send_once = params->method != HTTP_GET &&
                                                  params->method != HTTP_DELETE };
    struct arena arena;

    arena_init(&arena);
    a->config = params->config;
    a->what = params->what;
    a->loop = http_client_loop(params->client);
    a->done = done;
    a->arg = arg;
    headers[0] = (struct http_header){ STR("Authorization"),
                                       arena_printf(&arena, "Bearer %.*s", STR_ARGS(params->jwt)) };
    headers[1] = (struct http_header){ STR("Origin"), str_of(a->config->origin) };
    headers[2] =
        (struct http_header){ STR("Referer"), arena_printf(&arena, "%s/", a->config->origin) };
    headers[3] = (struct http_header){ STR("Content-Type"), STR("application/json") };
    call.n_headers = params->body.n > 0 ? HEADERS_MAX : HEADERS_MAX - 1;
    a->fetch = fetch_start(params->client, &call, ANSWER_MAX,
                           params->connect_timeout_ms + params->answer_timeout_ms, on_answer, a);
    arena_deinit(&arena);
    return a;
}

void errand_cancel(struct errand *a)
{
    if (!a)
        return;
    fetch_cancel(a->fetch);
    mem_free(a);
}
