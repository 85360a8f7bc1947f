/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the process as Prometheus text. */
#include "base/metrics.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/relay.h"
#include "gateway/access.h"
#include "gateway/service.h"
#include "ops/ops.h"

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

/* Resident bytes of the process (proc(5), statm); 0 when the kernel does not say. */
static long long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static enum err write_process(const struct gateway_worker *w, struct buf *out)
{
    return buf_addf(
        out,
        "# HELP enginelabs2api_build_info Version of the running program.\n"
        "# TYPE enginelabs2api_build_info gauge\n"
        "enginelabs2api_build_info{version=\"%s\"} 1\n"
        "# HELP enginelabs2api_buffered_bytes Bytes that buffers and arenas hold now.\n"
        "# TYPE enginelabs2api_buffered_bytes gauge\n"
        "enginelabs2api_buffered_bytes %zu\n"
        "# HELP enginelabs2api_log_lines_dropped_total Log lines that nobody read in time.\n"
        "# TYPE enginelabs2api_log_lines_dropped_total counter\n"
        "enginelabs2api_log_lines_dropped_total %llu\n"
        "# HELP process_resident_memory_bytes Resident memory size in bytes.\n"
        "# TYPE process_resident_memory_bytes gauge\n"
        "process_resident_memory_bytes %lld\n",
        w->gateway->version, mem_budget_used(), (unsigned long long)log_dropped(),
        resident_bytes());
}

void handle_metrics(struct gateway_worker *w, struct http_request *r)
{
    const struct http_header headers[] = { { STR("content-type"),
                                             STR("text/plain; version=0.0.4; charset=utf-8") } };
    struct buf out;

    if (!may_read(w->view->settings, r))
        return;
    buf_init(&out, 1 << 20);
    if (metrics_write(&out) || relay_write_metrics(w->gateway, &out) || write_process(w, &out))
        gateway_reply_error(r, FAILURE_OVERLOADED,
                            "The gateway is out of memory; try again later.");
    else
        http_reply(r, 200, headers, COUNT_OF(headers), buf_str(&out));
    buf_deinit(&out);
}
