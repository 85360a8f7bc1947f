/* SPDX-License-Identifier: Apache-2.0 */
/* The provider's process-wide part and its part on one worker; private to this folder. */
#pragma once

#include "base/list.h"
#include "provider/enginelabs/account.h"
#include "provider/enginelabs/enginelabs.h"

struct enginelabs {
    const struct enginelabs_config *config;
    struct account *account; /* owned */
};

struct provider_instance {
    const struct enginelabs_config *config;
    struct provider_env env;
    struct account_port *port; /* owned */
    size_t calls;              /* started and not gone */
    struct list checks;        /* struct check, running */
    void (*detached)(void *arg);
    void *detached_arg;
};

/* check.c */
void check_start(struct provider_instance *p, on_report *done, void *arg);
void check_cancel_all(struct provider_instance *p);
