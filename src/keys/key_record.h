/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's key as it is kept: who it is, what it may, never its text. In the store it is JSON
 * under its id (space `key`); the operators' API takes and gives the same members.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "keys/key_text.h"
#include "json/writer.h"

enum key_unit { KEY_TOKENS, KEY_MONEY, KEY_UNITS };
enum key_period { KEY_DAY, KEY_MONTH, KEY_EVER, KEY_PERIODS };

struct key_budget {
    enum key_unit unit; /* money in millionths */
    enum key_period per;
    int64_t limit;
};

enum {
    KEY_BUDGETS_MAX = KEY_UNITS * KEY_PERIODS,
    KEY_MODELS_MAX = 64,
    KEY_NAME_MAX = 64,
    KEY_MODEL_MAX = 200,
    KEY_PARALLEL_MAX = 1000,
};

struct key_record {
    struct str id; /* "key_...", or "file/NAME" */
    struct str name;
    unsigned char hash[SHA256_LEN]; /* of its text */
    char hint[KEY_HINT_LEN + 1];    /* its last characters */
    int64_t created_s;
    int64_t expires_s; /* 0: never */
    bool disabled;
    const struct str *models; /* names, or prefixes that end in '*'; none: all */
    size_t n_models;
    int64_t requests_per_minute; /* of these three 0: no limit */
    int64_t tokens_per_minute;
    int64_t parallel_requests;
    struct key_budget budgets[KEY_BUDGETS_MAX];
    size_t n_budgets;
};

/* Of numbers without another bound: exact in any reader of JSON. */
#define KEY_LIMIT_MAX (INT64_C(1) << 53)

/* 10000-01-01: what is behind it was meant in milliseconds, and pages cannot show it. */
#define KEY_EXPIRES_MAX INT64_C(253402300800)

/* What is wrong with a member, for people. */
struct key_problem {
    char param[64];
    char text[200];
};

/* Takes those of the members in `json` (an object, of well-formed JSON) that people set: name,
 * expires, disabled, models, limits, budgets; null takes one away. What it keeps is copied into
 * `a`. False, with `ret` half changed: one is unknown or wrong. */
MUST_USE bool key_record_edit(struct key_record *ret, struct str json, struct arena *a,
                              struct key_problem *problem);

/* A new one by these members, of which the name is needed, and its text. */
MUST_USE bool key_record_new(struct key_record *ret, struct str json, int64_t now_s,
                             struct arena *a, char text[KEY_TEXT_LEN + 1],
                             struct key_problem *problem);

/* Another text for it. */
void key_record_rotate(struct key_record *k, char text[KEY_TEXT_LEN + 1]);

/* As it is in the store, and back. ERR_BAD_INPUT: it is none. */
MUST_USE enum err key_record_write(const struct key_record *k, struct buf *out);
MUST_USE enum err key_record_read(struct str id, struct str json, struct arena *a,
                                  struct key_record *ret);

/* Writes the members that people set, into an open object. */
void key_record_write_members(const struct key_record *k, struct json_writer *j);

/* A copy with all it points at. */
void key_record_copy(struct key_record *to, const struct key_record *from, struct arena *a);

/* Whether it may ask for this model. */
bool key_record_allows(const struct key_record *k, struct str model);

/* Whether each request must be counted somewhere. */
bool key_record_is_limited(const struct key_record *k);

const char *key_unit_name(enum key_unit unit);
const char *key_period_name(enum key_period per);
