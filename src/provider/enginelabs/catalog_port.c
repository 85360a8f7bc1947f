/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog knows when, the visit how. */
#include "provider/enginelabs/catalog_port.h"

#include "base/mem.h"
#include "provider/enginelabs/visit.h"

struct catalog_port {
    struct catalog *catalog;
    struct catalog_port_params params;
    struct visit *visit; /* running */
};

struct catalog_port *catalog_port_open(struct catalog *c, const struct catalog_port_params *params)
{
    struct catalog_port *p = mem_new(struct catalog_port);

    p->catalog = c;
    p->params = *params;
    return p;
}

void catalog_port_close(struct catalog_port *p)
{
    if (p->visit)
        catalog_not_told(p->catalog);
    visit_cancel(p->visit);
    mem_free(p);
}

static void on_answer(void *arg, const struct errand_result *result)
{
    struct catalog_port *p = arg;
    enum err err = result->failure ? ERR_IO : catalog_take(p->catalog, result->body);

    p->visit = NULL;
    if (result->failure)
        catalog_not_told(p->catalog);
    if (p->params.told)
        p->params.told(p->params.arg, err);
}

bool catalog_port_poll(struct catalog_port *p)
{
    const struct catalog_port_params *params = &p->params;
    const struct visit_params visit = { .config = params->config,
                                        .account = params->account,
                                        .client = params->client,
                                        .method = HTTP_GET,
                                        .target = STR(API_ADAPTERS_TARGET),
                                        .what = "GET " API_ADAPTERS_TARGET,
                                        .connect_timeout_ms = params->connect_timeout_ms,
                                        .answer_timeout_ms = params->answer_timeout_ms };

    if (!p->visit && catalog_is_due(p->catalog, loop_now_ms(http_client_loop(params->client))))
        p->visit = visit_start(&visit, on_answer, p);
    return p->visit != NULL;
}
