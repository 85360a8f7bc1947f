/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account is used by this process, with the store: a reply of the sign-in service may bring a
 * new cookie, which only who has the store can keep. So a gateway that has it must be stopped.
 *
 *     check (signs in, asks for plan and models) --> prompt --> closed --> written
 */
#include "cli/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/capture_record.h"
#include "cli/terminal.h"
#include "cli/upstreams.h"
#include "gateway/gateway.h"

enum { FILE_MAX = 64 << 20, SECRETS_MAX = 8, MODELS_WAIT_MS = 5000, MODELS_POLL_MS = 50 };

static const char prompt_text[] = "Say only: hello";

struct capture {
    struct gateway_worker share;
    struct capture_record *record;
    struct provider_call *call;
    struct timer deadline;
    struct timer poll;
    int64_t models_until_ms; /* when the list of models is waited for no longer */
    struct arena arena;
    bool is_closing;
    bool is_answered;
    size_t said; /* bytes of the answer */
};

/* ---- the end ---- */

static void on_closed(void *arg)
{
    struct capture *c = arg;

    loop_stop(c->share.loop);
}

static void close_share(struct capture *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    timer_disarm(&c->deadline);
    timer_disarm(&c->poll);
    gateway_share_close(&c->share, on_closed, c);
}

static const struct upstream *upstream_of(const struct capture *c)
{
    return c->share.view->upstreams;
}

static void give_up(struct capture *c, const char *what, struct str why)
{
    fprintf(stderr, "enginelabs-2api: %s", what);
    if (why.n > 0)
        fprintf(stderr, ": ");
    terminal_print(stderr, why);
    fputc('\n', stderr);
    if (c->call)
        upstream_of(c)->provider->release(TAKE(c->call));
    close_share(c);
}

static void on_deadline(void *arg)
{
    give_up(arg, "the answer did not end in the time of API_REQUEST_TIMEOUT", STR(""));
}

/* ---- the prompt ---- */

static void on_settled(void *arg)
{
    close_share(arg);
}

static void on_phase(UNUSED void *arg, UNUSED enum provider_phase phase)
{
}

static void on_activity(UNUSED void *arg)
{
}

static void on_event(void *arg, const struct chat_event *e)
{
    struct capture *c = arg;

    if (e->type == CHAT_TEXT)
        c->said += e->text.n;
    if (e->type == CHAT_ERROR)
        give_up(c, "the prompt failed", e->failure->message);
    if (e->type != CHAT_FINISH)
        return;
    c->is_answered = true;
    /* The chat is not continued: nobody else has its transcript. */
    upstream_of(c)->provider->settle(TAKE(c->call), SETTLE_DIVERGED, NULL, on_settled);
}

static const struct provider_sink sink = {
    .on_phase = on_phase,
    .on_activity = on_activity,
    .on_event = on_event,
};

/* The default model where the upstream has it, else its first. Where it does not say what it has,
 * only a name that the user gave: the service bans who asks for a model that it does not know.
 * Empty: there is none. */
static struct str choose_model(struct capture *c)
{
    const struct upstream *u = upstream_of(c);
    const struct settings *s = c->share.view->settings;
    const struct upstream_settings *of = &s->upstreams[0];
    struct str wanted = str_of(s->has_routes ? "" : s->default_model);
    const struct provider_model *models;
    size_t n = u->provider->models(u->shared, &c->arena, &models);

    for (size_t i = 0; i < n; i++)
        if (str_eq(models[i].name, wanted))
            return wanted;
    if (n > 0)
        return models[0].name;
    if (of->models && of->models[0])
        return str_of(of->models[0]);
    return s->has_default_model || of->protocol == UPSTREAM_CLASSIC ? wanted : STR("");
}

