/* SPDX-License-Identifier: Apache-2.0 */
/* A simulator on a thread of its own, and a plain blocking client for it. */
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/worker.h"
#include "simulator/simulator.h"
#include "simulator/wire.h"
#include "test.h"
#include "json/reader.h"

enum { LIVE_WAIT_MS = 30000, LIVE_MAX = 1 << 24 };

struct live {
    struct worker *worker;
    struct simulator *sim;
    struct endpoint at;
    struct str scenario;
    char what[SIMULATOR_WHAT_MAX];
    char cookie[1200]; /* with "Cookie: " */
    char jwt[1200];
    char token[256]; /* of handshakes; empty: the user id */
    char user[64];
    char session[64];
    char organization[64];
    struct buf in; /* of the last answer, or of the stream */
    int status;
    struct str body;
};

static void live_start_on_loop(void *arg, struct loop *l)
{
    struct live *v = arg;
    const struct simulator_params params = { .seed = 1, .scenario = v->scenario };

    EXPECT_INT(endpoint_parse(STR("127.0.0.1:0"), &v->at), ERR_NONE);
    EXPECT_INT(simulator_new(l, &params, &v->sim, v->what), ERR_NONE);
    EXPECT_INT(simulator_listen(v->sim, &v->at, v->what), ERR_NONE);
}

static void live_stop_on_loop(void *arg, struct loop *l)
{
    struct live *v = arg;

    simulator_free(v->sim);
    loop_stop(l);
}

static inline int live_connect(const struct live *v)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(v->at.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    EXPECT(fd >= 0);
    EXPECT_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static inline void live_write(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        s = str_from(s, (size_t)n);
    }
}

/* Appends what comes; 0 at the end, below 0 after a reset. */
static inline ssize_t live_read(int fd, struct buf *in)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char *room;
    ssize_t n;

    EXPECT_INT(poll(&p, 1, LIVE_WAIT_MS), 1);
    EXPECT_INT(buf_reserve(in, 65536, &room), ERR_NONE);
    n = recv(fd, room, 65536, 0);
    if (n > 0)
        buf_commit(in, (size_t)n);
    return n;
}

/* Reads one answer into v->status and v->body; -1 when the connection broke before its end. */
static inline void live_answer(struct live *v, int fd)
{
    size_t head;
    size_t at;
    uint64_t length = 0;

    buf_clear(&v->in);
    v->status = -1;
    v->body = STR("");
    while ((head = str_find(buf_str(&v->in), STR("\r\n\r\n"))) == SIZE_MAX)
        if (live_read(fd, &v->in) <= 0)
            return;
    at = str_find(buf_str(&v->in), STR("content-length: "));
    if (at < head) {
        struct str rest;
        struct str line = str_cut(str_from(buf_str(&v->in), at + 16), '\r', &rest);

        EXPECT_INT(str_to_u64(line, LIVE_MAX, &length), ERR_NONE);
    }
    while (v->in.n < head + 4 + length)
        if (live_read(fd, &v->in) <= 0)
            return;
    v->body = str_from(buf_str(&v->in), head + 4);
    v->status = (v->in.p[9] - '0') * 100 + (v->in.p[10] - '0') * 10 + v->in.p[11] - '0';
}

/* One request on a connection of its own; `headers` end in \r\n each. */
static inline int live_call(struct live *v, const char *line, const char *headers, const char *body)
{
    struct buf request;
    int fd = live_connect(v);

    buf_init(&request, LIVE_MAX);
    EXPECT_INT(buf_addf(&request, "%s HTTP/1.1\r\nHost: x\r\n%scontent-length: %zu\r\n\r\n%s", line,
                        headers, strlen(body), body),
               ERR_NONE);
    live_write(fd, buf_str(&request));
    live_answer(v, fd);
    close(fd);
    buf_deinit(&request);
    return v->status;
}

static inline void live_find(struct str json, char *out, size_t cap, const char *a, const char *b)
{
    struct json_value v;

    EXPECT_INT(json_find(json, &v, a, b, NULL), ERR_NONE);
    EXPECT_INT(v.type, JSON_STRING);
    str_to_z(str_sub(v.raw, 1, v.raw.n - 2), out, cap);
}

