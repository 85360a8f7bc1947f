/* SPDX-License-Identifier: Apache-2.0 */
/* One request as the ledger has it. Never of it: prompts and answers. */
#pragma once

#include "base/buf.h"

enum { LEDGER_ROW_MAX = 4096 }; /* bytes of one as JSON */

struct ledger_row {
    int64_t wall_ms; /* when it came */
    struct str request_id;
    struct str key;
    struct str dialect;
    struct str endpoint;
    struct str model;           /* a name that there is, "other" or "none" */
    struct str requested_model; /* as the client wrote it */
    struct str upstream;
    struct str account;
    int64_t prompt_tokens;
    int64_t completion_tokens;
    int64_t reasoning_tokens;
    int64_t cached_tokens;
    bool estimated;
    int64_t cost_micros;
    int status;
    bool has_failed;
    bool aborted; /* the client left */
    struct str finish;
    int64_t first_token_ms; /* -1: there was none */
    int64_t duration_ms;
    unsigned attempts;
    uint64_t bytes_in;
    uint64_t bytes_out;
};

/* As one JSON object, as docs/internals/admin-api.md names its members. */
MUST_USE enum err ledger_row_write(const struct ledger_row *row, struct buf *out);
