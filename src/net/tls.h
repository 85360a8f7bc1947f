/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust settings for outgoing TLS: one context made at start, shared by all
 * workers; TLS 1.2 or later, host name and chain checked, sessions resumed.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct tls_trust;

/* `ca_file` NULL: the system's certificates (SSL_CERT_FILE, else the usual places). The file is
 * read now, once (about 20 ms for the system's). ERR_NOT_FOUND or ERR_BAD_INPUT; `ret_what` (256
 * bytes) then names the file and the reason. */
MUST_USE enum err tls_trust_new(const char *ca_file, struct tls_trust **ret, char *ret_what);

/* After all connections are closed. NULL is fine. */
void tls_trust_free(struct tls_trust *t);
