/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a client's key: "sk-", 32 random letters and digits, 6 more with their CRC-32. */
#pragma once

#include "base/hash.h"
#include "base/str.h"

enum { KEY_TEXT_LEN = 3 + 32 + 6, KEY_HINT_LEN = 4 };

enum key_text_kind {
    KEY_TEXT_FOREIGN, /* not made here */
    KEY_TEXT_TYPO,    /* like one of ours, but for its checksum, or a few letters of its length */
    KEY_TEXT_OURS,
};

/* A new one, with NUL. */
void key_text_new(char out[KEY_TEXT_LEN + 1]);

enum key_text_kind key_text_judge(struct str text);

/* What is kept of it: it is random, so its hash alone says nothing. */
void key_text_hash(struct str text, unsigned char out[SHA256_LEN]);
