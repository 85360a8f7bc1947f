/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/upkeep.h"

#include "base/mem.h"
#include "provider/enginelabs/catalog_port.h"
#include "provider/enginelabs/cleanup.h"
#include "provider/enginelabs/instance.h"

struct upkeep {
    struct provider_instance *instance;
    struct cleanup *cleanup; /* NULL: chats are never deleted */
    struct upkeep_of {
        struct upkeep *upkeep;
        size_t account;
        struct survey_port *survey;
        struct catalog_port *catalog;
    } accounts[];
};

/* ---- models ---- */

static void on_models(void *arg, enum err err)
{
    struct upkeep_of *of = arg;

    if (!err)
        atomic_fetch_add(&of->upkeep->instance->upstream->models_turn, 1);
}

/* ---- plans ---- */

/* What is used up is tried again after the next survey. */
static void rest(struct upkeep_of *of, const struct plan *plan)
{
    struct roster_port *roster = of->upkeep->instance->roster;
    struct failure why = { .kind = FAILURE_QUOTA, .retry_after_ms = SURVEY_MS };
    struct arena a;

    arena_init(&a);
    why.message = arena_printf(&a,
                               "The quota of account \"%s\" of upstream \"%s\" is used up (%s). "
                               "Wait until the service renews it, or add an account.",
                               roster_config(roster, of->account)->account,
                               roster_config(roster, of->account)->name,
                               plan->quota[0] ? plan->quota : "it does not say how much");
    roster_refused(roster, of->account, STR(""), REACT_COOL_DOWN, &why);
    arena_deinit(&a);
}

static void on_plan(void *arg, const struct plan *plan)
{
    struct upkeep_of *of = arg;
    struct provider_instance *p = of->upkeep->instance;
    /* The question was asked no longer ago: what drained before it is known to be over. */
    int64_t since_ms =
        loop_now_ms(p->env.loop) - p->env.connect_timeout_ms - p->env.accept_timeout_ms;

    roster_told(p->roster, of->account, plan);
    if (plan->tasks_max > 0)
        roster_set_parallel(p->roster, of->account, (unsigned)plan->tasks_max);
    if (plan->is_used_up)
        rest(of, plan);
    if (plan->tasks_running == 0)
        drain_end_idle(p, of->account, since_ms);
}

/* ---- chats ---- */

static struct account_port *find_account(void *arg, const char *account)
{
    struct upkeep *u = arg;
    int i = roster_find(u->instance->upstream->roster, account);

    return i < 0 ? NULL : roster_account(u->instance->roster, (size_t)i);
}

static struct cleanup *open_cleanup(struct upkeep *u)
{
    struct provider_instance *p = u->instance;
    const struct cleanup_params params = { .config = p->config,
                                           .store = p->env.store,
                                           .client = p->env.client,
                                           .connect_timeout_ms = p->env.connect_timeout_ms,
                                           .answer_timeout_ms = p->env.accept_timeout_ms,
                                           .by_itself = roster_is_keeper(p->roster),
                                           .find = find_account,
                                           .arg = u };

    return p->config->delete_chats == DELETE_NEVER ? NULL : cleanup_open(&params);
}

void upkeep_turn(struct upkeep *u, size_t account, struct str chat)
{
    const struct provider_env *env = &u->instance->env;
    const struct enginelabs_config *config = roster_config(u->instance->roster, account);

    cleanup_turn(env->store, config, config->account, chat, env->conversation_ttl_ms,
                 loop_wall_ms(env->loop));
}

void upkeep_end(struct upkeep *u, size_t account, struct str chat)
{
    const struct provider_env *env = &u->instance->env;
    const struct enginelabs_config *config = roster_config(u->instance->roster, account);

    if (config->delete_chats != DELETE_AT_END)
        return;
    cleanup_end(env->store, config, config->account, chat, loop_wall_ms(env->loop));
    cleanup_sweep(u->cleanup);
}

/* ---- life ---- */

static void open_one(struct upkeep *u, size_t i)
{
    struct provider_instance *p = u->instance;
    struct upkeep_of *of = &u->accounts[i];

    of->upkeep = u;
    of->account = i;
    of->survey = survey_port_open(p->upstream->surveys[i],
                                  &(struct survey_params){
                                      .config = roster_config(p->roster, i),
                                      .account = roster_account(p->roster, i),
                                      .client = p->env.client,
                                      .connect_timeout_ms = p->env.connect_timeout_ms,
                                      .answer_timeout_ms = p->env.accept_timeout_ms,
                                      .told = on_plan,
                                      .arg = of,
                                  });
    of->catalog =
        catalog_port_open(p->upstream->catalog, &(struct catalog_port_params){
                                                    .config = roster_config(p->roster, i),
                                                    .account = roster_account(p->roster, i),
                                                    .client = p->env.client,
                                                    .connect_timeout_ms = p->env.connect_timeout_ms,
                                                    .answer_timeout_ms = p->env.accept_timeout_ms,
                                                    .told = on_models,
                                                    .arg = of,
                                                });
}

struct upkeep *upkeep_open(struct provider_instance *p)
{
    size_t n = roster_size(p->upstream->roster);
    struct upkeep *u = mem_alloc(sizeof(*u) + n * sizeof(u->accounts[0]));

    u->instance = p;
    for (size_t i = 0; i < n; i++)
        open_one(u, i);
    u->cleanup = open_cleanup(u);
    return u;
}

void upkeep_close(struct upkeep *u)
{
    for (size_t i = 0; i < roster_size(u->instance->upstream->roster); i++) {
        survey_port_close(u->accounts[i].survey);
        catalog_port_close(u->accounts[i].catalog);
    }
    cleanup_close(u->cleanup);
    mem_free(u);
}

void upkeep_used(struct upkeep *u, size_t account)
{
    survey_poll(u->accounts[account].survey);
    catalog_port_poll(u->accounts[account].catalog);
}

void upkeep_limit_reached(struct upkeep *u, size_t account)
{
    survey_limit_reached(u->accounts[account].survey);
}

/* Any account will do that is not known to be signed out. */
void upkeep_prepare(struct upkeep *u)
{
    struct notice why;

    for (size_t i = 0; i < roster_size(u->instance->upstream->roster); i++)
        if (!roster_is_out(u->instance->roster, i, &why)) {
            catalog_port_poll(u->accounts[i].catalog);
            return;
        }
}
