/* SPDX-License-Identifier: Apache-2.0 */
/* Texts behind their lengths, lists behind their counts: nothing runs into what comes next. */
#include "cli/digest.h"

#include "ledger/price.h"

static void add_number(struct sha256 *h, uint64_t n)
{
    sha256_add(h, (struct str){ (const char *)&n, sizeof(n) });
}

static void add_str(struct sha256 *h, struct str s)
{
    add_number(h, s.n);
    sha256_add(h, s);
}

/* NULL is another text than "". */
static void add_z(struct sha256 *h, const char *z)
{
    add_number(h, z != NULL);
    add_str(h, str_of(z ? z : ""));
}

static void add_secret(struct sha256 *h, const struct secret *s)
{
    add_str(h, secret_reveal(s));
}

static void add_list(struct sha256 *h, const char *const *list)
{
    add_number(h, list != NULL);
    for (; list && *list; list++)
        add_z(h, *list);
    add_z(h, NULL);
}

static void add_url(struct sha256 *h, const struct url *u)
{
    add_z(h, u->endpoint.host);
    add_number(h, u->endpoint.port);
    add_number(h, u->endpoint.is_unix);
    add_number(h, u->endpoint.tls);
    add_z(h, u->path);
}

static void add_account(struct sha256 *h, const struct account_settings *a)
{
    add_z(h, a->name);
    add_secret(h, &a->cookie);
    add_z(h, a->cookie_file);
    add_z(h, a->session_id);
    add_z(h, a->organization_id);
    add_z(h, a->credentials_file);
    add_number(h, a->max_parallel);
    add_number(h, a->has_max_parallel);
}

void digest_account(const struct account_settings *a, unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    add_account(&h, a);
    sha256_end(&h, out);
}

static void add_enginelabs(struct sha256 *h, const struct upstream_settings *u)
{
    add_number(h, u->protocol);
    add_url(h, &u->api_url);
    add_url(h, &u->clerk_url);
    add_z(h, u->origin);
    add_number(h, u->content);
    add_number(h, u->max_prompt_chars);
    add_number(h, u->max_prompt_bytes);
    add_number(h, u->overflow);
    add_number(h, u->delete_chats);
    add_number(h, u->n_accounts);
    for (size_t i = 0; i < u->n_accounts; i++)
        add_account(h, &u->accounts[i]);
}

static void add_openai(struct sha256 *h, const struct upstream_settings *u)
{
    add_url(h, &u->base_url);
    add_number(h, u->n_api_keys);
    for (size_t i = 0; i < u->n_api_keys; i++)
        add_secret(h, &u->api_keys[i]);
    add_number(h, u->n_headers);
    for (size_t i = 0; i < u->n_headers; i++) {
        add_z(h, u->headers[i].name);
        add_secret(h, &u->headers[i].value);
    }
}

void digest_upstream(const struct settings *s, const struct upstream_settings *u,
                     const char *const *models, unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    add_z(&h, u->name);
    add_number(&h, u->provider);
    add_list(&h, u->models);
    add_list(&h, models);
    add_number(&h, u->takes_any_model);
    add_z(&h, s->has_routes ? NULL : s->default_model);
    add_number(&h, (uint64_t)s->conversation_ttl_ms);
    add_number(&h, (uint64_t)s->connect_timeout_ms);
    add_number(&h, (uint64_t)s->accept_timeout_ms);
    if (u->provider == UPSTREAM_OPENAI)
        add_openai(&h, u);
    else
        add_enginelabs(&h, u);
    sha256_end(&h, out);
}

static void add_shape(struct sha256 *h, const struct shape_settings *s)
{
    add_number(h, s->emulate_tools);
    add_number(h, s->hold_until_valid);
    add_number(h, s->split_think);
    add_number(h, s->think_tags);
}

static void add_target(struct sha256 *h, const struct settings *s, const struct target_settings *t)
{
    add_z(h, s->upstreams[t->upstream].name);
    add_z(h, t->model);
    add_number(h, t->weight);
    add_number(h, t->n_set);
    for (size_t i = 0; i < t->n_set; i++) {
        add_z(h, t->set[i].name);
        add_str(h, t->set[i].json);
    }
    add_list(h, t->drop);
    add_number(h, t->n_rename);
    for (size_t i = 0; i < t->n_rename; i++) {
        add_z(h, t->rename[i].from);
        add_z(h, t->rename[i].to);
    }
    add_z(h, t->system_prompt);
    add_shape(h, &t->shape);
}

void digest_keys(const struct settings *s, unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    for (size_t i = 0; i < s->n_keys; i++) {
        const struct key_settings *k = &s->keys[i];

        add_z(&h, k->name);
        sha256_add(&h, (struct str){ (const char *)k->record.hash, SHA256_LEN });
        add_list(&h, k->models);
        add_z(&h, k->requests_per_minute);
        add_z(&h, k->tokens_per_minute);
        add_z(&h, k->parallel_requests);
        for (int per = 0; per < KEY_PERIODS; per++) {
            add_z(&h, k->tokens_per[per]);
            add_z(&h, k->money_per[per]);
        }
    }
    sha256_end(&h, out);
}

void digest_prices(const struct settings *s, unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    for (size_t i = 0; i < s->n_prices; i++) {
        const struct price *p = &s->prices[i];

        add_z(&h, p->model.p);
        add_number(&h, (uint64_t)p->input);
        add_number(&h, (uint64_t)p->cached_input);
        add_number(&h, (uint64_t)p->output);
    }
    sha256_end(&h, out);
}

void digest_routes(const struct settings *s, unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    add_number(&h, s->has_routes);
    add_number(&h, s->n_routes);
    for (size_t i = 0; i < s->n_routes; i++) {
        const struct route_settings *r = &s->routes[i];

        add_z(&h, r->name);
        add_list(&h, r->aliases);
        add_number(&h, r->strategy);
        add_number(&h, r->n_targets);
        for (size_t k = 0; k < r->n_targets; k++)
            add_target(&h, s, &r->targets[k]);
    }
    sha256_end(&h, out);
}
