/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolver that does what the test wants; it takes the place of libc's. "localhost" is
 * 127.0.0.1, "both.test" is ::1 and 127.0.0.1, "slow.test" waits while the gate is shut,
 * "broken.test" and "empty.test" fail in their ways, what ends with ".many.test" is 127.0.0.1,
 * others do not exist.
 */
#pragma once

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "net/resolve.h"

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool is_gate_shut;
static int n_waiting;
static int n_asked; /* names, ever */

static inline void gate_set(bool is_shut)
{
    resolve_forget("slow.test");
    pthread_mutex_lock(&gate_lock);
    is_gate_shut = is_shut;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static inline void gate_await(int n)
{
    pthread_mutex_lock(&gate_lock);
    while (n_waiting != n)
        pthread_cond_wait(&gate_moved, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static inline void gate_pass(void)
{
    pthread_mutex_lock(&gate_lock);
    n_waiting++;
    pthread_cond_broadcast(&gate_moved);
    while (is_gate_shut)
        pthread_cond_wait(&gate_moved, &gate_lock);
    n_waiting--;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

struct answer {
    struct addrinfo info;
    struct sockaddr_storage address;
};

static inline struct addrinfo *answer_new(int family, struct addrinfo *next)
{
    struct answer *a = mem_new(struct answer);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->address;

    a->address.ss_family = (sa_family_t)family;
    if (family == AF_INET)
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        v6->sin6_addr = in6addr_loopback;
    a->info = (struct addrinfo){ .ai_family = family,
                                 .ai_socktype = SOCK_STREAM,
                                 .ai_addr = (struct sockaddr *)&a->address,
                                 .ai_addrlen = family == AF_INET ? sizeof(*v4) : sizeof(*v6),
                                 .ai_next = next };
    return &a->info;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    (void)service;
    (void)hints;
    pthread_mutex_lock(&gate_lock);
    n_asked++;
    pthread_mutex_unlock(&gate_lock);
    if (strcmp(name, "slow.test") == 0)
        gate_pass();
    if (strcmp(name, "broken.test") == 0 || strcmp(name, "busy.test") == 0) {
        errno = EMFILE;
        return name[1] == 'r' ? EAI_SYSTEM : EAI_AGAIN;
    }
    if (strcmp(name, "empty.test") == 0)
        *ret = answer_new(AF_UNIX, NULL);
    else if (strcmp(name, "both.test") == 0)
        *ret = answer_new(AF_INET6, answer_new(AF_INET, NULL));
    else if (strcmp(name, "localhost") == 0 || strcmp(name, "slow.test") == 0 ||
             strstr(name, ".many.test"))
        *ret = answer_new(AF_INET, NULL);
    else
        return EAI_NONAME;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        mem_free(CONTAINER_OF(list, struct answer, info));
        list = next;
    }
}
