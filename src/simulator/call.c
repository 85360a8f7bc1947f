/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to one request, and what a fault makes of it: instead of it (status, challenge,
 * reset, ...), before it (delay), or of what it says (truncated, lost, ...).
 */
#include "simulator/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/hash.h"
#include "base/mem.h"

enum { HEADERS_MAX = 262144 };

/* ---- journal ---- */

void sim_entry_init(struct simulator *s, const struct http_request *r, const char *kind,
                    struct sim_entry *ret)
{
    const struct http_head *h = &r->head;

    *ret = (struct sim_entry){
        .kind = kind,
        .time_ms = loop_wall_ms(s->loop),
        .us = clock_now_us(),
        .account = -1,
        .close_code = -1,
        .turn = -1,
        .token = -1,
        .cookie = -1,
        .key = -1,
        .bytes = -1,
        .messages = -1,
        .path = h->path,
        .origin = http_value(h, "origin"),
        .referer = http_value(h, "referer"),
        .content_type = http_value(h, "content-type"),
        .user_agent = http_value(h, "user-agent"),
    };
}

int sim_call_account(const struct sim_call *c)
{
    return c->account ? (int)(c->account - c->s->accounts) : -1;
}

static bool is_secret(struct str name)
{
    return str_eq_nocase(name, STR("authorization")) || str_eq_nocase(name, STR("cookie")) ||
           str_eq_nocase(name, STR("x-api-key"));
}

/* As JSON: [["name","value"], ...] as they came, secrets left out. */
static struct str list_headers(struct sim_call *c)
{
    const struct http_head *h = &c->r->head;
    struct json_writer w;
    struct buf text;
    struct str list;

    buf_init(&text, HEADERS_MAX);
    json_w_init(&w, &text);
    json_w_array(&w);
    for (size_t i = 0; i < h->n_headers; i++) {
        const struct http_header *e = &h->headers[i];

        json_w_array(&w);
        json_w_str(&w, e->name);
        json_w_str(&w, is_secret(e->name) ? STR("...") : e->value);
        json_w_array_end(&w);
    }
    json_w_array_end(&w);
    list = json_w_end(&w) ? STR("[]") : arena_dup(&c->r->arena, buf_str(&text));
    buf_deinit(&text);
    return list;
}

void sim_call_keep_request(struct sim_call *c)
{
    unsigned char digest[SHA256_LEN];
    char *hex = arena_alloc(&c->r->arena, 2 * SHA256_LEN + 1);
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, c->r->body);
    sha256_end(&h, digest);
    hex_encode(digest, sizeof(digest), hex);
    c->entry.sha256 = str_of(hex);
    c->entry.bytes = (int64_t)c->r->body.n;
    c->entry.body = str_sub(c->r->body, 0, (size_t)c->s->settings.log_body_bytes);
    c->entry.headers = list_headers(c);
}

void sim_call_log(struct sim_call *c, int status)
{
    struct simulator *s = c->s;

    if (!c->entry.kind)
        return;
    c->entry.status = status;
    c->entry.ms = loop_wall_ms(s->loop) - c->entry.time_ms;
    c->entry.account = sim_call_account(c);
    c->entry.prompt = c->prompt;
    c->entry.adapter = c->adapter;
    c->entry.chat = c->chat;
    sim_journal_add(s->journal, &c->entry);
    c->entry.kind = NULL;
}

/* ---- answers ---- */

void sim_call_header(struct sim_call *c, const char *name, struct str value)
{
    if (c->n_headers < SIM_CALL_HEADERS_MAX)
        c->headers[c->n_headers++] = (struct http_header){ str_of(name), value };
}

static bool has_type(const struct sim_call *c)
{
    for (size_t i = 0; i < c->n_headers; i++)
        if (str_eq(c->headers[i].name, STR("content-type")))
            return true;
    return false;
}

static void send(struct sim_call *c, int status, struct str body)
{
    if (!has_type(c))
        sim_call_header(c, "content-type", STR("application/json; charset=utf-8"));
    sim_call_log(c, status);
    if (!c->s->settings.chunked) {
        http_reply(c->r, status, c->headers, c->n_headers, body);
        return;
    }
    http_reply_begin(c->r, status, c->headers, c->n_headers);
    http_reply_write(c->r, body);
    http_reply_end(c->r);
}

bool sim_call_may_stream(const struct sim_call *c)
{
    return c->fault.kind == SIM_KIND_COUNT || c->fault.kind == SIM_DELAY ||
           c->fault.kind == SIM_LATE;
}

void sim_call_reply_stream(struct sim_call *c)
{
    sim_call_header(c, "content-type", STR("text/event-stream; charset=utf-8"));
    sim_call_header(c, "cache-control", STR("no-cache"));
    sim_call_log(c, 200);
    http_reply_begin(c->r, 200, c->headers, c->n_headers);
}

struct conn *sim_call_take(struct sim_call *c, struct str head, struct str *ret_rest)
{
    timer_disarm(&c->timer);
    return http_request_take_conn(c->r, head, ret_rest);
}

static void end_connection(struct sim_call *c, struct str bytes, bool reset)
{
    struct str rest;

    sim_call_log(c, 0);
    conn_close(sim_call_take(c, bytes, &rest), reset);
}

