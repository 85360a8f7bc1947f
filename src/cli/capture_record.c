/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/capture_record.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/capture_redact.h"
#include "json/writer.h"

enum {
    EXCHANGES_MAX = 1000,
    FRAMES_MAX = 20000,
    BODY_MAX = 1 << 20,
    TOTAL_MAX = 16 << 20,
    MS_MAX = 3600000,
    HEADERS_KEPT = 8,
    CODE_NO_STATUS = 1005,
    CODE_ABNORMAL = 1006,
    CODE_TLS = 1015,
};

static const char prompt_path[] = "/engine-agent/chat";
static const char completions_path[] = "/chat/completions";

struct frame {
    struct frame *next;
    bool is_ours;
    int64_t after_ms;
    size_t prompt; /* number of the last prompt that was out by then, from 1; 0: none */
    int close;
    struct str text;
};

struct header {
    struct str name, value;
};

struct exchange {
    bool is_socket; /* and was opened */
    bool is_answered;
    enum http_method method;
    struct str path, query;
    struct str request_type;
    struct str request_body;
    int status;
    size_t n_headers;
    struct header headers[HEADERS_KEPT];
    struct str cookies[HEADERS_KEPT]; /* names that were set */
    size_t n_cookies;
    struct buf body;
    struct frame *frames, *last_frame;
    int64_t last_ms;
    size_t place; /* in what is written */
};

struct capture_record {
    struct wire_tap tap;
    const struct loop *loop;
    struct arena arena;
    struct redact *redact;
    struct exchange *exchanges[EXCHANGES_MAX];
    size_t n;
    size_t n_frames;
    size_t kept; /* bytes */
    size_t last_prompt;
    bool is_cut;
};

/* ---- keeping ---- */

static struct str keep(struct capture_record *c, struct str s)
{
    if (c->kept + s.n > TOTAL_MAX) {
        c->is_cut = true;
        return STR("");
    }
    c->kept += s.n;
    return arena_dup(&c->arena, s);
}

/* "a=1; b=2": none of the values may be left over. */
static void forbid_cookies(struct capture_record *c, struct str list)
{
    for (struct str rest = list; rest.p;) {
        struct str value;
        struct str pair = str_cut(rest, ';', &rest);

        str_cut(pair, '=', &value);
        redact_forbid(c->redact, str_trim(value.p ? value : pair));
    }
}

static void read_request_header(struct capture_record *c, struct exchange *x,
                                const struct http_header *h)
{
    if (str_eq_nocase(h->name, STR("cookie")))
        forbid_cookies(c, h->value);
    if (str_starts_nocase(h->value, STR("bearer ")))
        redact_forbid(c->redact, str_trim(str_from(h->value, 7)));
    if (str_eq_nocase(h->name, STR("content-type")))
        x->request_type = keep(c, h->value);
}

static size_t begin(void *arg, const struct wire_request *r)
{
    struct capture_record *c = arg;
    struct exchange *x;

    if (c->n == EXCHANGES_MAX) {
        c->is_cut = true;
        return EXCHANGES_MAX;
    }
    x = arena_new(&c->arena, struct exchange);
    c->exchanges[c->n] = x;
    x->method = r->method;
    x->path = str_cut(keep(c, r->target), '?', &x->query);
    x->request_body = keep(c, r->body);
    buf_init(&x->body, BODY_MAX);
    for (size_t i = 0; i < r->n_headers; i++)
        read_request_header(c, x, &r->headers[i]);
    return c->n++;
}

static void take_set_cookie(struct capture_record *c, struct exchange *x, struct str header)
{
    struct str value;
    struct str name = str_cut(header, '=', &value);

    redact_forbid(c->redact, str_trim(str_cut(value, ';', &(struct str){ NULL, 0 })));
    if (x->n_cookies < HEADERS_KEPT)
        x->cookies[x->n_cookies++] = keep(c, str_trim(name));
}

static void take_head(struct capture_record *c, struct exchange *x, const struct http_head *head)
{
    x->is_answered = true;
    x->status = head->status;
    for (size_t i = 0; i < head->n_headers; i++) {
        const struct http_header *h = &head->headers[i];

        if (str_eq_nocase(h->name, STR("set-cookie")))
            take_set_cookie(c, x, h->value);
        if (redact_header(h->name, h->value) && x->n_headers < HEADERS_KEPT)
            x->headers[x->n_headers++] = (struct header){ keep(c, h->name), keep(c, h->value) };
    }
}

static void take_body(struct capture_record *c, struct exchange *x, struct str bytes)
{
    if (c->kept + bytes.n > TOTAL_MAX || buf_add(&x->body, bytes))
        c->is_cut = true;
    else
        c->kept += bytes.n;
}

