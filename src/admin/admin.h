/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' API below /admin/api/: one table of paths (table.c), who may (guard.c), and what
 * their handlers need. docs/internals/admin-api.md is the contract.
 *
 * To add a handler: a function in a file of this folder, its line in handlers.h, its row in
 * table.c, its description in openapi.json, which a test compares with the table.
 *
 * A handler answers exactly once, now or later, on the loop that it is called on: of any worker, or
 * of the control socket, whose share serves nobody and has no exchanges. What it answers with is
 * never kept by anybody (Cache-Control: no-store).
 */
#pragma once

#include "gateway/gateway.h"
#include "json/reader.h"
#include "json/writer.h"

#define ADMIN_PREFIX "/admin/api/"

enum {
    ADMIN_IDS_MAX = 2,
    ADMIN_ID_SIZE = 256,         /* of one, with its NUL */
    ADMIN_BODY_MAX = 64 * 1024,  /* bytes of a request's body */
    ADMIN_ANSWER_MAX = 16 << 20, /* of an answer that is made as a whole */
};

enum {
    ADMIN_OPEN = 1, /* without a key: it signs in */
};

/* A request for one of the paths; lives as long as the request. */
struct admin_call {
    struct gateway_worker *worker;
    struct http_request *request;
    const struct admin_row *row;
    const char *ids[ADMIN_IDS_MAX]; /* what stands for the {names} of the path, decoded */
};

struct admin_row {
    const char *path;        /* below the prefix, as OpenAPI has it: "keys/{id}" */
    enum http_method method; /* GET implies HEAD */
    unsigned needs;          /* ADMIN_... */
    void (*handle)(struct admin_call *c);
};

/* Ended by a row without a path. */
extern const struct admin_row admin_rows[];

/* ---- the frame: for serve.c and the control socket ---- */

/* What is process-wide: goes into gateway.admin. */
struct admin *admin_new(void);

/* When no worker is left. NULL is fine. */
void admin_free(struct admin *a);

/* For gateway.guard: ADMIN_KEY, nothing of other origins, a small body. */
void admin_guard(struct gateway_worker *w, struct http_request *r, size_t *max_body);

/* The handler of all paths below the prefix, for those that may. On any loop with a share of the
 * gateway. */
void handle_admin(struct gateway_worker *w, struct http_request *r);

/* Whether the path is one below the prefix. */
bool admin_has(const struct http_request *r);

/* ---- for handlers ---- */

/* Enters the body, which must be a JSON object; false: the request was answered. When its members
 * were read admin_body_end() says whether all was well, and answers if not. */
bool admin_body(struct admin_call *c, struct json *j);
bool admin_body_end(struct admin_call *c, struct json *j);

/* A parameter of the query, decoded; p NULL: there is none. False: it cannot be read, and the
 * request was answered. */
MUST_USE bool admin_query(struct admin_call *c, const char *name, struct str *ret);

/* 400: `param` is wrong. */
void admin_refuse(struct admin_call *c, const char *param, const char *format, ...) FORMAT(3, 4);

/* Begins an answer that is made as a whole; admin_answer_end() sends it, and releases both. */
void admin_answer(struct json_writer *j, struct buf *out);
void admin_answer_end(struct admin_call *c, int status, struct json_writer *j);

/* 204 */
void admin_done(struct admin_call *c);
