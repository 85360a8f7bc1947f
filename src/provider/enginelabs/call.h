/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer in the making; private to chat.c (the course of a call, its ends), failover.c (what
 * becomes of a failure) and wire*.c (what goes over the wire: socket, prompt, answer).
 *
 *     [CLAIM] --> LEASE --> TOKEN --> SOCKET --> POST --> ANSWER --> FINISHED --> SETTLING --> DONE
 *                   ^         ^_________|__________/ |     |    401: with another token
 *                   |_________|_________|__________/ |     |    again, maybe on another account
 *                                SOCKET <____________/     |    404: a new chat; or the socket is
 *                                SOCKET <__________________/    second; the stream broke: again
 *
 * call_set_state() is the only writer of `state`. Every state may go to DONE: failure or release.
 * After a failure the call holds nothing any more and waits in DONE for its release. Memory goes
 * at the end of the turn of release or settlement, so a callback may release the call it is in:
 * whoever called out looks at `state` before going on.
 */
#pragma once

#include "conversation/tips.h"
#include "http/websocket.h"
#include "net/timer.h"
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/frames.h"
#include "provider/enginelabs/instance.h"
#include "provider/enginelabs/project.h"
#include "provider/enginelabs/resume.h"

enum call_state {
    CALL_CLAIM,    /* looks for the chat that this conversation stands at */
    CALL_LEASE,    /* waits for room on an account, or a moment before it tries again */
    CALL_TOKEN,    /* waits for a token */
    CALL_PROJECT,  /* protocol project: has its model set and its project made */
    CALL_SOCKET,   /* opens the answer stream */
    CALL_POST,     /* sends the prompt, until the service has taken it */
    CALL_ANSWER,   /* the answer streams */
    CALL_FINISHED, /* it is whole; waits for settle */
    CALL_SETTLING, /* stores the tip */
    CALL_DONE,     /* holds nothing but memory */
};

enum { CALL_ERROR_BODY_MAX = 4096, CALL_TARGET_MAX = 2048 };

struct provider_call {
    struct provider_instance *instance;
    const struct chat_request *chat;   /* borrowed up to settle or release */
    struct str key_id, instructions;   /* the latter borrowed, too */
    struct str model;                  /* in the arena */
    char sent_model[ADAPTER_NAME_MAX]; /* what the service calls it; "" until that is known */
    const struct provider_sink *sink;
    void *arg;

    enum call_state state;
    enum provider_phase phase;
    struct arena arena;
    struct task later;  /* the begin, and a settlement that has nothing to store */
    struct task retire; /* frees the call */

    struct roster_place place;              /* the lease */
    const struct enginelabs_config *config; /* of the account, once one was leased */
    struct account_port *port;              /* the same */
    struct wait wait;                       /* for a token */
    struct token token;
    bool is_token_renewed; /* the one forced renewal on this account is spent */

    uint64_t failed;    /* accounts that were tried in vain, by number */
    unsigned retries;   /* on whatever account */
    struct timer pause; /* before a retry */
    struct notice last; /* why the last try failed; FAILURE_NONE: it did not */
    bool is_whole;      /* the answer is */
    bool is_task_over;  /* upstream nothing runs for this call, whatever was sent */

    struct fingerprint *chain; /* of all messages, in the arena */
    struct tip_claim *claim;   /* running */
    bool has_claim;            /* `tip` was taken out of the store and may have to go back */
    struct tip tip;
    struct fingerprint tip_at;
    size_t tip_from; /* the first message that its chat has not seen */

    bool is_known_chat; /* the chat was named by the tip */
    bool is_prepared;   /* chat_id and body are set */
    bool is_rewritten;  /* the body is no longer what the check wrote */
    char chat_id[TIP_CHAT_MAX];
    struct buf body;     /* of the POST; empty once it was accepted */
    size_t trimmed;      /* messages left out of it */
    size_t checked_from; /* the first message of what the check left in it */

    struct wait models;                     /* protocol project: for the names of its models */
    struct pin_hold hold;                   /* protocol project: of its model */
    struct project *project;                /* running */
    struct project_ids ids;                 /* of the chat there; chat "": none yet */
    const struct enginelabs_config *ids_by; /* the account that made them, unless a tip did */

