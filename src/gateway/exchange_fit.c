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

bool exchange_fits(const struct exchange *x, unsigned capabilities, struct failure *f)
{
    static const unsigned needs[] = {
        [DIALECT_STOP] = PROVIDER_STOP,   [DIALECT_LIMIT] = PROVIDER_LIMITS,
        [DIALECT_TOOLS] = PROVIDER_TOOLS, [DIALECT_FORMAT] = PROVIDER_SCHEMA,
        [DIALECT_N] = PROVIDER_N,
    };

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
