/* SPDX-License-Identifier: Apache-2.0 */
/* The provider's process-wide part and its part on one worker; private to this folder. */
#pragma once

#include "base/list.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/enginelabs/roster.h"

struct enginelabs {
    const struct enginelabs_config *config; /* of the first account: for what all share */
    struct roster *roster;                  /* owned */
};

struct provider_instance {
    struct enginelabs *upstream;
    const struct enginelabs_config *config;
    struct provider_env env;
    struct roster_port *roster; /* owned */
    size_t calls;               /* started and not gone */
    struct list drains;         /* struct drain */
    struct list checks;         /* struct check, running */
    struct list posts;          /* struct wire_post, whose calls have ended */
    void (*detached)(void *arg);
    void *detached_arg;
};

/* ---- drain.c: leases whose client left ---- */

/* Takes over the lease of a call whose task may still run; `target` is of its stream. */
void drain_start(struct provider_instance *p, struct roster_place *place, struct str target);
void drain_end_all(struct provider_instance *p);

/* check.c */
void check_start(struct provider_instance *p, on_report *done, void *arg);
void check_cancel_all(struct provider_instance *p);

/* wire_post.c */
void wire_cancel_posts(struct provider_instance *p);
