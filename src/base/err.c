/* SPDX-License-Identifier: Apache-2.0 */
/* Everything about an error comes from ERR_LIST; only the mapping of errno has a table here. */
#include "base/err.h"

#include <errno.h>

#include "base/macros.h"

static const struct {
    const char *name;
    const char *text;
    bool is_retryable;
} errors[] = { [ERR_NONE] = { "ERR_NONE", "no error", false },
#define X(name, retryable, text) [name] = { #name, text, retryable },
               ERR_LIST(X)
#undef X
};

static const struct {
    int errno_value;
    enum err err;
} errno_map[] = {
    { 0, ERR_NONE },
    { EAGAIN, ERR_AGAIN },
    { EINPROGRESS, ERR_AGAIN },
    { EINTR, ERR_AGAIN },
    { ENOMEM, ERR_NOMEM },
    { ENOBUFS, ERR_NOMEM },
    { E2BIG, ERR_TOO_BIG },
    { EFBIG, ERR_TOO_BIG },
    { EMSGSIZE, ERR_TOO_BIG },
    { EPROTO, ERR_PROTOCOL },
    { ENOENT, ERR_NOT_FOUND },
    { ETIMEDOUT, ERR_TIMEOUT },
    { EPIPE, ERR_CLOSED },
    { ECONNRESET, ERR_RESET },
    { ECONNABORTED, ERR_RESET },
    { ECONNREFUSED, ERR_REFUSED },
    { EHOSTUNREACH, ERR_UNREACHABLE },
    { EHOSTDOWN, ERR_UNREACHABLE },
    { ENETUNREACH, ERR_UNREACHABLE },
    { ENETDOWN, ERR_UNREACHABLE },
    { EADDRNOTAVAIL, ERR_UNREACHABLE },
    { EMFILE, ERR_NO_FDS },
    { ENFILE, ERR_NO_FDS },
    { ECANCELED, ERR_CANCELED },
};

static bool is_known(enum err err)
{
    return (size_t)err < COUNT_OF(errors);
}

const char *err_name(enum err err)
{
    return is_known(err) ? errors[err].name : "ERR_UNKNOWN";
}

const char *err_text(enum err err)
{
    return is_known(err) ? errors[err].text : "unknown error";
}

bool err_is_retryable(enum err err)
{
    return is_known(err) && errors[err].is_retryable;
}

enum err err_of_errno(int errno_value)
{
    for (size_t i = 0; i < COUNT_OF(errno_map); i++)
        if (errno_map[i].errno_value == errno_value)
            return errno_map[i].err;
    return ERR_IO;
}
