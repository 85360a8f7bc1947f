/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client gets to see when something fails: the one table of kinds with HTTP
 * status, OpenAI's type and code, Anthropic's type. A failure is made where it is
 * understood and never re-worded on the way out.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* kind, HTTP status, OpenAI type, OpenAI code or NULL, Anthropic type */
/* clang-format off */
#define FAILURE_LIST(X)                                                                                                             \
    X(FAILURE_BAD_REQUEST,     400, "invalid_request_error", NULL,                      "invalid_request_error")                    \
    X(FAILURE_CONTEXT_LENGTH,  400, "invalid_request_error", "context_length_exceeded", "invalid_request_error")                    \
    X(FAILURE_NO_THREADS,      400, "invalid_request_error", "thread_unsupported_request", "invalid_request_error")                 \
    X(FAILURE_MISSING_KEY,     401, "invalid_request_error", "missing_api_key",         "authentication_error")                     \
    X(FAILURE_WRONG_KEY,       403, "invalid_request_error", "invalid_api_key",         "permission_error")                         \
    X(FAILURE_FORBIDDEN,       403, "invalid_request_error", "forbidden",               "permission_error")                         \
    X(FAILURE_ADMIN_DISABLED,  403, "invalid_request_error", "admin_disabled",          "permission_error")                         \
    X(FAILURE_MODEL_NOT_FOUND, 404, "invalid_request_error", "model_not_found",         "not_found_error")                          \
    X(FAILURE_NO_PREVIOUS,     404, "invalid_request_error", "previous_response_not_found", "not_found_error")                      \
    X(FAILURE_NOT_FOUND,       404, "invalid_request_error", "not_found",               "not_found_error")                          \
    X(FAILURE_METHOD,          405, "invalid_request_error", "method_not_allowed",      "invalid_request_error")                    \
    X(FAILURE_REQUEST_SLOW,    408, "invalid_request_error", "request_timeout",         "invalid_request_error")                    \
    X(FAILURE_CONFLICT,        409, "invalid_request_error", "conflict",                "invalid_request_error")                    \
    X(FAILURE_BODY_TOO_LARGE,  413, "invalid_request_error", "request_too_large",       "request_too_large")                        \
    X(FAILURE_TARGET_TOO_LONG, 414, "invalid_request_error", "uri_too_long",            "invalid_request_error")                    \
    X(FAILURE_MEDIA_TYPE,      415, "invalid_request_error", "unsupported_media_type",  "invalid_request_error")                    \
    X(FAILURE_UPGRADE,         426, "invalid_request_error", "upgrade_required",        "invalid_request_error")                    \
    X(FAILURE_HEAD_TOO_LARGE,  431, "invalid_request_error", "headers_too_large",       "invalid_request_error")                    \
    X(FAILURE_QUEUE_TIMEOUT,   429, "rate_limit_error",      "queue_timeout",           "rate_limit_error")                         \
    X(FAILURE_RATE_LIMIT,      429, "rate_limit_error",      "rate_limit_exceeded",     "rate_limit_error")                         \
    X(FAILURE_QUOTA,           429, "rate_limit_error",      "insufficient_quota",      "rate_limit_error")                         \
    X(FAILURE_INTERNAL,        500, "server_error",          "internal_error",          "api_error")                                \
    X(FAILURE_NOT_SUPPORTED,   501, "invalid_request_error", "not_implemented",         "invalid_request_error")                    \
    X(FAILURE_UPSTREAM_AUTH,   502, "upstream_error",        "upstream_auth_failed",    "api_error")                                \
    X(FAILURE_CHALLENGE,       502, "upstream_error",        "upstream_challenge",      "api_error")                                \
    X(FAILURE_UNAVAILABLE,     502, "upstream_error",        "upstream_unavailable",    "api_error")                                \
    X(FAILURE_INTERRUPTED,     502, "upstream_error",        "upstream_interrupted",    "api_error")                                \
    X(FAILURE_PROTOCOL,        502, "upstream_error",        "upstream_protocol",       "api_error")                                \
    X(FAILURE_OVERLOADED,      503, "server_error",          "overloaded",              "overloaded_error")                         \
    X(FAILURE_CANCELED,        503, "server_error",          "canceled_by_operator",    "api_error")                                \
    X(FAILURE_UPSTREAM_TIMEOUT,504, "upstream_error",        "upstream_timeout",        "api_error")                                \
    X(FAILURE_HTTP_VERSION,    505, "invalid_request_error", "http_version",            "invalid_request_error")
/* clang-format on */

enum failure_kind {
    FAILURE_NONE = 0,
#define X(kind, status, type, code, anthropic) kind,
    FAILURE_LIST(X)
#undef X
};

struct failure_row {
    const char *name; /* "FAILURE_QUOTA" */
    int status;
    const char *type;
    const char *code; /* NULL: null in JSON */
    const char *anthropic_type;
};

/* Row of a kind other than FAILURE_NONE. */
const struct failure_row *failure_row(enum failure_kind kind);

/* The kind for a status that the HTTP server itself answers with; FAILURE_BAD_REQUEST for an
 * unknown 4xx. */
enum failure_kind failure_of_status(int status);

struct failure {
    enum failure_kind kind; /* FAILURE_NONE: nothing failed */
    struct str message; /* what happened, to what, what to do; in the exchange's arena or static */
    struct str request_id;  /* for formats that say it in the body; empty: null */
    struct str param;       /* "messages[2].content"; empty: null */
    int64_t retry_after_ms; /* for Retry-After; 0: unknown */
    bool prompt_accepted;   /* the upstream took the prompt: x-should-retry: false */
    bool is_final;          /* to ask again does not help: the same */
    int status;             /* the upstream's own, handed back as it is; 0: that of the kind */
    struct str body; /* what the upstream answered with, for clients that speak its format, which
                        is OpenAI's; empty: nothing */
    struct str body_type; /* its Content-Type; empty: JSON */
    bool body_has_error;  /* a JSON object with an `error` that says something: an error in the
                             middle of a stream, too */
};

/* OpenAI's code, or "none". */
const char *failure_code(const struct failure *f);

/* The status that a client gets. */
int failure_status(const struct failure *f);

/* Sets kind and a formatted message in `a`; param and the rest become empty. */
void failure_set(struct failure *f, struct arena *a, enum failure_kind kind, const char *format,
                 ...) FORMAT(4, 5);
