/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reload is all or nothing: settings with a problem, or with another value of what the process
 * has for life, change nothing. The new ones are taken up by one worker after the other; what began
 * before goes on with the old, which are freed with their last user.
 */
#include "cli/reloader.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/digest.h"
#include "cli/upstreams.h"
#include "gateway/route_book.h"
#include "gateway/settings_diff.h"
#include "json/writer.h"

enum { REPORT_MAX = 1 << 20 };

/* ---- setups ---- */

struct setup {
    struct gateway_setup base;
    struct cli_settings *settings;
    struct cli_upstreams *upstreams;
};

static struct setup *setup_of(struct gateway_setup *base)
{
    return CONTAINER_OF(base, struct setup, base);
}

static void release(struct gateway_setup *base)
{
    struct setup *s = setup_of(base);

    route_book_free(base->routes);
    cli_upstreams_free(s->upstreams);
    cli_settings_unref(s->settings);
    mem_free(s);
}

static void *hold(struct gateway_setup *base, size_t i)
{
    return cli_upstreams_hold(setup_of(base)->upstreams, i);
}

static struct setup *setup_new(struct settings *settings, const struct setup *previous)
{
    struct setup *s = mem_new(struct setup);
    struct settings *own;

    s->settings = mem_new(struct cli_settings);
    atomic_init(&s->settings->refs, 1);
    own = &s->settings->settings;
    *own = *settings;
    *settings = (struct settings){ 0 };
    s->upstreams = cli_upstreams_new(s->settings, own, previous ? previous->upstreams : NULL);
    atomic_init(&s->base.refs, 1);
    s->base.release = release;
    s->base.hold = hold;
    s->base.drop = cli_upstreams_drop;
    s->base.settings = own;
    s->base.upstreams = cli_upstreams_list(s->upstreams, &s->base.n_upstreams);
    s->base.routes = route_book_new(own, s->base.upstreams, s->base.n_upstreams);
    return s;
}

void setup_begin(struct gateway *g, struct settings *settings)
{
    g->setup = &setup_new(settings, NULL)->base;
}

struct cli_settings *setup_hold_settings(const struct gateway *g)
{
    return cli_settings_ref(setup_of(g->setup)->settings);
}

const struct settings *setup_settings(const struct gateway *g)
{
    return g->setup->settings;
}

void setup_end(struct gateway *g)
{
    if (g->setup)
        gateway_setup_unref(TAKE(g->setup));
}

/* ---- what changed ---- */

/* Names in a report: of what changed, or of what may not. */
struct names {
    struct json_writer changed;
    struct buf changed_text;
    struct json_writer refused;
    struct buf refused_text;
    size_t n_changed;
    size_t n_refused;
};

static void names_init(struct names *n)
{
    *n = (struct names){ 0 };
    buf_init(&n->changed_text, REPORT_MAX);
    buf_init(&n->refused_text, REPORT_MAX);
    json_w_init(&n->changed, &n->changed_text);
    json_w_init(&n->refused, &n->refused_text);
    json_w_array(&n->changed);
    json_w_array(&n->refused);
}

static void names_deinit(struct names *n)
{
    buf_deinit(&n->changed_text);
    buf_deinit(&n->refused_text);
}

static void changed(struct names *n, const char *what, const char *name)
{
    char text[256];

    snprintf(text, sizeof(text), name[0] ? "%s %s" : "%s%s", what, name);
    json_w_str(&n->changed, str_of(text));
    n->n_changed++;
}

static void on_difference(void *arg, const char *name, bool needs_restart)
{
    struct names *n = arg;

    if (!needs_restart) {
        changed(n, name, "");
        return;
    }
    json_w_str(&n->refused, str_of(name));
    n->n_refused++;
}

static const struct upstream_settings *find_upstream(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->n_upstreams; i++)
        if (strcmp(s->upstreams[i].name, name) == 0)
            return &s->upstreams[i];
    return NULL;
}

static const struct account_settings *find_account(const struct upstream_settings *u,
                                                   const char *name)
{
    for (size_t i = 0; i < u->n_accounts; i++)
        if (strcmp(u->accounts[i].name, name) == 0)
            return &u->accounts[i];
    return NULL;
}

