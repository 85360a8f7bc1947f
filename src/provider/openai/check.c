/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `check`: asks for the models with each key in turn, and says of each how it stands.
 * No prompt is sent.
 */
#include "base/mem.h"
#include "provider/openai/ask.h"

enum { MODELS_SHOWN = 50, MODELS_TEXT_MAX = 4096 };

struct check {
    struct list node; /* in the instance's list */
    struct provider_instance *instance;
    on_report *done;
    void *arg;
    struct arena arena;
    struct ask *ask; /* running */
    size_t key;      /* asked with now */
    bool has_models;
    bool has_good; /* a key that works, or may */
    struct provider_fact *facts;
    size_t n;
};

static void on_asked(void *arg, const struct ask_result *result);

static void release(struct check *c)
{
    list_remove(&c->node);
    ask_cancel(TAKE(c->ask));
    arena_deinit(&c->arena);
    mem_free(c);
}

void openai_check_cancel_all(struct provider_instance *p)
{
    while (!list_is_empty(&p->checks))
        release(CONTAINER_OF(p->checks.next, struct check, node));
}

void openai_check_start(struct provider_instance *p, on_report *done, void *arg)
{
    struct check *c = mem_new(struct check);

    c->instance = p;
    c->done = done;
    c->arg = arg;
    arena_init(&c->arena);
    c->facts = arena_alloc(&c->arena, (keys_count(p->openai->keys) + 3) * sizeof(*c->facts));
    list_add_tail(&p->checks, &c->node);
    c->ask = ask_start(p, 0, on_asked, c);
}

static void add_fact(struct check *c, struct str name, struct str value, bool is_problem)
{
    c->facts[c->n++] =
        (struct provider_fact){ .name = name, .value = value, .is_problem = is_problem };
}

/* "3: a, b, c" */
static struct str list_models(struct check *c, const struct str *names, size_t n)
{
    struct buf text;
    struct str list;
    enum err err;

    buf_init(&text, MODELS_TEXT_MAX);
    err = buf_addf(&text, "%zu: ", n);
    for (size_t i = 0; i < n && i < MODELS_SHOWN && !err; i++)
        err = buf_addf(&text, "%s%.*s", i ? ", " : "", STR_ARGS(names[i]));
    if (err || n > MODELS_SHOWN)
        (void)!buf_add(&text, STR(", ..."));
    list = arena_dup(&c->arena, buf_str(&text));
    buf_deinit(&text);
    return list;
}

static bool is_among(struct str name, const struct str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

/* A list may leave out what the upstream has all the same (aliases, previews): no problem. */
static void note_unlisted(struct check *c, const struct str *listed, size_t n_listed)
{
    const struct str *names;
    size_t n = models_get(c->instance->openai->models, &c->arena, &names);
    struct str *unlisted = arena_alloc(&c->arena, (n + 1) * sizeof(*unlisted));
    size_t n_unlisted = 0;

    for (size_t i = 0; i < n; i++)
        if (!is_among(names[i], listed, n_listed))
            unlisted[n_unlisted++] = names[i];
    if (n_unlisted > 0)
        add_fact(c, STR("not listed"),
                 arena_printf(&c->arena, "%.*s: in its models here, but not in the upstream's list",
                              STR_ARGS(list_models(c, unlisted, n_unlisted))),
                 false);
}

static void report(struct check *c)
{
    const struct openai_config *config = c->instance->openai->config;
    const struct str *names;
    size_t n;

    if (!c->has_models && config->models) {
        n = models_get(c->instance->openai->models, &c->arena, &names);
        add_fact(c, STR("models"), list_models(c, names, n), false);
    } else if (!c->has_models && c->has_good && config->is_named) {
        add_fact(c, STR("models"), STR("it lists none: those that are asked for are passed on"),
                 false);
    } else if (!c->has_models && c->has_good) {
        add_fact(c, STR("models"), STR("it lists none: name them in the upstream's models"), true);
    }
    const bool answers = c->has_good && (c->has_models || config->models || config->is_named);
    const struct provider_report all = {
        .usable = answers,
        .answers = answers,
        .facts = c->facts,
        .n = c->n,
    };

    list_remove(&c->node); /* the receiver may ask for the next */
    c->done(c->arg, &all);
    release(c);
}

static void note_models(struct check *c, struct str body)
{
    int64_t now_ms = loop_now_ms(c->instance->env.loop);
    const struct str *names;
    size_t n;

    if (c->has_models || models_read(body, &c->arena, &names, &n) || n == 0)
        return;
    c->has_models = true;
    if (!models_are_fixed(c->instance->openai->models))
        (void)!models_set(c->instance->openai->models, body, now_ms);
    add_fact(c, STR("models"), list_models(c, names, n), false);
    if (models_are_fixed(c->instance->openai->models))
        note_unlisted(c, names, n);
}

static void on_asked(void *arg, const struct ask_result *result)
{
    struct check *c = arg;
    struct keys *keys = c->instance->openai->keys;
    struct str label = str_of(keys_label(keys, c->key));
    int64_t now_ms = loop_now_ms(c->instance->env.loop);

    c->ask = NULL;
    if (!result->failure) {
        c->has_good = true;
        add_fact(c, label, STR("accepted"), false);
        keys_good(keys, c->key, STR(""));
    } else if (ask_is_listless(result)) {
        c->has_good = true;
        add_fact(c, label, STR("not checked: the upstream has no list of models"), false);
    } else {
        add_fact(c, label, arena_dup(&c->arena, result->failure->message), true);
        if (result->failure->kind == FAILURE_UPSTREAM_AUTH)
            keys_trouble(keys, c->key, STR(""), KEY_REFUSED, 0, now_ms);
    }
    if (!result->failure)
        note_models(c, result->body);
    if (++c->key < keys_count(keys))
        c->ask = ask_start(c->instance, c->key, on_asked, c);
    else
        report(c);
}
