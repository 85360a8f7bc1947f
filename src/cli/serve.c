/* SPDX-License-Identifier: Apache-2.0 */
/* serve: builds the gateway from its settings, runs it until a signal, takes it down again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/page.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/process.h"
#include "cli/command.h"
#include "cli/demo.h"
#include "cli/descriptors.h"
#include "cli/inherited.h"
#include "cli/reloader.h"
#include "cli/successor.h"
#include "cli/upstreams.h"
#include "gateway/crew.h"
#include "gateway/minutes.h"
#include "gateway/relay.h"
#include "keys/key_ring.h"
#include "ops/control.h"
#include "ops/notify.h"
#include "ops/ops.h"
#include "ops/rest.h"
#include "ops/signals.h"

enum { LIMITS_MAX = 100000 }; /* counters while the store fails */

/* An endpoint that only upstreams know. */
#define RELAY(path, method, needs)                                                  \
    { "/v1" path, (method), PATH_KEY | PATH_STREAM | (needs), handle_relay, NULL }, \
    {                                                                               \
        path, (method), PATH_KEY | PATH_STREAM | (needs), handle_relay, NULL        \
    }

/* An endpoint that takes a body of a dialect. */
#define ASK(path, handle, dialect)                                         \
    { "/v1" path, HTTP_POST, PATH_KEY | PATH_JSON, (handle), &(dialect) }, \
    {                                                                      \
        path, HTTP_POST, PATH_KEY | PATH_JSON, (handle), &(dialect)        \
    }

/* All of the operators' API, by method. */
#define ADMIN(method)                                                        \
    {                                                                        \
        ADMIN_PREFIX, (method), PATH_PREFIX | PATH_GUARD, handle_admin, NULL \
    }

