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
    enum err err;
    char what[SIMULATOR_WHAT_MAX];
};

static void start(void *arg, struct loop *l)
{
    struct demo *d = arg;
    const struct simulator_params params = { .seed = 1, .scenario = d->scenario };

    if (simulator_new(l, &params, &d->simulator, d->what))
        d->err = ERR_BAD_INPUT;
    else if (simulator_listen(d->simulator, d->at, d->what))
        d->err = ERR_IO;
}

static void stop(void *arg, struct loop *l)
{
    struct demo *d = arg;

    simulator_free(d->simulator);
    loop_stop(l);
}

enum err demo_start(struct endpoint *at, struct str scenario, struct demo **ret)
{
    struct demo *d = mem_new(struct demo);
    enum err err;

    d->at = at;
    d->scenario = scenario;
    d->worker = worker_new(&(struct worker_params){ "simulator", start, stop, d });
    err = d->err;
    if (!err) {
        *ret = d;
        return ERR_NONE;
    }
    fprintf(stderr, "enginelabs-2api: the simulator cannot start: %s\n", d->what);
    demo_free(d);
    return err;
}

void demo_free(struct demo *d)
{
    if (!d)
        return;
    worker_stop(d->worker);
    worker_free(d->worker);
    mem_free(d);
}
