/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the process, for scrapers. */
#include "base/metrics.h"

#include "base/mem.h"
#include "base/process.h"
#include "base/series.h"
#include "gateway/access.h"
#include "gateway/health.h"
#include "gateway/service.h"
#include "ops/ops.h"
#include "provider/provider.h"

/* A reverse proxy on this machine makes every client look local. */
static bool is_direct_loopback(const struct http_request *r)
{
    static const char *const headers[] = { "forwarded", "x-real-ip", "via" };

    for (size_t i = 0; i < COUNT_OF(headers); i++)
        if (http_find(&r->head, headers[i]))
            return false;
    for (size_t i = 0; i < r->head.n_headers; i++)
        if (str_starts_nocase(r->head.headers[i].name, STR("x-forwarded-")))
            return false;
    return http_request_peer_is_loopback(r);
}

/* A web page can make the browser of this machine ask, under another name (DNS rebinding) or as
 * another origin; a key it does not have. */
static bool is_no_web_page(const struct settings *s, const struct http_request *r)
{
    struct str origin = http_value(&r->head, "origin");

    if (!s->listen.is_unix && r->head.host.n && !host_is_loopback(r->head.host))
        return false;
    return !origin.p || origin_is_loopback(origin);
}

/* With the right key from everywhere, without one from this machine. Answers the others. */
static bool may_read(const struct settings *s, struct http_request *r)
{
    const struct secret *master = &s->api_master_key;
    struct str key = access_key(&r->head);

    if (secret_is_set(master) && secret_eq(master, key))
        return true;
    if (secret_is_set(master) && key.n)
        gateway_reply_error(r, FAILURE_WRONG_KEY,
                            "The API key is wrong. Use the API_MASTER_KEY of this gateway.");
    else if (!is_direct_loopback(r))
        gateway_reply_error(
            r, FAILURE_MISSING_KEY,
            "Metrics are open to this machine only; from elsewhere send the API key.");
    else if (!is_no_web_page(s, r))
        gateway_reply_error(r, FAILURE_FORBIDDEN,
                            "Without the API key metrics are open only to the Host localhost or "
                            "127.0.0.1 and not to web pages of other origins.");
    else
        return true;
    return false;
}

/* ---- the process, as all client libraries call its numbers ---- */

static void write_one(struct exposition *e, const char *name, const char *type, const char *help,
                      int64_t value)
{
    exposition_family(e, name, type, help);
    exposition_sample(e, "", NULL, 0, value);
}

static void write_process(const struct gateway *g, struct exposition *e)
{
    const struct exposition_label version = { STR("version"), str_of(g->version) };

    exposition_family(e, "build_info", "gauge", "Version of the running program.");
    exposition_sample(e, "", &version, 1, 1);
    write_one(e, "buffered_bytes", "gauge", "Bytes that buffers and arenas hold now.",
              (int64_t)mem_budget_used());
    write_one(e, "log_lines_dropped_total", "counter", "Log lines that nobody read in time.",
              (int64_t)log_dropped());
    write_one(e, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
              process_resident_bytes());
    exposition_family(e, "process_cpu_seconds_total", "counter",
                      "Total user and system CPU time spent in seconds.");
    exposition_sample_us(e, "", NULL, 0, process_cpu_us());
    exposition_family(e, "process_start_time_seconds", "gauge",
                      "Start time of the process since unix epoch in seconds.");
    exposition_sample_us(e, "", NULL, 0, g->started_wall_ms * 1000);
}

/* ---- what is looked up when somebody asks ---- */

static void write_accounts(const struct gateway_worker *w, struct exposition *e)
{
    static const char *const names[STANDINGS] = { "ready", "busy", "resting", "failing",
                                                  "signed_out" };

    for (size_t i = 0; i < w->view->n_upstreams; i++) {
        const struct upstream *u = &w->view->upstreams[i];
        struct exposition_label labels[] = { { STR("upstream"), str_of(u->name) },
                                             { STR("state"), STR("") } };
        struct provider_census census = { 0 };

        if (u->provider->census)
            u->provider->census(u->shared, loop_now_ms(w->loop), &census);
        for (size_t k = 0; k < STANDINGS; k++) {
            labels[1].value = str_of(names[k]);
            exposition_sample(e, "", labels, 2, census.accounts[k]);
        }
    }
}

static void write_cooldowns(const struct gateway_worker *w, struct exposition *e)
{
    for (size_t i = 0; i < w->view->n_upstreams; i++) {
        const struct upstream *u = &w->view->upstreams[i];
        const struct exposition_label label = { STR("upstream"), str_of(u->name) };
        struct provider_census census = { 0 };

        if (u->provider->census)
            u->provider->census(u->shared, loop_now_ms(w->loop), &census);
        exposition_sample(e, "", &label, 1, census.cooldowns);
    }
}

static void write_circuit(void *arg, const char *target, const char *state)
{
    const struct exposition_label labels[] = { { STR("target"), str_of(target) },
                                               { STR("state"), str_of(state) } };

    exposition_sample(arg, "", labels, COUNT_OF(labels), 1);
}

static void write_upstreams(const struct gateway_worker *w, struct exposition *e)
{
    exposition_family(e, "accounts", "gauge",
                      "Accounts and keys of upstreams, by the worst that is known of each.");
    write_accounts(w, e);
    exposition_family(e, "account_cooldowns", "gauge",
                      "Cool-downs that run, of an account or key and a model each.");
    write_cooldowns(w, e);
    exposition_family(e, "circuit_state", "gauge",
                      "1 for each target that gets less than all of its requests.");
    health_each_sick(w->gateway->health, loop_now_ms(w->loop), write_circuit, e);
}

/* All that is written is bounded (SERIES_ROWS_MAX and its like); this is far above it. */
enum { EXPOSITION_MAX = 64 << 20 };

void handle_metrics(struct gateway_worker *w, struct http_request *r)
{
    enum exposition_format format = exposition_choose(http_value(&r->head, "accept"));
    const struct http_header headers[] = { { STR("content-type"),
                                             str_of(exposition_content_type(format)) } };
    struct exposition e;
    struct buf out;

    if (!may_read(w->view->settings, r))
        return;
    buf_init(&out, EXPOSITION_MAX);
    exposition_init(&e, &out, format);
    write_process(w->gateway, &e);
    write_upstreams(w, &e);
    metrics_write(&e);
    series_write(&e);
    if (exposition_end(&e))
        gateway_reply_error(r, FAILURE_OVERLOADED,
                            "The gateway is out of memory; try again later.");
    else
        http_reply(r, 200, headers, COUNT_OF(headers), buf_str(&out));
    buf_deinit(&out);
}