static void take_frame(struct capture_record *c, struct exchange *x, const struct wire_event *e)
{
    int64_t now = loop_now_ms(c->loop);
    struct frame *f;

    if (c->n_frames == FRAMES_MAX || c->kept + e->bytes.n > TOTAL_MAX) {
        c->is_cut = true;
        return;
    }
    c->n_frames++;
    f = arena_new(&c->arena, struct frame);
    *f = (struct frame){ .is_ours = e->is_ours,
                         .after_ms = now - x->last_ms < MS_MAX ? now - x->last_ms : MS_MAX,
                         .prompt = c->last_prompt,
                         .close = e->close_code,
                         .text = keep(c, e->bytes) };
    x->last_ms = now;
    if (x->last_frame)
        x->last_frame->next = f;
    else
        x->frames = f;
    x->last_frame = f;
}

static bool is_told(int code)
{
    return code >= 1000 && code <= 4999 && code != CODE_NO_STATUS && code != CODE_ABNORMAL &&
           code != CODE_TLS;
}

static void event(void *arg, size_t number, const struct wire_event *e)
{
    struct capture_record *c = arg;
    struct exchange *x = number < c->n ? c->exchanges[number] : NULL;

    if (!x)
        return;
    switch (e->type) {
    case WIRE_SENT:
        if (x->method == HTTP_POST && str_eq(x->path, str_of(prompt_path)))
            c->last_prompt = number + 1;
        break;
    case WIRE_HEAD:
        take_head(c, x, e->head);
        break;
    case WIRE_BODY:
        take_body(c, x, e->bytes);
        break;
    case WIRE_OPEN:
        x->is_socket = true;
        x->is_answered = true;
        x->last_ms = loop_now_ms(c->loop);
        break;
    case WIRE_MESSAGE:
        take_frame(c, x, e);
        break;
    case WIRE_DONE:
        if (x->is_socket && is_told(e->close_code))
            take_frame(c, x, e);
    }
}

struct capture_record *capture_record_new(const struct loop *l)
{
    struct capture_record *c = mem_new(struct capture_record);

    c->tap = (struct wire_tap){ begin, event, c };
    c->loop = l;
    c->redact = redact_new();
    arena_init(&c->arena);
    return c;
}

void capture_record_free(struct capture_record *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        buf_wipe(&c->exchanges[i]->body);
    redact_free(c->redact);
    arena_deinit(&c->arena);
    mem_free(c);
}

const struct wire_tap *capture_record_tap(const struct capture_record *c)
{
    return &c->tap;
}

size_t capture_record_answered(const struct capture_record *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        n += c->exchanges[i]->is_answered;
    return n;
}

bool capture_record_is_cut(const struct capture_record *c)
{
    return c->is_cut;
}

/* ---- learning ---- */

static bool is_form(const struct exchange *x)
{
    return str_starts(x->request_type, STR("application/x-www-form-urlencoded"));
}

static bool is_events(const struct exchange *x)
{
    for (size_t i = 0; i < x->n_headers; i++)
        if (str_eq_nocase(x->headers[i].name, STR("content-type")))
            return str_starts_nocase(x->headers[i].value, STR("text/event-stream"));
    return false;
}

static void learn(struct capture_record *c, const struct exchange *x)
{
    redact_learn_body(c->redact, x->request_body);
    if (str_ends(x->path, str_of(completions_path)))
        redact_learn_asked(c->redact, x->request_body);
    if (is_events(x))
        redact_learn_events(c->redact, buf_str(&x->body));
    else
        redact_learn_body(c->redact, buf_str(&x->body));
    redact_learn_path(c->redact, x->path);
    redact_learn_query(c->redact, x->query);
    if (is_form(x))
        redact_learn_query(c->redact, x->request_body);
    for (const struct frame *f = x->frames; f; f = f->next)
        redact_learn_body(c->redact, f->text);
}

/* ---- writing: one line an exchange, one a frame ---- */

/* `err` of the first step that failed; the steps behind it are left out. */
#define STEP(expr)            \
    do {                      \
        enum err e_ = (expr); \
        if (e_)               \
            return e_;        \
    } while (0)

static enum err add_method(const struct exchange *x, struct buf *out)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
        [HTTP_OPTIONS] = "OPTIONS",
    };

    return buf_addf(out, "\"method\":\"%s\",\"path\":", names[x->method]);
}

static enum err add_request(struct redact *r, const struct exchange *x, struct buf *out)
{
    if (!x->is_socket)
        STEP(add_method(x, out));
    else
        STEP(buf_add(out, STR("\"path\":")));
    STEP(redact_path(r, x->path, out));
    if (x->query.n > 0) {
        STEP(buf_add(out, STR(",\"query\":")));
        STEP(redact_query(r, x->query, out));
    }
    if (x->request_body.n == 0)
        return ERR_NONE;
    STEP(buf_add(out, STR(",\"body\":")));
    return is_form(x) ? redact_query(r, x->request_body, out)
                      : redact_body(r, x->request_body, out);
}

