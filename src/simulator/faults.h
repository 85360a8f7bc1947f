/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong, where, and how often: an ordered list of switches. Each request asks for the
 * first switch of its place that is due; frames take all of them. A switch that came with a
 * prompt (!fault) is for requests with that very prompt only. Bounded; pure.
 */
#pragma once

#include "base/list.h"
#include "simulator/options.h"

enum sim_where {
    SIM_AT_ACCEPT, /* a connection was accepted, nothing is read */
    SIM_AT_CLIENT, /* GET /v1/client and memberships */
    SIM_AT_TOKEN,
    SIM_AT_BILLING,
    SIM_AT_ADAPTERS,
    SIM_AT_DELETE,
    SIM_AT_PREFERRED, /* PATCH /teams/preferred-model */
    SIM_AT_PROJECT,   /* POST /projects/create-hosted */
    SIM_AT_OFFERS,
    SIM_AT_OAUTH,
    SIM_AT_MODELS, /* GET /models */
    SIM_AT_EMBEDDINGS,
    SIM_AT_AUDIO,
    SIM_AT_FILES,
    SIM_AT_COMPLETIONS, /* POST /chat/completions */
    SIM_AT_CHUNKS,      /* in the stream of a completion */
    SIM_AT_POST,
    SIM_AT_WS,     /* the WebSocket's handshake, or straight after it */
    SIM_AT_FRAMES, /* in the answer of a task */
    SIM_WHERE_COUNT
};

enum {
    SIM_FOR_ACCEPT = 1,
    SIM_FOR_HTTP = 2, /* all requests but the handshake */
    SIM_FOR_WS = 4,
    SIM_FOR_FRAMES = 8,
    SIM_FOR_CHUNKS = 16,
    SIM_FOR_ANY = 31
};

/* identifier, name, where it may be used */
/* clang-format off */
#define SIM_FAULT_LIST(X)                                                                      \
    X(SIM_STATUS,       "status",       SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_CHALLENGE,    "challenge",    SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_SCHEMA,       "schema",       SIM_FOR_HTTP)                                          \
    X(SIM_REDIRECT,     "redirect",     SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_SIGNED_OUT,   "signed_out",   SIM_FOR_HTTP)                                          \
    X(SIM_RESET,        "reset",        SIM_FOR_ANY) \
    X(SIM_CLOSE,        "close",        SIM_FOR_ANY) \
    X(SIM_RESET_EARLY,  "reset_early",  SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_CLOSE_EARLY,  "close_early",  SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_HANG,         "hang",         SIM_FOR_ACCEPT | SIM_FOR_HTTP | SIM_FOR_WS | SIM_FOR_CHUNKS) \
    X(SIM_DELAY,        "delay",        SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_LATE,         "late",         SIM_FOR_HTTP)                                          \
    X(SIM_LOST,         "lost",         SIM_FOR_HTTP)                                          \
    X(SIM_INVALID_JSON, "invalid_json", SIM_FOR_HTTP)                                          \
    X(SIM_WRONG_TYPE,   "wrong_type",   SIM_FOR_HTTP)                                          \
    X(SIM_TRUNCATED,    "truncated",    SIM_FOR_HTTP)                                          \
    X(SIM_NO_BODY,      "no_body",      SIM_FOR_HTTP)                                          \
    X(SIM_GARBAGE,      "garbage",      SIM_FOR_HTTP | SIM_FOR_WS)                             \
    X(SIM_HUGE,         "huge",         SIM_FOR_HTTP)                                          \
    X(SIM_WRONG_ACCEPT, "wrong_accept", SIM_FOR_WS)                                            \
    X(SIM_EXTENSION,    "extension",    SIM_FOR_WS)                                            \
    X(SIM_NO_UPGRADE,   "no_upgrade",   SIM_FOR_WS)                                            \
    X(SIM_OPEN_CLOSE,   "open_close",   SIM_FOR_WS)                                            \
    X(SIM_OPEN_RESET,   "open_reset",   SIM_FOR_WS)                                            \
    X(SIM_OPEN_SILENT,  "open_silent",  SIM_FOR_WS)                                            \
    X(SIM_REPLAY_DIFFERS, "replay_differs", SIM_FOR_WS)                                        \
    X(SIM_CUT,          "cut",          SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_SILENCE,      "silence",      SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_NO_FINAL,     "no_final",     SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_CANCELLED,    "cancelled",    SIM_FOR_FRAMES)                                        \
    X(SIM_EMPTY,        "empty",        SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_PAUSE,        "pause",        SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_NOT_JSON,     "not_json",     SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_BAD_BUFFER,   "bad_buffer",   SIM_FOR_FRAMES)                                        \
    X(SIM_UNKNOWN,      "unknown",      SIM_FOR_FRAMES | SIM_FOR_CHUNKS) \
    X(SIM_BAD_UTF8,     "bad_utf8",     SIM_FOR_FRAMES)                                        \
    X(SIM_BINARY,       "binary",       SIM_FOR_FRAMES)                                        \
    X(SIM_MASKED,       "masked",       SIM_FOR_FRAMES)                                        \
    X(SIM_RESERVED,     "reserved",     SIM_FOR_FRAMES)                                        \
    X(SIM_OVERSIZED,    "oversized",    SIM_FOR_FRAMES)                                        \
    X(SIM_ENDLESS,      "endless",      SIM_FOR_FRAMES)                                        \
    X(SIM_SEND_HISTORY, "history",      SIM_FOR_FRAMES)                                        \
    X(SIM_SEND_PONG,    "pong",         SIM_FOR_FRAMES)                                        \
    X(SIM_SEND_PING,    "ping",         SIM_FOR_FRAMES)                                        \
    X(SIM_SEND_LABEL,   "label",        SIM_FOR_FRAMES)                                        \
    X(SIM_SEND_ACTIVITY,"activity",     SIM_FOR_FRAMES)                                        \
    X(SIM_SEND_ECHO,    "echo",         SIM_FOR_FRAMES)                                        \
    X(SIM_ERROR,        "error",        SIM_FOR_CHUNKS)                                        \
    X(SIM_NO_DONE,      "no_done",      SIM_FOR_CHUNKS)                                        \
    X(SIM_DOUBLE_DONE,  "double_done",  SIM_FOR_CHUNKS)                                        \
    X(SIM_GARBAGE_LINE, "garbage_line", SIM_FOR_CHUNKS)                                        \
    X(SIM_LONG_LINE,    "long_line",    SIM_FOR_CHUNKS)                                        \
    X(SIM_COMMENT,      "comment",      SIM_FOR_CHUNKS)                                        \
    X(SIM_CRLF,         "crlf",         SIM_FOR_CHUNKS)                                        \
    X(SIM_NO_SPACE,     "no_space",     SIM_FOR_CHUNKS)                                        \
    X(SIM_CUT_UTF8,     "cut_utf8",     SIM_FOR_CHUNKS)                                        \
    X(SIM_EMPTY_CHOICES,"empty_choices",SIM_FOR_CHUNKS)
