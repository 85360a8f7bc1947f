/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/answer.h"

static const char key[] = "\"content\":\"";

void answer_expect(struct answer *a, const struct answer_want *want)
{
    *a = (struct answer){ .want = want, .keeps_open = true };
}

static void blame(struct answer *a, const char *fault)
{
    if (!a->fault)
        a->fault = fault;
}

/* The connection is of no use from here on. */
static void give_up(struct answer *a, const char *fault)
{
    blame(a, fault);
    a->keeps_open = false;
    a->state = ANSWER_DONE;
}

static void finish(struct answer *a)
{
    if (a->at_text != a->want->text.n)
        blame(a, "the text is too short");
    if (a->want->body.n && a->at_body != a->want->body.n)
        blame(a, "the body is too short");
    a->state = ANSWER_DONE;
}

/* One byte in front of a text: how much of the key ends with it. */
static void match_key(struct answer *a, char c)
{
    if (c != key[a->at_key]) /* of the key only its quotes begin another */
        a->at_key = a->at_key && key[a->at_key - 1] == '"' ? 1 : 0;
    if (c == key[a->at_key])
        a->at_key++;
    else
        a->at_key = c == '"';
    if (a->at_key == sizeof(key) - 1) {
        a->at_key = 0;
        a->in_text = true;
        a->at_piece = a->at_text;
    }
}

/* A text ends at the next quote, since what is expected holds no escapes. */
static size_t match_text(struct answer *a, struct str s)
{
    const char *end = memchr(s.p, '"', s.n);
    struct str text = str_sub(s, 0, end ? (size_t)(end - s.p) : s.n);

    if (!str_eq(str_sub(a->want->text, a->at_text, text.n), text))
        blame(a, "the text differs");
    a->at_text += text.n;
    if (!end)
        return text.n;
    a->in_text = false;
    a->pieces += a->at_text > a->at_piece;
    return text.n + 1;
}

static void take_body(struct answer *a, struct str s)
{
    if (a->status != 200)
        return;
    if (a->want->body.n && !str_eq(str_sub(a->want->body, a->at_body, s.n), s))
        blame(a, "the body differs");
    a->at_body += s.n;
    for (size_t i = 0; i < s.n;) {
        if (a->in_text)
            i += match_text(a, str_from(s, i));
        else
            match_key(a, s.p[i++]);
    }
}

static void read_header(struct answer *a, struct str line)
{
    struct str value;
    struct str name = str_cut(line, ':', &value);
    uint64_t n = 0;

    value = str_trim(value);
    if (str_eq_nocase(name, STR("content-length"))) {
        if (str_to_u64(value, SIZE_MAX, &n))
            give_up(a, "content-length is no number");
        a->left = (size_t)n;
        if (a->state == ANSWER_HEAD)
            a->state = ANSWER_LENGTH;
    } else if (str_eq_nocase(name, STR("transfer-encoding"))) {
        a->left = 0;
        a->state = ANSWER_CHUNK_SIZE;
    } else if (str_eq_nocase(name, STR("connection")) && str_eq_nocase(value, STR("close"))) {
        a->keeps_open = false;
    }
}

static void read_head(struct answer *a, struct str head)
{
    struct str line = str_cut(head, '\n', &head);
    uint64_t status = 0;

    if (!str_starts(line, STR("HTTP/1.1 ")) || str_to_u64(str_sub(line, 9, 3), 999, &status)) {
        give_up(a, "no HTTP/1.1 status line");
        return;
    }
    a->status = (int)status;
    if (a->status != 200)
        blame(a, "the status is not 200");
    while (head.n && a->state != ANSWER_DONE) {
        line = str_cut(head, '\n', &head);
        read_header(a, line);
    }
    if (a->state == ANSWER_HEAD)
        give_up(a, "neither content-length nor chunks");
    else if (a->state == ANSWER_LENGTH && !a->left)
        finish(a);
}

/* Gathers the head; says how many bytes of `in` belong to it. */
static size_t take_head(struct answer *a, struct str in)
{
    static const char end[] = { '\r', '\n', '\r', '\n' };
    size_t before = a->head_n, n = in.n;
    const char *found;

    if (n > sizeof(a->head) - before)
        n = sizeof(a->head) - before;
    memcpy(a->head + before, in.p, n);
    a->head_n += n;
    found = memmem(a->head, a->head_n, end, sizeof(end));
    if (!found) {
        if (a->head_n == sizeof(a->head))
            give_up(a, "the head is too long");
        return n;
    }
    a->head_n = (size_t)(found - a->head) + sizeof(end);
    read_head(a, (struct str){ a->head, a->head_n - sizeof(end) });
    return a->head_n - before;
}

static size_t take_left(struct answer *a, struct str in)
{
    struct str s = str_sub(in, 0, a->left);

    take_body(a, s);
    a->left -= s.n;
    if (a->left)
        return s.n;
    if (a->state == ANSWER_LENGTH)
        finish(a);
    else
        a->state = ANSWER_CHUNK_END;
    return s.n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind a semicolon is for others. */
static void take_size(struct answer *a, char c)
{
    int digit = hex_digit(c);

    if (c == '\n') {
        a->at_line = 0;
        a->state = a->left ? ANSWER_CHUNK : ANSWER_TRAILER;
    } else if (c == ';' || a->at_line) {
        a->at_line++;
    } else if (digit >= 0 && a->left <= SIZE_MAX >> 8) {
        a->left = a->left << 4 | (size_t)digit;
    } else if (c != '\r') {
        give_up(a, "the size of a chunk is no number");
    }
}

/* Lines behind the last chunk; an empty one ends them. */
static void take_trailer(struct answer *a, char c)
{
    if (c == '\n' && a->at_line == 0)
        finish(a);
    else if (c == '\n')
        a->at_line = 0;
    else if (c != '\r')
        a->at_line++;
}

static size_t take(struct answer *a, struct str in)
{
    switch (a->state) {
    case ANSWER_HEAD:
        return take_head(a, in);
    case ANSWER_LENGTH:
    case ANSWER_CHUNK:
        return take_left(a, in);
    case ANSWER_CHUNK_SIZE:
        take_size(a, in.p[0]);
        return 1;
    case ANSWER_CHUNK_END:
        if (in.p[0] == '\n')
            a->state = ANSWER_CHUNK_SIZE;
        return 1;
    case ANSWER_TRAILER:
        take_trailer(a, in.p[0]);
        return 1;
    case ANSWER_DONE:
        break;
    }
    give_up(a, "bytes behind the end");
    return in.n;
}

bool answer_feed(struct answer *a, struct str in)
{
    while (in.n)
        in = str_from(in, take(a, in));
    return a->state == ANSWER_DONE;
}
