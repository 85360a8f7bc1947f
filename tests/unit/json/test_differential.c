/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our verdict on a quarter of a million damaged texts must be that of jansson and of
 * simdjson, and so must the strings of what is accepted. The same texts on every run.
 *
 * Where they differ from RFC 8259 or have limits of their own:
 *  - jansson refuses numbers that no double holds (1e400); we keep numbers as they stand.
 *    It stops there, so it has no verdict on the rest. Whole numbers are read as doubles
 *    (JSON_DECODE_INT_AS_REAL), else those above 2^63 would be refused as well.
 *  - jansson wants to be told that a text may be any value (JSON_DECODE_ANY) and may hold
 *    \u0000 (JSON_ALLOW_NUL); in a member's name it refuses that all the same.
 *  - jansson takes a NUL byte between two tokens for the end of the text.
 *  - jansson keeps the last of the members with one name; simdjson and we show all of them.
 *  - simdjson refuses numbers that no double holds and whole numbers from 2^64 or below
 *    -2^63; it says NUMBER_ERROR, but says so of bad grammar too.
 *  - Depth: ours is 128 at most, jansson's 2048, simdjson's 1024. We say ERR_TOO_BIG then,
 *    which is no verdict on the text.
 */
#include <math.h>

#include "base/mem.h"
#include "cases.h"
#include "differential_peers.h"
#include "test.h"
#include "json/reader.h"

enum { ROUNDS = 250000, TEXT_MAX = 4096, LEAVES_MAX = PEER_ROOM * (TEXT_MAX + 1) };

static uint64_t seed = 88172645463325252;

/* xorshift64: the same numbers on every run. */
static size_t any_below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

static const char *const documents[] = {
    "{\"model\": \"gpt\", \"stream\": true, \"temperature\": 0.7, \"max_tokens\": 1024, "
    "\"messages\": "
    "[{\"role\": \"user\", \"content\": \"say \\\"hi\\\"\\n\\tcaf\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD "
    "\xF0\x9F\x98\x80 \\uD83D\\uDE00\"}, {\"role\": null, \"content\": []}]}",
    "{\"type\": \"update\", \"buffer\": \"{\\\"type\\\": \\\"chat\\\", \\\"chat\\\": {\\\"id\\\": "
    "\\\"9b1deb4d\\\"}}\\n\"}",
    "[0, -0, 1, -1, 12345678901234567890, 0.5, -1.25e10, 1E+2, 1e-2, 1e308]",
    "[1e309, -12e400, 99999999999999999999]",
    "[\"\\u0000\\u001f\\u00e9\\u20ac\\uD83D\\uDE00\", \"\\\\\\/\\b\\f\\n\\r\\t\", \"\x7F\", \"\"]",
    "{\"a\": {\"b\": {\"c\": [1, [2, [3, {\"d\": null}]]]}}, \"a\": false, \"\": {}}",
    "\"a string of its own, long enough for more than one block of the scanner \\\\\\\\\"",
    " [ true , false , null , { \"k\" : [ ] } ] \r\n\t",
    "[\"\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xE0\xA4\xA8\xE0\xA4\xAE \xED\x95\x9C "
    "\xF4\x8F\xBF\xBF \xEF\xBF\xBF \xC2\x80 \xDF\xBF\"]",
    "-1.5",
};

/* Pieces that change what a text means, or break it. */
static const char *const insertions[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "0",
    "-",
    ".",
    "e",
    "E+",
    "1e9",
    "null",
    "true",
    "false",
    "\\u",
    "\\u0000",
    "\\u00",
    "\\uD83D",
    "\\uDE00",
    "\\uD83D\\uDE00",
    "\\n",
    "\\x",
    "\"\":",
    ",\"k\":1",
    "[]",
    "{}",
    "\x01",
    "\x1F",
    "\x7F",
    "\x80",
    "\xBF",
    "\xC0\xAF",
    "\xC3",
    "\xC3\xA9",
    "\xE2\x82",
    "\xE2\x82\xAC",
    "\xE0\x80\xAF",
    "\xED\xA0\x80",
    "\xEF\xBB\xBF",
    "\xF0\x9F\x98",
    "\xF0\x9F\x98\x80",
    "\xF0\x80\x80\xAF",
    "\xF4\x90\x80\x80",
    "\xF5",
    "\xFF",
    "0123456789abcdef",
    "\\\\\\\\\\\\\\",
    "99999999999999999999",
    "1e999",
    "/",
    "'",
    "\f",
};

struct text {
    char p[TEXT_MAX];
    size_t n;
};

/* Puts `n` bytes in at `at`, when they fit. */
static void insert(struct text *t, size_t at, const char *p, size_t n)
{
    if (t->n + n > TEXT_MAX / 2)
        return;
    memmove(t->p + at + n, t->p + at, t->n - at);
    memcpy(t->p + at, p, n);
    t->n += n;
}

