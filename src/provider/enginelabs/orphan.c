/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call may end while the service is making its project, or before a prompt goes to it. Nobody
 * else knows of that project: so where chats are deleted, the answer that names it is awaited, and
 * the cleanup gets it.
 */
#include "base/mem.h"
#include "provider/enginelabs/instance.h"
#include "provider/enginelabs/project.h"

struct orphan {
    struct list node; /* in the instance's list */
    struct provider_instance *instance;
    size_t account;
    struct project *project; /* running */
};

static void free_orphan(struct orphan *o)
{
    list_remove(&o->node);
    mem_free(o);
}

static void on_made(void *arg, const struct project_result *result)
{
    struct orphan *o = arg;

    if (result->ids.chat[0])
        orphan_end(o->instance, o->account, str_of(result->ids.chat));
    free_orphan(o);
}

void orphan_start(struct provider_instance *p, size_t account, struct project *project)
{
    struct orphan *o;

    if (roster_config(p->roster, account)->delete_chats == DELETE_NEVER) {
        project_cancel(project);
        return;
    }
    o = mem_new(struct orphan);
    *o = (struct orphan){ .instance = p, .account = account, .project = project };
    list_add_tail(&p->orphans, &o->node);
    if (!project_leave(project, on_made, o))
        free_orphan(o);
}

void orphan_cancel_all(struct provider_instance *p)
{
    while (!list_is_empty(&p->orphans)) {
        struct orphan *o = CONTAINER_OF(p->orphans.next, struct orphan, node);

        project_cancel(o->project);
        free_orphan(o);
    }
}

void orphan_end(struct provider_instance *p, size_t account, struct str chat)
{
    upkeep_turn(p->upkeep, account, chat);
    upkeep_end(p->upkeep, account, chat);
}
