/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What protocol `project` asks before the prompt: the team's model is set, and a new chat gets its
 * project. To be run while the model is pinned (pin.h), with a token.
 *
 *     PREFER --> [CREATE --> OFFERS] --> (done)        [...]: for a new chat
 */
#pragma once

#include "provider/enginelabs/errand.h"
#include "provider/enginelabs/fields.h"

struct project;

/* A chat as the service names it: letters, digits, '-' and '_' only. */
struct project_ids {
    char chat[FIELD_ID_MAX]; /* projectId, which serves as chatHistoryId; "": none yet */
    char workspace[FIELD_ID_MAX];
    bool has_offers; /* its offers were asked for; nothing is left to do */
};

struct project_params {
    const struct enginelabs_config *config; /* outlives it */
    struct http_client *client;
    struct str jwt;                /* copied */
    struct str model_key;          /* as catalog_resolve() gave it; copied */
    const struct project_ids *ids; /* of a chat that is known, or that an attempt before this one
                                      made; NULL: a new chat */
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
};

/* Lives during the callback. */
struct project_result {
    const struct failure *failure; /* NULL: the prompt may be sent to `ids` */
    struct api_status status; /* with a failure: of the answer, 401 for a token that is no good;
                                 status 0: there was none */
    const char *what;         /* with a failure: "PATCH /teams/preferred-model" */
    struct project_ids ids;   /* with a failure: what was made all the same, for the next
                                 attempt, so that no project is made twice */
};

typedef void on_project(void *arg, const struct project_result *result);

/* `done` exactly once unless canceled, never before this returned. A request that certainly was not
 * sent is tried once more; nothing else is. */
struct project *project_start(const struct project_params *params, on_project *done, void *arg);

/* No callback from now on. NULL is fine. */
void project_cancel(struct project *p);

/* What there is already: of a chat that was known, or made since. */
const struct project_ids *project_ids(const struct project *p);

/* Nobody wants it any more, but the service may be making a project: then true, the answer is still
 * awaited, nothing else is sent, and `done` is told as by project_start(), with ids that may be
 * empty; project_cancel() may end that. Else false, and it is canceled. */
bool project_leave(struct project *p, on_project *done, void *arg);

/* Whether `id` may be used as one of project_ids. */
bool project_id_is_sane(struct str id);
