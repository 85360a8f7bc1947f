/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models: the adapters with their three names ("GPT5_4", "gpt_5_4", "gpt-5.4"), and which one a
 * team prefers. There is one such setting for all accounts of an organization.
 */
#include "simulator/call.h"

enum { BODY_MAX = 1048576 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* A word begins at a capital behind something else, and where digits begin or end. */
static bool begins_word(struct str name, size_t i)
{
    char before = i > 0 ? name.p[i - 1] : '_';

    if (before == '_' || name.p[i] == '_')
        return false;
    return is_digit(before) != is_digit(name.p[i]) || (is_upper(name.p[i]) && !is_upper(before));
}

/* "GPT5_4" becomes "gpt_5_4". */
static void make_key(struct str name, char out[SIM_MODEL_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < name.n && n < SIM_MODEL_MAX - 2; i++) {
        char c = name.p[i];

        if (begins_word(name, i))
            out[n++] = '_';
        out[n++] = is_upper(c) ? (char)(c - 'A' + 'a') : c;
    }
    out[n] = '\0';
}

/* "gpt_5_4" becomes "gpt-5.4". */
static void make_model(const char *key, char out[SIM_MODEL_MAX])
{
    size_t n = strlen(key);

    for (size_t i = 0; i < n; i++) {
        bool is_between_digits = i > 0 && is_digit(key[i - 1]) && is_digit(key[i + 1]);

        out[i] = key[i];
        if (key[i] == '_')
            out[i] = is_between_digits ? '.' : '-';
    }
    out[n] = '\0';
}

bool sim_adapter_next(struct str *list, struct sim_adapter *ret)
{
    if (!str_next_item(list, &ret->name))
        return false;
    make_key(ret->name, ret->key);
    make_model(ret->key, ret->model);
    return true;
}

bool sim_adapter_is_known(const struct simulator *s, struct str name)
{
    struct str list = str_of(s->adapters);
    struct str item;

    while (str_next_item(&list, &item))
        if (str_eq(item, name))
            return true;
    return false;
}

static bool key_is_known(const struct simulator *s, struct str key)
{
    struct str list = str_of(s->adapters);
    struct sim_adapter a;

    while (sim_adapter_next(&list, &a))
        if (str_eq(str_of(a.key), key))
            return true;
    return false;
}

/* ---- GET /chat/adapters ---- */

static void write_adapter(struct json_writer *w, const struct sim_adapter *a, bool enabled)
{
    bool is_claude = str_starts(a->name, STR("Claude"));

    json_w_object(w);
    json_w_member_str(w, "key", str_of(a->key));
    json_w_member_str(w, "model", str_of(a->model));
    json_w_member_str(w, "engineAgentKey", a->name);
    json_w_member_str(w, "provider", is_claude ? STR("anthropic") : STR("openai"));
    json_w_member_int(w, "minimumTier", 0);
    json_w_member_bool(w, "enabled", enabled);
    json_w_member_int(w, "usageMultiplier", 1);
    json_w_member_bool(w, "supportsImages", true);
    json_w_object_end(w);
}

void sim_run_adapters(struct sim_call *c)
{
    struct str retired = STR("Retired1");
    struct str list = str_of(c->s->adapters);
    struct sim_adapter a;
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_key(&w, "chatAdapters");
    json_w_array(&w);
    while (sim_adapter_next(&list, &a))
        write_adapter(&w, &a, true);
    if (sim_adapter_next(&retired, &a))
        write_adapter(&w, &a, false);
    json_w_array_end(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* ---- PATCH /teams/preferred-model ---- */

static struct sim_account *leader_of(struct sim_call *c)
{
    return &c->s->accounts[sim_team_leader(c->s, (int)(c->account - c->s->accounts))];
}

/* Until a team says otherwise, the first adapter. */
struct str sim_team_model(struct sim_call *c)
{
    struct str list = str_of(c->s->adapters);
    struct sim_adapter first;
    struct str preferred = str_of(leader_of(c)->preferred);

    if (preferred.n > 0)
        return arena_dup(&c->r->arena, preferred);
    return sim_adapter_next(&list, &first) ? arena_dup(&c->r->arena, str_of(first.key))
                                           : STR("none");
}

bool sim_check_preferred(struct sim_call *c)
{
    if (!sim_check_bearer(c) || !sim_check_json(c))
        return false;
    if (!sim_call_read_strings(c, &(struct sim_member){ "modelKey", &c->adapter }, 1))
        return false;
    return key_is_known(c->s, c->adapter) ||
           sim_call_offend(c, "body/modelKey must be equal to one of the allowed values, not",
                           c->adapter);
}

void sim_run_preferred(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    str_to_z(c->adapter, leader_of(c)->preferred, SIM_MODEL_MAX);
    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_member_str(&w, "preferredModel", c->adapter);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}
