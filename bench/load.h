/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator: many clients at once, or so many requests a second, each answer compared with
 * what is expected. Bounded in count and time. One thread.
 */
#pragma once

#include "bench/answer.h"
#include "bench/samples.h"

enum { LOAD_PATIENCE_US = 60000000 };

struct load_params {
    uint16_t port;
    struct str request; /* head and body, as they go over the wire */
    struct answer_want want;
    size_t connections;
    uint64_t requests;   /* in one run, at most */
    int64_t time_us;     /* in which requests begin; those that run have LOAD_PATIENCE_US more */
    uint64_t rate;       /* requests that begin in a second; 0: as soon as a connection is free */
    size_t cancel_after; /* pieces after which a client leaves; 0: none does */
};

/* Of one run. Times are from when a request was due, even if it had to wait for a connection. */
struct load_result {
    uint64_t whole; /* answers, as expected to the last byte */
    uint64_t wrong; /* other answers */
    uint64_t
        broken; /* connections that ended in the middle, and what was still to come at the end */
    uint64_t canceled; /* by us */
    uint64_t pieces;
    uint64_t connects;
    int64_t us;            /* from the first request to the last answer */
    struct samples answer; /* whole answers */
    struct samples first;  /* first texts */
    struct samples gap;    /* between texts of an answer */
    struct samples left;   /* when clients left: since begun_us */
    int64_t begun_us;      /* of CLOCK_MONOTONIC */
    const char *fault;     /* of the first wrong answer; NULL: none */
    char sample[256];      /* what was read when it was found */
};

struct load;

/* `params` is copied, its strings are borrowed. */
struct load *load_new(const struct load_params *params);

/* Connections stay open for the next run, and are used in turn. */
void load_run(struct load *l, struct load_result *ret_result);

void load_free(struct load *l);

void load_result_deinit(struct load_result *r);
