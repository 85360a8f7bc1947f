/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/access.h"

#include "keys/key_ring.h"

const struct principal principal_master = { .id = { "master", 6 }, .name = { "master", 6 } };

struct str access_key(const struct http_head *head)
{
    struct str value = http_value(head, "authorization");
    struct str key;

    if (str_eq_nocase(str_cut(value, ' ', &key), STR("bearer")) && str_trim(key).n)
        return str_trim(key);
    return http_value(head, "x-api-key");
}

bool access_is_restricted(const struct principal *p)
{
    return p->key && p->key->n_models > 0;
}

bool access_allows(const struct principal *p, struct str model)
{
    return !p->key || key_record_allows(p->key, model);
}

void access_set_failure(struct failure *f, struct arena *a, const struct principal *p,
                        struct str model)
{
    failure_set(f, a, FAILURE_MODEL_NOT_FOUND,
                "The API key \"%.*s\" may not use the model \"%.*s\". GET /v1/models lists those "
                "that it may.",
                STR_ARGS(p->name), STR_ARGS(str_sub(model, 0, 200)));
    f->param = STR("model");
}

/* ---- whose it is ---- */

static const struct key_record *find_in_settings(const struct settings *s, struct str key)
{
    for (size_t i = 0; i < s->n_keys; i++)
        if (secret_eq(&s->keys[i].key, key))
            return &s->keys[i].record;
    return NULL;
}

static void unref_table(void *arg)
{
    key_table_unref(arg);
}

/* Lives as long as the request. */
static const struct key_record *find_in_ring(struct key_table *t, struct http_request *r,
                                             struct str key)
{
    unsigned char hash[SHA256_LEN];
    const struct key_record *found;

    key_text_hash(key, hash);
    found = key_table_find(t, hash);
    if (found)
        arena_on_release(&r->arena, unref_table, t);
    else
        key_table_unref(t);
    return found;
}

static void unref_view(void *arg)
{
    gateway_view_unref(arg);
}

/* The settings may be replaced while it runs. */
static const struct principal *principal_new(struct gateway_worker *w, struct http_request *r,
                                             const struct key_record *k, bool is_of_settings)
{
    struct principal *p = arena_new(&r->arena, struct principal);

    if (is_of_settings)
        arena_on_release(&r->arena, unref_view, gateway_view_ref(w));
    *p = (struct principal){ .id = k->id, .name = k->name, .key = k };
    return p;
}

/* ---- refusals ---- */

static void refuse_missing(struct http_request *r, const struct dialect_ops *dialect)
{
    gateway_reply_error_as(
        r, dialect, FAILURE_MISSING_KEY,
        "No API key was sent. Send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"; "
        "the key is API_MASTER_KEY of this gateway, or one that its operator made for you.");
}

static void refuse_unknown(struct http_request *r, const struct dialect_ops *dialect,
                           struct str key)
{
    static const char *const texts[] = {
        [KEY_TEXT_FOREIGN] = "The API key is wrong. Use the API_MASTER_KEY of this gateway, or a "
                             "key that its operator made for you.",
        [KEY_TEXT_TYPO] =
            "The API key has a typing mistake: its length or its checksum does not fit. Copy it "
            "again, whole.",
        [KEY_TEXT_OURS] = "The API key is not known here (any more): it was revoked or replaced, "
                          "or belongs to another gateway. Ask the operator for a new one.",
    };

    gateway_reply_error_as(r, dialect, FAILURE_WRONG_KEY, "%s", texts[key_text_judge(key)]);
}

/* Answers when the key is one that does not work now. */
static bool is_usable(struct gateway_worker *w, struct http_request *r,
                      const struct dialect_ops *dialect, const struct key_record *k)
{
    bool is_over = k->expires_s > 0 && loop_wall_ms(w->loop) / 1000 >= k->expires_s;

    if (!k->disabled && !is_over)
        return true;
    gateway_reply_error_as(r, dialect, FAILURE_WRONG_KEY, "The API key \"%.*s\" %s.",
                           STR_ARGS(k->name),
                           k->disabled ? "is disabled; its operator can enable it again"
                                       : "has expired; ask its operator for a new one");
    return false;
}

/* ---- the check ---- */

static bool needs_key(const struct settings *s)
{
    return secret_is_set(&s->api_master_key) || s->n_keys > 0;
}

static void set_principal(struct gateway_worker *w, struct http_request *r,
                          const struct dialect_ops *dialect, const struct key_record *k,
                          bool is_of_settings)
{
    struct request_context *context = r->context;

    if (!is_usable(w, r, dialect, k))
        return;
    context->principal = principal_new(w, r, k, is_of_settings);
    if (w->gateway->keys)
        key_ring_note_use(w->gateway->keys, k->id, loop_wall_ms(w->loop) / 1000);
}

void access_check(struct gateway_worker *w, struct http_request *r,
                  const struct dialect_ops *dialect)
{
    const struct settings *s = w->view->settings;
    struct str key = access_key(&r->head);
    const struct key_record *k;
    struct key_table *t;

    if (!key.n && needs_key(s))
        refuse_missing(r, dialect);
    if (!key.n || secret_eq(&s->api_master_key, key))
        return;
    k = find_in_settings(s, key);
    if (k) {
        set_principal(w, r, dialect, k, true);
        return;
    }
    t = w->gateway->keys ? key_ring_ref(w->gateway->keys) : NULL;
    k = t ? find_in_ring(t, r, key) : NULL;
    if (k)
        set_principal(w, r, dialect, k, false);
    else if (needs_key(s) && w->gateway->keys && !t && key_text_judge(key) == KEY_TEXT_OURS)
        gateway_reply_error_as(r, dialect, FAILURE_OVERLOADED,
                               "The gateway has not read its keys yet: its store does not answer. "
                               "Try again in a moment.");
    else if (needs_key(s))
        refuse_unknown(r, dialect, key);
}