static void erase(struct text *t, size_t at, size_t n)
{
    n = n < t->n - at ? n : t->n - at;
    memmove(t->p + at, t->p + at + n, t->n - at - n);
    t->n -= n;
}

static struct str any_document(void)
{
    size_t i;

    if (any_below(4))
        return str_of(documents[any_below(COUNT_OF(documents))]);
    i = any_below(COUNT_OF(json_cases));
    return (struct str){ json_cases[i].text, json_cases[i].size };
}

/* Wraps all of it into arrays or objects, sometimes into one too few. */
static void nest(struct text *t)
{
    size_t depth = 1 + any_below(any_below(16) ? 8 : 150);
    bool object = any_below(2);
    size_t closing = depth - (any_below(4) == 0);

    for (size_t i = 0; i < depth; i++)
        insert(t, 0, object ? "{\"k\":" : "[", object ? 5 : 1);
    for (size_t i = 0; i < closing; i++)
        insert(t, t->n, object ? "}" : "]", 1);
}

/* Puts something harmless behind a quote: into a string, if that quote begins one. */
static void enrich(struct text *t)
{
    static const char *const harmless[] = {
        "x",
        "sixteen letters.",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/\\b\\f\\r\\t",
        "\\u0000",
        "\\u00e9",
        "\\uD83D\\uDE00",
        "\xC3\xA9",
        "\xE0\xA4\xA8\xE0\xA4\xAE",
        "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C",
        "\xED\x9F\xBF",
        "\xF0\x9F\x98\x80",
        "\xF4\x8F\xBF\xBF",
    };
    size_t from = any_below(t->n + 1);
    size_t quote = str_find_char((struct str){ t->p + from, t->n - from }, '"');
    const char *piece = harmless[any_below(COUNT_OF(harmless))];

    if (quote != SIZE_MAX)
        insert(t, from + quote + 1, piece, strlen(piece));
}

static void mutate(struct text *t)
{
    size_t at = any_below(t->n + 1);
    struct str other = any_document();
    const char *piece = insertions[any_below(COUNT_OF(insertions))];

    switch (any_below(14)) {
    case 0: /* one bit */
        if (at < t->n)
            t->p[at] = (char)(t->p[at] ^ 1 << any_below(8));
        break;
    case 1: /* one byte */
        if (at < t->n)
            t->p[at] = (char)any_below(256);
        break;
    case 2: /* the end cut off */
        t->n = at;
        break;
    case 3: /* some bytes lost */
        erase(t, at, 1 + any_below(6));
        break;
    case 4: /* the end of another text */
        t->n = at;
        other = str_from(other, any_below(other.n + 1));
        insert(t, at, other.p, other.n);
        break;
    case 5: /* a whole text inside */
        insert(t, at, other.p, other.n);
        break;
    case 6:
        nest(t);
        break;
    case 7:
    case 8:
        insert(t, at, piece, strlen(piece));
        break;
    default:
        enrich(t);
    }
}

/* What we make of a text. */
struct reading {
    enum err verdict;
    bool has_wide;           /* a number that no double, or no 64-bit integer, holds */
    bool has_nul_in_key;     /* \u0000 in the name of a member */
    bool stops_at_nul;       /* the first wrong byte is NUL */
    char leaves[LEAVES_MAX]; /* as the peers give them */
    size_t n;
};

/* JSON's whole numbers beyond 64 bits, and all beyond a double. */
static bool is_wide(const struct json_value *v)
{
    static const char fraction_marks[] = ".eE";
    struct str digits = v->raw;
    bool negative = digits.p[0] == '-';
    uint64_t magnitude;
    double number;

    EXPECT(json_double(v, &number) == ERR_NONE);
    if (isinf(number))
        return true;
    for (size_t i = 0; i < digits.n; i++)
        if (memchr(fraction_marks, digits.p[i], 3))
            return false;
    return str_to_u64(str_from(digits, negative), negative ? (uint64_t)1 << 63 : UINT64_MAX,
                      &magnitude) == ERR_TOO_BIG;
}

static void add_leaf(struct reading *r, const void *p, size_t n)
{
    EXPECT(r->n + n <= sizeof(r->leaves));
    if (n > 0)
        memcpy(r->leaves + r->n, p, n);
    r->n += n;
}

static void add_value(struct reading *r, const struct json_value *v)
{
    struct arena a;
    struct str text;
    double number;

    arena_init(&a);
    if (v->type == JSON_STRING) {
        EXPECT(json_text(v, &a, &text) == ERR_NONE);
        add_leaf(r, text.p, text.n);
        add_leaf(r, "", 1);
    } else if (v->type == JSON_NUMBER) {
        EXPECT(json_double(v, &number) == ERR_NONE);
        number += 0.0;
        add_leaf(r, &number, sizeof(number));
        r->has_wide |= is_wide(v);
    }
    arena_deinit(&a);
}

