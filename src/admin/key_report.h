/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as operators see them: what they may, and what of it is used. */
#pragma once

#include "admin/admin.h"
#include "keys/key_record.h"

/* Answers the call, later, with what the store has now. `id` NULL: all keys; else that one, or 404.
 */
void key_report_start(struct admin_call *c, const char *id);

/* The same of a key that was changed just now, also where the store says no more of it. `text`
 * (NULL: it is not to be shown): the answer has it beside the key. Both are copied, and the text is
 * wiped. */
void key_report_changed(struct admin_call *c, const struct key_record *changed, int status,
                        const char *text);

/* A request that is answered later, or not at all when it goes first. */
struct admin_wait {
    struct http_request *request; /* NULL: it is gone */
};

/* From now on until admin_wait_end(), which gives the request; NULL: it is gone. */
void admin_wait_begin(struct admin_wait *wait, struct http_request *r);
struct http_request *admin_wait_end(struct admin_wait *wait);

/* 503, since the store does not work. */
void admin_refuse_store(struct http_request *r, enum err err);

/* 404 */
void admin_refuse_key(struct http_request *r, const char *id);

/* The key of the settings' file by its id, or NULL. */
const struct key_record *admin_file_key(const struct settings *s, struct str id);
