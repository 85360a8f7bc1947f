/* SPDX-License-Identifier: Apache-2.0 */
/* For commands that talk to a running gateway: its address and key come from the same settings. One
 * call at a time. */
#pragma once

#include "gateway/settings.h"
#include "http/client.h"

struct local_client;

struct local_client *local_client_new(const struct settings *s);
void local_client_free(struct local_client *c);

struct local_response {
    enum err err;     /* how the call ended */
    int status;       /* 0 without an answer */
    struct buf body;  /* whole, when no `on_body` was given, or when the status is not 200 */
    char detail[256]; /* of `err`, for people */
};

/* Sends one request, runs until it ended and fills `ret` (release with buf_deinit(&ret->body)).
 * Pieces of a 200's body go to `on_body` as they come, if it is not NULL. */
void local_client_call(struct local_client *c, enum http_method method, const char *target,
                       struct str body, void (*on_body)(void *arg, struct str bytes), void *arg,
                       struct local_response *ret);

/* What the error in an answer says. */
struct str local_response_message(const struct local_response *response, struct arena *a);

/* Says on standard error why a call that did not end with 200 failed. */
void local_client_explain(const struct local_client *c, const struct local_response *response);
