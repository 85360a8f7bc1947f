/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a request may begin, by the limits of its key. What it may need is reserved in the store
 * before anything goes upstream, and settled when the request is gone, once, however it ended: by
 * its record. Counters are those of all gateways that share the store; where it fails this
 * process counts alone until it works again. docs/internals/keys.md
 */
#pragma once

#include "gateway/record.h"

/* What a request may take at most, as far as can be told before. */
struct admission_need {
    int64_t tokens;
    int64_t micros; /* of money, in millionths */
};

/* Whether what a request may need matters: its key has a limit of tokens or money. To tell it is
 * work. */
bool admission_asks_need(const struct record *rec);

/* Reserves `need` for the request of `rec`. False: its key has no limits, and nothing follows.
 * Else decided(arg, f) is called once, never inside this call; `f` NULL: it may begin, and the
 * request has its x-ratelimit headers. Not when the request goes first. */
bool admission_start(struct record *rec, struct admission_need need,
                     void (*decided)(void *arg, const struct failure *f), void *arg);
