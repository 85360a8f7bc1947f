/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of an upstream, which of them may be used now, and which is tried next: the one that
 * was limited the longest time ago. Process-wide, behind a short mutex; any thread.
 *
 * What a limit concerns is a key and a purpose (a model, or a kind of endpoint): one that is spent
 * for one model may serve another. A key that is alone is never held back: there is nothing better
 * to try, and the upstream knows best when it may be used again. For the same reason, where all
 * rest, the one that will be back first is used all the same, unless the upstream said itself how
 * long it is to be left alone.
 */
#pragma once

#include "provider/openai/oauth.h"
#include "provider/openai/openai.h"

struct keys;

/* Why a key is not to be used for a while. */
enum key_trouble {
    KEY_LIMITED, /* 429: for as long as the upstream says, else growing; up to 15 min */
    KEY_UNPAID,  /* 402: for 15 min */
    KEY_REFUSED, /* 401: for an hour, whatever the purpose */
};

struct keys *keys_new(const struct openai_config *config);
void keys_free(struct keys *k);

/* At least 1: no key at all counts as one that is empty. */
size_t keys_count(const struct keys *k);

/* "key 2", or the credentials file's name; for people. Lives as long as `k`. */
const char *keys_label(const struct keys *k, size_t i);

/* A static key; empty when the key is an OAuth sign-in, or there is none. */
struct str keys_secret(const struct keys *k, size_t i);
struct oauth *keys_oauth(const struct keys *k, size_t i); /* NULL for a static key */

/* The next one for `purpose` that is not in the set `tried`; one that rests only when none was
 * tried. False: none may be used now; *ret_notice says why, and when the first may be used again.
 * An empty purpose is none that ever was limited. */
bool keys_choose(struct keys *k, struct str purpose, uint64_t tried, int64_t now_ms, size_t *ret_i,
                 struct notice *ret_notice);

/* `retry_after_ms` as the upstream said, 0 when it did not. */
void keys_trouble(struct keys *k, size_t i, struct str purpose, enum key_trouble trouble,
                  int64_t retry_after_ms, int64_t now_ms);

/* It served this purpose; an empty one: it is accepted. */
void keys_good(struct keys *k, size_t i, struct str purpose);

/* Whether any may be used now. `why` (128 bytes) says why not, or which rest all the same. */
bool keys_are_ready(struct keys *k, int64_t now_ms, char *why);

/* Adds them as they stand. No key at all is not counted. */
void keys_census(struct keys *k, int64_t now_ms, struct provider_census *to);

/* Each as it stands (provider/account.h), in `a`; none where there is no key at all. */
size_t keys_report(struct keys *k, struct arena *a, int64_t now_ms,
                   const struct provider_account **ret);

/* Ends all rests of the one with that label; false: there is none. */
bool keys_clear(struct keys *k, struct str label);
