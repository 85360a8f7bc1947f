/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' API for commands: of the gateway that has the store, through its control socket;
 * when none has it, of this process, which opens the store for as long as the command runs. So a
 * command does not know which of the two answers.
 */
#pragma once

#include "cli/local_client.h"

struct cli_operator;

/* NULL: neither works, and standard error says why. */
struct cli_operator *cli_operator_open(const struct settings *s);
void cli_operator_close(struct cli_operator *o); /* NULL is fine */

/* Asks for "keys" and so on, below /admin/api/. False: it failed, and standard error says why. Else
 * the body is in `ret`, to be released. */
MUST_USE bool cli_operator_call(struct cli_operator *o, enum http_method method, const char *path,
                                struct str body, struct buf *ret);

/* The same for an answer of any size: `on_body` gets it in pieces. */
MUST_USE bool cli_operator_stream(struct cli_operator *o, const char *path,
                                  void (*on_body)(void *arg, struct str bytes), void *arg);
