/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The models of an upstream, as its accounts are told them by /chat/adapters: a list that never
 * changes, replaced as a whole by a newer one and gone when nobody holds it. Until an account was
 * answered, the models of the settings stand in. The service bans who asks for a model that it does
 * not know, so the name to send comes from here only. Any thread.
 *
 * It asks nothing by itself: catalog_port.h does.
 */
#pragma once

#include "provider/enginelabs/adapters.h"
#include "provider/waiters.h"

/* Held by catalog_ref(); read only. */
struct catalog_list {
    unsigned refs;      /* guarded by the catalog */
    bool is_configured; /* the settings' models: names alone, the same for both protocols */
    size_t n;
    struct adapter *models; /* owned; disabled ones too */
};

struct catalog;

/* `models` (NULL-ended, may be NULL; the first ADAPTERS_MAX count) are the settings'; copied. */
struct catalog *catalog_new(const char *const *models);

/* What the service told `old` is known to `c` at once, which nobody has used yet, and asked for
 * again as soon as it would have been there. What it was told nothing of changes nothing. */
void catalog_inherit(struct catalog *c, struct catalog *old);

/* All lists must be given back. NULL is fine. */
void catalog_free(struct catalog *c);

/* The list of now, held until catalog_unref(). Never NULL. */
struct catalog_list *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c, struct catalog_list *list);

/* Whether the service is to be asked: nobody did for 10 minutes (for one minute, while the
 * settings' models stand in). True to one caller, who then asks. `now_ms` is loop_now_ms()'s clock.
 */
bool catalog_is_due(struct catalog *c, int64_t now_ms);

/* True: the service was asked and has answered, or will not. False: `wake` follows when that is so,
 * unless catalog_leave() came first. */
bool catalog_was_tried(struct catalog *c); /* the same, without waiting */
bool catalog_is_tried(struct catalog *c, struct wait *w, struct loop *l, on_wake *wake, void *arg);
void catalog_leave(struct catalog *c, struct wait *w);

/* The question that was due got no answer. */
void catalog_not_told(struct catalog *c);

/* From now on it is due, whenever it was asked last. */
void catalog_forget(struct catalog *c);

/* Replaces the list by an answer's, unless that is no list or empty: ERR_BAD_INPUT, ERR_TOO_BIG,
 * ERR_NOT_FOUND (empty); then all is as it was. */
MUST_USE enum err catalog_take(struct catalog *c, struct str body);

/* The model whose engineAgentKey or key is `name`; NULL: there is none. Lives as long as the list.
 */
const struct adapter *catalog_find(const struct catalog_list *list, struct str name);

/* What `protocol` sends for the model that a request names by engineAgentKey or key, into `out` of
 * ADAPTER_NAME_MAX. A name that the service does not list is sent as it is when it is one of the
 * settings' models. False, and nothing may be sent: it is neither, it is disabled, or the protocol
 * has no name for it. */
bool catalog_resolve(struct catalog *c, enum enginelabs_protocol protocol, struct str name,
                     char *out);
