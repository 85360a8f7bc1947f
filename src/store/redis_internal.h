/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the Redis store: redis.c is the store, redis_port.c its connection of one worker,
 * redis_greeting.c what is said first on it, redis_command.c and redis_answer.c the operations as
 * bytes and back. For the files of store/redis*.c.
 */
#pragma once

#include <pthread.h>

#include "base/secret.h"
#include "store/backend.h"
#include "store/redis.h"
#include "store/redis_reply.h"

enum {
    REDIS_WHY_MAX = STORE_PROBLEM_MAX,
    REDIS_RUN_LEN = 16,
};

/* What a server says of itself. */
struct redis_server {
    bool has_aof;                /* what was answered survives its end */
    char run[REDIS_RUN_LEN + 1]; /* another one each time it starts */
};

struct redis {
    struct store store;
    struct endpoint at;
    char name[HOST_MAX + 9]; /* "host:port" */
    char user[STORE_USER_MAX + 1];
    struct secret password;
    unsigned db;
    char prefix[STORE_PREFIX_MAX + 1];
    struct tls_trust *trust; /* borrowed; NULL without TLS */

    pthread_mutex_t mutex; /* of all below */
    bool was_open;
    unsigned n_troubled; /* ports */
    char why[REDIS_WHY_MAX];
};

/* ---- readiness; any thread ---- */

/* "Redis at HOST:PORT" and `what`, into `ret_why` (REDIS_WHY_MAX), for people. */
void redis_why(const struct redis *r, const char *what, char *ret_why);

/* Notes what a port is up to: a problem (of `*is_troubled`, the port's own), or none (NULL). */
void redis_note(struct redis *r, bool *is_troubled, const char *problem);

/* Notes that a port is connected and greeted. */
void redis_note_open(struct redis *r);

/* ---- ports; on their loop ---- */

void *redis_port_open(struct store *s, struct loop *l);
void redis_port_close(struct store *s, void *port);
void redis_port_run(struct store *s, void *port, struct store_op *op);

/* ---- commands ---- */

/* Words of a command, as many as our longest has. */
struct redis_words {
    const char *p[144];
    size_t lengths[144];
    size_t n;
    const char *run;      /* stands in the names of tips; NULL: they are worth a restart */
    char made[40 * 1024]; /* keys and numbers */
    size_t n_made;
};

/* `text` is borrowed. */
void redis_word(struct redis_words *w, struct str text);
void redis_word_number(struct redis_words *w, int64_t number);

/* "PREFIX:SPACE" and `tail`. */
void redis_word_name(struct redis_words *w, const struct redis *r, enum store_space space,
                     const char *tail);

/* Appends the command; ERR_NOMEM or ERR_TOO_BIG with `out` as it was. */
MUST_USE enum err redis_words_add(const struct redis_words *w, struct buf *out);

/* The command that does `op` on such a server. */
MUST_USE enum err redis_command_add(const struct redis *r, const struct redis_server *server,
                                    const struct store_op *op, struct buf *out);

/* Fills `op` from what the server said. ERR_PROTOCOL: that is no answer to such a command. */
MUST_USE enum err redis_command_answer(struct store_op *op, const struct redis_reply *reply);

/* ---- greeting ---- */

enum redis_step { REDIS_AUTH, REDIS_SELECT, REDIS_SERVER, REDIS_AOF, REDIS_PROBE, REDIS_GREETED };

/* Appends what is to be said first; *ret_step is what the first reply is to. */
MUST_USE enum err redis_greeting_add(const struct redis *r, struct buf *out,
                                     enum redis_step *ret_step);

/* Takes the reply to *step and moves on. ERR_IO: this server will not do; `ret_why` (REDIS_WHY_MAX)
 * says why. *server is filled on the way. */
MUST_USE enum err redis_greeting_take(const struct redis *r, const struct redis_reply *reply,
                                      enum redis_step *step, struct redis_server *server,
                                      char *ret_why);

/* The question of REDIS_AOF again, and its reply; false when there is none to be seen in it. */
MUST_USE enum err redis_aof_add(struct buf *out);
bool redis_aof_is_on(const struct redis_reply *reply);

/* What a failure says about the whole server, for people ("is a read-only replica"); NULL when it
 * is only about the one command. */
const char *redis_condition(struct str failure);
