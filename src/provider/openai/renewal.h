/* SPDX-License-Identifier: Apache-2.0 */
/* One renewal of an OAuth sign-in, on one loop; oauth.h has the picture. */
#pragma once

#include "provider/openai/credentials.h"
#include "provider/provider.h"

struct renewal;

struct renewal_params {
    const struct provider_env *env; /* outlives it, as do name, path and api */
    const char *upstream;
    const char *path;
    const struct url *api;
    const struct credentials *credentials; /* copied */
    bool is_unkept;                        /* they are newer than the file's */
};

struct renewal_result {
    const struct failure *failure; /* NULL: there are tokens */
    bool is_hurried;               /* with a failure: nobody waited for the end */
    const struct credentials *credentials;
    bool is_kept; /* the file has them */
};

typedef void on_renewal(void *arg, const struct renewal_result *result);

/* `done` exactly once, never before this returned; the result lives during the call. */
struct renewal *renewal_start(const struct renewal_params *params, on_renewal *done, void *arg);

/* Gives up asking; what has been given is still written. */
void renewal_hurry(struct renewal *r);
