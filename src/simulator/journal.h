/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulator saw, for tests: a bounded ring of entries, the oldest dropped first. Holds
 * no secret: cookies and tokens appear as the numbers under which they were issued.
 */
#pragma once

#include "json/writer.h"

enum { SIM_JOURNAL_BYTES_MAX = 67108864 };

/* Texts with p NULL and numbers below 0 are left out when written. */
struct sim_entry {
    uint64_t n;       /* 1, 2, ...; set by sim_journal_add() */
    int64_t time_ms;  /* since 1970 */
    int64_t us;       /* monotonic (CLOCK_MONOTONIC): when it happened */
    const char *kind; /* static: "client", "token", "post", "ws_open", "ws_close", ... */
    int status;       /* HTTP; 0: no answer was given, -1: does not apply */
    int account;
    int close_code; /* of the peer's close frame; 1005, 1006 as in RFC 6455 7.4.1 */
    int turn;
    int64_t ms;           /* how long it took, or was open */
    int64_t token;        /* number of the token that was given or used */
    int64_t cookie;       /* how often the cookie that came had been rotated */
    int64_t key;          /* place of the static key that was used */
    int64_t bytes;        /* of the body */
    int64_t messages;     /* packets sent to a socket */
    const char *protocol; /* static: of a prompt: "classic", "project", "native", "openai"; NULL */
    const char *by;       /* static: who closed: "client", "simulator"; NULL */
    const char *fault;    /* static: what was made to go wrong; NULL */
    struct str chat;
    struct str prompt;
    struct str adapter;
    struct str path;
    struct str origin;
    struct str referer;
    struct str content_type;
    struct str user_agent;
    struct str body;      /* as it came, its begin when it is long */
    struct str sha256;    /* of the whole body */
    struct str headers;   /* JSON */
    struct str violation; /* what the client did wrong */
};

struct sim_journal;

struct sim_journal *sim_journal_new(size_t max_entries);

/* NULL is fine. */
void sim_journal_free(struct sim_journal *j);

/* Copies the entry and its texts. */
void sim_journal_add(struct sim_journal *j, const struct sim_entry *e);
void sim_journal_clear(struct sim_journal *j);
void sim_journal_resize(struct sim_journal *j, size_t max_entries);

/* Writes an array: entries with n above `since`, of `kind` only unless it is empty. */
void sim_journal_write(const struct sim_journal *j, struct str kind, uint64_t since,
                       struct json_writer *w);
