/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each worker knows for itself, asked of all of them: one mail goes round from loop to loop,
 * each adds its part, and it comes home. Nobody waits for it, and who is not asked pays nothing.
 * Shares of the gateway are members while they are open: to no other loop is anything posted.
 */
#pragma once

#include "gateway/gateway.h"

enum { CREW_MAX = 66 }; /* workers, and the control socket's share */

struct crew;

struct crew *crew_new(void);

/* When no member is left. NULL is fine. */
void crew_free(struct crew *c);

/* On the thread of the share. */
void crew_join(struct crew *c, struct gateway_worker *w);
void crew_leave(struct crew *c, struct gateway_worker *w);

/* Embedded in what is gathered, on the heap. Only who has the mail looks into it. */
struct round {
    /* On each member's thread, one after the other. */
    void (*visit)(struct round *r, struct gateway_worker *w);
    /* Once, at the end, on the thread of who began it: `w`. NULL: its share was closed meanwhile;
     * on some thread, for freeing only. */
    void (*home)(struct round *r, struct gateway_worker *w);

    /* private */
    struct mail mail;
    struct crew *crew;
    const struct gateway_worker *asker;
    struct gateway_worker *at;
    size_t next;
};

/* Sends it off, from the thread of `asker`. Never calls back before it returned. */
void round_start(struct round *r, struct gateway_worker *asker);
