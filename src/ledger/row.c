/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/row.h"

#include "base/clock.h"
#include "json/writer.h"

static void write_tokens(struct json_writer *j, const struct ledger_row *row)
{
    json_w_member_int(j, "prompt_tokens", row->prompt_tokens);
    json_w_member_int(j, "completion_tokens", row->completion_tokens);
    json_w_member_int(j, "reasoning_tokens", row->reasoning_tokens);
    json_w_member_int(j, "cached_tokens", row->cached_tokens);
    json_w_member_bool(j, "estimated", row->estimated);
    json_w_member_int(j, "cost_micros", row->cost_micros);
}

enum err ledger_row_write(const struct ledger_row *row, struct buf *out)
{
    char time[CLOCK_TEXT_SIZE];
    struct json_writer j;

    json_w_init(&j, out);
    json_w_object(&j);
    json_w_member_str(&j, "time", clock_text(row->wall_ms, time));
    json_w_member_str(&j, "request_id", row->request_id);
    json_w_member_str(&j, "key", row->key);
    json_w_member_str(&j, "dialect", row->dialect);
    json_w_member_str(&j, "endpoint", row->endpoint);
    json_w_member_str(&j, "model", row->model);
    json_w_member_str(&j, "requested_model", row->requested_model);
    json_w_member_str(&j, "upstream", row->upstream);
    json_w_member_str(&j, "account", row->account);
    write_tokens(&j, row);
    json_w_member_int(&j, "status", row->status);
    json_w_member_str(&j, "finish", row->finish);
    json_w_key(&j, "first_token_ms");
    if (row->first_token_ms >= 0)
        json_w_int(&j, row->first_token_ms);
    else
        json_w_null(&j);
    json_w_member_int(&j, "duration_ms", row->duration_ms);
    json_w_member_int(&j, "attempts", row->attempts);
    json_w_member_int(&j, "bytes_in", (int64_t)row->bytes_in);
    json_w_member_int(&j, "bytes_out", (int64_t)row->bytes_out);
    json_w_member_bool(&j, "aborted", row->aborted);
    json_w_object_end(&j);
    return json_w_end(&j);
}
