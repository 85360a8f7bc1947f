/* SPDX-License-Identifier: Apache-2.0 */
/* A secret that somebody types or pastes: it is not shown. */
#pragma once

#include "base/buf.h"

enum { COOKIE_MAX = 64 << 10 };

/* Appends a line, without its end, from a terminal or whatever `fd` is; of a terminal, Ctrl-C and
 * Ctrl-D cancel (ERR_CANCELED), backspace and Ctrl-U take back. ERR_TOO_BIG: above COOKIE_MAX
 * bytes; ERR_IO: errno says why; ERR_NOMEM. */
MUST_USE enum err hidden_line(int fd, struct buf *out);
