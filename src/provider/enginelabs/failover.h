/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a call that fails: again, maybe by another account; else the end. */
#pragma once

#include "provider/enginelabs/call.h"

/* The service answered `what` with a status that is no success. */
void call_refused(struct provider_call *c, const char *what, const struct api_status *s,
                  struct str body);

/* It did not answer at all. */
void call_broke(struct provider_call *c, const char *what, enum err err, const char *detail);

/* It failed for a reason that is told already. */
void call_failed(struct provider_call *c, enum reaction reaction, const struct failure *f);

/* The prompt is out, nobody answered, and a stream that was open showed no sign of it. */
void call_unheard(struct provider_call *c, const char *what, enum err err, const char *detail);

/* There is no token. */
void call_not_signed_in(struct provider_call *c, const struct notice *notice);

/* No account may serve it (any more). */
void call_no_account(struct provider_call *c, const struct notice *notice);
