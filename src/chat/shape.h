/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks of its answer's shape: tools to call, a format, where to stop. An upstream
 * that knows these things gets them as they are; for others the gateway sees to them.
 * Slices live as long as the request.
 */
#pragma once

#include "base/str.h"

struct chat_tool {
    struct str name;
    struct str description; /* may be empty */
    struct str parameters;  /* JSON Schema of its arguments, JSON text; empty: any object */
    bool is_strict;         /* arguments must fit `parameters` exactly */
    bool is_custom;         /* its client calls it with free text, the member `input` of these */
};

enum chat_tool_choice {
    CHAT_CHOOSE_AUTO,
    CHAT_CHOOSE_NONE,
    CHAT_CHOOSE_REQUIRED, /* at least one call, of whatever tool */
    CHAT_CHOOSE_NAMED,    /* of the tool `named` */
};

struct chat_tools {
    const struct chat_tool *list;
    size_t n;
    enum chat_tool_choice choice;
    struct str named;
    bool is_serial; /* at most one call an answer */
};

enum chat_format_type { CHAT_FORMAT_TEXT, CHAT_FORMAT_JSON_OBJECT, CHAT_FORMAT_JSON_SCHEMA };

struct chat_format {
    enum chat_format_type type;
    struct str name;        /* JSON_SCHEMA */
    struct str description; /* JSON_SCHEMA; may be empty */
    struct str schema;      /* JSON_SCHEMA: JSON text */
    bool is_strict;
};

struct chat_limits {
    const struct str *stops; /* none of them empty */
    size_t n_stops;
    int64_t max_tokens; /* of the answer, reasoning included; 0: no limit */
};
