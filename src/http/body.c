/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of HTTP/1.1 messages (RFC 9112 6 and 7), decoded in place: a piece is a slice of the
 * input. The chunked decoder keeps one state a byte can be expected in, so that a cut anywhere
 * changes nothing; what it has refused it goes on refusing.
 *
 *     SIZE_FIRST --> SIZE --> [GAP] --> [EXTENSION] --> SIZE_LF --> DATA --> DATA_CR --> DATA_LF
 *     and after a size of 0: LINE --> [NAME --> VALUE --> VALUE_LF --> LINE ...] --> END_LF
 */
#include "http/message.h"
#include "http/syntax.h"

enum { EXTRA_MAX = 16 * 1024, DIGITS_MAX = 16 };

enum state {
    SIZE_FIRST,
    SIZE,
    GAP, /* blanks between the size and ';' */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE, /* start of a trailer line or of the empty line */
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    MALFORMED,
    TOO_BIG
};

void http_body_init(struct http_body *b, const struct http_head *h)
{
    *b = (struct http_body){ .framing = h->framing, .state = SIZE_FIRST };
    if (h->framing == HTTP_BODY_LENGTH)
        b->left = h->content_length;
    b->done = h->framing == HTTP_BODY_NONE || (h->framing == HTTP_BODY_LENGTH && b->left == 0);
}

static enum state on_digit(struct http_body *b, char c)
{
    int digit = syntax_hex_value(c);

    if (digit < 0)
        return MALFORMED;
    if (++b->digits > DIGITS_MAX || b->left > (uint64_t)INT64_MAX >> 4)
        return TOO_BIG;
    b->left = b->left << 4 | (unsigned)digit;
    return SIZE;
}

/* A run of `class`, ended by `stop`. */
static enum state until(char c, char stop, enum state after, enum syntax_class class,
                        enum state within)
{
    if (c == stop)
        return after;
    return syntax_is(c, class) ? within : MALFORMED;
}

/* What may follow a complete size. */
static enum state after_size(char c)
{
    if (c == '\r')
        return SIZE_LF;
    if (c == ';')
        return EXTENSION;
    return syntax_is_blank(c) ? GAP : MALFORMED;
}

static enum state on_size_line(struct http_body *b, char c)
{
    switch (b->state) {
    case SIZE_FIRST:
        b->left = 0;
        b->digits = 0;
        return on_digit(b, c);
    case SIZE:
        return syntax_is(c, SYNTAX_HEX) ? on_digit(b, c) : after_size(c);
    case GAP:
        /* RFC 9112 7.1.1: blanks belong to an extension, so one must follow. */
        return c == '\r' ? MALFORMED : after_size(c);
    case EXTENSION:
        return until(c, '\r', SIZE_LF, SYNTAX_VALUE, EXTENSION);
    default:
        if (c != '\n')
            return MALFORMED;
        return b->left > 0 ? DATA : LINE;
    }
}

static enum state on_trailer(struct http_body *b, char c)
{
    switch (b->state) {
    case LINE:
        return until(c, '\r', END_LF, SYNTAX_TOKEN, NAME);
    case NAME:
        return until(c, ':', VALUE, SYNTAX_TOKEN, NAME);
    case VALUE:
        return until(c, '\r', VALUE_LF, SYNTAX_VALUE, VALUE);
    case VALUE_LF:
        return c == '\n' ? LINE : MALFORMED;
    default:
        b->done = c == '\n';
        return b->done ? END_LF : MALFORMED;
    }
}

static bool is_extra(enum state s)
{
    return s == GAP || s == EXTENSION || (s >= NAME && s <= VALUE_LF);
}

/* The state after `c`, which is no byte of a chunk's data. */
static enum state step(struct http_body *b, char c)
{
    enum state next;

    if (b->state <= SIZE_LF)
        next = on_size_line(b, c);
    else if (b->state == DATA_CR)
        next = c == '\r' ? DATA_LF : MALFORMED;
    else if (b->state == DATA_LF)
        next = c == '\n' ? SIZE_FIRST : MALFORMED;
    else
        next = on_trailer(b, c);
    if (is_extra(next) && ++b->extra > EXTRA_MAX)
        return TOO_BIG;
    return next;
}

static void take(struct http_body *b, struct str *in, struct str *ret_piece)
{
    size_t n = b->left < in->n ? (size_t)b->left : in->n;

    *ret_piece = str_sub(*in, 0, n);
    *in = str_from(*in, n);
    b->left -= n;
}

static enum err next_chunked(struct http_body *b, struct str *in, struct str *ret_piece)
{
    while (b->state != DATA && in->n > 0 && !b->done && b->state < MALFORMED) {
        b->state = (uint8_t)step(b, *in->p);
        in->p++;
        in->n--;
    }
    if (b->state == MALFORMED)
        return ERR_BAD_INPUT;
    if (b->state == TOO_BIG)
        return ERR_TOO_BIG;
    if (b->state == DATA) {
        take(b, in, ret_piece);
        if (b->left == 0)
            b->state = DATA_CR;
    }
    return ERR_NONE;
}

enum err http_body_next(struct http_body *b, struct str *in, struct str *ret_piece)
{
    *ret_piece = (struct str){ NULL, 0 };
    if (b->done)
        return ERR_NONE;
    switch (b->framing) {
    case HTTP_BODY_CHUNKED:
        return next_chunked(b, in, ret_piece);
    case HTTP_BODY_LENGTH:
        take(b, in, ret_piece);
        b->done = b->left == 0;
        return ERR_NONE;
    case HTTP_BODY_UNTIL_CLOSE:
        *ret_piece = *in;
        *in = str_from(*in, in->n);
        return ERR_NONE;
    case HTTP_BODY_NONE:
        break;
    }
    return ERR_NONE;
}

enum err http_body_eof(struct http_body *b)
{
    if (b->framing == HTTP_BODY_UNTIL_CLOSE)
        b->done = true;
    return b->done ? ERR_NONE : ERR_CLOSED;
}
