/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the settings: the rows of the table, and values from text. */
#pragma once

#include "gateway/settings.h"

enum setting_type {
    SETTING_TEXT,
    SETTING_SECRET,
    SETTING_SECONDS,
    SETTING_SIZE,
    SETTING_COUNT,
    SETTING_BOOL,
    SETTING_LIST,
    SETTING_ORIGINS,
    SETTING_ORIGIN,
    SETTING_CHOICE,
    SETTING_URL,
    SETTING_LISTEN,
    SETTING_PROXY,
    SETTING_STORE,
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;
    const char *fallback; /* NULL: unset */
    const char *choices;  /* of SETTING_CHOICE */
};

enum { SETTINGS_MAX = 64 };

/* The table, ended by a row without a name. */
extern const struct setting settings_table[];

/* Parses `value`, which is trimmed, into the row's field of `s`; what is out of range is an error
 * although the field has it then. On error `what` has the reason,
 * for people, never with the value in it. */
MUST_USE enum err setting_set(const struct setting *row, struct settings *s, struct str value,
                              char what[256]);

/* Whether it concerns the account and the way to it: of no use to the demo and to clients. */
bool setting_is_upstream(const struct setting *row);

/* Whether a message may show the value. */
bool setting_may_show(enum setting_type type);
