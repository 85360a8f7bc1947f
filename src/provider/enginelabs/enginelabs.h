/* SPDX-License-Identifier: Apache-2.0 */
/* The cto.new (EngineLabs) upstream: what the gateway configures, and its provider. */
#pragma once

#include "base/secret.h"
#include "provider/provider.h"

enum enginelabs_content { CONTENT_AUTO, CONTENT_DELTA, CONTENT_SNAPSHOT };

/* Answers at once on an account that gateways share, at most: each is renewed on its own. */
enum { ENGINELABS_SHARED_MAX = 4096 };

/* How a prompt is sent (docs/internals/upstream-protocol.md, 2). */
enum enginelabs_protocol {
    PROTOCOL_CLASSIC, /* a model goes by its engineAgentKey, in the prompt */
    PROTOCOL_PROJECT, /* by its key, set for the whole team before; the prompt is base64 */
};

/* When chats are deleted at the service. */
enum enginelabs_delete {
    DELETE_NEVER,
    DELETE_AFTER_TTL, /* when they cannot be continued any more */
    DELETE_AT_END,    /* those that will not be continued at once, the others as above */
};

/* An account of an upstream. Borrowed by the upstream for its life; texts are C strings. */
struct enginelabs_config {
    const char *name;            /* of the upstream, "cto" */
    const char *account;         /* name of its account, "default" */
    struct url api;              /* https://api.enginelabs.ai */
    struct url clerk;            /* https://clerk.cto.new */
    const char *origin;          /* https://cto.new */
    struct secret cookie;        /* Cookie header value, or the bare __client value */
    const char *cookie_file;     /* where it was read from, to see when it changes; NULL: nowhere */
    const char *session_id;      /* NULL: discovered */
    const char *organization_id; /* NULL: discovered */
    enum enginelabs_content content;
    enum enginelabs_protocol protocol;
    enum enginelabs_delete delete_chats;
    size_t max_prompt_chars;   /* UTF-16 units as the service counts; 0: no limit */
    bool trim_overflow;        /* leave out the oldest messages of a longer prompt */
    size_t max_prompt_bytes;   /* whole POST body; 0: no limit */
    unsigned max_parallel;     /* answers at once on the account; more wait; 0: no limit */
    bool max_parallel_is_set;  /* by the user: what the service says does not count */
    const char *const *models; /* for check, NULL-ended */
    const char *default_model; /* for check; NULL: none */
};

struct enginelabs;

/* Process-wide part: accounts, their cookies and tokens. One config an account, borrowed; all but
 * account, cookie, ids and max_parallel are the same in them.
 * `old` (NULL: none) is what stood for the upstream before and is not used any more when the last
 * instance of it is detached: answers that run on its accounts count for those of the same name
 * here, so this one must outlive it. At the same service they know the same models, and agree on
 * which one an organization has. */
struct enginelabs *enginelabs_new(const struct enginelabs_config *accounts, size_t n,
                                  struct enginelabs *old);

/* After every instance is detached. NULL is fine. */
void enginelabs_free(struct enginelabs *e);

extern const struct provider_ops provider_enginelabs;
