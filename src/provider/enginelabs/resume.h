/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer whose stream broke and was opened again: what the new stream says again must be what
 * was sent on, byte for byte, and only what follows goes on. Of what was sent on a digest and its
 * length are kept, no text. Pure.
 *
 *     the first stream      all goes on
 *     opened again          what was said comes again and stays silent; at its end the digests meet
 *         proven            what follows goes on
 *         not proven        what follows is held; the stream must be looked at once more
 *
 * A stream has proven that it tells the answer from its start, and does not just go on somewhere,
 * when it said RESUME_PROOF_BYTES again or more, or when the stream before it told all the same: of
 * less, chance is the likelier reason. A history proves the text that it tells, not the reasoning.
 */
#pragma once

#include "base/buf.h"
#include "base/hash.h"

enum { RESUME_PROOF_BYTES = 16 };

enum resume_side { RESUME_TEXT, RESUME_REASONING, RESUME_SIDES };

typedef void resume_emit(void *arg, enum resume_side side, struct str text);

struct resume {
    resume_emit *emit; /* what goes on */
    void *arg;
    struct resume_told {
        struct sha256 sent; /* all that went on, then what is held */
        uint64_t n;
        struct sha256 again; /* what this stream has said of it so far */
        uint64_t at;
        uint64_t met;    /* bytes of it that were the same; 0 until all of them are */
        bool is_proven;  /* this stream tells it from its start; the first one always does */
        struct buf held; /* waits for the proof */
    } sides[RESUME_SIDES];
    bool is_again;   /* not the first stream */
    bool is_second;  /* the stream before this one told all that is expected */
    bool of_history; /* the text of this stream began with a history */
    enum err failed;
};

/* At most `max` bytes are held. */
void resume_init(struct resume *r, size_t max, resume_emit *emit, void *arg);
void resume_deinit(struct resume *r);

/* Another stream: it is expected to begin with all that was taken so far. */
void resume_again(struct resume *r);

/* The same stream begins anew with this side. */
void resume_rewind(struct resume *r, enum resume_side side);

/* The text that comes next is told by a history: from its start. */
void resume_by_history(struct resume *r);

/* The next text of this stream. ERR_PROTOCOL when it is not what was sent on, ERR_TOO_BIG,
 * ERR_NOMEM: nothing goes on any more, and every later call says the same. */
enum err resume_take(struct resume *r, enum resume_side side, struct str text);

/* The first error of resume_take(). */
static inline enum err resume_failed(const struct resume *r)
{
    return r->failed;
}

/* All that was taken before this stream has come again. */
bool resume_is_caught_up(const struct resume *r);

/* ... and is proven: when the stream ends, the answer is whole. */
bool resume_is_whole(const struct resume *r);

/* Enough is held: another stream must prove it now. */
bool resume_must_look(const struct resume *r);
