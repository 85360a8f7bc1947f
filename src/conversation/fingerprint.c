/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is hashed, so that two different conversations never give the same bytes: each field has a
 * fixed size or stands behind its length, lists behind their count, long texts as their own
 * SHA-256. The bytes outlive the program (stores keep them): a change of them needs another MAGIC.
 *
 *     H0   = SHA-256(MAGIC, scope, every system message)
 *     Hi   = SHA-256(Hi-1, message i)
 *     message = role, SHA-256(text), images, tool calls, tool call id
 */
#include "conversation/fingerprint.h"

#include <stdio.h>

#include "base/encoding.h"
#include "json/escape.h"
#include "json/reader.h"

static const char MAGIC[] = "enginelabs-2api conversation 2";

/* A list's count or a text's length, in 8 bytes, little end first. */
static void add_number(struct sha256 *h, uint64_t n)
{
    char bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(n >> 8 * i & 0xFF);
    sha256_add(h, (struct str){ bytes, sizeof(bytes) });
}

static void add_str(struct sha256 *h, struct str s)
{
    add_number(h, s.n);
    if (s.n > 0)
        sha256_add(h, s);
}

/* Ends `inner` and adds what it says. */
static void add_digest(struct sha256 *h, struct sha256 *inner)
{
    char digest[SHA256_LEN];

    sha256_end(inner, (unsigned char *)digest);
    sha256_add(h, (struct str){ digest, sizeof(digest) });
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void fingerprint_text_init(struct fingerprint_text *t)
{
    *t = (struct fingerprint_text){ 0 };
    sha256_init(&t->solid);
    t->ahead = t->solid;
}

/* Hashes `s` with CR LF as LF; a CR at its end waits for what follows. */
static void add_lines(struct fingerprint_text *t, struct str s)
{
    while (s.n > 0) {
        size_t cr;

        if (t->pending_cr && s.p[0] != '\n')
            sha256_add(&t->ahead, STR("\r"));
        cr = str_find_char(s, '\r');
        t->pending_cr = cr != SIZE_MAX;
        sha256_add(&t->ahead, str_sub(s, 0, cr));
        s = t->pending_cr ? str_from(s, cr + 1) : str_from(s, s.n);
    }
}

void fingerprint_text_add(struct fingerprint_text *t, struct str piece)
{
    size_t solid = piece.n;

    while (solid > 0 && is_blank(piece.p[solid - 1]))
        solid--;
    if (!t->begun) {
        size_t blank = 0;

        if (solid == 0)
            return;
        while (is_blank(piece.p[blank]))
            blank++;
        piece = str_from(piece, blank);
        solid -= blank;
        t->begun = true;
    }
    if (solid > 0) {
        add_lines(t, str_sub(piece, 0, solid));
        t->solid = t->ahead;
    }
    add_lines(t, str_from(piece, solid));
}

/* The text's part of a message. */
static void add_text(struct sha256 *h, const struct fingerprint_text *t)
{
    struct sha256 solid = t->solid;

    add_digest(h, &solid);
}

static void add_images(struct sha256 *h, const struct chat_message *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_parts; i++)
        n += m->parts[i].type == CHAT_PART_IMAGE;
    add_number(h, n);
    for (size_t i = 0; i < m->n_parts; i++) {
        struct sha256 url;

        if (m->parts[i].type != CHAT_PART_IMAGE)
            continue;
        sha256_init(&url);
        sha256_add(&url, m->parts[i].text);
        add_digest(h, &url);
    }
}

static bool is_json(struct str s)
{
    struct json j;

    json_init(&j, s, JSON_DEPTH_MAX);
    return json_skip(&j) && json_end(&j) == ERR_NONE;
}

/* ---- JSON, whoever wrote it ---- */

/* The text of the escape at `p`, a backslash; behind it in *p. */
static size_t decode_escape(const char **p, const char *end, char out[4])
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char *at = *p + 1;
    const char *known = strchr(from, *at);
    int32_t high = *at == 'u' ? escape_unit(*p, end) : -1;
    int32_t low;

    *p += high < 0 ? 2 : ESCAPE_UNIT;
    if (high < 0) {
        out[0] = known ? to[known - from] : *at;
        return 1;
    }
    if (high < 0xD800 || high > 0xDBFF)
        return utf8_put((uint32_t)high, out);
    low = escape_unit(*p, end); /* it was checked that they come in pairs */
    *p += ESCAPE_UNIT;
    return utf8_put(0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00), out);
}