/* clang-format on */

enum sim_kind {
#define X(id, name, where) id,
    SIM_FAULT_LIST(X)
#undef X
        SIM_KIND_COUNT
};

enum { SIM_FAULTS_MAX = 1024, SIM_FAULT_TEXT_MAX = 65536 };

struct sim_fault {
    struct list node;
    struct arena arena; /* of the texts */
    int where;          /* enum sim_where */
    int kind;           /* enum sim_kind */
    int times;          /* how often it still happens; -1: always */
    int after;          /* how many requests of its place pass first */
    int status;
    int delay_ms;
    int code;               /* of a close frame */
    int at;                 /* frames that go out before it */
    int bytes;              /* size of what is huge or oversized */
    int account;            /* whose requests; -1: anybody's */
    struct str retry_after; /* header value; p NULL when absent */
    struct str body;        /* p NULL: the usual one of that status */
    struct str type;        /* Content-Type; p NULL: the usual one */
    struct str prompt;      /* only for prompts that hold this; p NULL for all */
    uint64_t origin;        /* of the prompt that brought it, 0 for none */
};

struct sim_faults {
    struct list list; /* of struct sim_fault, owned */
    size_t n;
};

void sim_faults_init(struct sim_faults *f);
void sim_faults_deinit(struct sim_faults *f); /* usable again */

const char *sim_fault_name(enum sim_kind kind);
const char *sim_where_name(enum sim_where where);

/* Adds an array of objects, or one object. After an error nothing was added; `what` says why. */
MUST_USE enum err sim_faults_add_json(struct sim_faults *f, struct str json, char *what);

/* Reads the array (or object) that comes next in `j`. */
MUST_USE enum err sim_faults_read(struct sim_faults *f, struct json *j, char *what);

/* Moves all of `from` behind those of `f`; after an error none was. */
MUST_USE enum err sim_faults_move(struct sim_faults *f, struct sim_faults *from, char *what);

/* Adds one from a prompt's command: "post 429 retry_after=5", "frames reset at=3", or the object as
 * JSON. Those for post, frames, completions and chunks hold for that prompt alone (`origin`), each
 * time it comes; the others happen once, to whoever comes next, unless `times` says otherwise. */
MUST_USE enum err sim_faults_add_line(struct sim_faults *f, struct str line, uint64_t origin,
                                      char *what);

/* Whether a prompt's faults are here already, spent ones included. */
bool sim_faults_know(const struct sim_faults *f, uint64_t origin);

/* Who asks for a fault. */
struct sim_asker {
    struct str prompt; /* of the request, empty when it has none */
    int account;       /* whose request it is, -1 for nobody's */
    uint64_t origin;   /* sim_prompt_origin() of it, or 0 */
    bool is_early;     /* only the head was read: reset_early and close_early, and no others */
};

/* The next that is due at `where`, counted down, or NULL. Borrowed until something is added or
 * dropped. */
const struct sim_fault *sim_faults_take(struct sim_faults *f, enum sim_where where,
                                        const struct sim_asker *asker);

/* All that are due, at most `max`; returns how many. */
size_t sim_faults_take_all(struct sim_faults *f, enum sim_where where,
                           const struct sim_asker *asker, const struct sim_fault **ret, size_t max);

/* Writes the array that sim_faults_read takes. */
void sim_faults_write(const struct sim_faults *f, struct json_writer *w);