/* A key as a value: its quotes are around it. */
static struct json_value key_value(struct str key)
{
    return (struct json_value){ .type = JSON_STRING,
                                .raw = { key.p - 1, key.n + 2 },
                                .escaped = key.n > 0 && memchr(key.p, '\\', key.n) };
}

static void walk(struct json *j, struct reading *r)
{
    struct json_value v;
    struct str key;

    if (json_enter_object(j)) {
        while (json_next_member(j, &key)) {
            v = key_value(key);
            r->has_nul_in_key |= str_find(key, STR("\\u0000")) != SIZE_MAX;
            add_value(r, &v);
            walk(j, r);
        }
    } else if (json_enter_array(j)) {
        while (json_next_item(j))
            walk(j, r);
    } else if (json_read(j, &v)) {
        add_value(r, &v);
    }
}

static void read_text(struct str text, struct reading *r)
{
    struct json skipped;
    struct json j;

    r->has_wide = false;
    r->has_nul_in_key = false;
    r->n = 0;
    json_init(&j, text, JSON_DEPTH_MAX);
    walk(&j, r);
    r->verdict = json_end(&j);
    r->stops_at_nul = json_offset(&j) < text.n && text.p[json_offset(&j)] == '\0';
    json_init(&skipped, text, JSON_DEPTH_MAX);
    json_skip(&skipped);
    EXPECT_INT(json_end(&skipped), r->verdict);
    EXPECT_INT(json_offset(&skipped), json_offset(&j));
}

typedef enum peer_verdict peer_judge(const char *text, size_t n, char *leaves, size_t *ret_n);

/* Whether the peer says what we say, as far as it has a verdict. */
static bool agrees(peer_judge *judge, struct str text, const struct reading *r)
{
    static char leaves[LEAVES_MAX];
    size_t n;

    switch (judge(text.p, text.n, leaves, &n)) {
    case PEER_REFUSES:
        return r->verdict != ERR_NONE;
    case PEER_NUMBER:
        return r->verdict || r->has_wide;
    case PEER_NUL_IN_KEY:
        return r->verdict || r->has_nul_in_key;
    case PEER_HAS_DUPLICATES:
        return !r->verdict;
    case PEER_ACCEPTS:
        return !r->verdict && n == r->n && memcmp(leaves, r->leaves, n) == 0;
    }
    return false;
}

static void disagree(const char *peer, struct str text, enum err verdict)
{
    print_error("%s disagrees; we say %s to:\n", peer, verdict ? err_name(verdict) : "yes");
    for (size_t i = 0; i < text.n; i++)
        print_error((unsigned char)text.p[i] - 32U < 95 ? "%c" : "\\x%02x", text.p[i] & 255);
    print_error("\n");
    _fail(__FILE__, __LINE__);
}

/* In memory of exactly its size. */
static enum err compare(struct str text)
{
    static struct reading r;
    struct str copy = { mem_alloc(text.n ? text.n : 1), text.n };

    if (text.n)
        memcpy((void *)(uintptr_t)copy.p, text.p, text.n);
    read_text(copy, &r);
    if (r.verdict != ERR_TOO_BIG) {
        if (!r.stops_at_nul && !agrees(jansson_judge, copy, &r))
            disagree("jansson", copy, r.verdict);
        if (!agrees(simdjson_judge, copy, &r))
            disagree("simdjson", copy, r.verdict);
    }
    mem_free((void *)(uintptr_t)copy.p);
    return r.verdict;
}

static void agrees_on_whole_texts(void)
{
    for (size_t i = 0; i < COUNT_OF(documents); i++)
        EXPECT(compare(str_of(documents[i])) == ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(json_cases); i++)
        compare((struct str){ json_cases[i].text, json_cases[i].size });
}

static void agrees_on_damaged_texts(void)
{
    static struct text t;
    size_t accepted = 0;
    size_t deep = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        struct str from = any_document();

        t.n = 0;
        insert(&t, 0, from.p, from.n);
        for (size_t n = 1 + any_below(4); n > 0; n--)
            mutate(&t);
        switch ((int)compare((struct str){ t.p, t.n })) {
        case ERR_NONE:
            accepted++;
            break;
        case ERR_TOO_BIG:
            deep++;
            break;
        default:
            break;
        }
    }
    /* Else the texts would prove little. */
    print_message("%d texts: %zu accepted, %zu too deep\n", ROUNDS, accepted, deep);
    EXPECT(accepted > ROUNDS / 10 && accepted < ROUNDS / 2);
    EXPECT(deep > 100 && deep < ROUNDS / 50);
}

static const struct test suite[] = {
    { "agrees on whole texts", agrees_on_whole_texts },
    { "agrees on damaged texts", agrees_on_damaged_texts },
};

TEST_MAIN(suite)
