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

#include "conversation/arguments.h"

static const char MAGIC[] = "enginelabs-2api conversation 3";

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

void fingerprint_text_init(struct fingerprint_text *t)
{
    *t = (struct fingerprint_text){ 0 };
    sha256_init(&t->solid);
    t->ahead = t->solid;
}

/* Hashes `s` with CR LF as LF; a CR at its end waits for what follows. */
static void add_lines(struct fingerprint_text *t, struct str s)
{
    if (s.n > 0 && !t->pending_cr && !memchr(s.p, '\r', s.n)) {
        sha256_add(&t->ahead, s);
        return;
    }
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

    while (solid > 0 && str_is_space(piece.p[solid - 1]))
        solid--;
    if (!t->begun) {
        size_t blank = 0;

        if (solid == 0)
            return;
        while (str_is_space(piece.p[blank]))
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

static void add_tool_calls(struct sha256 *h, const struct chat_message *m,
                           struct arguments_tools *tools)
{
    add_number(h, m->n_tool_calls);
    for (size_t i = 0; i < m->n_tool_calls; i++) {
        const struct chat_tool_call *call = &m->tool_calls[i];
        struct sha256 inner;
        bool is_json;

        add_str(h, call->id);
        add_str(h, call->name);
        sha256_init(&inner);
        is_json = arguments_hash(&inner, call, tools);
        add_number(h, is_json);
        add_digest(h, &inner);
    }
}

/* A message of role `m->role` whose text is `t`. */
static void add_message(struct sha256 *h, const struct chat_message *m,
                        const struct fingerprint_text *t, struct arguments_tools *tools)
{
    add_str(h, str_of(chat_role_name(m->role)));
    add_text(h, t);
    add_images(h, m);
    add_tool_calls(h, m, tools);
    add_str(h, m->tool_call_id);
}

static void add_parts(struct sha256 *h, const struct chat_message *m, struct arguments_tools *tools)
{
    struct fingerprint_text t;

    fingerprint_text_init(&t);
    for (size_t i = 0; i < m->n_parts; i++)
        if (m->parts[i].type == CHAT_PART_TEXT)
            fingerprint_text_add(&t, m->parts[i].text);
    add_message(h, m, &t, tools);
}

/* System and developer messages belong to the start of the chain. */
static bool is_system(const struct chat_message *m)
{
    return m->role == CHAT_SYSTEM || m->role == CHAT_DEVELOPER;
}

static void start(const struct fingerprint_scope *scope, const struct chat_request *req,
                  struct fingerprint *ret)
{
    struct arguments_tools none = { 0 };
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, (struct str){ MAGIC, sizeof(MAGIC) });
    add_str(&h, scope->key_id);
    add_str(&h, scope->upstream);
    add_str(&h, scope->model);
    add_str(&h, scope->instructions);
    for (size_t i = 0; i < req->n_messages; i++)
        if (is_system(&req->messages[i]))
            add_parts(&h, &req->messages[i], &none);
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
    struct arguments_tools tools = { &req->tools, ARGUMENTS_WORK };
    struct fingerprint last;

    start(scope, req, &last);
    for (size_t i = 0; i < req->n_messages; i++) {
        struct sha256 h;

        if (!is_system(&req->messages[i])) {
            begin_link(&h, &last);
            add_parts(&h, &req->messages[i], &tools);
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
    struct arguments_tools tools = { said->tools, ARGUMENTS_WORK };
    struct sha256 h;

    begin_link(&h, last);
    add_message(&h, &m, &said->text, &tools);
    sha256_end(&h, ret->bytes);
}
