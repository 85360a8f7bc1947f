/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the chunks of a stream have in common: most differ from the one before in one text only.
 * Such a chunk says what the other said, but for the text, and is not read a second time. Pure.
 */
#pragma once

#include "base/buf.h"
#include "provider/openai/chunk.h"

struct frame {
    struct buf around;  /* the bytes before the text, its quote included, and those behind it */
    size_t head;        /* how many are before it; 0: there is no frame */
    struct chunk chunk; /* what it says */
    struct piece piece; /* with the text of the newest */
    bool is_model_behind;
    size_t model_at; /* where `model` begins: from the front, or, behind the text, from the end */
};

void frame_init(struct frame *f);
void frame_deinit(struct frame *f);

/* Keeps what is around the text of `json`, of which chunk_read() said `chunk`, if there is exactly
 * one text in it that is written without escapes; else the frame stays. */
void frame_keep(struct frame *f, struct str json, const struct chunk *chunk);

/* chunk_read() of what differs from the chunk that was kept in its text only, which is not empty.
 * False when it is not such a one, or not sound: nothing was done. *ret is good until the next. */
bool frame_read(struct frame *f, struct str json, struct arena *a, struct chunk *ret);
