/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown goes through a small buffer, so that memory never decides whether it is. */
#include "cli/terminal.h"

#include <unistd.h>

#include "base/encoding.h"

enum { PIECE = 1024, SHOWN_MAX = 8 * PIECE };

/* The control character that `s` begins with, or -1; C1 is two bytes in UTF-8. */
static int control(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];

    if (c == '\n' || c == '\t' || str_starts(s, STR("\r\n")))
        return -1;
    if (c < 0x20 || c == 0x7f)
        return c;
    if (c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
        return (unsigned char)s.p[1];
    return -1;
}

enum err terminal_text(struct buf *out, struct str text)
{
    enum err err = ERR_NONE;

    while (!err && text.n) {
        size_t n = utf8_sequence(text);
        int c = n ? control(text) : -1;

        if (!n)
            err = buf_addf(out, "\\x%02x", (unsigned char)text.p[0]);
        else if (c >= 0)
            err = buf_addf(out, "\\u%04x", (unsigned)c);
        else
            err = buf_add(out, str_sub(text, 0, n));
        text = str_from(text, n ? n : 1);
    }
    return err;
}

/* At most PIECE bytes, not cut within a character, nor within the end of a line. */
static struct str take_piece(struct str *text)
{
    size_t n = text->n < PIECE ? text->n : PIECE;

    while (n < text->n && n > PIECE - 4 && ((unsigned char)text->p[n] & 0xc0) == 0x80)
        n--;
    if (n < text->n && n > 1 && text->p[n - 1] == '\r')
        n--;
    struct str piece = str_sub(*text, 0, n);
    *text = str_from(*text, n);
    return piece;
}

static void print_plain(FILE *f, struct str text)
{
    if (text.n)
        fwrite(text.p, 1, text.n, f);
}

static void print_shown(FILE *f, struct str text)
{
    struct buf shown;

    buf_init(&shown, SHOWN_MAX);
    while (text.n) {
        buf_clear(&shown);
        if (terminal_text(&shown, take_piece(&text)))
            break;
        print_plain(f, buf_str(&shown));
    }
    buf_deinit(&shown);
}

void terminal_print(FILE *f, struct str text)
{
    if (isatty(fileno(f)))
        print_shown(f, text);
    else
        print_plain(f, text);
    fflush(f);
}
