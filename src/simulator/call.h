/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way: route, check, fault, answer. routes.c leads it, call.c answers it;
 * clerk.c, api.c, stream.c and control.c are what routes point at. Private to this room.
 */
#pragma once

#include "simulator/internal.h"

struct sim_route;
struct sim_ask;

enum { SIM_CALL_HEADERS_MAX = 8 };

struct sim_call {
    struct simulator *s;
    struct http_request *r; /* this struct is in its arena */
    const struct sim_route *route;
    struct str param; /* what stands for {} in the path */
    struct sim_account *account;
    struct sim_fault fault; /* a copy; kind is SIM_KIND_COUNT when nothing goes wrong */
    struct sim_entry entry; /* for the journal */
    struct timer timer;     /* of delay and late */
    struct http_header headers[SIM_CALL_HEADERS_MAX];
    size_t n_headers;
    int late_status; /* of late: the answer that waits */
    struct str late_body;
    /* of POST */
    struct str prompt;
    struct str adapter;
    struct str chat;
    uint64_t origin;
    bool is_project; /* in the shape of protocol project */
    bool has_images;
    struct str workspace; /* that a handshake names; empty for the short token */
    struct sim_ask *ask;  /* of a chat completion; in the arena */
    struct str *inputs;   /* of embeddings; in the arena */
    size_t n_inputs;
    bool is_packed;        /* ... they are wanted in base64 */
    struct sim_form *form; /* of an upload; in the arena */
    struct sim_wish *wish; /* in the arena */
};

struct sim_route {
    enum http_method method;
    const char *path;     /* "{}" stands for one segment */
    enum sim_where where; /* SIM_WHERE_COUNT: never goes wrong and is not logged */
    const char *kind;     /* in the journal */
    /* Answers what is no proper request and returns false. */
    bool (*check)(struct sim_call *c);
    void (*run)(struct sim_call *c);
};

extern const struct http_service sim_service;

/* Adds a header to the answer; `name` is static, `value` lives as long as the request. */
void sim_call_header(struct sim_call *c, const char *name, struct str value);

/* Answers (JSON unless a content-type header was added), with what the fault makes of it. */
void sim_call_reply(struct sim_call *c, int status, struct str body);

/* Answers 200 with what `w` wrote. */
void sim_call_reply_written(struct sim_call *c, struct json_writer *w);

/* The request breaks a rule: notes it in the journal and answers with the service's error for
 * that status. Returns false, for checks. `code` is the sign-in service's error code or NULL. */
bool sim_call_refuse(struct sim_call *c, int status, const char *code, const char *format, ...)
    FORMAT(4, 5);

/* Writes the journal's entry; once. */
void sim_call_log(struct sim_call *c, int status);

/* The service's usual error body for a status, in the request's arena. */
struct str sim_error_body(struct sim_call *c, int status, const char *code, const char *message);

/* Takes the connection away from HTTP; NULL when it is gone already. */
struct conn *sim_call_take(struct sim_call *c, struct str head, struct str *ret_rest);

/* An entry for a request, with the slices of its head. */
void sim_entry_init(struct simulator *s, const struct http_request *r, const char *kind,
                    struct sim_entry *ret);

/* Does what the call's fault does instead of the answer, or before it; true when the route is not
 * to run now. */
bool sim_call_goes_wrong(struct sim_call *c);

/* ---- what several files use, and what routes point at ---- */

/* As sim_call_refuse(), for what the service bans for. */
bool sim_call_offend(struct sim_call *c, const char *what, struct str name);

/* 404 for what the client cannot know; no violation. Returns false. */
bool sim_call_reply_not_found(struct sim_call *c);

/* The number of the call's account, -1 without one. */
int sim_call_account(const struct sim_call *c);

/* Reads the body: an object of exactly these members, all strings with text; else an offence. */
struct sim_member {
    const char *name;
    struct str *place; /* p NULL at first */
};
MUST_USE enum err sim_members_read(struct http_request *r, const struct sim_member *members,
                                   size_t n, char *what);
