/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the list of models: one worker asks for all, every 5 to 10 minutes, sooner when asked to or
 * after a failure. */
#include "base/random.h"
#include "provider/openai/ask.h"

enum { EVERY_MS = 5 * 60 * 1000, AGAIN_MS = 15000, ON_DEMAND_MS = 1000 };

static void ask(struct provider_instance *p, int64_t age_ms);

/* How old the last answer may be: workers do not ask after one another. */
static int64_t pace_ms(struct provider_instance *p)
{
    char why[128];

    return models_are_known(p->openai->models, why) ? EVERY_MS : AGAIN_MS;
}

static void on_time(void *arg)
{
    ask(arg, pace_ms(arg));
}

static void arm(struct provider_instance *p)
{
    int64_t ms = pace_ms(p);

    timer_arm(p->env.loop, &p->discover, ms + (int64_t)(random_u64() % (uint64_t)ms), on_time, p);
}

static void on_models(void *arg, const struct ask_result *result)
{
    struct provider_instance *p = arg;
    struct models *m = p->openai->models;
    int64_t now_ms = loop_now_ms(p->env.loop);
    char why[128];

    p->discovery = NULL;
    atomic_store(&p->openai->is_listless, ask_is_listless(result));
    if (result->failure) {
        str_to_z(result->failure->message, why, sizeof(why));
        models_failed(m, now_ms, why);
    } else if (models_set(m, result->body, now_ms)) {
        log_debug("no list of models", LOG_Z("upstream", p->openai->config->name));
    }
    arm(p);
}

static void ask(struct provider_instance *p, int64_t age_ms)
{
    int64_t now_ms = loop_now_ms(p->env.loop);
    struct notice notice;
    size_t key = 0;

    if (!models_claim(p->openai->models, now_ms, age_ms)) {
        if (!timer_is_armed(&p->discover) && !p->discovery)
            arm(p);
        return;
    }
    keys_choose(p->openai->keys, STR(""), 0, now_ms, &key, &notice);
    p->discovery = ask_start(p, key, on_models, p);
}

void discover_models(struct provider_instance *p)
{
    if (!models_are_fixed(p->openai->models))
        ask(p, ON_DEMAND_MS);
}

void discover_end(struct provider_instance *p)
{
    timer_disarm(&p->discover);
    if (!p->discovery)
        return;
    ask_cancel(TAKE(p->discovery));
    models_unclaim(p->openai->models);
}
