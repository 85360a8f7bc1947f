/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which account answers. The accounts of one upstream, how many answers run on each (leases), and
 * which of them rest. Process-wide, behind one short mutex that is never held across I/O or
 * callbacks; each worker reaches it through a port of its own.
 *
 * The conversation's own account comes first; else the least loaded one of those that may serve
 * the model. Where all of those are busy, calls stand in one line, first come first served.
 *
 *     (asked) --> [waits] --> LEASED --> (released)
 *                                 \--> DRAINING --> (released)     the client left, the task runs
 */
#pragma once

#include "provider/enginelabs/account.h"
#include "provider/enginelabs/cooldown.h"
#include "provider/enginelabs/plan.h"
#include "provider/enginelabs/reaction.h"

enum {
    ROSTER_ACCOUNTS_MAX = 64,
    ROSTER_LINE_MAX = 4096,   /* calls that wait */
    ROSTER_DRAIN_MS = 120000, /* a task that nobody listens to is over by then */
};

struct roster;
struct roster_port;

/* One config an account, borrowed. All but account, cookie, ids and max_parallel are the same. */
struct roster *roster_new(const struct enginelabs_config *accounts, size_t n);

/* The accounts of `old` that `p` has under the same name hand their leases down: those count in
 * both until they are given back. Before ports of `p` are opened; `p` outlives `old`. */
void roster_inherit(struct roster *p, struct roster *old);

/* After all ports are closed. NULL is fine. */
void roster_free(struct roster *p);

size_t roster_size(const struct roster *p);

/* Whether some account may answer, from what is known; `why` (128 bytes) says what is wrong with
 * the last of those that may not, else it is as it was. */
bool roster_is_ready(struct roster *p, char *why);

/* Adds its accounts as they stand at `now_ms` (the loops' clock). Any thread. */
void roster_census(struct roster *p, int64_t now_ms, struct provider_census *to);

/* ---- ports: one a worker ---- */

/* As account_port_open(). */
struct roster_port *roster_port_open(struct roster *p, struct http_client *client,
                                     struct store_port *store, int64_t connect_timeout_ms,
                                     int64_t answer_timeout_ms);

/* No lease may be held, no place in the line. Calls closed(arg) later. */
void roster_port_close(struct roster_port *port, void (*closed)(void *arg), void *arg);

/* This worker's port of an account. */
struct account_port *roster_account(struct roster_port *port, size_t account);
const struct enginelabs_config *roster_config(const struct roster_port *port, size_t account);

/* Which account has this name; -1: none. */
int roster_find(const struct roster *p, const char *name);

bool roster_is_out(struct roster_port *port, size_t account, struct notice *ret_why);

/* Whether it is the port that does for the process what one must do (roster_keeper.c). */
bool roster_is_keeper(const struct roster_port *port);

/* Begins to sign in where that was never tried. */
void roster_prepare(struct roster_port *port);

/* ---- leases ---- */

struct roster_wish {
    struct str model; /* lives until the lease is given or left */
    int own;          /* the conversation's account; -1: none */
    uint64_t failed;  /* bit i: not account i, which was tried */
    bool is_again;    /* it had a lease before: it does not wait behind those who had none */
};

enum roster_answer {
    ROSTER_LEASED,  /* place.account has it */
    ROSTER_WAITS,   /* wake follows: without a notice it has, else none may serve it any more */
    ROSTER_REFUSED, /* no account may serve this, or the line is full: *ret_notice */
};

/* All-zero: none. In the call, on its loop; it must not move while it waits. */
struct roster_place {
    bool is_leased;
    bool is_draining;
    size_t account; /* when leased */
    /* private */
    struct roster_port *port;
    struct roster_guest *guest; /* in the line, or called out of it */
    struct wait wait;
    on_wake *wake;
    void *arg;
};

enum roster_answer roster_lease(struct roster_port *port, const struct roster_wish *wish,
                                struct roster_place *place, on_wake *wake, void *arg,
                                struct notice *ret_notice);

/* Gives back what there is: the lease, or the place in the line. */
void roster_leave(struct roster_port *port, struct roster_place *place);

/* The client left while its task may run: the lease counts on, as a draining one, until
 * roster_leave(). */
void roster_drain(struct roster_place *place);

/* Whether calls wait for a lease. */
bool roster_is_wanted(struct roster_port *port);

/* Whether the account has a limit at all. */
bool roster_is_limited(struct roster_port *port, size_t account);

/* ---- what is learned ---- */

/* What an answer other than the wanted one says of an account. */
void roster_refused(struct roster_port *port, size_t account, struct str model,
                    enum reaction reaction, const struct failure *failure);
void roster_served(struct roster_port *port, size_t account, struct str model);

/* How many answers the account may run at once, as the service says; 0: no limit. Not where the
 * settings say it. */
void roster_set_parallel(struct roster_port *port, size_t account, unsigned max);

/* What the service says of its plan, for people. */
void roster_told(struct roster_port *port, size_t account, const struct plan *plan);

/* Each account as it stands (provider/account.h), in `a`. Any thread. */
size_t roster_report(struct roster *p, struct arena *a, int64_t now_ms,
                     const struct provider_account **ret, size_t *ret_waiting);

/* Ends all rests of an account. */
void roster_clear(struct roster_port *port, size_t account);

/* Calls each(arg, model, ms left, why) for what rests. */
void roster_each_rest(struct roster_port *port, size_t account,
                      void (*each)(void *arg, struct str model, int64_t left_ms,
                                   const struct notice *why),
                      void *arg);