bool sim_call_read_strings(struct sim_call *c, const struct sim_member *members, size_t n);

/* Reads the commands of c->prompt into c->wish, and arms their faults. */
void sim_call_wish(struct sim_call *c);

/* Content-Type is JSON; refuses otherwise. */
bool sim_check_json(struct sim_call *c);

/* One adapter with its three names. */
struct sim_adapter {
    struct str name;           /* "GPT5_4" */
    char key[SIM_MODEL_MAX];   /* "gpt_5_4" */
    char model[SIM_MODEL_MAX]; /* "gpt-5.4" */
};

/* Cuts the next one off a list of names with commas; false at its end. */
bool sim_adapter_next(struct str *list, struct sim_adapter *ret);
bool sim_adapter_is_known(const struct simulator *s, struct str name);

/* The key of the model that the account's team prefers now. */
struct str sim_team_model(struct sim_call *c);

/* Puts body, hash and headers of the request into its log entry. */
void sim_call_keep_request(struct sim_call *c);

/* Whether the fault, if any, leaves the answer a stream. */
bool sim_call_may_stream(const struct sim_call *c);

/* Begins the answer as an event stream; the caller goes on with http_reply_write(). */
void sim_call_reply_stream(struct sim_call *c);

/* The head of a 101. */
struct str sim_upgrade_head(struct sim_call *c);

/* Answers as recorded; false when nothing of the capture matches. */
bool sim_call_is_recorded(struct sim_call *c);

struct sim_account *sim_account_of_user(struct simulator *s, const char *user);

/* An access token of the native way, whose account is then the call's, or a static key. */
bool sim_check_key(struct sim_call *c);

/* The headers that native requests have besides; refuses otherwise. */
bool sim_check_session(struct sim_call *c);

bool sim_check_oauth(struct sim_call *c);
bool sim_check_completion(struct sim_call *c);
bool sim_check_models(struct sim_call *c);
void sim_run_oauth(struct sim_call *c);
void sim_run_completion(struct sim_call *c);
void sim_run_models(struct sim_call *c);
bool sim_check_preferred(struct sim_call *c);
bool sim_check_project(struct sim_call *c);
bool sim_check_offers(struct sim_call *c);
void sim_run_preferred(struct sim_call *c);
void sim_run_project(struct sim_call *c);
void sim_run_offers(struct sim_call *c);
bool sim_check_client(struct sim_call *c);
bool sim_check_token(struct sim_call *c);
bool sim_check_bearer(struct sim_call *c);
bool sim_check_post(struct sim_call *c);
bool sim_check_stream(struct sim_call *c);
void sim_run_client(struct sim_call *c);
void sim_run_memberships(struct sim_call *c);
void sim_run_token(struct sim_call *c);
void sim_run_billing(struct sim_call *c);
void sim_run_adapters(struct sim_call *c);
void sim_run_delete(struct sim_call *c);
void sim_run_post(struct sim_call *c);
void sim_run_stream(struct sim_call *c);
void sim_run_about(struct sim_call *c);
void sim_run_log(struct sim_call *c);
void sim_run_log_clear(struct sim_call *c);
void sim_run_state(struct sim_call *c);
void sim_run_faults(struct sim_call *c);
void sim_run_faults_list(struct sim_call *c);
void sim_run_faults_clear(struct sim_call *c);
void sim_run_settings(struct sim_call *c);
void sim_run_lose(struct sim_call *c);
void sim_run_reset(struct sim_call *c);

/* The account whose cookie has the header's `__client`; with `any_age` also one that was rotated
 * away. *ret_generation is how often. NULL when it is nobody's. */
struct sim_account *sim_account_of_cookie(struct simulator *s, struct str header, bool any_age,
                                          unsigned *ret_generation);

/* Origin is the configured one; refuses otherwise. */
bool sim_check_origin(struct sim_call *c, const char *code);

/* The service's clock, in seconds since 1970: ours plus the skew. */
int64_t sim_now_s(const struct simulator *s);