static enum err add_headers(const struct exchange *x, struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    for (size_t i = 0; i < x->n_headers; i++) {
        char name[32];

        json_w_member_str(&w, str_to_z(x->headers[i].name, name, sizeof(name)),
                          x->headers[i].value);
    }
    json_w_object_end(&w);
    return json_w_end(&w);
}

/* Names alone, and only those that everybody's browser has. */
static enum err add_cookies(const struct exchange *x, struct buf *out)
{
    static const char *const known[] = { "__client", "__client_uat", "__session",
                                         "__cf_bm",  "_cfuvid",      "cf_clearance" };
    struct json_writer w;

    if (x->n_cookies == 0)
        return ERR_NONE;
    STEP(buf_add(out, STR(",\"cookies_set\":")));
    json_w_init(&w, out);
    json_w_array(&w);
    for (size_t i = 0; i < x->n_cookies; i++) {
        struct str name = STR("other");

        for (size_t k = 0; k < COUNT_OF(known); k++)
            if (str_eq(x->cookies[i], str_of(known[k])))
                name = str_of(known[k]);
        json_w_str(&w, name);
    }
    json_w_array_end(&w);
    return json_w_end(&w);
}

static enum err add_http(struct redact *r, const struct exchange *x, struct buf *out)
{
    STEP(buf_add(out, STR("{\"request\":{")));
    STEP(add_request(r, x, out));
    STEP(buf_addf(out, "},\n \"response\":{\"status\":%d,\"headers\":", x->status));
    STEP(add_headers(x, out));
    STEP(add_cookies(x, out));
    STEP(buf_add(out, STR(",\"body\":")));
    STEP(is_events(x) ? redact_events(r, buf_str(&x->body), out)
                      : redact_body(r, buf_str(&x->body), out));
    return buf_add(out, STR("}}"));
}

static enum err add_frame(struct capture_record *c, const struct frame *f, bool is_after,
                          struct buf *out)
{
    STEP(buf_addf(out, "\n  {\"dir\":\"%s\",\"after_ms\":%lld", f->is_ours ? "out" : "in",
                  (long long)f->after_ms));
    if (is_after)
        STEP(buf_addf(out, ",\"exchange\":%zu", c->exchanges[f->prompt - 1]->place));
    if (f->close)
        return buf_addf(out, ",\"close\":%d}", f->close);
    STEP(buf_add(out, STR(",\"text\":")));
    STEP(redact_body(c->redact, f->text, out));
    return buf_add_char(out, '}');
}

/* The prompt that a frame came behind is named where it is another than before. */
static enum err add_socket(struct capture_record *c, const struct exchange *x, struct buf *out)
{
    size_t prompt = 0;

    STEP(buf_add(out, STR("{\"websocket\":{")));
    STEP(add_request(c->redact, x, out));
    STEP(buf_add(out, STR("},\n \"frames\":[")));
    for (const struct frame *f = x->frames; f; f = f->next) {
        bool is_after = f->prompt != prompt && c->exchanges[f->prompt - 1]->is_answered;

        prompt = f->prompt;
        STEP(add_frame(c, f, is_after, out));
        if (f->next)
            STEP(buf_add_char(out, ','));
    }
    return buf_add(out, STR("]}"));
}

static enum err add_all(struct capture_record *c, struct buf *out)
{
    size_t place = 0;

    for (size_t i = 0; i < c->n; i++)
        if (c->exchanges[i]->is_answered)
            c->exchanges[i]->place = place++;
    STEP(buf_add(out, STR("{\"capture\":[\n")));
    for (size_t i = 0, n = 0; i < c->n; i++) {
        const struct exchange *x = c->exchanges[i];

        if (!x->is_answered)
            continue;
        if (n++ > 0)
            STEP(buf_add(out, STR(",\n")));
        STEP(x->is_socket ? add_socket(c, x, out) : add_http(c->redact, x, out));
    }
    return buf_add(out, STR("\n]}\n"));
}

enum err capture_record_write(struct capture_record *c, const char *const *secrets, struct buf *out)
{
    for (size_t i = 0; secrets[i]; i++)
        forbid_cookies(c, str_of(secrets[i]));
    for (size_t i = 0; i < c->n; i++)
        learn(c, c->exchanges[i]);
    STEP(add_all(c, out));
    buf_clear(out);
    redact_restart(c->redact);
    STEP(add_all(c, out));
    return redact_leaks(c->redact, buf_str(out)) ? ERR_CONFLICT : ERR_NONE;
}