static void compare_accounts(struct names *n, const struct upstream_settings *a,
                             const struct upstream_settings *b)
{
    unsigned char one[SHA256_LEN], other[SHA256_LEN];

    for (size_t i = 0; i < b->n_accounts; i++) {
        const struct account_settings *before = find_account(a, b->accounts[i].name);

        if (!before) {
            changed(n, "new account", b->accounts[i].name);
            continue;
        }
        digest_account(before, one);
        digest_account(&b->accounts[i], other);
        if (memcmp(one, other, sizeof(one)) != 0)
            changed(n, "account", b->accounts[i].name);
    }
    for (size_t i = 0; i < a->n_accounts; i++)
        if (!find_account(b, a->accounts[i].name))
            changed(n, "no more account", a->accounts[i].name);
}

static void compare_upstreams(struct names *n, const struct settings *a, const struct settings *b)
{
    unsigned char one[SHA256_LEN], other[SHA256_LEN];

    for (size_t i = 0; i < b->n_upstreams; i++) {
        const struct upstream_settings *u = &b->upstreams[i];
        const struct upstream_settings *before = find_upstream(a, u->name);

        if (!before) {
            changed(n, "new upstream", u->name);
            continue;
        }
        digest_upstream(a, before, NULL, one);
        digest_upstream(b, u, NULL, other);
        if (memcmp(one, other, sizeof(one)) == 0)
            continue;
        if (b->has_upstreams)
            changed(n, "upstream", u->name);
        compare_accounts(n, before, u);
    }
    for (size_t i = 0; i < a->n_upstreams; i++)
        if (!find_upstream(b, a->upstreams[i].name))
            changed(n, "no more upstream", a->upstreams[i].name);
}

/* Sections whose lines are no upstreams. */
static void compare_sections(struct names *n, const struct settings *a, const struct settings *b)
{
    static const struct {
        const char *name;
        void (*digest)(const struct settings *s, unsigned char out[SHA256_LEN]);
    } sections[] = { { "keys", digest_keys },
                     { "prices", digest_prices },
                     { "models", digest_routes } };
    unsigned char one[SHA256_LEN], other[SHA256_LEN];

    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        sections[i].digest(a, one);
        sections[i].digest(b, other);
        if (memcmp(one, other, sizeof(one)) != 0)
            changed(n, sections[i].name, "");
    }
}

static void compare(struct names *n, const struct settings *a, const struct settings *b)
{
    settings_diff(a, b, on_difference, n);
    compare_upstreams(n, a, b);
    compare_sections(n, a, b);
    json_w_array_end(&n->changed);
    json_w_array_end(&n->refused);
}

/* ---- workers take it up ---- */

/* How many have not yet. */
struct latch {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    size_t left;
};

struct order {
    struct mail mail;
    struct gateway_worker *share;
    struct gateway_setup *setup;
    struct tls_trust *trust; /* NULL: it has one, or needs none */
    struct latch *latch;
};

static void take_up(struct mail *m)
{
    struct order *o = CONTAINER_OF(m, struct order, mail);
    struct latch *l = o->latch;

    if (o->trust)
        connector_set_trust(o->share->connector, o->trust);
    gateway_share_switch(o->share, o->setup);
    pthread_mutex_lock(&l->lock);
    l->left--;
    pthread_cond_signal(&l->cond);
    pthread_mutex_unlock(&l->lock);
}

static void order_all(const struct reloader *r, struct order *orders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_worker = i < r->gateway->n_workers;

        orders[i].mail.deliver = take_up;
        orders[i].share = is_worker ? &r->shares[i] : control_share(r->control);
        loop_post(is_worker ? worker_loop(r->workers[i]) : control_loop(r->control),
                  &orders[i].mail);
    }
}

/* Returns when all have. */
static void switch_all(const struct reloader *r, struct gateway_setup *setup,
                       struct tls_trust *trust)
{
    struct latch latch = { .left = r->gateway->n_workers + (r->control ? 1 : 0) };
    struct order *orders = mem_alloc_array(latch.left, sizeof(*orders));

