/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenAI's APIs have in common on their way out. Private to this folder. */
#pragma once

#include "dialect/dialect.h"
#include "json/writer.h"

const char *openai_finish_name(enum chat_finish finish);

/* What all chunks of a stream begin with, up to the first choice: "data: {"id":"<id>...". In the
 * answer's arena. */
enum err openai_prefix(const struct dialect_answer *answer, const char *id, const char *object,
                       struct str *ret);

/* The object of `usage`. */
void openai_write_usage(struct json_writer *w, const struct chat_usage *usage);

/* For dialect_ops. */
enum err openai_error(const struct failure *failure, struct buf *out);
enum err openai_stream_error(void *encoder, const struct failure *failure, struct buf *out);
enum err openai_keepalive(void *encoder, struct buf *out);