/* Which handler answers which path. Clients differ in whether they write the /v1. */
static const struct gateway_path paths[] = {
    { "/", HTTP_GET, 0, handle_root, NULL },
    { PAGE_PREFIX, HTTP_GET, PATH_PREFIX, handle_page, NULL },
    { "/healthz", HTTP_GET, 0, handle_healthz, NULL },
    { "/readyz", HTTP_GET, 0, handle_readyz, NULL },
    { "/metrics", HTTP_GET, 0, handle_metrics, NULL },
    ADMIN(HTTP_GET),
    ADMIN(HTTP_POST),
    ADMIN(HTTP_PUT),
    ADMIN(HTTP_PATCH),
    ADMIN(HTTP_DELETE),
    ASK("/chat/completions", handle_chat_completions, dialect_openai_chat),
    ASK("/completions", handle_completions, dialect_openai_completions),
    ASK("/responses", handle_responses, dialect_openai_responses),
    { "/v1/responses/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_response, NULL },
    { "/responses/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_response, NULL },
    { "/v1/responses/", HTTP_DELETE, PATH_KEY | PATH_PREFIX, handle_response_delete, NULL },
    { "/responses/", HTTP_DELETE, PATH_KEY | PATH_PREFIX, handle_response_delete, NULL },
    ASK("/messages", handle_messages, dialect_anthropic_messages),
    ASK("/messages/count_tokens", handle_count_tokens, dialect_anthropic_messages),
    { "/v1/models", HTTP_GET, PATH_KEY, handle_models, NULL },
    { "/models", HTTP_GET, PATH_KEY, handle_models, NULL },
    { "/v1/models/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_model, NULL },
    { "/models/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_model, NULL },
    RELAY("/embeddings", HTTP_POST, PATH_TOKENS),
    RELAY("/rerank", HTTP_POST, PATH_TOKENS),
    RELAY("/moderations", HTTP_POST, 0),
    RELAY("/audio/", HTTP_POST, PATH_PREFIX | PATH_TOKENS),
    RELAY("/images/", HTTP_POST, PATH_PREFIX | PATH_TOKENS),
    RELAY("/files", HTTP_GET, 0),
    RELAY("/files", HTTP_POST, 0),
    RELAY("/files/", HTTP_GET, PATH_PREFIX),
    RELAY("/files/", HTTP_DELETE, PATH_PREFIX),
    RELAY("/uploads", HTTP_POST, 0),
    RELAY("/uploads/", HTTP_POST, PATH_PREFIX),
    RELAY("/batches", HTTP_GET, 0),
    RELAY("/batches", HTTP_POST, 0),
    RELAY("/batches/", HTTP_GET, PATH_PREFIX),
    RELAY("/batches/", HTTP_POST, PATH_PREFIX),
    { NULL, HTTP_GET, 0, NULL, NULL },
};

/* What serve holds, in the order in which it is opened. */
struct server {
    const struct cli_args *args;
    struct settings settings; /* as they were at the start; empty once the gateway has them */
    struct demo *demo;
    struct endpoint demo_at;
    struct cli_settings *first; /* held: connectors borrow from them */
    struct gateway gateway;
    struct gateway_worker *shares;
    struct worker **workers;
    struct control *control;    /* NULL: there is none */
    struct inherited inherited; /* what is not in use yet */
    struct successor successor;
    bool is_kept; /* a service manager keeps the socket, for whoever comes after this process */
    bool is_ours; /* the socket: nobody else serves it */
};

/* The simulator's address and cookie stand in for what an account would need. */
static enum err start_demo(struct server *s)
{
    struct settings *to = &s->settings;
    char url[64], what[256];
    struct buf value;
    enum err err;

    if (endpoint_parse(STR("127.0.0.1:0"), &s->demo_at))
        return ERR_BAD_INPUT;
    err = demo_start(&s->demo_at, STR("{\"daily_limit\":1000000}"), &s->demo);
    if (err)
        return err;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", s->demo_at.port);
    url_deinit(&to->enginelabs_api_url);
    url_deinit(&to->clerk_url);
    err = url_parse(str_of(url), &to->enginelabs_api_url, what);
    if (!err)
        err = url_parse(str_of(url), &to->clerk_url, what);
    buf_init(&value, SIMULATOR_COOKIE_MAX);
    if (!err)
        err = simulator_cookie(1, 0, &value);
    secret_set(&to->clerk_cookie, buf_str(&value));
    to->enginelabs_max_parallel = 0;
    to->has_max_parallel = true;
    settings_remake_upstream(to);
    buf_deinit(&value);
    return err;
}

/* The limit, after it was raised. */
static size_t raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return SIZE_MAX;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) ? SIZE_MAX : limit.rlim_cur;
}

size_t cli_connections_that_fit(const struct settings *s)
{
    size_t fit = descriptors_for_clients(raise_descriptors(), s->workers, s->is_demo);

    return s->max_connections < fit ? s->max_connections : fit;
}

static void fit_connections(struct settings *s)
{
    size_t fit = cli_connections_that_fit(s);

    if (fit < s->max_connections)
        log_info("MAX_CONNECTIONS is lowered to what the descriptor limit allows",
                 LOG_INT("wanted", (int64_t)s->max_connections), LOG_INT("allowed", (int64_t)fit));
    s->max_connections = fit;
}

static void on_store_changed(void *arg, const char *problem)
{
    if (problem)
        log_warn("the store fails; conversations go on from their transcripts",
                 LOG_Z("problem", problem));
    else
        log_info("the store works again", LOG_Z("store", store_name(arg)));
}

static int take_inherited(struct server *s, enum inherited_what what)
{
    int fd = s->inherited.fds[what];

    s->inherited.fds[what] = -1;
    return fd;
}

static enum err open_store(struct server *s)
{
    char why[STORE_WHY_MAX];

    if (cli_open_store(&s->settings, take_inherited(s, INHERITED_STORE), &s->gateway.store, why)) {
        fprintf(stderr, "enginelabs-2api: cannot open the store: %s\n", why);
        return ERR_IO;
    }
    if (why[0])
        log_error("the store was damaged", LOG_Z("file", why));
    store_watch(s->gateway.store, on_store_changed, s->gateway.store);
    return ERR_NONE;
}

/* What is passed wins over LISTEN, and must be as safe. */
static enum err adopt_socket(struct server *s, int fd, char *ret_what)
{
    struct settings *to = &s->settings;
    struct endpoint wanted = to->listen;
    char at[HOST_MAX + 9];
    bool is_meant;
    enum err err;

    s->gateway.listen_fd = fd;
    err = listen_adopt(fd, &to->listen, ret_what);
    if (err)
        return err;
    is_meant = listen_meets(&to->listen, &wanted);
    if (!s->is_kept && !is_meant)
        log_warn("LISTEN is another address now; only a restart changes it",
                 LOG_Z("address", endpoint_text(&to->listen, at)));
    if (settings_may_listen(to)) {
        if (is_meant)
            str_to_z(str_of(wanted.host), to->listen.host, sizeof(to->listen.host));
    } else {
        snprintf(ret_what, 256,
                 "the socket %s that was passed is open to other machines, and API_MASTER_KEY is "
                 "not set: set a key, or ALLOW_NO_AUTH=true if everybody may use your account",
                 endpoint_text(&to->listen, at));
        err = ERR_BAD_INPUT;
    }
    return err;
}

static enum err open_socket(struct server *s, char *ret_what)
{
    int kept = take_inherited(s, INHERITED_KEPT);
    int given = take_inherited(s, INHERITED_LISTEN);

    s->is_kept = kept >= 0;
    if (kept >= 0 && given >= 0)
        close(given); /* what the manager keeps outlives it */
    if (kept >= 0 || given >= 0)
        return adopt_socket(s, kept >= 0 ? kept : given, ret_what);
    s->is_ours = true;
    return listen_open(&s->settings.listen, &s->gateway.listen_fd, ret_what);
}

static enum err open_shared(struct server *s)
{
    struct gateway *g = &s->gateway;
    char what[256];

    if (open_socket(s, what)) {
        fprintf(stderr,
                "enginelabs-2api: cannot listen: %s\n"
                "LISTEN, or --listen HOST:PORT, says where.\n",
                what);
        return ERR_IO;
    }
    if (open_store(s))
        return ERR_IO;
    g->trust = TAKE(s->settings.trust);
    g->version = VERSION;
    g->demo = s->demo != NULL;
    g->paths = paths;
    g->health = health_new();
    g->keys = key_ring_new();
    g->spare = store_memory_new(LIMITS_MAX);
    g->admin = admin_new();
    g->crew = crew_new();
    g->minutes = minutes_new();
    g->guard = admin_guard;
    g->n_workers = s->settings.workers;
    g->max_idle = descriptors_for_posts(raise_descriptors(), g->n_workers, g->demo) / g->n_workers;
    g->started_wall_ms = clock_wall_ms();
    g->started_ms = clock_now_ms();
    setup_begin(g, &s->settings);
    s->first = setup_hold_settings(g);
    return ERR_NONE;
}

static void start_workers(struct server *s)
{
    char name[32]; /* at most "worker-63" */

    s->shares = mem_alloc_array(s->gateway.n_workers, sizeof(*s->shares));
    s->workers = mem_alloc_array(s->gateway.n_workers, sizeof(struct worker *));
    for (size_t i = 0; i < s->gateway.n_workers; i++) {
        s->shares[i].gateway = &s->gateway;
        snprintf(name, sizeof(name), "worker-%zu", i);
        s->workers[i] = worker_new(&(struct worker_params){ name, gateway_worker_start,
                                                            gateway_worker_stop, &s->shares[i] });
    }
}

/* For commands that need the store that this process has. Without it they cannot ask, which is no
 * reason not to serve. */
static void open_control(struct server *s)
{
    char path[CONTROL_PATH_SIZE];
    char why[256];

    if (!cli_control_path(&s->first->settings, path))
        return;
    s->control = control_open(&s->gateway, path, take_inherited(s, INHERITED_CONTROL), why);
    if (!s->control)
        log_warn("commands cannot reach this gateway", LOG_Z("reason", why));
}

/* Who comes now is refused at once, instead of waiting for an accept that never comes. The path is
 * free for the next gateway. Where another process has the socket, or will, they wait for that. */
static void stop_listening(struct server *s)
{
    const struct endpoint *at = s->first ? &s->first->settings.listen : &s->settings.listen;

    if (!s->is_ours)
        return;
    if (at->is_unix)
        unlink(at->host);
    shutdown(s->gateway.listen_fd, SHUT_RD);
}

static void stop_workers(struct server *s)
{
    atomic_store(&s->gateway.draining, true);
    stop_listening(s);
    control_close(s->control);
    for (size_t i = 0; i < s->gateway.n_workers; i++)
        worker_stop(s->workers[i]);
    for (size_t i = 0; i < s->gateway.n_workers; i++)
        worker_free(s->workers[i]);
    mem_free(s->workers);
    mem_free(s->shares);
}

static void close_all(struct server *s)
{
    struct gateway *g = &s->gateway;

    if (g->listen_fd >= 0 && !atomic_load(&g->draining))
        stop_listening(s);
    if (g->listen_fd >= 0)
        close(g->listen_fd);
    setup_end(g);
    cli_settings_unref(s->first);
    admin_free(g->admin);
    crew_free(g->crew);
    minutes_free(g->minutes);
    health_free(g->health);
    store_close(g->store);
    store_close(g->spare);
    key_ring_free(g->keys);
    tls_trust_free(g->trust);
    demo_free(s->demo);
    settings_deinit(&s->settings);
    for (size_t i = 0; i < INHERITED_WHATS; i++)
        if (s->inherited.fds[i] >= 0)
            close(s->inherited.fds[i]);
}

static void print_quoted(struct str s)
{
    putc('\'', stderr);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'')
            fputs("'\\'", stderr);
        putc(s.p[i], stderr);
    }
    putc('\'', stderr);
}

