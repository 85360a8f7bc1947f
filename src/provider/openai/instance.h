/* SPDX-License-Identifier: Apache-2.0 */
/* The provider's process-wide part and its part on one worker; private to this folder. */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "net/timer.h"
#include "provider/openai/keys.h"
#include "provider/openai/models.h"

struct openai {
    const struct openai_config *config;
    struct keys *keys;       /* owned */
    struct models *models;   /* owned */
    atomic_bool is_listless; /* it has no list of models, as it said last: routes must name them */
};

struct provider_instance {
    struct openai *openai;
    struct provider_env env;
    struct oauth_port **ports; /* owned array, one a key; NULL for a static key */
    size_t n_open;             /* ports not closed yet, while detaching */
    size_t calls;              /* started and not gone */
    struct ask *discovery;     /* of models, running */
    struct timer discover;     /* the next one */
    struct list checks;        /* struct check, running */
    struct task end;
    void (*detached)(void *arg);
    void *detached_arg;
};

/* check.c */
void openai_check_start(struct provider_instance *p, on_report *done, void *arg);
void openai_check_cancel_all(struct provider_instance *p);

/* discover.c: asks for the models at once unless that was done a moment ago, then now and again. */
void discover_models(struct provider_instance *p);
void discover_end(struct provider_instance *p);
