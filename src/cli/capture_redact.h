/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes what is the user's out of what was recorded, and leaves its form. A string is replaced
 * unless it is known to be harmless: ids and tokens by placeholders such as {session} or {id-3},
 * the same ones throughout, all other text letter by letter ('x', digits '0', white space as it
 * is). What grows from piece to piece grows still, and what does not does not. Pure.
 *
 * First everything is learned, then everything written twice: the first time finds out which
 * strings are replaced at all, so that they go as names of members, too; redact_restart() lies
 * between. At last redact_leaks() looks whether all is gone.
 */
#pragma once

#include "base/buf.h"

struct redact;

struct redact *redact_new(void);
void redact_free(struct redact *r);
void redact_restart(struct redact *r);

/* ---- learning ---- */

/* `value` is {name} from now on; the second value of a name is {name-2}. Empty ones are passed
 * over, those that have a name keep it. */
void redact_name(struct redact *r, const char *name, struct str value);

/* May not occur in what is written. What is shorter than 6 bytes, or than 16 without a digit, is no
 * secret but a word. */
void redact_forbid(struct redact *r, struct str value);

/* What a path or a body in JSON says of session, user, organization, chat, project, workspace,
 * tokens and the models that there are. Bodies that are no JSON say nothing. */
void redact_learn_path(struct redact *r, struct str path);
void redact_learn_query(struct redact *r, struct str query);
void redact_learn_body(struct redact *r, struct str body);
void redact_learn_asked(struct redact *r, struct str body); /* a completion: for which model */
void redact_learn_events(struct redact *r, struct str body);

/* ---- writing: each appends one JSON value ---- */

/* Errors are those of the buffer. */
MUST_USE enum err redact_path(struct redact *r, struct str path, struct buf *out);

/* Of an URL, or a form. */
MUST_USE enum err redact_query(struct redact *r, struct str query, struct buf *out);

/* An object or array as such, all else as a string. Of a body and of a WebSocket's message. */
MUST_USE enum err redact_body(struct redact *r, struct str body, struct buf *out);

/* A stream of server-sent events, as a string. */
MUST_USE enum err redact_events(struct redact *r, struct str body, struct buf *out);

/* The value of a header that may stay; false: this one may not, nothing was written. */
bool redact_header(struct str name, struct str value);

/* Whether something that was forbidden or has a placeholder occurs in `text`, as it is, or in
 * percent-encoding, base64 or JSON. */
bool redact_leaks(const struct redact *r, struct str text);
