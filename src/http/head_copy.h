/* SPDX-License-Identifier: Apache-2.0 */
/* A response head that outlives the bytes it was parsed from. Private to this room. */
#pragma once

#include "http/message.h"

/* All of it in `a`. */
struct http_head *http_head_copy(struct arena *a, const struct http_head *h);
