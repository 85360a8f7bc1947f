/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and gauges of the whole process, one line each in the list below,
 * written by metrics_write(). Any thread, no lock. What has labels is in series.h.
 */
#pragma once

#include "base/exposition.h"

/* identifier, name as exported, type, help */
/* clang-format off */
#define METRIC_LIST(X)                                                                                               \
    X(METRIC_CONNECTIONS,        "http_server_connections",           "gauge",   "Client connections open now.")     \
    X(METRIC_REQUESTS,           "http_server_requests_total",        "counter", "HTTP requests received.")          \
    X(METRIC_REJECTED,           "http_server_rejected_total",        "counter", "Requests refused without an exchange.") \
    X(METRIC_BYTES_IN,           "http_server_received_bytes_total",  "counter", "Bytes read from clients.")         \
    X(METRIC_BYTES_OUT,          "http_server_sent_bytes_total",      "counter", "Bytes written to clients.")        \
    X(METRIC_EXCHANGES,          "exchanges",                         "gauge",   "Exchanges running now.")           \
    X(METRIC_EXCHANGES_DONE,     "exchanges_completed_total",         "counter", "Exchanges that ended with a whole answer.") \
    X(METRIC_EXCHANGES_FAILED,   "exchanges_failed_total",            "counter", "Exchanges that ended with an error.") \
    X(METRIC_EXCHANGES_CANCELED, "exchanges_canceled_total",          "counter", "Exchanges whose client left.")     \
    X(METRIC_UPSTREAM_CONNS,     "upstream_connections",              "gauge",   "Upstream connections open now, idle ones included.") \
    X(METRIC_UPSTREAM_IDLE,      "upstream_idle_connections",         "gauge",   "Upstream connections kept for reuse.") \
    X(METRIC_UPSTREAM_WEBSOCKETS,"upstream_websockets",               "gauge",   "Upstream WebSocket connections open now.") \
    X(METRIC_CONNECTS,           "upstream_connects_total",           "counter", "Upstream connections made.")       \
    X(METRIC_CONNECT_FAILURES,   "upstream_connect_failures_total",   "counter", "Upstream connections that could not be made.") \
    X(METRIC_TOKEN_REQUESTS,     "enginelabs_token_requests_total",   "counter", "Tokens asked of the sign-in service.") \
    X(METRIC_ACCOUNTS_OUT,       "enginelabs_accounts_signed_out",    "gauge",   "Accounts that are signed out.")    \
    X(METRIC_LEASES,             "enginelabs_leases",                 "gauge",   "Answers running upstream now.")    \
    X(METRIC_LEASES_DRAINING,    "enginelabs_leases_draining",        "gauge",   "Answers whose client left, and which may still run upstream.") \
    X(METRIC_WAITING,            "enginelabs_waiting",                "gauge",   "Calls that wait for an account.")  \
    X(METRIC_FRAMES,             "enginelabs_frames_total",           "counter", "WebSocket frames received.")       \
    X(METRIC_FRAMES_UNKNOWN,     "enginelabs_frames_unknown_total",   "counter", "Frames of unknown type or shape, ignored.") \
    X(METRIC_STREAMS_REOPENED,   "enginelabs_streams_reopened_total", "counter", "Answer streams opened again after a break.") \
    X(METRIC_SURROGATES_LOST,    "enginelabs_surrogates_lost_total",  "counter", "Half surrogate pairs that became U+FFFD.") \
    X(METRIC_TIPS_HIT,           "conversation_hits_total",           "counter", "Requests that continued an upstream chat.") \
    X(METRIC_TIPS_MISS,          "conversation_misses_total",         "counter", "Requests with history that began a new chat.") \
    X(METRIC_STORE_OPERATIONS,   "store_operations_total",            "counter", "Operations of the store.")         \
    X(METRIC_STORE_FAILURES,     "store_failures_total",              "counter", "Operations of the store that failed; requests went on without.") \
    X(METRIC_STORE_TIMEOUTS,     "store_timeouts_total",              "counter", "Operations of the store that were not waited for any longer.") \
    X(METRIC_STORE_ENTRIES,      "store_entries",                     "gauge",   "Entries in the store.")            \
    X(METRIC_CIRCUITS_OPEN,      "circuits_open",                     "gauge",   "Targets that get less than all of their requests, since too many failed.") \
    X(METRIC_CIRCUIT_OPENINGS,   "circuit_openings_total",            "counter", "How often a target got no more requests for a while.") \
    X(METRIC_CIRCUIT_SKIPS,      "circuit_skips_total",               "counter", "Targets passed over for that reason.") \
    X(METRIC_LIMITED,            "requests_limited_total",            "counter", "Requests refused by a limit of their key.") \
    X(METRIC_LIMITS_ALONE,       "limits_counted_alone_total",        "counter", "Requests whose limits this process counted alone, since the store failed.") \
    X(METRIC_USAGE_DROPPED,      "usage_dropped_total",               "counter", "Rows or sums of usage that were not kept: the store failed, or was too slow.") \
    X(METRIC_SPANS_SENT,         "spans_sent_total",                  "counter", "Spans that the collector of traces took.") \
    X(METRIC_SPANS_DROPPED,      "spans_dropped_total",               "counter", "Spans that were not sent: the collector failed, or was too slow.") \
    X(METRIC_MEMORY_TRIMS,       "memory_trims_total",                "counter", "How often free memory went back to the system, in a quiet moment.") \
    X(METRIC_TIMERS,             "timers",                            "gauge",   "Timers armed now.")
/* clang-format on */

enum metric {
#define X(id, name, type, help) id,
    METRIC_LIST(X)
#undef X
        METRIC_COUNT
};

void metric_add(enum metric m, int64_t n);
int64_t metric_get(enum metric m);

/* Nobody here knows its value: metrics_write() leaves it out. */
void metric_leave_out(enum metric m, bool is_left_out);

/* Writes all of them. */
void metrics_write(struct exposition *e);