    pthread_mutex_init(&latch.lock, NULL);
    pthread_cond_init(&latch.cond, NULL);
    for (size_t i = 0; i < latch.left; i++)
        orders[i] = (struct order){ .setup = setup, .trust = trust, .latch = &latch };
    order_all(r, orders, latch.left);
    pthread_mutex_lock(&latch.lock);
    while (latch.left > 0)
        pthread_cond_wait(&latch.cond, &latch.lock);
    pthread_mutex_unlock(&latch.lock);
    pthread_cond_destroy(&latch.cond);
    pthread_mutex_destroy(&latch.lock);
    mem_free(orders);
}

/* The old ones stay for who uses them. Connections are trusted as they always were; a gateway that
 * needed no certificates so far takes those that came. */
static void adopt(const struct reloader *r, struct settings *settings)
{
    struct gateway *g = r->gateway;
    struct gateway_setup *old = g->setup;
    struct tls_trust *trust = TAKE(settings->trust);

    if (g->trust && trust) {
        tls_trust_free(trust);
        trust = NULL;
    }
    if (trust)
        g->trust = trust;
    mem_budget_set(settings->memory_limit);
    log_set_level(settings_log_level(settings));
    settings_log_notes(settings);
    g->setup = &setup_new(settings, setup_of(old))->base;
    switch_all(r, g->setup, trust);
    gateway_setup_unref(old);
}

/* ---- the report ---- */

static void answer(const struct reloader *r, uint64_t asked, int status, const char *outcome,
                   const char *member, struct str json)
{
    struct buf text;

    if (!r->control)
        return;
    buf_init(&text, 2 * REPORT_MAX);
    if (buf_addf(&text, "{\"reloaded\":%s,\"%s\":", outcome, member) || buf_add(&text, json) ||
        buf_add_char(&text, '}'))
        buf_clear(&text);
    control_reloaded(r->control, asked, status, buf_str(&text));
    buf_deinit(&text);
}

/* Lines of text as a JSON array. */
static void lines_to_json(struct str lines, struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_array(&w);
    while (lines.n > 0) {
        struct str line = str_cut(lines, '\n', &lines);

        if (str_trim(line).n > 0)
            json_w_str(&w, str_trim(line));
    }
    json_w_array_end(&w);
    if (json_w_end(&w))
        buf_clear(out);
}

static void refuse(const struct reloader *r, uint64_t asked, struct str problems)
{
    struct buf json;

    log_error("the settings were not reloaded: they have problems; the old ones stay",
              LOG_STR("problems", problems));
    buf_init(&json, REPORT_MAX);
    lines_to_json(problems, &json);
    answer(r, asked, 422, "false", "problems", buf_str(&json));
    buf_deinit(&json);
}

static void judge(const struct reloader *r, uint64_t asked, struct settings *settings)
{
    struct names n;

    names_init(&n);
    compare(&n, r->gateway->setup->settings, settings);
    if (n.n_refused > 0) {
        log_error("the settings were not reloaded: these need a restart; the old ones stay",
                  LOG_STR("settings", buf_str(&n.refused_text)));
        answer(r, asked, 409, "false", "restart", buf_str(&n.refused_text));
        settings_deinit(settings);
    } else {
        adopt(r, settings);
        log_info("settings reloaded", LOG_STR("changed", buf_str(&n.changed_text)));
        answer(r, asked, 200, "true", "changed", buf_str(&n.changed_text));
    }
    names_deinit(&n);
}

/* What the start made of "any free port" and of more connections than fit is what is meant. */
static void settle(const struct settings *now, bool is_passed, struct settings *settings)
{
    struct settings fit = *settings; /* only looked at */

    if (is_passed)
        settings->listen = now->listen;
    if (settings->listen.port == 0)
        settings->listen.port = now->listen.port;
    fit.workers = now->workers;
    settings->max_connections = cli_connections_that_fit(&fit);
}

void reload(const struct reloader *r)
{
    uint64_t asked = r->control ? control_asked(r->control) : 0;
    struct settings *settings = mem_new(struct settings);
    struct buf problems;

    buf_init(&problems, REPORT_MAX);
    if (r->gateway->demo) {
        refuse(r, asked, STR("a gateway in demo mode cannot be reloaded: restart it"));
    } else if (cli_read_settings(r->args, SETTINGS_SERVE, true, settings, &problems)) {
        refuse(r, asked, buf_str(&problems));
    } else {
        settle(r->gateway->setup->settings, r->is_passed, settings);
        judge(r, asked, settings);
    }
    buf_deinit(&problems);
    mem_free(settings);
}
