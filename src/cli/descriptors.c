/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded share for prompts on their way: a third for each client would stay idle most of the
 * time. When it does not suffice, the request that finds no descriptor is a 503 that says so. */
#include "cli/descriptors.h"

enum {
    OWN = 160,      /* files, log, look-ups, signals, the clients that are open to be refused */
    OWN_WORKER = 8, /* its loop and its listener's share */
    POSTS_MAX = 800 /* prompts sent at the same time, and connections kept for the next ones */
};

size_t descriptors_for_clients(size_t limit, size_t workers, bool demo)
{
    size_t ends = demo ? 2 : 1; /* of an upstream connection */
    size_t own = OWN + OWN_WORKER * workers;
    size_t n;

    if (limit <= 2 * own)
        return limit > 10 ? limit / 10 : 1;
    n = (limit - own) / (1 + 2 * ends);
    return n <= POSTS_MAX ? n : (limit - own - ends * POSTS_MAX) / (1 + ends);
}

size_t descriptors_for_posts(size_t limit, size_t workers, bool demo)
{
    size_t clients = descriptors_for_clients(limit, workers, demo);

    return clients < POSTS_MAX ? clients : POSTS_MAX;
}
