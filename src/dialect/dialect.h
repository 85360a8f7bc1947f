/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dialect is one client-facing API shape: it decodes a body into a chat request and encodes
 * events and errors into that API's bytes. Pure translation: no I/O, no clock.
 */
#pragma once

#include "base/buf.h"
#include "chat/event.h"
#include "chat/request.h"

/* What an answer needs besides its events; lives as long as the encoder. */
struct dialect_answer {
    const struct chat_request *request;
    struct arena *arena;   /* for what an encoder builds once an answer */
    struct str model;      /* as the client named it, or the default */
    struct str id;         /* "chatcmpl-..." is made of it */
    int64_t created_s;     /* seconds since 1970 */
    int64_t prompt_tokens; /* estimated, for a dialect that tells them first; else 0 */
    bool is_kept;          /* for later requests; may change until the end is written */
};

/* How a choice ended. */
struct dialect_end {
    enum chat_finish finish;
    struct str stop; /* the stop sequence that did it, if known */
};

struct dialect_choice {
    struct str text;
    struct str reasoning; /* empty where the request hides it */
    const struct chat_tool_call *tool_calls;
    size_t n_tool_calls;
    struct dialect_end end;
};

/* A whole answer, for clients that do not stream. */
struct dialect_whole {
    const struct dialect_choice *choices; /* the request's n of them */
    size_t n_choices;
    struct chat_usage usage;
};

/* What a request can ask for that not every upstream can do. */
enum dialect_wish {
    DIALECT_STOP,
    DIALECT_LIMIT,
    DIALECT_TOOLS,
    DIALECT_FORMAT,
    DIALECT_N,
    DIALECT_WISHES,
};

struct dialect_ops {
    const char *name;      /* "openai_chat" */
    size_t encoder_size;   /* bytes of a zeroed encoder */
    bool counts_first;     /* wants dialect_answer.prompt_tokens when a stream begins */
    const char *id_header; /* where its clients look for the request's id; NULL: x-request-id */
    const char *params[DIALECT_WISHES]; /* what a client calls them; NULL: it has none */

    /* Fills `ret`, whose `past` and `is_spelled` are set, from `body`; false with *ret_failure
     * set (FAILURE_BAD_REQUEST and its param). */
    bool (*decode)(struct str body, struct arena *a, struct chat_request *ret,
                   struct failure *ret_failure);

    /* All append to `out`; ERR_TOO_BIG or ERR_NOMEM are its. Choices are below the request's n; a
     * tool's pieces are in the form that chat/tool_calls.h gives them. ERR_PROTOCOL: the format
     * cannot tell what the upstream does. */
    enum err (*stream_begin)(void *encoder, const struct dialect_answer *answer, struct buf *out);
    enum err (*stream_text)(void *encoder, size_t choice, struct str text, struct buf *out);
    enum err (*stream_reasoning)(void *encoder, size_t choice, struct str text, struct buf *out);
    enum err (*stream_tool)(void *encoder, size_t choice, const struct chat_tool_piece *piece,
                            struct buf *out);
    /* Once a choice, when all is said; then the end of the stream. */
    enum err (*stream_choice_end)(void *encoder, size_t choice, const struct dialect_end *end,
                                  struct buf *out);
    enum err (*stream_end)(void *encoder, const struct chat_usage *usage, struct buf *out);
    /* The encoder of an answer of RAW events is NULL here. */
    enum err (*stream_error)(void *encoder, const struct failure *failure, struct buf *out);
    enum err (*stream_keepalive)(void *encoder, struct buf *out);

    /* For a dialect whose format an upstream may speak itself (struct chat_request.raw): one event
     * of that upstream's stream, and the end behind the last. NULL: RAW events are not for it. */
    enum err (*stream_raw)(struct str json, struct buf *out);
    enum err (*stream_raw_end)(struct buf *out);

    enum err (*whole)(const struct dialect_answer *answer, const struct dialect_whole *whole,
                      struct buf *out);

    /* The record of an answer that is kept, when all is said: of a stream whose choices have ended,
     * or of `whole` when `encoder` is NULL; the usage is `whole`'s. NULL: none are kept. */
    enum err (*record)(void *encoder, const struct dialect_answer *answer,
                       const struct dialect_whole *whole, struct buf *out);

    /* The error body of this API. */
    enum err (*error)(const struct failure *failure, struct buf *out);
};

extern const struct dialect_ops dialect_openai_chat;
extern const struct dialect_ops dialect_anthropic_messages;
extern const struct dialect_ops dialect_openai_completions;
extern const struct dialect_ops dialect_openai_responses;