static inline void live_token(struct live *v)
{
    char line[256];
    char headers[1600];

    (void)snprintf(line, sizeof(line),
                   "POST /v1/client/sessions/%s/tokens?__clerk_api_version=2025-04-10", v->session);
    (void)snprintf(headers, sizeof(headers),
                   "%sOrigin: https://cto.new\r\nReferer: https://cto.new/\r\nContent-Type: "
                   "application/x-www-form-urlencoded\r\n",
                   v->cookie);
    EXPECT_INT(live_call(v, line, headers, ""), 200);
    live_find(v->body, v->jwt, sizeof(v->jwt), "jwt", NULL);
}

static inline void live_sign_in_as(struct live *v, unsigned account)
{
    struct buf cookie;
    char headers[1600];
    struct str session;

    buf_init(&cookie, SIMULATOR_COOKIE_MAX);
    EXPECT_INT(simulator_cookie(1, account, &cookie), ERR_NONE);
    (void)snprintf(v->cookie, sizeof(v->cookie), "Cookie: a=b; %.*s\r\n",
                   STR_ARGS(buf_str(&cookie)));
    buf_deinit(&cookie);
    (void)snprintf(headers, sizeof(headers), "%sOrigin: https://cto.new\r\n", v->cookie);
    EXPECT_INT(live_call(v, "GET /v1/client?__clerk_api_version=2025-04-10", headers, ""), 200);
    live_find(v->body, v->session, sizeof(v->session), "response", "last_active_session_id");
    session = str_from(v->body, str_find(v->body, STR("\"user_")) + 1);
    str_to_z(str_cut(session, '"', &session), v->user, sizeof(v->user));
    session = str_from(v->body, str_find(v->body, STR("\"org_")) + 1);
    str_to_z(str_cut(session, '"', &session), v->organization, sizeof(v->organization));
    live_token(v);
}

static inline void live_begin(struct live *v, const char *scenario)
{
    *v = (struct live){ .scenario = str_of(scenario) };
    buf_init(&v->in, LIVE_MAX);
    v->worker = worker_new(
        &(struct worker_params){ "simulator", live_start_on_loop, live_stop_on_loop, v });
    live_sign_in_as(v, 0);
}

static inline void live_end(struct live *v)
{
    worker_stop(v->worker);
    worker_free(v->worker);
    buf_deinit(&v->in);
}

/* ---- prompts ---- */

#define CHAT_1 "11111111-1111-4111-8111-111111111111"
#define CHAT_2 "22222222-2222-4222-8222-222222222222"

/* The prompt is written into JSON as it is. */
static inline int live_post(struct live *v, const char *chat, const char *prompt)
{
    char headers[1600];
    char body[4096];

    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s\r\nContent-Type: application/json\r\nOrigin: "
                   "https://cto.new\r\nReferer: https://cto.new/%s\r\n",
                   v->jwt, chat);
    (void)snprintf(body, sizeof(body),
                   "{\"prompt\":\"%s\",\"chatHistoryId\":\"%s\",\"adapterName\":\"GPT5\"}", prompt,
                   chat);
    return live_call(v, "POST /engine-agent/chat", headers, body);
}

/* A socket on `chat`; v->status tells what the handshake got. */
static inline int live_open(struct live *v, const char *chat)
{
    struct buf request;
    int fd = live_connect(v);
    size_t head;

    buf_init(&request, 8192);
    EXPECT_INT(buf_addf(&request,
                        "GET /engine-agent/chat-histories/%s/buffer/stream?token=%s HTTP/1.1\r\n"
                        "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Origin: https://cto.new\r\n%s\r\n",
                        chat, v->token[0] ? v->token : v->user, v->cookie),
               ERR_NONE);
    live_write(fd, buf_str(&request));
    buf_deinit(&request);
    buf_clear(&v->in);
    v->status = -1;
    while ((head = str_find(buf_str(&v->in), STR("\r\n\r\n"))) == SIZE_MAX)
        if (live_read(fd, &v->in) <= 0)
            return fd;
    v->status = (v->in.p[9] - '0') * 100 + (v->in.p[10] - '0') * 10 + v->in.p[11] - '0';
    buf_consume(&v->in, head + 4);
    return fd;
}

