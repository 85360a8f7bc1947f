/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API tells of an account: /chat/adapters and /billing, the same bytes read as either.
 * Properties: texts end and hold no control characters, numbers are within their bounds, what was
 * refused changes nothing; a catalog that took a list sends only names of that list; what is told
 * of an answer that nobody knows holds none of its words.
 */
#include "base/mem.h"
#include "provider/enginelabs/catalog.h"
#include "provider/enginelabs/plan.h"
#include "provider/enginelabs/strange.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_text(const char *text, size_t cap)
{
    size_t n = strnlen(text, cap);

    BUG_ON(n == cap);
    for (size_t i = 0; i < n; i++)
        BUG_ON((unsigned char)text[i] < 0x20 || text[i] == 0x7f);
}

static void check_adapter(const struct adapter *a)
{
    check_text(a->key, sizeof(a->key));
    check_text(a->agent_key, sizeof(a->agent_key));
    check_text(a->model, sizeof(a->model));
    check_text(a->provider, sizeof(a->provider));
    BUG_ON(!a->key[0] && !a->agent_key[0]);
    BUG_ON(a->minimum_tier < -1 || !(a->usage_multiplier >= 0 && a->usage_multiplier < 1e6));
}

static void check_names(struct catalog *c, struct catalog_list *list)
{
    static const enum enginelabs_protocol protocols[] = { PROTOCOL_CLASSIC, PROTOCOL_PROJECT };
    char out[ADAPTER_NAME_MAX];

    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < COUNT_OF(protocols); k++) {
            struct str name = adapter_name(&list->models[i], protocols[k]);
            bool is_sent = catalog_resolve(c, protocols[k], name, out);

            BUG_ON(is_sent && !catalog_find(list, str_of(out)));
        }
}

static void check_catalog(struct str body)
{
    struct catalog *c = catalog_new(NULL);
    enum err err = catalog_take(c, body);
    struct catalog_list *list = catalog_ref(c);

    BUG_ON(list->is_configured != (err != ERR_NONE));
    BUG_ON(list->n > ADAPTERS_MAX || (list->n > 0) != (err == ERR_NONE));
    for (size_t i = 0; i < list->n; i++)
        check_adapter(&list->models[i]);
    if (list->n < 16)
        check_names(c, list);
    catalog_unref(c, list);
    catalog_free(c);
}

static void check_number(double d)
{
    BUG_ON(!(d >= 0 && d < 1e15) && !(d <= -1 && d >= -1));
}

static void check_plan(struct str body)
{
    struct plan plan;

    if (plan_read(body, &plan))
        return;
    check_text(plan.tier, sizeof(plan.tier));
    check_text(plan.quota, sizeof(plan.quota));
    BUG_ON(strnlen(plan.limit_reached, sizeof(plan.limit_reached)) == sizeof(plan.limit_reached));
    check_number(plan.daily_usage);
    check_number(plan.daily_limit);
    check_number(plan.weekly_usage);
    check_number(plan.weekly_limit);
    check_number(plan.credits_usage);
    check_number(plan.credits_limit);
    BUG_ON(plan.tasks_running < -1 || plan.tasks_max < -1 || plan.tier_rank < -1);
}

/* Names and types, in plain letters. */
static void check_strange(struct str body)
{
    char text[STRANGE_MAX];

    check_text(strange_describe(body, text), sizeof(text));
    for (const char *p = text; *p; p++)
        BUG_ON((unsigned char)*p >= 0x7f || *p == '\\' || *p == '\'');
}

/* From memory of exactly its size. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *copy = mem_alloc(n);

    if (n > 0)
        memcpy(copy, p, n);
    check_catalog((struct str){ copy, n });
    check_plan((struct str){ copy, n });
    check_strange((struct str){ copy, n });
    mem_free(copy);
    return 0;
}
