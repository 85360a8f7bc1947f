/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses of the three families in use, for the files of net/. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/address.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } sa;
    socklen_t n; /* bytes of `sa` in use; 0 for no address */
};

enum { ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN };

/* An IPv4 or IPv6 literal (no brackets); false for anything else. */
bool address_of_literal(const char *host, uint16_t port, struct address *ret);

/* ERR_TOO_BIG when the path does not fit. */
MUST_USE enum err address_of_path(const char *path, struct address *ret);

void address_set_port(struct address *a, uint16_t port);
uint16_t address_port(const struct address *a);

/* "127.0.0.1", "::1", "unix"; into `out` (ADDRESS_TEXT_MAX bytes). */
void address_text(const struct address *a, char *out);

/* IPv6 addresses that hold an IPv4 one count as that. Unix sockets are loopback. */
bool address_is_loopback(const struct address *a);
