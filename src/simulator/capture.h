/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded exchanges that are to be played again. A placeholder such as {id-1} in a recorded text
 * stands for one value throughout: that of the first path that matches it, else one made up when it
 * is first needed. {user}, {session}, {organization} and {client} are those of an identity, and
 * names that begin with jwt are fresh tokens of it. Pure.
 */
#pragma once

#include "http/message.h"
#include "simulator/identity.h"
#include "json/reader.h"

enum { SIM_CAPTURE_MAX = 4096, SIM_CAPTURE_HEADERS_MAX = 24, SIM_CAPTURE_TEXT_MAX = 33554432 };

struct sim_record {
    bool is_sent; /* by the service; what the recorder sent itself is passed over */
    int after_ms; /* behind the record before it */
    int exchange; /* place of the exchange that was answered before it; -1: none */
    int close;    /* code of a close frame, 0: it is a text message */
    struct str text;
};

struct sim_exchange {
    bool is_socket;
    bool is_used;
    struct str method;
    struct str path;
    int status;
    struct http_header headers[SIM_CAPTURE_HEADERS_MAX];
    size_t n_headers;
    struct str body;
    struct sim_record *records; /* of a socket; in the arena */
    size_t n_records;
};

struct sim_capture;

/* Reads the array that comes next in `j`. ERR_BAD_INPUT: `what` says what is wrong with it. */
MUST_USE enum err sim_capture_read(struct json *j, uint64_t seed, struct sim_capture **ret,
                                   char *what);

/* NULL is fine. */
void sim_capture_free(struct sim_capture *c);

/* The first exchange of that kind and path that was not used yet, else the last that was; its
 * path's placeholders are bound, and it counts as used. NULL when none matches. */
struct sim_exchange *sim_capture_take(struct sim_capture *c, bool is_socket, struct str method,
                                      struct str path);

bool sim_capture_is_used(const struct sim_capture *c, int exchange);

/* Appends `text` with its placeholders replaced; tokens are issued at `now_s`. */
MUST_USE enum err sim_capture_fill(struct sim_capture *c, struct str text, int64_t now_s,
                                   struct buf *out);
