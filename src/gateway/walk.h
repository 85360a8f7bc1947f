/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which the targets of a route are asked: those whose circuit lets the request in, as
 * the route names them; then, before an error goes to the client, those that were passed over. Each
 * is asked once.
 */
#pragma once

#include "gateway/health.h"

/* All zero: nobody was asked yet. */
struct target_walk {
    size_t next;   /* the first that no circuit was asked about yet */
    uint32_t gone; /* bits of those that were asked */
};

/* Enters target `i` if its circuit allows it for this need. */
typedef bool walk_enter(void *arg, size_t i, enum health_need need);

/* The next of `n` targets, up to 32, that was entered. False: all were asked. */
bool walk_next(struct target_walk *w, size_t n, walk_enter *enter, void *arg, size_t *ret_i);

/* Whether one was asked before the present one. */
bool walk_has_moved(const struct target_walk *w);

/* Whether there is one that was not asked. */
bool walk_has_more(const struct target_walk *w, size_t n);
