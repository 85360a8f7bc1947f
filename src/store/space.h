/* SPDX-License-Identifier: Apache-2.0 */
/* What there is in a store: the spaces that its keys are in. */
#pragma once

/* Spaces of keys, all in one place: identifier, name, can be listed, must survive a power cut, its
 * values may be large. */
/* clang-format off */
#define STORE_SPACES(X)                                                                            \
    X(STORE_TIP,    "tip",    false, false, false) /* SHA-256 of a history -> account, chat: tips.h */ \
    X(STORE_JAR,    "jar",    true,  true,  false) /* upstream, account -> its cookies */            \
    X(STORE_TOKEN,  "token",  false, false, false) /* upstream, account -> its access token */       \
    X(STORE_LEASE,  "lease",  false, false, false) /* upstream, account, slot -> who holds it */     \
    X(STORE_CHAT,   "chat",   true,  false, false) /* upstream, account, chat -> when to delete it */ \
    X(STORE_LIMIT,  "limit",  false, false, false) /* counters and holders, of keys */               \
    X(STORE_KEY,    "key",    true,  true,  false) /* id -> a client's key: keys/key_record.h */         \
    X(STORE_USAGE,  "usage",  false, false, false) /* rows of the log */                             \
    X(STORE_SUM,    "sum",    true,  false, false) /* day, key, model, upstream -> what was used */  \
    X(STORE_ANSWER, "answer", false, false, true)  /* SHA-256 of a key, an id -> kept.h */           \
    X(STORE_MARK,   "mark",   false, false, false) /* author -> his last tally that was added */
/* clang-format on */

enum store_space {
#define X(id, name, listed, durable, large) id,
    STORE_SPACES(X)
#undef X
        STORE_SPACE_COUNT
};