static void ask(struct capture *c, struct str model)
{
    struct chat_request *chat = arena_new(&c->arena, struct chat_request);
    struct chat_message *message = arena_new(&c->arena, struct chat_message);
    struct chat_part *part = arena_new(&c->arena, struct chat_part);
    struct provider_request *r = arena_new(&c->arena, struct provider_request);

    *part = (struct chat_part){ CHAT_PART_TEXT, str_of(prompt_text) };
    *message = (struct chat_message){ .role = CHAT_USER, .parts = part, .n_parts = 1 };
    *chat = (struct chat_request){
        .model = model, .messages = message, .n_messages = 1, .stream = true
    };
    *r = (struct provider_request){ .chat = chat,
                                    .model = chat->model,
                                    .client_model = chat->model,
                                    .key_id = STR("capture"),
                                    .sink = &sink,
                                    .arg = c };
    c->call = upstream_of(c)->provider->start(c->share.view->instances[0], r);
}

/* ---- the check before it ---- */

/* The list of models comes by itself once the account is signed in. */
static void on_poll(void *arg)
{
    struct capture *c = arg;
    const struct upstream *u = upstream_of(c);
    const struct provider_model *models;
    struct str model;

    if (u->provider->models(u->shared, &c->arena, &models) == 0 &&
        loop_now_ms(c->share.loop) < c->models_until_ms) {
        timer_arm(c->share.loop, &c->poll, MODELS_POLL_MS, on_poll, c);
        return;
    }
    model = choose_model(c);
    if (model.n > 0)
        ask(c, model);
    else
        give_up(c,
                "no prompt was sent: the service does not say which models it has; set "
                "DEFAULT_MODEL, or the models of the upstream",
                STR(""));
}

static void on_report_done(void *arg, const struct provider_report *report)
{
    struct capture *c = arg;

    for (size_t i = 0; i < report->n; i++)
        if (report->facts[i].is_problem) {
            give_up(c, "no prompt was sent", report->facts[i].value);
            return;
        }
    upstream_of(c)->provider->prepare(c->share.view->instances[0]);
    c->models_until_ms = loop_now_ms(c->share.loop) + MODELS_WAIT_MS;
    on_poll(c);
}

static void record(struct capture *c, const struct settings *s, struct store *store)
{
    struct cli_upstreams *upstreams = cli_upstreams_new(NULL, s, NULL);
    struct gateway_setup setup = { .settings = s, .refs = 1 };
    struct gateway g = {
        .setup = &setup, .store = store, .trust = s->trust, .tap = capture_record_tap(c->record)
    };
    struct loop *l = c->share.loop;

    setup.upstreams = cli_upstreams_list(upstreams, &setup.n_upstreams);
    arena_init(&c->arena);
    gateway_share_open(&c->share, &g, l);
    timer_arm(l, &c->deadline, s->request_timeout_ms, on_deadline, c);
    setup.upstreams[0].provider->check(c->share.view->instances[0], on_report_done, c);
    loop_run(l);
    cli_upstreams_free(upstreams);
    arena_deinit(&c->arena);
}

/* ---- the file ---- */

static enum err write_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno != EINTR)
            return ERR_IO;
        bytes = str_from(bytes, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd) && errno != EINVAL ? ERR_IO : ERR_NONE;
}

/* A new one; -1 when it cannot be, which was said. */
static int create(const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        fprintf(stderr, "enginelabs-2api: %s: %s\n", file,
                errno == EEXIST ? "is there already, and is not overwritten" : "cannot be created");
    return fd;
}

/* Before anything is sent; nothing is left of it, should the program be stopped. */
static bool can_create(const char *file)
{
    int fd = create(file);

    if (fd < 0)
        return false;
    close(fd);
    return unlink(file) == 0;
}

static enum err write_file(const char *file, struct str bytes)
{
    int fd = create(file);
    enum err err;

    if (fd < 0)
        return ERR_IO;
    err = write_all(fd, bytes);
    if (err) {
        fprintf(stderr, "enginelabs-2api: %s: cannot be written\n", file);
        unlink(file);
    }
    close(fd);
    return err;
}

