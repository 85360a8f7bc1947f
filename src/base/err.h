/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of ways in which a function can fail. What a client gets to see
 * of it (HTTP status, API codes) belongs to the failure table in chat/failure.h.
 */
#pragma once

#include <stdbool.h>

/* name, another try on another connection may help, text */
/* clang-format off */
#define ERR_LIST(X)                                                        \
    X(ERR_AGAIN,       false, "no progress now")                           \
    X(ERR_NOMEM,       false, "the memory limit is reached")               \
    X(ERR_TOO_BIG,     false, "larger than the limit allows")              \
    X(ERR_BAD_INPUT,   false, "malformed input")                           \
    X(ERR_PROTOCOL,    false, "the peer broke the protocol")               \
    X(ERR_NOT_FOUND,   false, "not found")                                 \
    X(ERR_CONFLICT,    false, "it was changed meanwhile")                  \
    X(ERR_LIMIT,       false, "the limit is reached")                      \
    X(ERR_TIMEOUT,     true,  "no answer in time")                         \
    X(ERR_CLOSED,      true,  "the peer closed the connection")            \
    X(ERR_RESET,       true,  "the connection was reset")                  \
    X(ERR_REFUSED,     true,  "connection refused")                        \
    X(ERR_UNREACHABLE, true,  "network or host unreachable")               \
    X(ERR_DNS,         true,  "the name does not resolve")                 \
    X(ERR_TLS,         true,  "the TLS handshake failed")                  \
    X(ERR_CERT,        false, "the certificate is not acceptable")         \
    X(ERR_PROXY,       true,  "the proxy refused the connection")          \
    X(ERR_NO_FDS,      true,  "out of file descriptors")                   \
    X(ERR_CANCELED,    false, "nobody waits for the answer any more")      \
    X(ERR_IO,          true,  "input/output error")
/* clang-format on */

enum err {
    ERR_NONE = 0,
#define X(name, retryable, text) name,
    ERR_LIST(X)
#undef X
};

/* "ERR_TIMEOUT"; for logs and tests. Never NULL. */
const char *err_name(enum err err);

/* "no answer in time"; for people. Never NULL. */
const char *err_text(enum err err);

/* Whether the same thing may succeed on another connection. */
bool err_is_retryable(enum err err);

/* The enum err for a value of errno; ERR_IO for the many that need no name. */
enum err err_of_errno(int errno_value);