/* The string whose text begins at `p`; returns where it ends. */
static const char *add_string(struct sha256 *h, const char *p, const char *end)
{
    struct sha256 text;

    sha256_init(&text);
    while (*p != '"') {
        const char *from = p;

        while (*p != '"' && *p != '\\')
            p++;
        sha256_add(&text, (struct str){ from, (size_t)(p - from) });
        if (*p == '\\') {
            char decoded[4];
            size_t n = decode_escape(&p, end, decoded);

            sha256_add(&text, (struct str){ decoded, n });
        }
    }
    sha256_add(h, STR("\""));
    add_digest(h, &text);
    return p + 1;
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* As a double, since that is what clients make of it. */
static const char *add_json_number(struct sha256 *h, const char *p, const char *end)
{
    struct json_value v = { .type = JSON_NUMBER, .raw = { p, 0 } };
    char text[32];
    double d;

    while (p < end && is_of_number(*p))
        p++;
    v.raw.n = (size_t)(p - v.raw.p);
    if (json_double(&v, &d)) {
        sha256_add(h, v.raw);
        return p;
    }
    snprintf(text, sizeof(text), "%.17g", d == 0 ? 0 : d);
    sha256_add(h, str_of(text));
    return p;
}

/* Hashes valid JSON by what it says: white space, escapes and the spelling of numbers do not
 * matter, since clients read arguments and write them anew. The order of members does: all keep it.
 */
static void add_json(struct sha256 *h, struct str s)
{
    const char *p = s.p;
    const char *end = s.p + s.n;

    while (p < end) {
        if (*p == '"') {
            p = add_string(h, p + 1, end);
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            p = add_json_number(h, p, end);
        } else {
            if (!is_blank(*p))
                sha256_add(h, (struct str){ p, 1 });
            p++;
        }
    }
}

/* Arguments that are no JSON are compared as text. */
static void add_arguments(struct sha256 *h, struct str arguments)
{
    bool json = is_json(arguments);
    struct sha256 inner;

    sha256_init(&inner);
    if (json)
        add_json(&inner, arguments);
    else
        sha256_add(&inner, str_trim(arguments));
    add_number(h, json);
    add_digest(h, &inner);
}

static void add_tool_calls(struct sha256 *h, const struct chat_message *m)
{
    add_number(h, m->n_tool_calls);
    for (size_t i = 0; i < m->n_tool_calls; i++) {
        add_str(h, m->tool_calls[i].id);
        add_str(h, m->tool_calls[i].name);
        add_arguments(h, m->tool_calls[i].arguments);
    }
}

/* A message of role `m->role` whose text is `t`. */
static void add_message(struct sha256 *h, const struct chat_message *m,
                        const struct fingerprint_text *t)
{
    add_str(h, str_of(chat_role_name(m->role)));
    add_text(h, t);
    add_images(h, m);
    add_tool_calls(h, m);
    add_str(h, m->tool_call_id);
}

static void add_parts(struct sha256 *h, const struct chat_message *m)
{
    struct fingerprint_text t;

    fingerprint_text_init(&t);
    for (size_t i = 0; i < m->n_parts; i++)
        if (m->parts[i].type == CHAT_PART_TEXT)
            fingerprint_text_add(&t, m->parts[i].text);
    add_message(h, m, &t);
}

/* System and developer messages belong to the start of the chain. */
static bool is_system(const struct chat_message *m)
{
    return m->role == CHAT_SYSTEM || m->role == CHAT_DEVELOPER;
}

static void start(const struct fingerprint_scope *scope, const struct chat_request *req,
                  struct fingerprint *ret)
{
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, (struct str){ MAGIC, sizeof(MAGIC) });
    add_str(&h, scope->key_id);
    add_str(&h, scope->upstream);
    add_str(&h, scope->model);
    add_str(&h, scope->instructions);
    for (size_t i = 0; i < req->n_messages; i++)
        if (is_system(&req->messages[i]))
            add_parts(&h, &req->messages[i]);
    sha256_end(&h, ret->bytes);
}

static void begin_link(struct sha256 *h, const struct fingerprint *last)
{
    sha256_init(h);
    sha256_add(h, (struct str){ (const char *)last->bytes, sizeof(last->bytes) });
}

void fingerprint_chain(const struct fingerprint_scope *scope, const struct chat_request *req,
                       struct fingerprint *chain)
{
    struct fingerprint last;

    start(scope, req, &last);
    for (size_t i = 0; i < req->n_messages; i++) {
        struct sha256 h;

        if (!is_system(&req->messages[i])) {
            begin_link(&h, &last);
            add_parts(&h, &req->messages[i]);
            sha256_end(&h, last.bytes);
        }
        chain[i] = last;
    }
}

void fingerprint_answer(const struct fingerprint *last, const struct fingerprint_said *said,
                        struct fingerprint *ret)
{
    /* add_message() reads them only */
    struct chat_message m = { .role = CHAT_ASSISTANT,
                              .tool_calls = (struct chat_tool_call *)(uintptr_t)said->tool_calls,
                              .n_tool_calls = said->n_tool_calls };
    struct sha256 h;

    begin_link(&h, last);
    add_message(&h, &m, &said->text);
    sha256_end(&h, ret->bytes);
}