static bool write_record(struct capture *c, const struct settings *s, const char *file)
{
    const struct account_settings *a = s->upstreams[0].accounts;
    const char *secrets[SECRETS_MAX] = { a->cookie.n > 0 ? a->cookie.p : "",
                                         a->session_id ? a->session_id : "",
                                         a->organization_id ? a->organization_id : "", NULL };
    struct buf out;
    enum err err;

    if (capture_record_answered(c->record) == 0) {
        fprintf(stderr, "enginelabs-2api: nothing is written: nobody answered\n");
        return false;
    }
    buf_init(&out, FILE_MAX);
    err = capture_record_write(c->record, secrets, &out);
    if (err)
        fprintf(stderr, "enginelabs-2api: nothing is written: %s\n",
                err == ERR_CONFLICT ? "something of the account was left in it. Please report this"
                                    : err_text(err));
    else
        err = write_file(file, buf_str(&out));
    buf_wipe(&out);
    return !err;
}

static int tell(const struct capture *c, const char *file)
{
    if (c->is_answered)
        printf("The answer came, %zu bytes of text. ", c->said);
    else
        printf("It did not go well; what was said until then is kept. ");
    printf("%zu exchanges are in %s%s.\n"
           "Secrets, ids and texts are replaced. Read it before you give it away; then attach it "
           "to an issue.\n"
           "To play it again: enginelabs-2api simulate --listen 127.0.0.1:8090 --scenario %s\n",
           capture_record_answered(c->record), file,
           capture_record_is_cut(c->record) ? " (cut: there was too much)" : "", file);
    return c->is_answered ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the command ---- */

/* The first upstream that can be captured, alone, with its first account and without routes. */
static bool reduce(const struct settings *s, struct settings *ret, struct upstream_settings *one)
{
    for (size_t i = 0; i < s->n_upstreams; i++) {
        const struct upstream_settings *u = &s->upstreams[i];

        if (u->provider != UPSTREAM_ENGINELABS)
            continue;
        *one = *u;
        one->n_accounts = 1;
        *ret = *s;
        ret->upstreams = one;
        ret->n_upstreams = 1;
        ret->n_routes = 0;
        return true;
    }
    fprintf(stderr, "enginelabs-2api: no upstream of enginelabs is in the settings\n");
    return false;
}

static struct store *open_store(const struct settings *s)
{
    char why[STORE_WHY_MAX];
    struct store *store;
    enum err err = cli_open_store(s, -1, &store, why);

    if (!err)
        return store;
    if (err == ERR_CONFLICT)
        fprintf(stderr,
                "enginelabs-2api: a gateway runs and has the account: stop it first (%s). A new "
                "cookie\nthat the service gives meanwhile can only be kept by who has the store\n",
                why);
    else
        fprintf(stderr, "enginelabs-2api: cannot open the store: %s\n", why);
    return NULL;
}

static int run_with(const struct settings *s, struct store *store, const char *file)
{
    struct capture c = { .is_answered = false };
    struct loop *l = loop_new();
    int code;

    printf("sending \"%s\" through upstream %s, account %s\n", prompt_text, s->upstreams[0].name,
           s->upstreams[0].accounts[0].name);
    fflush(stdout);
    c.share.loop = l;
    c.record = capture_record_new(l);
    record(&c, s, store);
    code = write_record(&c, s, file) ? tell(&c, file) : EXIT_FAILED;
    capture_record_free(c.record);
    loop_free(l);
    return code;
}

int capture_run(const struct settings *s, const char *file)
{
    struct settings reduced;
    struct upstream_settings upstream;
    struct store *store;
    int code;

    if (!reduce(s, &reduced, &upstream))
        return EXIT_USAGE;
    store = open_store(s);
    if (!store)
        return EXIT_FAILED;
    code = can_create(file) ? run_with(&reduced, store, file) : EXIT_FAILED;
    store_close(store);
    return code;
}
