/* SPDX-License-Identifier: Apache-2.0 */
/* The provider's process-wide part and its part on one worker; private to this folder. */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "provider/enginelabs/catalog.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/enginelabs/pin.h"
#include "provider/enginelabs/roster.h"
#include "provider/enginelabs/survey.h"
#include "provider/enginelabs/upkeep.h"

struct enginelabs {
    const struct enginelabs_config *config; /* of the first account: for what all share */
    struct roster *roster;                  /* owned, as are the next three */
    struct catalog *catalog;
    struct pins *pins;
    struct survey *surveys[ROSTER_ACCOUNTS_MAX]; /* of each account */
    atomic_uint models_turn;                     /* counts lists that came */
};

struct provider_instance {
    struct enginelabs *upstream;
    const struct enginelabs_config *config;
    struct provider_env env;
    struct roster_port *roster; /* owned, as are the next two */
    struct pin_port *pins;
    struct upkeep *upkeep;
    size_t calls;        /* started and not gone */
    struct list drains;  /* struct drain */
    struct list checks;  /* struct check, running */
    struct list posts;   /* struct wire_post, whose calls have ended */
    struct list orphans; /* struct orphan */
    void (*detached)(void *arg);
    void *detached_arg;
};

/* ---- drain.c: leases whose client left ---- */

struct drain_task {
    struct str target; /* of its stream */
    struct str chat;
    bool is_accepted; /* the service took the prompt; else it may take it yet */
};

/* Takes over the lease of a call whose task may still run. */
void drain_start(struct provider_instance *p, struct roster_place *place,
                 const struct drain_task *task);

/* The service says that no task ran on this account at some time behind `since_ms`. */
void drain_end_idle(struct provider_instance *p, size_t account, int64_t since_ms);
void drain_end_all(struct provider_instance *p);

/* ---- orphan.c: projects that no prompt goes to ---- */

struct project;

/* Takes over a project that is in the making; what comes of it goes to the cleanup. */
void orphan_start(struct provider_instance *p, size_t account, struct project *project);
void orphan_cancel_all(struct provider_instance *p);

/* The chat was made and is not needed: it goes to the cleanup. */
void orphan_end(struct provider_instance *p, size_t account, struct str chat);

/* check.c */
void check_start(struct provider_instance *p, on_report *done, void *arg);
void check_cancel_all(struct provider_instance *p);

/* wire_post.c */
void wire_cancel_posts(struct provider_instance *p);
