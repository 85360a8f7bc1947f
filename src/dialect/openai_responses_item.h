/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the responses API: a response, its items, their parts. Private to
 * openai_responses*.c. */
#pragma once

#include "dialect/openai_responses_decode.h"
#include "json/writer.h"

enum item_type { ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL, ITEM_CUSTOM };

struct response_item {
    enum item_type type;
    struct str id;      /* "msg_...", "rs_...", "fc_..." or "ctc_..." */
    size_t index;       /* in `output` */
    size_t call;        /* CALL, CUSTOM: which of the answer's */
    struct str call_id; /* CALL, CUSTOM */
    struct str name;    /* CALL, CUSTOM */
    struct buf text;    /* owned; CALL: its arguments; CUSTOM: the same, and its input when done */
    bool is_done;
};

struct response {
    const char *status;
    const struct response_item *items;
    size_t n;
    const struct dialect_end *end;  /* NULL: not yet */
    const struct chat_usage *usage; /* NULL: not yet */
    const struct failure *failure;  /* NULL: none */
};

/* An empty item; its id is in the answer's arena. */
void response_item_init(struct response_item *item, const struct dialect_answer *answer,
                        enum item_type type, size_t index);

/* Whether the answer ended by itself; else it is incomplete. */
bool response_is_whole(const struct dialect_end *end);
const char *response_status(const struct dialect_end *end);

void response_write(struct json_writer *w, const struct dialect_answer *answer,
                    const struct response *response);
void response_write_record(struct json_writer *w, const struct dialect_answer *answer,
                           const struct response *response);
void response_write_item(struct json_writer *w, const struct response_item *item);

/* The one part of a message or of reasoning. */
void response_write_part(struct json_writer *w, const struct response_item *item);

/* Members `code`, `message` and `param`. */
void response_write_failure(struct json_writer *w, const char *code, const struct failure *failure);
