/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page for operators: the files of web/, as they are in the program. "/" is index.html for who
 * takes HTML; the others are below PAGE_PREFIX. Everybody may have them: they know nothing. What
 * they show comes from the operators' API.
 *
 * They are there compressed only. Who does not take gzip gets 406; a request that does not say what
 * it takes, takes anything (RFC 9110 12.5.3).
 */
#pragma once

#include "gateway/gateway.h"

#define PAGE_PREFIX "/ui/"

/* Answers "/" with the page if there is one and the client wants HTML. */
bool page_answers(struct gateway_worker *w, struct http_request *r);

/* Of a file below PAGE_PREFIX. */
void handle_page(struct gateway_worker *w, struct http_request *r);

/* Whether an Accept-Encoding (p NULL: there is none) lets gzip pass. Pure. */
bool page_takes_gzip(struct str accept_encoding);
