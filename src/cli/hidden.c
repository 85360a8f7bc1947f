/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal's own line editing ends at 4,095 bytes, less than a cookie may have: its keys are
 * read one by one. */
#include "cli/hidden.h"

#include <errno.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, DELETE = 127 };

static void take_back(struct buf *out)
{
    if (out->n > 0)
        buf_truncate(out, out->n - 1);
}

/* ERR_CLOSED: the line is whole. */
static enum err take(struct buf *out, char c, bool is_terminal)
{
    if (c == '\n' || (c == '\r' && is_terminal))
        return ERR_CLOSED;
    if (is_terminal && (c == CTRL_C || c == CTRL_D))
        return ERR_CANCELED;
    if (is_terminal && (c == BACKSPACE || c == DELETE))
        take_back(out);
    else if (is_terminal && c == CTRL_U)
        buf_clear(out);
    else if (out->n >= COOKIE_MAX)
        return ERR_TOO_BIG;
    else
        return buf_add(out, (struct str){ &c, 1 });
    return ERR_NONE;
}

static enum err read_line(int fd, struct buf *out, bool is_terminal)
{
    enum err err = ERR_NONE;
    char c;

    while (!err) {
        ssize_t n = read(fd, &c, 1);

        if (n > 0)
            err = take(out, c, is_terminal);
        else if (n == 0)
            err = ERR_CLOSED;
        else if (errno != EINTR)
            err = ERR_IO;
    }
    return err == ERR_CLOSED ? ERR_NONE : err;
}

enum err hidden_line(int fd, struct buf *out)
{
    struct termios before, hidden;
    bool is_terminal = tcgetattr(fd, &before) == 0;
    enum err err;

    if (is_terminal) {
        hidden = before;
        hidden.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
        hidden.c_cc[VMIN] = 1;
        hidden.c_cc[VTIME] = 0;
        if (tcsetattr(fd, TCSAFLUSH, &hidden))
            return ERR_IO;
    }
    err = read_line(fd, out, is_terminal);
    if (is_terminal)
        tcsetattr(fd, TCSANOW, &before);
    return err;
}
