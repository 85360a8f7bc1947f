/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of the shape of its answer, beside what an upstream can do: the one place
 * where the first exceeds the second. The gateway sees to the rest (exchange_shape.c), unless the
 * settings keep it from that; then it is refused.
 */
#include "gateway/exchange_internal.h"

static bool asks_for_tools(const struct chat_request *r)
{
    return r->tools.n > 0 && r->tools.choice != CHAT_CHOOSE_NONE;
}

static bool limits_of(const struct chat_limits *asked, unsigned capabilities,
                      struct chat_limits *ret)
{
    *ret = *asked;
    if (capabilities & PROVIDER_STOP)
        ret->n_stops = 0;
    if (capabilities & PROVIDER_LIMITS)
        ret->max_tokens = 0;
    return ret->n_stops > 0 || ret->max_tokens > 0;
}

bool exchange_shape_config(const struct exchange *x, const struct target_settings *t,
                           unsigned capabilities, struct chat_limits *limits,
                           struct shape_config *ret)
{
    const struct chat_request *r = &x->chat;

    *ret = (struct shape_config){ .is_held = t->shape.hold_until_valid,
                                  .split_think = t->shape.split_think,
                                  .wrap_think = t->shape.think_tags && !r->hides_reasoning };
    if (asks_for_tools(r) && !(capabilities & PROVIDER_TOOLS))
        ret->tools = &r->tools;
    if (r->format.type != CHAT_FORMAT_TEXT && !(capabilities & PROVIDER_SCHEMA))
        ret->format = &r->format;
    if (limits_of(&r->limits, capabilities, limits))
        ret->limits = limits;
    return ret->tools || ret->format || ret->limits || ret->split_think || ret->wrap_think;
}

static bool refuse_tools(const struct exchange *x, struct failure *f)
{
    const char *param = x->dialect->params[DIALECT_TOOLS];

    failure_set(f, &x->request->arena, FAILURE_BAD_REQUEST,
                "%s is not known to the upstream of this model, and its target has EMULATE_TOOLS "
                "turned off: leave it out, turn that on, or choose a model of another upstream.",
                param);
    f->param = str_of(param);
    return false;
}

static bool refuse_n(const struct exchange *x, struct failure *f)
{
    const char *param = x->dialect->params[DIALECT_N];

    failure_set(f, &x->request->arena, FAILURE_BAD_REQUEST,
                "%s is %zu, and the upstream of this model gives one answer at a time, for which "
                "it is asked at most %zu times: ask for fewer, raise MAX_CHOICES, or choose a "
                "model of another upstream.",
                param, x->chat.n, x->view->settings->max_choices);
    f->param = str_of(param);
    return false;
}

static bool find_image(const struct chat_request *r, size_t *ret_message, size_t *ret_part)
{
    for (size_t i = 0; i < r->n_messages; i++)
        for (size_t k = 0; k < r->messages[i].n_parts; k++)
            if (r->messages[i].parts[k].type == CHAT_PART_IMAGE) {
                *ret_message = i;
                *ret_part = k;
                return true;
            }
    return false;
}

static bool refuse_image(const struct exchange *x, size_t message, size_t part, struct failure *f)
{
    struct arena *a = &x->request->arena;
    /* The messages of another format are not ours one by one. */
    struct str where = x->dialect == &dialect_openai_chat
                           ? arena_printf(a, "messages[%zu].content[%zu]", message, part)
                           : STR("messages");

    failure_set(f, a, FAILURE_BAD_REQUEST,
                "%.*s has an image, and the upstream of this model takes only text. Leave it out, "
                "or choose a model of an upstream that takes images.",
                STR_ARGS(where));
    f->param = where;
    return false;
}

bool exchange_fits(const struct exchange *x, const struct target_settings *t, unsigned capabilities,
                   struct failure *f)
{
    struct shape_config config;
    struct chat_limits limits;
    bool is_shaped = exchange_shape_config(x, t, capabilities, &limits, &config);
    size_t message;
    size_t part;

    if (!(capabilities & PROVIDER_IMAGES) && find_image(&x->chat, &message, &part))
        return refuse_image(x, message, part, f);
    if (config.tools && !t->shape.emulate_tools)
        return refuse_tools(x, f);
    if (x->chat.n > x->view->settings->max_choices && (is_shaped || !(capabilities & PROVIDER_N)))
        return refuse_n(x, f);
    return true;
}
