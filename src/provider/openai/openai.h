/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any server that speaks OpenAI's chat completions, and with the same code the native protocol of
 * EngineLabs: what the gateway configures, and the provider.
 */
#pragma once

#include "base/secret.h"
#include "provider/provider.h"

struct openai_header {
    const char *name;
    struct secret value;
};

enum { OPENAI_KEYS_MAX = 64 }; /* API keys and credentials files together */

/* Borrowed by the upstream for its life; texts are C strings. */
struct openai_config {
    const char *name;              /* of the upstream, "local" */
    struct url base;               /* https://api.openai.com/v1: /chat/completions and /models are
                                      below it, /oauth/token too */
    const struct secret *api_keys; /* tried in turn; none and no files: no Authorization is sent */
    size_t n_api_keys;
    const char *const *credentials_files; /* of OAuth sign-ins, as `cto login` leaves them; they are
                                             rewritten when a token is renewed */
    size_t n_credentials_files;
    const struct openai_header *headers; /* sent with each request */
    size_t n_headers;
    bool is_native;            /* names the conversation to EngineLabs (x-session-id) */
    const char *const *models; /* NULL-ended; NULL: discovered from /models */
    bool is_named;             /* models of it are named elsewhere: it needs no list */
};

struct openai;

/* Process-wide part: keys, sign-ins, models. Reads the credentials files; one that cannot be used
 * is told by is_ready and check. `config` is borrowed. `old` (NULL: none) is what stood for the
 * upstream before: at the same URL, what it discovered is known here, too. */
struct openai *openai_new(const struct openai_config *config, struct openai *old);

/* After every instance is detached. NULL is fine. */
void openai_free(struct openai *o);

/* The names of its models that are known now, copied into `a`: those of the settings, else what
 * was discovered last; 0 when nothing was yet. Any thread. */
size_t openai_models(struct openai *o, struct arena *a, const struct str **ret);

extern const struct provider_ops provider_openai;
