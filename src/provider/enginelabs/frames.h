/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upstream's WebSocket messages, read: which are ours, what text they add, when
 * the turn is over. Pure: messages in, events out, no socket and no clock.
 *
 * Before frames_turn_begins() everything is the baseline: message ids seen there are remembered and
 * never forwarded. Content comes as deltas or as growing snapshots; which one is settled per
 * (message id, kind) as docs/internals/upstream-protocol.md says, holding back only what is
 * undecided.
 *
 * A replay of the last turn may come late, when ours has begun. Its messages are known by their ids
 * and how they began; those that may be it wait until another one comes, or nothing does.
 *
 * When the stream is opened again in the middle of our turn, frames_restart() makes its messages
 * come again from their start; the sink compares.
 */
#pragma once

#include "base/buf.h"
#include "provider/enginelabs/enginelabs.h"

enum frames_end {
    FRAMES_RUNNING,   /* the turn is not over */
    FRAMES_FINISHED,  /* inProgress:false after our turn began to run */
    FRAMES_CANCELLED, /* ... with cancelled:true */
    FRAMES_UNSURE,    /* it is, unless what came was a late replay of the last turn or a greeting:
                         then more comes soon. If not, frames_settle() */
};

struct frames_sink {
    /* Whole, valid UTF-8; lives during the call. */
    void (*on_text)(void *arg, struct str text);
    void (*on_reasoning)(void *arg, struct str text);
    /* Optional. The text that comes next is a history's: the answer from its start, as far as it
     * was said. */
    void (*on_history)(void *arg);
    /* All that was text begins anew: what a history held comes as updates, too. Without it updates
     * are taken to go on behind a history. */
    void (*on_rewind)(void *arg);
    /* Optional. This message, or the inside of an update, is counted as unknown. */
    void (*on_unknown)(void *arg, struct str json);
};

struct frames;

/* `max_bytes` bounds what is remembered and held for one answer (ERR_TOO_BIG beyond). */
struct frames *frames_new(enum enginelabs_content content, size_t max_bytes,
                          const struct frames_sink *sink, void *arg);
void frames_free(struct frames *f);

/* What frames_write_past() wrote at the end of the last turn; before any message. Anything else is
 * passed over. */
MUST_USE enum err frames_read_past(struct frames *f, struct str past);

/* Describes the messages of our turn that brought text, as far as they fit into `cap` bytes.
 * Returns how many bytes were written. */
size_t frames_write_past(const struct frames *f, char *out, size_t cap);

/* Our POST is about to be sent: what comes from now on may be our answer. */
void frames_turn_begins(struct frames *f);

/* Instead, when the chat is new or the socket is opened only after our POST: what comes from now on
 * is of our turn, and what a `history` holds behind the last user message is already our answer. */
void frames_turn_began(struct frames *f);

/* The POST was refused after all: what has come belongs to the baseline. Nothing of it may have
 * gone to the sink. */
void frames_turn_refused(struct frames *f);

/* Another stream of the same chat, in our turn: earlier turns stay known, what came of ours comes
 * again. An end (but for a canceled one) is unsure from now on, since a stream may greet with it.
 */
void frames_restart(struct frames *f);

/* Takes one whole text message. Unknown or malformed ones are counted and ignored. ERR_TOO_BIG,
 * ERR_NOMEM; ERR_PROTOCOL when the upstream takes back text that was sent on. *ret_end says whether
 * the turn is over: then what was held has gone to the sink. */
MUST_USE enum err frames_feed(struct frames *f, struct str message, enum frames_end *ret_end);

/* The last word was FRAMES_UNSURE, and nothing has shown since what it meant. */
bool frames_is_unsure(const struct frames *f);

/* Nothing else came: what waited was our answer, and goes to the sink. */
MUST_USE enum err frames_settle(struct frames *f);

/* The connection was closed properly (1000 or 1001): true when that ends the turn (at least one
 * update of ours came); what was held has then gone to the sink. */
bool frames_closed(struct frames *f);

/* The upstream works on our turn: since our POST it said so, or began a message. */
bool frames_turn_runs(const struct frames *f);

/* At least one piece of text or reasoning of our turn has gone to the sink. */
bool frames_has_answer(const struct frames *f);

/* Messages of unknown type or shape so far (what an old message says is not looked at), and halves
 * of surrogate pairs that became U+FFFD. */
uint64_t frames_unknown(const struct frames *f);
uint64_t frames_surrogates_lost(const struct frames *f);