/* The next whole frame's payload, appended to `out`; its opcode, or -1 at the end of the stream and
 * -2 after a reset. */
static inline int live_frame(struct live *v, int fd, struct buf *out)
{
    for (;;) {
        const unsigned char *p = (const unsigned char *)v->in.p;
        size_t head = 2;
        uint64_t n = 0;
        int opcode;
        ssize_t got;

        if (v->in.n >= 2) {
            n = p[1] & 0x7f;
            head += n < 126 ? 0 : n == 126 ? 2 : 8;
        }
        if (v->in.n >= 2 && v->in.n >= head) {
            if (n >= 126)
                for (size_t i = 2, bytes = head; (n = i == 2 ? p[i] : n << 8 | p[i], ++i) < bytes;)
                    ;
            if (v->in.n >= head + n) {
                opcode = p[0] & 0x0f;
                EXPECT_INT(buf_add(out, str_sub(buf_str(&v->in), head, (size_t)n)), ERR_NONE);
                buf_consume(&v->in, head + (size_t)n);
                return opcode;
            }
        }
        got = live_read(fd, &v->in);
        if (got <= 0)
            return got == 0 ? -1 : -2;
    }
}

static inline void live_send(int fd, unsigned first, struct str payload)
{
    struct buf bytes;

    buf_init(&bytes, LIVE_MAX);
    EXPECT_INT(sim_wire_frame(&bytes, first, true, payload), ERR_NONE);
    live_write(fd, buf_str(&bytes));
    buf_deinit(&bytes);
}

/* The text of a chat update, appended; false for other messages. */
static inline bool live_text_of(struct str message, struct buf *out)
{
    struct json_value v;
    struct buf inner;
    bool found = false;

    buf_init(&inner, LIVE_MAX);
    if (json_find(message, &v, "buffer", NULL) == ERR_NONE && v.type == JSON_STRING &&
        json_text_add(&v, &inner) == ERR_NONE &&
        json_find(buf_str(&inner), &v, "chat", "content", NULL) == ERR_NONE &&
        v.type == JSON_STRING)
        found = json_text_add(&v, out) == ERR_NONE;
    buf_deinit(&inner);
    return found;
}

/* Reads until the state says finished (true) or the stream ends; the text goes to `out`. */
static inline bool live_gather(struct live *v, int fd, struct buf *out)
{
    struct buf message;
    bool finished = false;
    bool running = false;

    buf_init(&message, LIVE_MAX);
    while (!finished) {
        int opcode;

        buf_clear(&message);
        opcode = live_frame(v, fd, &message);
        if (opcode < 0 || opcode == WIRE_CLOSE)
            break;
        if (!live_text_of(buf_str(&message), out)) {
            bool is_state = str_find(buf_str(&message), STR("inProgress")) != SIZE_MAX;
            bool now = str_find(buf_str(&message), STR("inProgress\":true")) != SIZE_MAX;

            finished = is_state && running && !now;
            running = running || now;
        }
    }
    buf_deinit(&message);
    return finished;
}

static inline void live_control(struct live *v, const char *line, const char *body, int want)
{
    EXPECT_INT(live_call(v, line, "", body), want);
}

/* How often `what` stands in the log. */
static inline size_t live_count_log(struct live *v, const char *query, const char *what)
{
    char line[128];
    struct str rest;
    size_t n = 0;
    size_t at;

    (void)snprintf(line, sizeof(line), "GET /__sim/log%s", query);
    EXPECT_INT(live_call(v, line, "", ""), 200);
    for (rest = v->body; (at = str_find(rest, str_of(what))) != SIZE_MAX; n++)
        rest = str_from(rest, at + 1);
    return n;
}
