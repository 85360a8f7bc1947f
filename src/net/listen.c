/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the socket to listen on. Runs at start, so it may look names up and wait. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/sockaddr.h"

enum { WHAT_MAX = 256, BACKLOG = 4096 };

/* What to do about it, behind the system's own words. */
static const char *remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; something else listens there: stop it, or choose another";
    case EADDRNOTAVAIL:
        return "; this machine has no such address: choose another";
    case EACCES:
        return "; this user may not (a port below 1024 is root's): choose another";
    case ENOENT:
        return "; its folder is not there: make it, or choose another";
    default:
        return "";
    }
}

static enum err fail(char *ret_what, const struct endpoint *e, const char *doing, int error)
{
    char name[HOST_MAX + 9];

    snprintf(ret_what, WHAT_MAX, "cannot %s %.130s: %s%s", doing, endpoint_text(e, name),
             strerror(error), remedy(error));
    return err_of_errno(error);
}

static enum err find_address(const struct endpoint *e, struct address *ret, char *ret_what)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found;
    int status;

    if (e->is_unix) {
        if (!address_of_path(e->host, ret))
            return ERR_NONE;
        snprintf(ret_what, WHAT_MAX, "the path %.150s is too long for a socket", e->host);
        return ERR_TOO_BIG;
    }
    if (address_of_literal(e->host, e->port, ret))
        return ERR_NONE;
    status = getaddrinfo(e->host, NULL, &hints, &found);
    if (status != 0) {
        snprintf(ret_what, WHAT_MAX, "cannot resolve %.150s: %s", e->host, gai_strerror(status));
        return ERR_DNS;
    }
    memcpy(&ret->sa, found->ai_addr, found->ai_addrlen);
    ret->n = found->ai_addrlen;
    address_set_port(ret, e->port);
    freeaddrinfo(found);
    return ERR_NONE;
}

/* A socket file that nobody listens on is left over from a process that died. */
static bool is_stale(const struct address *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_refused;

    if (fd < 0)
        return false;
    is_refused = connect(fd, &a->sa.any, a->n) != 0 && errno == ECONNREFUSED;
    close(fd);
    return is_refused;
}

static bool is_socket_file(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool bind_to(int fd, const struct address *a)
{
    int one = 1;
    int zero = 0;

    if (a->sa.any.sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (a->sa.any.sa_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
        return bind(fd, &a->sa.any, a->n) == 0;
    }
    /* Linux gives the file the mode of the socket, so it is never open to others. */
    if (fchmod(fd, 0600) != 0)
        return false;
    if (bind(fd, &a->sa.any, a->n) == 0)
        return true;
    if (errno != EADDRINUSE)
        return false;
    if (!is_socket_file(a->sa.local.sun_path) || !is_stale(a)) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(a->sa.local.sun_path) == 0 && bind(fd, &a->sa.any, a->n) == 0;
}

static enum err listen_on(int fd, struct endpoint *e, struct address *a, char *ret_what)
{
    if (!bind_to(fd, a))
        return fail(ret_what, e, "bind to", errno);
    if (listen(fd, BACKLOG) != 0)
        return fail(ret_what, e, "listen on", errno);
    a->n = sizeof(a->sa);
    if (getsockname(fd, &a->sa.any, &a->n) != 0)
        return fail(ret_what, e, "listen on", errno);
    e->port = address_port(a);
    return ERR_NONE;
}

enum err listen_open(struct endpoint *e, int *ret_fd, char *ret_what)
{
    struct address a;
    enum err err = find_address(e, &a, ret_what);
    int fd;

    if (err)
        return err;
    fd = socket(a.sa.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(ret_what, e, "open a socket for", errno);
    err = listen_on(fd, e, &a, ret_what);
    if (err)
        close(fd);
    else
        *ret_fd = fd;
    return err;
}

static bool listens(int fd)
{
    int type = 0, is_listening = 0;
    socklen_t n = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_STREAM)
        return false;
    n = sizeof(is_listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &n) == 0 && is_listening;
}

static void endpoint_of(const struct address *a, struct endpoint *ret)
{
    char host[ADDRESS_TEXT_MAX];
    size_t path_at = offsetof(struct sockaddr_un, sun_path);

    *ret = (struct endpoint){ .port = address_port(a) };
    ret->is_unix = a->sa.any.sa_family == AF_UNIX;
    if (!ret->is_unix) {
        address_text(a, host);
        str_to_z(str_of(host), ret->host, sizeof(ret->host));
    } else if (a->n > path_at) {
        str_to_z(
            (struct str){ a->sa.local.sun_path, strnlen(a->sa.local.sun_path, a->n - path_at) },
            ret->host, sizeof(ret->host));
    }
}

enum err listen_adopt(int fd, struct endpoint *ret, char *ret_what)
{
    struct address a = { .n = sizeof(a.sa) };
    int flags = fcntl(fd, F_GETFL);

    if (!listens(fd) || getsockname(fd, &a.sa.any, &a.n) != 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        snprintf(ret_what, WHAT_MAX,
                 "descriptor %d, which this process was started with, is no listening stream "
                 "socket",
                 fd);
        return ERR_BAD_INPUT;
    }
    endpoint_of(&a, ret);
    return ERR_NONE;
}

bool listen_meets(const struct endpoint *e, const struct endpoint *wanted)
{
    struct address literal;

    if (e->is_unix != wanted->is_unix || (wanted->port != 0 && wanted->port != e->port))
        return false;
    return strcmp(e->host, wanted->host) == 0 ||
           (!wanted->is_unix && !address_of_literal(wanted->host, 0, &literal));
}
