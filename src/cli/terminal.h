/* SPDX-License-Identifier: Apache-2.0 */
/* Text from elsewhere (answers, error messages, names) on its way to a terminal, which would take
 * control characters in it as commands. */
#pragma once

#include <stdio.h>

#include "base/buf.h"

/* Appends `text` as a terminal may see it: tab and the ends of lines as they are, other control
 * characters (C0, DEL, C1) as \u001b and the like, bytes that are no UTF-8 as \x9b. */
MUST_USE enum err terminal_text(struct buf *out, struct str text);

/* Prints and flushes: to a terminal as above, to anything else byte by byte as it is. A stream that
 * cannot be written to has its error flag set. */
void terminal_print(FILE *f, struct str text);