/* What it must be called with, as it stands in a shell. */
static void say_demo(const struct settings *s, const char *at)
{
    fputs("\nDemo mode: no account is used, the built-in simulator answers. Try:\n\n"
          "  curl -N ",
          stderr);
    if (s->listen.is_unix) {
        fputs("--unix-socket ", stderr);
        print_quoted(str_of(s->listen.host));
        at = "localhost";
        putc(' ', stderr);
    }
    fprintf(
        stderr,
        "http://%s/v1/chat/completions -H 'Content-Type: application/json' \\\n%s"
        "    -d '{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n\n"
        "Set CLERK_COOKIE in .env to use your own account (see README.md).\n\n",
        at,
        secret_is_set(&s->api_master_key) ? "    -H \"Authorization: Bearer $API_MASTER_KEY\" \\\n"
                                          : "");
}

static void say_ready(const struct server *s)
{
    char at[HOST_MAX + 9];

    endpoint_text(&s->first->settings.listen, at);
    log_info("listening", LOG_Z("address", at), LOG_Z("version", VERSION),
             LOG_INT("workers", (int64_t)s->gateway.n_workers),
             LOG_Z("mode", s->demo ? "demo" : "live"));
    if (!s->demo)
        return;
    log_flush();
    say_demo(&s->first->settings, at);
}

