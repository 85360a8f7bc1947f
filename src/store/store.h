/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must outlive a request: values under typed keys with a time to live, counters, and a log of
 * rows. One store for the process; each worker reaches it through a port of its own. An operation
 * is called on the port's loop and answered on the same loop, after the call has returned. What it
 * is given is copied. docs/internals/store.md has the ideas.
 *
 * Every operation may fail with ERR_TIMEOUT (the store's deadline passed; it may still happen),
 * ERR_CLOSED, ERR_IO or ERR_NOMEM: then the caller goes on without. `done` may be NULL: nobody
 * waits, and NULL is returned.
 */
#pragma once

#include "base/hash.h"
#include "base/str.h"
#include "net/connector.h"
#include "store/entry.h"

struct store;
struct store_port;
struct store_op;

/* ---- stores ---- */

/* Lost at exit. At most `max_entries`; beyond, the entry that was set longest ago goes. Large
 * values have bounds of their own: as many entries, and STORE_MEMORY_LARGE bytes of them. */
struct store *store_memory_new(size_t max_entries);

/* What must survive a power cut is kept in `durable` all the same, which the memory store owns from
 * now on. Before any port is opened. */
void store_memory_keep(struct store *memory, struct store *durable);

/* In one file, made when it is not there (mode 0600; its folder must be). One process at a time:
 * ERR_CONFLICT names the other. ERR_IO: it cannot be used. `ret_why` (STORE_WHY_MAX) says what is
 * wrong with which file and what to do. A damaged file is moved aside and a new one begun: then
 * `ret_why` says so, else it is empty. What may pass (no room, a read-only disk, another program's
 * lock) is no error: until it has passed the store is not ready, and only reads work. */
MUST_USE enum err store_sqlite_open(const char *path, struct store **ret, char *ret_why);

/* The same, while the process before this one still works with it: `lock_fd` is what store_lock()
 * gave there, and owned from now on. */
MUST_USE enum err store_sqlite_take_over(const char *path, int lock_fd, struct store **ret,
                                         char *ret_why);

/* What another process needs to open the same store while this one has it: a descriptor, which
 * stays the store's, or -1: it needs nothing, or there is no such store now. */
int store_lock(struct store *s);

/* From now on another process may have the store as well (or, after all, has not): its lock is left
 * alone at the end. */
void store_give(struct store *s, bool is_given);

/* All ports must be closed. Waits until what was asked for is written. NULL is fine. */
void store_close(struct store *s);

/* Whether operations are known to work; `why` (STORE_PROBLEM_MAX) says why not. Any thread. */
bool store_is_ready(struct store *s, char *why);

/* From now on `changed` is told, on any thread, when the store begins to fail (`problem` says why),
 * when it fails for another reason, and when it works again (NULL); at once when it has failed
 * already. Before any port is opened. */
void store_watch(struct store *s, void (*changed)(void *arg, const char *problem), void *arg);

/* "memory", "sqlite", "redis". */
const char *store_name(const struct store *s);

/* Whether other processes work on the same entries. */
bool store_is_shared(const struct store *s);

/* Whether others work on them now: they are shared, or handed over from process to process. */
bool store_is_joint(const struct store *s);

struct store_port *store_port_open(struct store *s, struct loop *l);

/* Calls closed(arg) later, when every operation has been answered and the port is gone. */
void store_port_close(struct store_port *p, void (*closed)(void *arg), void *arg);

struct store *store_of(const struct store_port *p);

/* Nothing may be asked for any more of which somebody waits for the answer. */
bool store_port_is_closing(const struct store_port *p);

/* ---- operations ---- */

/* ERR_NOT_FOUND when there is none. */
struct store_op *store_get(struct store_port *p, const struct store_key *key, on_store *done,
                           void *arg);

/* Sets a value that is gone after `ttl_ms`. In a durable space it is on the disk when `done` is
 * called. */
struct store_op *store_put(struct store_port *p, const struct store_key *key, struct str value,
                           int64_t ttl_ms, on_store *done, void *arg);

/* The same where values may be large: all entries there, keys and values, have at most `room` bytes
 * in all and each owner's a part of it. The owner's entries that expire first make room, then those
 * of all. ERR_TOO_BIG: it alone is above the owner's part. ERR_LIMIT: very much was above `room`;
 * the next calls go on to make room. */
struct store_op *store_put_within(struct store_port *p, const struct store_key *key,
                                  struct str value, int64_t ttl_ms, int64_t room, on_store *done,
                                  void *arg);

/* Takes and deletes the first of the `n` keys that exists: one atomic operation. ERR_NOT_FOUND. */
struct store_op *store_claim_first(struct store_port *p, const struct store_key *keys, size_t n,
                                   on_store *done, void *arg);

/* Not where values may be large. Compare and set: when the present value is `*expected` (NULL:
 * there is none) it becomes `*value` (NULL: it is deleted), atomically; else ERR_CONFLICT. */
struct store_op *store_swap(struct store_port *p, const struct store_key *key,
                            const struct str *expected, const struct str *value, int64_t ttl_ms,
                            on_store *done, void *arg);

/* Adds to all counters, or, when one would exceed its limit, to none: ERR_LIMIT. Atomic. */
struct store_op *store_count(struct store_port *p, const struct store_counter *counters, size_t n,
                             on_store *done, void *arg);

/* Adds to all entries, which are gone `ttl_ms` after the last time; atomic. Of one space; sums stay
 * exact up to 2^53 and stop there. With a `mark` it may be asked for again: it is added once. */
struct store_op *store_tally(struct store_port *p, const struct store_tally *tallies, size_t n,
                             int64_t ttl_ms, const struct store_mark *mark, on_store *done,
                             void *arg);

/* Becomes one of at most `limit` (up to STORE_HOLDERS_MAX) who hold `key`: ERR_LIMIT when others
 * are as many. Who holds it already stays. Whoever does not come again within `ttl_ms` holds it no
 * more; 0 lets go at once. `holder` is unique among all processes. Atomic. */
struct store_op *store_hold(struct store_port *p, const struct store_key *key, uint64_t holder,
                            int64_t limit, int64_t ttl_ms, on_store *done, void *arg);

/* Adds a row to the log of a space, of which at least the last `keep` rows stay. It has no
 * deadline: in memory and in a file its outcome is always known. */
struct store_op *store_append(struct store_port *p, enum store_space space, struct str value,
                              size_t keep, on_store *done, void *arg);

/* Rows of a log with ids below `before` (UINT64_MAX: the last ones), at most `max` (up to
 * STORE_ROWS_MAX), the newest first. */
struct store_op *store_read(struct store_port *p, enum store_space space, uint64_t before,
                            size_t max, on_store *done, void *arg);

/* Entries of a space that can be listed, with keys above `after` (empty: from the first), at most
 * `max` (up to STORE_ROWS_MAX), in the order of their bytes. */
struct store_op *store_list(struct store_port *p, enum store_space space, struct str after,
                            size_t max, on_store *done, void *arg);

/* A person waits for the answer, no request: it may take STORE_PATIENCE_MS, where the store has a
 * deadline at all. In the turn in which it was asked for. */
void store_wait_longer(struct store_op *op);

/* The operation goes on, its callback is not called. On the port's loop; not after the callback. */
void store_forget(struct store_op *op);