    struct websocket *socket; /* connecting or open */
    bool is_socket_open;
    bool is_socket_retried;
    bool is_post_first; /* the stream is not there before the chat is */
    bool is_paused;
    struct timer ping;
    struct timer unsure;    /* armed while what came may be a replay or the answer */
    struct timer quiet;     /* armed while a known chat's stream may still replay */
    int64_t quiet_limit_ms; /* when that is waited for no longer */
    struct frames *frames;  /* of this chat */
    bool has_turn_begun;
    bool has_emitted; /* the message that is being read gave an event */
    bool has_ended;   /* the stream said so; the POST's answer may still be due */

    struct resume resume; /* what was sent on, for a stream that is opened again */
    struct timer reopen;  /* armed until it is */
    unsigned n_reopened;  /* times in a row without anything new */
    bool has_looked;      /* ... and once more, for the proof that resume wants */

    struct wire_post *post; /* running */
    bool is_post_retried;
    bool is_accepted;     /* by the POST's answer, or the stream showed it */
    struct timer lost;    /* armed while the stream may yet show that a prompt arrived ... */
    enum err lost_err;    /* ... whose POST broke without an answer: how */
    const char *lost_why; /* in the arena */
    struct api_status post_status; /* of an answer other than 2xx */
    struct buf post_error;         /* its body, as far as it is kept */

    struct store_op *settle_op; /* running */
    void (*settled)(void *arg);
};

void call_set_state(struct provider_call *c, enum call_state next);

/* Reports a higher phase; false when the call was released meanwhile. */
bool call_set_phase(struct provider_call *c, enum provider_phase phase);

/* Ends the answer: `failure` NULL when it is whole. All goes back first; harmless again. */
void call_finish(struct provider_call *c, const struct failure *failure);

/* ---- chat.c ---- */

/* Writes the prompt for the chat that is known now, and opens its stream. */
void call_prepare(struct provider_call *c);

/* Target of the answer stream; appended. */
MUST_USE enum err call_stream_target(const struct provider_call *c, struct buf *out);

/* Asks for an account. */
void call_lease(struct provider_call *c);

/* Gives back account, wire and token, so that the call can begin again with call_lease(). */
void call_step_back(struct provider_call *c);

/* Asks for a token, which may have ended meanwhile, and goes on where the call stood. */
void call_ask_token(struct provider_call *c);

/* Finds what the service calls the model; false, and the call has failed: nothing. */
bool call_name_model(struct provider_call *c);
bool call_has_name(struct provider_call *c); /* else it waits in CALL_PROJECT, or has failed */

/* Ends it with a message made here. */
void call_fail(struct provider_call *c, enum failure_kind kind, const char *format, ...)
    FORMAT(3, 4);

/* Takes another token, once a call, since the service refused the one it has; then goes on where
 * it stood. False when that was done already. */
bool call_renew_token(struct provider_call *c);

/* The chat that was known is gone: a new one, with all that was said. */
void call_start_new_chat(struct provider_call *c);

/* ---- call_project.c ---- */
/* With a token; c->ids names the chat if there is one. Goes on with call_prepare(). */
void call_project_start(struct provider_call *c);

/* Whether the prompt may go out now. If not, the call has gone elsewhere. */
bool call_project_may_send(struct provider_call *c);
void call_project_leave(struct provider_call *c);
void call_project_drop(struct provider_call *c); /* no prompt goes to what was made for this call */

/* False: its ids are too long to be kept. */
bool call_project_write_tip(const struct provider_call *c, char out[TIP_CHAT_MAX]);

/* Whether the tip is one of this protocol. If not, there are no ids. */
bool call_project_read_tip(struct provider_call *c);

/* wire*.c: the next steps, and the release of what they opened. */
void wire_open_socket(struct provider_call *c);
void wire_send_prompt(struct provider_call *c);
void wire_close(struct provider_call *c);

/* The POST was refused and will be sent again: what the stream said since belongs to no answer. */
void wire_take_back_turn(struct provider_call *c);

/* The prompt went out whole, and POST and stream broke before either showed that it arrived. */
void wire_prompt_lost(struct provider_call *c);

/* Forgets what was read of the chat's stream, and counts what was odd in it. */
void wire_drop_frames(struct provider_call *c);

/* The operations of provider_ops on a call. */
struct provider_call *call_start(struct provider_instance *p, const struct provider_request *r);
void call_pause(struct provider_call *c);
void call_resume(struct provider_call *c);
void call_settle(struct provider_call *c, enum provider_verdict verdict,
                 const struct fingerprint_said *answer, void (*settled)(void *arg));
void call_release(struct provider_call *c);
