/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of an OAuth sign-in: {"accessToken","refreshToken","expiresAt"} and whatever else its
 * owner keeps there, which stays as it is. These functions block: they belong on a thread of their
 * own (credentials_work()), or before loops run.
 */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "net/loop.h"

enum { CREDENTIALS_MAX = 64 * 1024, CREDENTIALS_WHY = 256 };

struct credentials {
    struct secret access;
    struct secret refresh;
    int64_t expires_wall_ms; /* 0: not known, which is as good as passed */
};

void credentials_deinit(struct credentials *c);

/* ERR_NOT_FOUND, ERR_IO, ERR_BAD_INPUT (no such JSON, or others may read the file): `why`
 * (CREDENTIALS_WHY) says what is wrong with which file and what to do. */
MUST_USE enum err credentials_read(const char *path, struct credentials *ret, char *why);

/* Replaces the tokens in the file, atomically, with mode 0600; it is on the disk when this
 * returns. A file that is gone or unreadable is written anew. ERR_IO, `why` as above: the old file
 * stands. */
MUST_USE enum err credentials_write(const char *path, const struct credentials *c, char *why);

/* Calls work(arg) on a thread of its own, then done(arg) on the loop, which must run until then. */
void credentials_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg);
