/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader of frames is made of, for frames.c, frames_past.c and
 * frames_resume.c only. */
#pragma once

#include "base/map.h"
#include "provider/enginelabs/frames.h"
#include "provider/enginelabs/head.h"
#include "provider/enginelabs/update.h"

enum kind { KIND_TEXT, KIND_REASONING, KINDS };

/* A message of the chat. */
struct message {
    struct str id;             /* lies behind the struct */
    bool is_old;               /* of an earlier turn */
    char past[HEAD_TEXT_SIZE]; /* of the last turn, and how it began then; "" for others */
    struct head head;          /* how it begins now */
    bool is_ours;              /* came in our turn before the stream was opened again */
    bool begins_history;       /* a history told our turn from this message on, no update yet */
    struct head again;         /* how updates behind that history begin */
    struct joiner again_out;   /* leads there */
    bool begun[KINDS];
    struct content content[KINDS];
};

/* What the last update of a message had around the content's text; see frames_alike.c. */
struct alike {
    struct buf around; /* empty: nothing is remembered */
    size_t before;     /* bytes of it that stood in front of the text */
    enum update_kind kind;
    struct message *message;
    unsigned missed; /* remembered so many times in a row, and nothing was like it */
};

struct frames {
    enum enginelabs_content mode;
    size_t max_bytes;
    const struct frames_sink *sink;
    void *arg;
    struct map messages;            /* id -> struct message, owned */
    struct message *last;           /* found or made; NULL at first */
    struct message *current[KINDS]; /* whose content came last */
    struct joiner joiner[KINDS];
    size_t held;         /* bytes of messages remembered and content kept */
    struct buf unpacked; /* the inner JSON of an update */
    struct buf text;     /* decoded content of one piece */
    struct buf block;    /* ... and of one of its blocks */
    struct alike alike;
    struct buf waiting; /* updates that may be a replay: size_t length and JSON, each */
    struct buf echo;    /* updates that may repeat a history: size_t length and JSON, each */
    bool is_restarted;  /* the stream is not the first one of this turn */
    bool is_unsure;     /* the task ended while they waited and nothing else had come */
    bool has_past;      /* messages of the last turn are known */
    bool in_replay;     /* some of them came again, and no end of a task since */
    bool in_turn;
    bool replay_is_ours;
    bool ran;     /* inProgress:true or a new message since our POST */
    bool updated; /* a new message since our POST */
    uint64_t unknown;
};

static inline bool message_has_begun(const struct message *m)
{
    return m->begun[KIND_TEXT] || m->begun[KIND_REASONING];
}

/* Finds or makes it; ERR_TOO_BIG when there are too many. */
MUST_USE enum err frames_message(struct frames *f, struct str id, struct message **ret);

/* The text of an id, empty when there is none; lives until the next is asked for. */
MUST_USE enum err frames_id_text(struct frames *f, const struct json_value *id, struct str *ret);

/* One update, or a message of a history: `is_replay`. */
MUST_USE enum err frames_on_buffer(struct frames *f, struct str text, bool is_replay);

/* frames_alike.c */
void frames_alike_init(struct alike *a);

/* Remembers `message`, an update of `m` whose `buffer` is a string: f->unpacked, which says `u`.
 * ERR_NOMEM. */
MUST_USE enum err frames_learn(struct frames *f, struct str message,
                               const struct json_value *buffer, const struct update *u,
                               struct message *m);

/* Whether `message` is such an update again with another text, of f->alike.message, which may be
 * taken without all of its JSON. Then *ret is what it says, without the id. */
bool frames_is_alike(struct frames *f, struct str message, struct update *ret);

/* No message goes on: what was held goes out. */
void frames_close_all(struct frames *f);

/* frames_resume.c: whether an update must wait, since it may repeat what a history held. */
MUST_USE enum err frames_may_be_echo(struct frames *f, struct message *m, const struct update *u,
                                     struct str text, bool *ret_waits);

/* The updates that may be an echo are none. */
MUST_USE enum err frames_take_echo(struct frames *f);

/* Keeps an update in `list`, as the buffers above say. */
MUST_USE enum err frames_keep_update(struct buf *list, struct str text);

/* Reads the updates that were kept in `list`, which is empty then. */
MUST_USE enum err frames_read_updates(struct frames *f, struct buf *list);

/* frames_past.c: whether an update must wait, since its message may be one of the last turn that
 * comes again; `text` is all of it. */
MUST_USE enum err frames_may_be_replay(struct frames *f, struct message *m, const struct update *u,
                                       struct str text, bool *ret_waits);

/* What waits was a replay. */
void frames_drop_waiting(struct frames *f);

/* Nothing was a replay: the service uses its ids again. */
MUST_USE enum err frames_take_waiting(struct frames *f);

/* Messages of earlier turns are remembered, so that a replay of them stays silent. */
MUST_USE enum err frames_on_history(struct frames *f, struct str messages);