static void rest_if_due(struct rest *r)
{
    if (!rest_is_due(r, metric_get(METRIC_BYTES_IN) + metric_get(METRIC_BYTES_OUT)))
        return;
    mem_trim();
    metric_add(METRIC_MEMORY_TRIMS, 1);
}

/* ---- from process to process (docs/internals/handover.md) ---- */

static void tell_manager(const char *state)
{
    if (notify_manager(state))
        log_warn("the service manager cannot be told", LOG_Z("state", state),
                 LOG_Z("reason", strerror(errno)));
}

/* To the manager; or to the process before, to which the manager listens, and which now leaves. */
static void say_it_serves(struct server *s)
{
    int ready = take_inherited(s, INHERITED_READY);

    s->is_ours = !s->is_kept;
    if (ready < 0) {
        tell_manager("READY=1");
        return;
    }
    if (write(ready, "", 1) != 1)
        log_warn("the process before this one is gone already", LOG_Z("reason", strerror(errno)));
    close(ready);
}

static void start_successor(struct server *s)
{
    struct inherited give;

    inherited_init(&give);
    give.fds[s->is_kept ? INHERITED_KEPT : INHERITED_LISTEN] = s->gateway.listen_fd;
    give.fds[INHERITED_CONTROL] = s->control ? control_fd(s->control) : -1;
    give.fds[INHERITED_STORE] = store_lock(s->gateway.store);
    store_give(s->gateway.store, true);
    if (!successor_start(&s->successor, s->args->all, &give)) {
        log_info("a new process is started", LOG_INT("pid", s->successor.pid));
        return;
    }
    log_error("the new process cannot be started; this one goes on",
              LOG_Z("reason", strerror(errno)));
    store_give(s->gateway.store, false);
}

/* Whether this one has to leave. */
static bool look_at_successor(struct server *s)
{
    pid_t pid = s->successor.pid;
    char state[64];

    if (successor_serves(&s->successor)) {
        snprintf(state, sizeof(state), "MAINPID=%ld", (long)pid);
        tell_manager(state);
        s->is_ours = false;
        s->gateway.is_handed_on = true;
        return true;
    }
    if (pid <= 0 || s->successor.pid > 0)
        return false;
    store_give(s->gateway.store, false);
    log_error("the new process ended before it served; this one goes on",
              LOG_Z("reason", "it has said so itself"));
    return false;
}

