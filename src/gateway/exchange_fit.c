/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of the shape of its answer, beside what an upstream can do: the one place
 * where the first exceeds the second.
 */
#include "gateway/exchange_internal.h"

static bool is_wished(const struct chat_request *r, enum dialect_wish wish)
{
    switch (wish) {
    case DIALECT_STOP:
        return r->limits.n_stops > 0;
    case DIALECT_LIMIT:
        return r->limits.max_tokens > 0;
    case DIALECT_TOOLS:
        return r->tools.n > 0 && r->tools.choice != CHAT_CHOOSE_NONE;
    case DIALECT_FORMAT:
        return r->format.type != CHAT_FORMAT_TEXT;
    case DIALECT_N:
        return r->n > 1;
    case DIALECT_WISHES:
        break;
    }
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

bool exchange_fits(const struct exchange *x, unsigned capabilities, struct failure *f)
{
    size_t message;
    size_t part;
    static const unsigned needs[] = {
        [DIALECT_STOP] = PROVIDER_STOP,   [DIALECT_LIMIT] = PROVIDER_LIMITS,
        [DIALECT_TOOLS] = PROVIDER_TOOLS, [DIALECT_FORMAT] = PROVIDER_SCHEMA,
        [DIALECT_N] = PROVIDER_N,
    };

    if (!(capabilities & PROVIDER_IMAGES) && find_image(&x->chat, &message, &part))
        return refuse_image(x, message, part, f);
    for (int wish = 0; wish < DIALECT_WISHES; wish++) {
        const char *param = x->dialect->params[wish];

        if ((capabilities & needs[wish]) || !param || !is_wished(&x->chat, wish))
            continue;
        failure_set(f, &x->request->arena, FAILURE_BAD_REQUEST,
                    "%s is not known to the upstream of this model: leave it out, or choose a "
                    "model of another upstream.",
                    param);
        f->param = str_of(param);
        return false;
    }
    return true;
}
