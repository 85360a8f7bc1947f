/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator on a thread of its own. */
#include "cli/demo.h"

#include <stdio.h>

#include "base/mem.h"

struct demo {
    struct worker *worker;
    struct simulator *simulator;
    struct endpoint *at; /* borrowed during demo_start() */
    struct str scenario;
    bool failed;
    char what[SIMULATOR_WHAT_MAX];
};

static void start(void *arg, struct loop *l)
{
    struct demo *d = arg;
    const struct simulator_params params = { .seed = 1, .scenario = d->scenario };

    d->failed = simulator_new(l, &params, &d->simulator, d->what) ||
                simulator_listen(d->simulator, d->at, d->what);
}

static void stop(void *arg, struct loop *l)
{
    struct demo *d = arg;

    simulator_free(d->simulator);
    loop_stop(l);
}

struct demo *demo_start(struct endpoint *at, struct str scenario)
{
    struct demo *d = mem_new(struct demo);

    d->at = at;
    d->scenario = scenario;
    d->worker = worker_new(&(struct worker_params){ "simulator", start, stop, d });
    if (!d->failed)
        return d;
    fprintf(stderr, "enginelabs-2api: the simulator cannot start: %s\n", d->what);
    demo_free(d);
    return NULL;
}

void demo_free(struct demo *d)
{
    if (!d)
        return;
    worker_stop(d->worker);
    worker_free(d->worker);
    mem_free(d);
}