/* ---- from start to end ---- */

/* Until one that ends the process, which it returns; SIGUSR2: another process goes on. */
static int serve_signals(struct server *s)
{
    const struct reloader r = {
        &s->gateway, s->args, s->shares, s->workers, s->control, s->is_kept
    };
    struct rest rest = { 0 };
    int number;

    for (;;) {
        number = signals_wait(REST_LOOK_MS, s->successor.ready_fd);
        if (number == SIGHUP)
            reload(&r);
        else if (number == SIGUSR2)
            start_successor(s);
        else if (number != 0)
            return number;
        else
            rest_if_due(&rest);
        if (look_at_successor(s))
            return SIGUSR2;
    }
}

static void leave(struct server *s, int number)
{
    bool is_handed_on = s->gateway.is_handed_on;

    if (s->successor.pid > 0) {
        successor_end(&s->successor);
        store_give(s->gateway.store, false);
    }
    log_info(
        is_handed_on ? "handed over" : "shutting down", LOG_INT("signal", number),
        LOG_INT("shutdown_timeout_s", setup_settings(&s->gateway)->shutdown_timeout_ms / 1000));
    s->gateway.has_next = is_handed_on || s->is_kept;
    if (!is_handed_on)
        tell_manager("STOPPING=1");
    signals_arm_second(!is_handed_on);
    stop_workers(s);
    log_info("stopped", LOG_INT("signal", number));
}

static int serve(struct server *s)
{
    int code = EXIT_FAILED;

    /* Not before: settings may come from a pipe that nobody writes to. */
    signals_block();
    if (s->settings.core_dumps)
        process_set_dumpable(true);
    log_start(settings_log_level(&s->settings), settings_log_format(&s->settings, STDERR_FILENO),
              STDERR_FILENO);
    mem_budget_set(s->settings.memory_limit);
    settings_log_notes(&s->settings);
    fit_connections(&s->settings);
    if ((!s->settings.is_demo || start_demo(s) == ERR_NONE) && open_shared(s) == ERR_NONE) {
        start_workers(s);
        open_control(s);
        say_ready(s);
        say_it_serves(s);
        leave(s, serve_signals(s));
        code = EXIT_DONE;
    }
    close_all(s);
    log_stop();
    return code;
}

static int run(const struct cli_args *args)
{
    static const enum settings_use uses[] = {
        [DEMO_OFF] = SETTINGS_SERVE, [DEMO_ON] = SETTINGS_DEMO, [DEMO_AUTO] = SETTINGS_SERVE_OR_DEMO
    };
    struct server *s = mem_new(struct server);
    char what[INHERITED_WHAT_MAX];
    int code = EXIT_USAGE;

    s->args = args;
    s->gateway.listen_fd = -1;
    successor_init(&s->successor);
    if (inherited_take(&s->inherited, what))
        fprintf(stderr, "enginelabs-2api: cannot listen: %s\n", what);
    else if (!cli_load_settings(args, uses[args->demo], &s->settings))
        code = serve(s);
    mem_free(s);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .options = "dl",
    .summary = "Run the gateway (the default)",
    .help = "Usage: enginelabs-2api serve [--demo[=auto]] [--listen HOST:PORT] [--config FILE]\n"
            "                            [--env-file FILE]\n\n"
            "  --demo              answer from the built-in simulator; no account is needed, and\n"
            "                      settings of the account, its hosts and proxies are ignored\n"
            "  --demo=auto         the same unless CLERK_COOKIE, CLERK_COOKIE_FILE or\n"
            "                      upstreams (YAML) are set\n"
            "  --listen HOST:PORT  where clients connect (default 127.0.0.1:8089); unix:PATH too\n"
            "  --config FILE       YAML settings to read instead of enginelabs-2api.yaml\n"
            "  --env-file FILE     settings to read instead of .env\n\n"
            "SIGTERM lets running answers finish, then ends; a second one ends at once.\n"
            "SIGUSR2 starts the program anew and hands over to it; running answers finish.\n"
            "SIGHUP loads the settings anew (see: enginelabs-2api help reload).\n\n"
            "Examples:\n"
            "  enginelabs-2api serve --demo\n"
            "  API_MASTER_KEY=my-key enginelabs-2api serve --listen 0.0.0.0:8089\n",
    .run = run,
};
