/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenAI-format upstream that costs next to nothing: it answers every POST with the same bytes,
 * made at the start, so that what stands in front of it is measured and not it. One thread.
 */
#pragma once

#include "base/buf.h"
#include "bench/samples.h"

enum { UPSTREAM_TIMES_MAX = 10000 };

struct upstream_params {
    uint16_t port;     /* 0: any free one */
    struct str answer; /* JSON; or, of a stream, its events */
    bool is_stream;
    bool in_one_write;  /* of a stream: all its events */
    int64_t delay_us;   /* before the answer: how far away it is */
    int64_t every_us;   /* between the pieces of a stream; 0: as fast as they are taken */
    uint64_t spoil_nth; /* this answer has a letter of its text changed; 0: none has */
    uint64_t break_nth; /* this answer ends in its middle, with the connection; 0: none does */
    int stop_fd;        /* whatever can be read there, its end too, ends upstream_run() */
};

struct upstream;

/* Listens. `params` is copied, but for the answer's bytes: they are framed here and not kept. */
struct upstream *upstream_new(const struct upstream_params *params);
uint16_t upstream_port(const struct upstream *u);

void upstream_run(struct upstream *u);

/* What it saw: answers given in whole, and when (microseconds of CLOCK_MONOTONIC) clients left in
 * the middle of one, the first UPSTREAM_TIMES_MAX in order. */
uint64_t upstream_answered(const struct upstream *u);
const int64_t *upstream_left_us(const struct upstream *u, size_t *ret_n);

void upstream_free(struct upstream *u);
