/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash chain that names a conversation: H0 over key, upstream, model and system prompts, then
 * one link a message (docs/internals/conversations.md). Texts are taken canonically: parts joined,
 * CR LF as LF, outer white space trimmed; system and developer messages belong to H0 wherever they
 * stand.
 */
#pragma once

#include "base/hash.h"
#include "chat/request.h"

struct fingerprint {
    unsigned char bytes[SHA256_LEN];
};

/* Who talks to what: the start of the chain. */
struct fingerprint_scope {
    struct str key_id;       /* of the client's key; empty when there are none */
    struct str upstream;     /* its unique name */
    struct str model;        /* the upstream's name for it */
    struct str instructions; /* what the upstream is told besides the messages; may be empty */
};

/* Fills chain[i] with the fingerprint of messages 0..i (chain has n_messages entries). */
void fingerprint_chain(const struct fingerprint_scope *scope, const struct chat_request *req,
                       struct fingerprint *chain);

/* The text of an assistant message as it is streamed, hashed piece by piece. Holds no memory. */
struct fingerprint_text {
    struct sha256 solid; /* of the canonical text so far, without white space at its end */
    struct sha256 ahead; /* the same with that white space: it counts once more text follows */
    bool begun;          /* something other than white space was seen */
    bool pending_cr;     /* a CR that is not in `ahead` yet: a LF may follow */
};

void fingerprint_text_init(struct fingerprint_text *t);

/* Where the text is cut does not matter. */
void fingerprint_text_add(struct fingerprint_text *t, struct str piece);

/* An assistant message as the client has it. */
struct fingerprint_said {
    struct fingerprint_text text;
    const struct chat_tool_call *tool_calls;
    size_t n_tool_calls;
    const struct chat_tools *tools; /* which the request offered; NULL: none */
};

/* The link after `last` for that message: the same as fingerprint_chain gives when the client sends
 * it back. More text may be added afterwards. */
void fingerprint_answer(const struct fingerprint *last, const struct fingerprint_said *said,
                        struct fingerprint *ret);
