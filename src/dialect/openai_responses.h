/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the responses API that are kept. A record is {"input":[...],"response":{...}}: all
 * items that came before the answer, as clients wrote them, and the answer, whose `output` comes
 * behind them. Pure translation, as all of dialect/; gateway/kept.h keeps records.
 */
#pragma once

#include "dialect/dialect.h"

/* The id of the answer that a request's body goes on from. False: there is none, or the body is not
 * fit to be read, which its decoder will say. */
bool responses_previous(struct str body, struct arena *a, struct str *ret_id);

/* The response object of a record, a slice of it; false: it is no record. */
bool responses_of_record(struct str record, struct str *ret_response);

/* A page of a record's input, as a list. */
struct responses_page {
    size_t limit;     /* at least 1 */
    bool is_rising;   /* oldest first */
    struct str after; /* the id of the item before the page; empty: from the first */
};

enum { RESPONSES_PAGE = 20, RESPONSES_PAGE_MAX = 100 };

/* ERR_BAD_INPUT: it is no record, or has no such item. ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err responses_list_input(struct str record, const struct responses_page *page,
                                       struct arena *a, struct buf *out);
