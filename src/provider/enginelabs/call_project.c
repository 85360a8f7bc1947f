/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call of protocol `project` does before its prompt: it waits until the names of the models
 * are known, then until its own may be the team's, has it set, and gets the project that serves as
 * its chat. The model stays pinned until the prompt was taken, so that no other model answers
 * silently.
 */
#include <stdio.h>

#include "provider/enginelabs/call.h"
#include "provider/enginelabs/failover.h"
#include "provider/enginelabs/project.h"

static void on_names(void *arg, const struct notice *notice);
static void ask(struct provider_call *c);
static void on_made(void *arg, const struct project_result *result);

/* Settings may name models as the other protocol does, and the service bans who asks for a name
 * that it does not know: so nothing is asked for before it had its chance to tell its own. */
bool call_has_name(struct provider_call *c)
{
    return c->sent_model[0] || (catalog_is_tried(c->instance->upstream->catalog, &c->models,
                                                 c->instance->env.loop, on_names, c) &&
                                call_name_model(c));
}

static void on_names(void *arg, UNUSED const struct notice *notice)
{
    struct provider_call *c = arg;

    call_set_state(c, CALL_TOKEN);
    call_ask_token(c);
}

/* Not given, or lost again. What is out already cannot be taken back. */
static void lose_pin(struct provider_call *c, const struct notice *notice)
{
    bool is_out = c->phase >= PHASE_SENT && !c->is_task_over;
    struct failure f;

    notice_failure(notice, &c->arena, &f);
    call_failed(c, is_out ? REACT_GIVE_UP : REACT_RETRY, &f);
}

/* The stream may show that the prompt was taken before the POST's answer does. */
static void on_pinned(void *arg, const struct notice *notice)
{
    struct provider_call *c = arg;

    if (notice && (c->phase < PHASE_ACCEPTED || !c->is_prepared)) {
        lose_pin(c, notice);
    } else if (!notice) {
        call_set_state(c, CALL_TOKEN);
        call_ask_token(c);
    }
}

void call_project_start(struct provider_call *c)
{
    const struct token *t = &c->token;
    const char *team = t->organization_id[0] ? t->organization_id : t->user_id;

    call_set_state(c, CALL_PROJECT);
    if (!call_has_name(c))
        return;
    if (pin_is_held(&c->hold)) { /* since it waited for this token */
        ask(c);
        return;
    }
    pin_release(&c->hold);
    if (pin_take(c->instance->pins, team, c->sent_model, &c->hold, on_pinned, c))
        ask(c);
}

bool call_project_may_send(struct provider_call *c)
{
    const struct notice lost = { .kind = FAILURE_UNAVAILABLE,
                                 .message = "The model of the team was held for too long before "
                                            "the prompt went out. Try again." };

    if (c->config->protocol != PROTOCOL_PROJECT || pin_is_held(&c->hold))
        return true;
    lose_pin(c, &lost);
    return false;
}

static void ask(struct provider_call *c)
{
    const struct provider_env *env = &c->instance->env;
    const struct project_params params = { .config = c->config,
                                           .client = env->client,
                                           .jwt = secret_reveal(&c->token.jwt),
                                           .model_key = str_of(c->sent_model),
                                           .ids = c->ids.chat[0] ? &c->ids : NULL,
                                           .connect_timeout_ms = env->connect_timeout_ms,
                                           .answer_timeout_ms = env->accept_timeout_ms };

    c->project = project_start(&params, on_made, c);
}

static void on_made(void *arg, const struct project_result *result)
{
    struct provider_call *c = arg;
    bool is_answered = result->status.status != 0;

    c->project = NULL;
    c->ids = result->ids;
    c->ids_by = c->config;
    if (result->failure && c->ids.chat[0]) /* it may be that nobody comes back to it */
        upkeep_turn(c->instance->upkeep, c->place.account, str_of(c->ids.chat));
    if (!result->failure) {
        str_to_z(str_of(c->ids.chat), c->chat_id, sizeof(c->chat_id));
        call_prepare(c);
    } else if (result->status.status == 401 && call_renew_token(c)) {
        return;
    } else if (is_answered) {
        call_failed(c, api_reaction(&result->status), result->failure);
    } else {
        call_failed(c, result->failure->kind == FAILURE_UNAVAILABLE ? REACT_RETRY : REACT_GIVE_UP,
                    result->failure);
    }
}

/* What is made already may serve the next attempt. */
static void leave_project(struct provider_call *c)
{
    if (!c->project)
        return;
    c->ids = *project_ids(c->project);
    c->ids_by = c->config;
    orphan_start(c->instance, c->place.account, TAKE(c->project));
}

void call_project_leave(struct provider_call *c)
{
    leave_project(c);
    catalog_leave(c->instance->upstream->catalog, &c->models);
    pin_release(&c->hold);
}

void call_project_drop(struct provider_call *c)
{
    int account = c->ids_by ? roster_find(c->instance->upstream->roster, c->ids_by->account) : -1;

    if (account >= 0 && c->ids.chat[0])
        orphan_end(c->instance, (size_t)account, str_of(c->ids.chat));
    c->ids = (struct project_ids){ .chat = "" };
}

/* ---- how a tip names its chat: "CHAT WORKSPACE" ---- */

bool call_project_write_tip(const struct provider_call *c, char out[TIP_CHAT_MAX])
{
    int n = snprintf(out, TIP_CHAT_MAX, "%s %s", c->ids.chat, c->ids.workspace);

    return n > 0 && n < TIP_CHAT_MAX;
}

bool call_project_read_tip(struct provider_call *c)
{
    struct str workspace;
    struct str chat = str_cut(str_of(c->tip.chat), ' ', &workspace);

    if (!project_id_is_sane(chat) || !project_id_is_sane(workspace))
        return false;
    c->ids = (struct project_ids){ .has_offers = true };
    str_to_z(chat, c->ids.chat, sizeof(c->ids.chat));
    str_to_z(workspace, c->ids.workspace, sizeof(c->ids.workspace));
    return true;
}
