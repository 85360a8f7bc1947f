/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer other than the one hoped for means: the one table of the upstream's HTTP statuses
 * (docs/internals/openai.md). Pure.
 */
#pragma once

#include "chat/failure.h"
#include "provider/openai/keys.h"

/* What is read of the head of an answer. */
struct answer_status {
    int code;          /* 0 before there is one */
    bool is_challenge; /* a browser check in the answer's place */
    int64_t retry_after_ms;
};

struct answer_status status_read(const struct http_head *head, int64_t wall_ms);

/* What may be done about it before the client is told. */
struct status_rule {
    enum failure_kind kind;
    bool is_as_it_is; /* the client gets status and body of the upstream */
    bool is_for_next; /* another key may do better: it was not taken */
    bool is_trouble;  /* the key is to rest */
    enum key_trouble trouble;
    const char *advice;
};

/* Never NULL. */
const struct status_rule *status_rule(const struct answer_status *s);

/* The failure for it; message and body in `a`. `body` is what the upstream said, as far as it was
 * kept. */
void status_failure(struct failure *ret, struct arena *a, const char *upstream,
                    const struct answer_status *s, struct str body);

/* Makes `f`, of status_failure(), the upstream's own answer where the request is at fault: all of
 * its body and its Content-Type, whatever they are. Of a limit and its like only a JSON object is
 * the upstream's, since others in the way tell of those, too. An empty body tells nothing: ours. */
void status_as_it_is(struct failure *f, struct arena *a, struct str type, struct str body);

/* An error object (or text) inside an answer with status 200: `error` is its JSON, `whole` that of
 * the event or answer it was in. Its bytes are for the client only where `error` is a member that
 * any client of the format takes for an error. */
void status_error_inside(struct failure *ret, struct arena *a, const char *upstream,
                         struct str error, struct str whole);

/* For a call that ended without an answer; the message in `a`. */
void status_unanswered(struct failure *ret, struct arena *a, const char *upstream,
                       const struct http_outcome *outcome);
enum failure_kind status_of_transport(enum err err);
