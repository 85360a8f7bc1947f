/* SPDX-License-Identifier: Apache-2.0 */
/* A key is tried once by a request, and its token renewed once; some keys only, or an upstream
 * with many would get one prompt as often. */
#include "provider/openai/key_turn.h"

#include "provider/openai/ask.h"

static void on_token(void *arg, const struct notice *notice);

static bool choose(const struct key_turn *t, size_t *ret_key, struct notice *ret_notice)
{
    const struct provider_instance *p = t->instance;

    return keys_choose(p->openai->keys, t->purpose, t->tried, loop_now_ms(p->env.loop), ret_key,
                       ret_notice);
}

bool key_turn_has_other(const struct key_turn *t)
{
    struct notice notice;
    size_t key;

    return t->n_used < KEY_TURN_TRIES && choose(t, &key, &notice);
}

void key_turn_next(struct key_turn *t)
{
    struct notice notice;

    t->is_renewed = false;
    if (!choose(t, &t->key, &notice)) {
        t->on_failed(t->arg, &notice);
        return;
    }
    t->tried |= UINT64_C(1) << t->key;
    t->on_attempt(t->arg, str_of(keys_label(t->instance->openai->keys, t->key)));
    if (!t->is_left)
        key_turn_again(t);
}

/* A sign-in that is no good does not end the request while there is another key. A browser check is
 * asked of this network: the next key would meet it, too. */
static void fail(struct key_turn *t, const struct notice *notice)
{
    if (notice->kind != FAILURE_CHALLENGE && key_turn_has_other(t))
        key_turn_next(t);
    else
        t->on_failed(t->arg, notice);
}

/* Renewals and new connections of one key are one try. */
static void go_out(struct key_turn *t, struct str token)
{
    uint64_t bit = UINT64_C(1) << t->key;

    t->n_used += (t->used & bit) == 0;
    t->used |= bit;
    t->on_token(t->arg, token);
}

void key_turn_again(struct key_turn *t)
{
    struct oauth_port *port = t->instance->ports[t->key];
    struct notice notice;

    if (!port) {
        go_out(t, keys_secret(t->instance->openai->keys, t->key));
        return;
    }
    switch (oauth_token(port, &t->token, &notice, &t->wait, on_token, t)) {
    case OAUTH_READY:
        go_out(t, secret_reveal(&t->token));
        break;
    case OAUTH_WAITS:
        break;
    case OAUTH_FAILED:
        fail(t, &notice);
        break;
    }
}

static void on_token(void *arg, const struct notice *notice)
{
    struct key_turn *t = arg;

    if (notice)
        fail(t, notice);
    else
        key_turn_again(t);
}

bool key_turn_renew(struct key_turn *t, int status)
{
    struct oauth_port *port = t->instance->ports[t->key];

    if (status != 401 || !port || t->is_renewed)
        return false;
    t->is_renewed = true;
    oauth_refused(port, secret_reveal(&t->token));
    return true;
}

void key_turn_leave(struct key_turn *t)
{
    struct oauth_port *port = t->instance->ports[t->key];

    t->is_left = true;
    if (port)
        oauth_leave(port, &t->wait);
}

void key_turn_deinit(struct key_turn *t)
{
    secret_deinit(&t->token);
}

struct str key_turn_hide(const struct key_turn *t, struct arena *a, struct str text)
{
    const struct openai *o = t->instance->openai;
    struct str token =
        t->instance->ports[t->key] ? secret_reveal(&t->token) : keys_secret(o->keys, t->key);

    return ask_hide(o->config, token, a, text);
}
