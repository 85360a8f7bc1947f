/* SPDX-License-Identifier: Apache-2.0 */
/* Which strings of a recording say nothing of the user: the protocol's own words, and shapes. */
#pragma once

#include "base/str.h"

/* A segment of a path, such as "engine-agent". */
bool words_is_segment(struct str s);

/* A member's name that stays whatever else is called so. */
bool words_is_member(struct str s);

/* A name that may be one of a schema: letters, digits, '_', '-'; few digits. */
bool words_is_name(struct str s);

/* A word such as "tool_use" under "type", or "active" under "status". */
bool words_is_enum(struct str key, struct str s);

/* Members that hold text, whatever it looks like; that hold an id; that name a model. */
bool words_holds_text(struct str key);
bool words_holds_id(struct str key);
bool words_holds_model(struct str key);

/* The name of a model or its maker: letters, digits and a few marks. */
bool words_is_model(struct str s);

/* No words but an id, a token, a hash. */
bool words_is_id(struct str s);
bool words_is_uuid(struct str s);
bool words_is_jwt(struct str s);

/* What may stay in front of an id: "msg_"; empty for none. */
struct str words_id_prefix(struct str s);

/* A pair of a query that only says which version of an interface is meant, or which page. */
bool words_is_plain_pair(struct str key, struct str value);

/* A header that may be told. */
bool words_is_header(struct str name, struct str value);
