/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the EngineLabs API as bytes, and the one table of what every HTTP answer of API and
 * sign-in service means to a client. Status and headers decide, never words in a text. Pure, any
 * thread.
 */
#pragma once

#include "chat/failure.h"
#include "http/message.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/enginelabs/reaction.h"

#define API_CHAT_TARGET "/engine-agent/chat"
#define API_BILLING_TARGET "/billing"
#define API_ADAPTERS_TARGET "/chat/adapters"
#define API_PREFER_TARGET "/teams/preferred-model"
#define API_PROJECT_TARGET "/projects/create-hosted"
#define API_OFFERS_TARGET "/engine-agent/offers"

/* Body of the POST of protocol `classic`; appended. ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err api_chat_body(struct buf *out, struct str prompt, struct str chat_id,
                                struct str model);

/* Body of the POST of protocol `project`: the prompt goes as base64; appended. ERR_TOO_BIG,
 * ERR_NOMEM. */
MUST_USE enum err api_project_body(struct buf *out, struct str prompt, struct str chat_id);

/* Target of the answer stream; ids are percent-encoded. */
MUST_USE enum err api_stream_target(struct buf *out, struct str chat_id, struct str user_id);

/* The same for protocol `project`, which names organization and workspace too; one that is not
 * known ("") is left out. */
MUST_USE enum err api_project_stream_target(struct buf *out, struct str chat_id, struct str user_id,
                                            struct str organization_id, struct str workspace_id);

/* Target for deleting a chat. */
MUST_USE enum err api_chat_target(struct buf *out, struct str chat_id);

/* Who answered: the same status means different things. */
enum api_peer { API_PEER_API, API_PEER_CLERK };

/* What of a head matters; may outlive it. */
struct api_status {
    int status;
    bool is_challenge;      /* a browser check in the answer's place */
    int64_t retry_after_ms; /* 0: unknown */
};

/* `head` NULL: status alone. */
struct api_status api_status_of(int status, const struct http_head *head, int64_t wall_ms);

/* What an answer other than 2xx means; never FAILURE_NONE. */
enum failure_kind api_kind(enum api_peer peer, const struct api_status *s);

/* What to do about such an answer of the API. */
enum reaction api_reaction(const struct api_status *s);

/* What to do when there was none. */
enum reaction api_transport_reaction(enum err err);

/* The failure for it, its message in `a`. `what` is the request ("POST /engine-agent/chat"); a
 * "message" or "error" text of a JSON body is quoted, cut to 200 bytes. */
void api_failure(struct failure *ret, struct arena *a, const struct enginelabs_config *config,
                 enum api_peer peer, const char *what, const struct api_status *s, struct str body);

/* The same for a request that got no answer; `detail` is the client's. */
void api_transport_failure(struct failure *ret, struct arena *a,
                           const struct enginelabs_config *config, enum api_peer peer,
                           const char *what, enum err err, const char *detail);
