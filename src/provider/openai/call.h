/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer in the making; private to call.c (the course of a call: key, request, its ends) and
 * answer.c (what comes back).
 *
 *     TOKEN --> SEND --> ANSWER --> FINISHED --> SETTLING --> DONE
 *       ^________/_________/    another key, a renewed token, or another connection: only while the
 *                               upstream certainly did not take the request
 *
 * openai_call_set_state() is the only writer of `state`. Every state may go to DONE: failure or
 * release. After a failure the call holds nothing any more and waits in DONE for its release.
 * Memory goes at the end of the turn of release or settlement, so a callback may release the call
 * it is in: whoever called out looks at `state` before going on.
 */
#pragma once

#include "provider/openai/body.h"
#include "provider/openai/key_turn.h"
#include "provider/openai/status.h"
#include "provider/openai/stream.h"

enum call_state {
    CALL_TOKEN,    /* chooses a key; waits for a token of a sign-in */
    CALL_SEND,     /* the request goes out, until a status comes back */
    CALL_ANSWER,   /* the answer, or the error's body, comes */
    CALL_FINISHED, /* it is whole; waits for settle */
    CALL_SETTLING, /* nothing to store: until the end of the turn */
    CALL_DONE,     /* holds nothing but memory */
};

/* What the body of an answer is. */
enum answer_kind {
    ANSWER_STREAM,   /* events */
    ANSWER_WHOLE,    /* one JSON text */
    ANSWER_MISTAKEN, /* a stream was asked for, something else came: only an error in it helps */
    ANSWER_ERROR,    /* of a status other than 2xx */
};

/* Events that wait: each its length and its bytes. */
struct event_queue {
    struct buf bytes;
    size_t at; /* up to there they are handed on */
};

struct provider_call {
    struct provider_instance *instance;
    struct provider_request request; /* what it points at is borrowed up to settle or release */
    struct str model_json;           /* the client's name of the model, as JSON; in the arena */
    enum call_state state;
    enum provider_phase phase;
    struct arena arena;
    struct task later;  /* the begin; a settlement; going on after a pause */
    struct task retire; /* frees the call */

    struct key_turn turn;
    bool is_reconnected; /* the one new connection is spent */

    struct buf body;        /* of the request; empty once it was sent and accepted */
    struct body_ends ends;  /* what is before and behind it, as the client sent it */
    struct http_call *http; /* running */
    enum answer_kind kind;
    struct answer_status status;
    struct str type; /* Content-Type of an error; in the arena */
    struct buf kept; /* what is gathered: a whole answer, or an error as far as it is read */
    bool is_cut;     /* more of it was to come */

    struct stream stream;       /* with ANSWER_STREAM */
    bool has_stream;            /* it is to be released */
    struct event_queue prelude; /* raw events before the first that says something */
    struct event_queue held;    /* events that came while paused */
    struct buf spliced;         /* scratch: an event with the client's model */
    struct buf said;            /* scratch: texts of an event, joined */
    struct buf thought;         /* scratch: its reasoning */
    struct timer linger;        /* armed from [DONE] until the body's end */
    bool is_paused;
    bool has_ended; /* nothing more comes */
    enum err end_err;
    char end_detail[256];

    enum chat_finish finish;
    struct chat_usage usage;
    bool has_usage;
    void (*settled)(void *arg);
};

void openai_call_set_state(struct provider_call *c, enum call_state next);

/* Reports a higher phase; false when the call was released meanwhile. */
bool openai_call_set_phase(struct provider_call *c, enum provider_phase phase);

/* Hands an event on; false when the call was released meanwhile. */
bool openai_call_emit(struct provider_call *c, const struct chat_event *event);

/* Ends the answer: `failure` NULL when it is whole. Harmless the second time. */
void openai_call_finish(struct provider_call *c, const struct failure *failure);
void openai_call_fail(struct provider_call *c, enum failure_kind kind, const char *format, ...)
    FORMAT(3, 4);

/* The upstream answered with this status and `kept`; it took nothing. Goes on with the next key, or
 * a renewed token, or fails. */
void openai_call_refused(struct provider_call *c);

/* The HTTP call ended without a status: once more, or it fails. */
void openai_call_unanswered(struct provider_call *c, const struct http_outcome *outcome);

/* answer.c */
void answer_begin(struct provider_call *c, const struct http_head *head);
void answer_take(struct provider_call *c, struct str bytes);
void answer_end(struct provider_call *c, const struct http_outcome *outcome);
void answer_go_on(struct provider_call *c); /* after a pause */
void answer_reset(struct provider_call *c); /* before another try */
void answer_free(struct provider_call *c);

/* compose.c: the request's body, and its headers (HTTP_HEADERS_MAX of them; values are in the arena
 * or the settings'). ERR_BAD_INPUT, ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err compose_body(struct provider_call *c);
size_t compose_headers(struct provider_call *c, struct str token, struct http_header *headers);

/* session.c: the name of this conversation for EngineLabs, "ses_...", in the arena. The same for
 * all requests of one key that begin with the same messages up to the first of the user. */
struct str session_id(const struct provider_request *r, struct arena *a);

/* The operations of provider_ops on a call. */
struct provider_call *openai_call_start(struct provider_instance *p,
                                        const struct provider_request *r);
void openai_call_pause(struct provider_call *c);
void openai_call_resume(struct provider_call *c);
void openai_call_settle(struct provider_call *c, enum provider_verdict verdict,
                        const struct fingerprint_said *answer, void (*settled)(void *arg));
void openai_call_release(struct provider_call *c);
