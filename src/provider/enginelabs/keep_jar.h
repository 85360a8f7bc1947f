/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One try to keep a jar in the store, on one loop, so that an older jar never replaces a newer one,
 * whoever else writes: it looks at what is there, and replaces exactly that, atomically, when it is
 * nothing, or something that this jar comes from, or no jar of this cookie of the settings.
 *
 *     LOOK --> SWAP --> (done)
 *       ^_______|   somebody else was faster
 */
#pragma once

#include "provider/enginelabs/keep.h"

enum { JAR_PAST_MAX = 16 };

/* What the store may hold that a jar comes from: digests of texts. All-zero: nothing. */
struct jar_past {
    unsigned char digests[JAR_PAST_MAX][SHA256_LEN];
    size_t n;
};

/* From now on `text` alone, or also `text`: when it is full the oldest is forgotten. */
void jar_past_set(struct jar_past *p, struct str text);
void jar_past_add(struct jar_past *p, struct str text);
bool jar_past_has(const struct jar_past *p, struct str text);

enum jar_kept {
    JAR_KEPT,
    JAR_UNKEPT,   /* the store does not take it now; it may have */
    JAR_OUTDATED, /* the store has one that does not come from this one */
};

struct keep_jar;

/* `newer` with JAR_OUTDATED, else NULL; lives during the call. */
typedef void on_jar_kept(void *arg, enum jar_kept kept, const struct cookies *newer);

/* `jar` is copied. `*past` is the caller's, outlives it and is brought up to date: what is tried is
 * in it before it is tried. Never calls back before it returned. */
struct keep_jar *keep_jar_start(const struct enginelabs_config *config, struct store_port *store,
                                const struct cookies *jar, struct jar_past *past, on_jar_kept *done,
                                void *arg);

/* No callback from now on; what was asked of the store may still happen. NULL is fine. */
void keep_jar_cancel(struct keep_jar *k);