static void send_truncated(struct sim_call *c, int status, struct str body)
{
    struct str bytes =
        arena_printf(&c->r->arena,
                     "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n"
                     "content-length: %zu\r\n\r\n%.*s",
                     status, http_reason(status), body.n + 64, (int)(body.n / 2), body.p);

    end_connection(c, bytes, false);
}

static void send_huge(struct sim_call *c, int status)
{
    size_t n = (size_t)c->fault.bytes;
    char *p = arena_try(&c->r->arena, n + 2);

    if (!p) {
        send(c, 500, STR("{}"));
        return;
    }
    memset(p, 'x', n + 2);
    p[0] = '"';
    p[n + 1] = '"';
    send(c, status, (struct str){ p, n + 2 });
}

static void on_late(void *arg)
{
    struct sim_call *c = arg;

    send(c, c->late_status, c->late_body);
}

static void send_late(struct sim_call *c, int status, struct str body)
{
    c->late_status = status;
    c->late_body = arena_dup(&c->r->arena, body);
    for (size_t i = 0; i < c->n_headers; i++)
        c->headers[i].value = arena_dup(&c->r->arena, c->headers[i].value);
    timer_arm(c->s->loop, &c->timer, c->fault.delay_ms, on_late, c);
}

void sim_call_reply(struct sim_call *c, int status, struct str body)
{
    switch (c->fault.kind) {
    case SIM_LATE:
        send_late(c, status, body);
        break;
    case SIM_LOST:
        end_connection(c, STR(""), true);
        break;
    case SIM_INVALID_JSON:
        send(c, status, body.n > 1 ? str_sub(body, 0, body.n / 2) : STR("{"));
        break;
    case SIM_WRONG_TYPE:
        c->n_headers = 0;
        sim_call_header(c, "content-type", STR("text/html"));
        send(c, status, STR("<!doctype html><title>cto.new</title><p>Hello"));
        break;
    case SIM_TRUNCATED:
        send_truncated(c, status, body);
        break;
    case SIM_NO_BODY:
        send(c, status, STR(""));
        break;
    case SIM_HUGE:
        send_huge(c, status);
        break;
    default:
        send(c, status, body);
        break;
    }
}

bool sim_call_refuse(struct sim_call *c, int status, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    c->entry.violation = arena_dup(&c->r->arena, str_of(text));
    send(c, status, sim_error_body(c, status, code, text));
    return false;
}

/* ---- faults instead of an answer ---- */

static void send_status(struct sim_call *c)
{
    const struct sim_fault *f = &c->fault;

    if (f->retry_after.p)
        sim_call_header(c, "retry-after", f->retry_after);
    if (f->type.p)
        sim_call_header(c, "content-type", f->type);
    send(c, f->status, f->body.p ? f->body : sim_error_body(c, f->status, NULL, NULL));
}

static void send_challenge(struct sim_call *c)
{
    sim_call_header(c, "content-type", STR("text/html; charset=UTF-8"));
    sim_call_header(c, "server", STR("cloudflare"));
    sim_call_header(c, "cf-mitigated", STR("challenge"));
    sim_call_header(c, "cf-ray", STR("8f0000000000beef-SIM"));
    send(c, c->fault.status,
         STR("<!DOCTYPE html><html lang=\"en-US\"><head><title>Just a moment...</title></head>"
             "<body><noscript>Enable JavaScript and cookies to continue</noscript>"
             "<script>window._cf_chl_opt={cvId:'3'};</script></body></html>"));
}

static void on_delay(void *arg)
{
    struct sim_call *c = arg;

    c->route->run(c);
}

static void send_redirect(struct sim_call *c)
{
    sim_call_header(c, "location", arena_printf(&c->r->arena, "%s/sign-in", c->s->origin));
    send(c, c->fault.status, STR(""));
}

bool sim_call_goes_wrong(struct sim_call *c)
{
    struct str rest;

    switch (c->fault.kind) {
    case SIM_STATUS:
        send_status(c);
        return true;
    case SIM_CHALLENGE:
        send_challenge(c);
        return true;
    case SIM_SCHEMA:
        send(c, 500, sim_error_body(c, 500, NULL, "body must have required property 'prompt'"));
        return true;
    case SIM_REDIRECT:
        send_redirect(c);
        return true;
    case SIM_SIGNED_OUT:
        if (c->route->where == SIM_AT_CLIENT)
            send(c, 200, STR("{\"response\":null,\"client\":null}"));
        else
            send(c, 401, sim_error_body(c, 401, NULL, NULL));
        return true;
    case SIM_RESET:
    case SIM_CLOSE:
        end_connection(c, STR(""), c->fault.kind == SIM_RESET);
        return true;
    case SIM_GARBAGE:
        end_connection(c, STR("\x16\x03\x01 this is no HTTP\r\n\r\n"), false);
        return true;
    case SIM_HANG:
        sim_call_log(c, 0);
        sim_park(c->s, sim_call_take(c, STR(""), &rest));
        return true;
    case SIM_DELAY:
        timer_arm(c->s->loop, &c->timer, c->fault.delay_ms, on_delay, c);
        return true;
    default:
        return false;
    }
}

void sim_call_reply_written(struct sim_call *c, struct json_writer *w)
{
    if (json_w_end(w))
        sim_call_reply(c, 500, STR("{}"));
    else
        sim_call_reply(c, 200, buf_str(w->out));
}
