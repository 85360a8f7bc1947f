/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text as JavaScript sees it: UTF-16 units, which may be cut between the halves of a pair; and the
 * rule for deltas and snapshots written once more, over whole lists of such pieces, as a model for
 * the code that sees one piece at a time. In notes, '<' is the half U+D83D and '>' U+DE00.
 */
#pragma once

#include "base/encoding.h"
#include "base/mem.h"
#include "provider/enginelabs/content.h"
#include "test.h"

enum { UNITS_MAX = 3000, PIECES_MAX = 48, HALF_HIGH = 0xd83d, HALF_LOW = 0xde00 };

struct units {
    size_t n;
    uint16_t u[UNITS_MAX];
};

static inline bool is_high(uint32_t u)
{
    return (u & 0xfc00) == 0xd800;
}

static inline bool is_low(uint32_t u)
{
    return (u & 0xfc00) == 0xdc00;
}

static inline void units_add(struct units *t, uint32_t unit)
{
    EXPECT(t->n < UNITS_MAX && unit < 0x10000);
    t->u[t->n++] = (uint16_t)unit;
}

static inline void units_add_char(struct units *t, uint32_t c)
{
    if (c >= 0x10000) {
        units_add(t, 0xd800 + ((c - 0x10000) >> 10));
        c = 0xdc00 + ((c - 0x10000) & 0x3ff);
    }
    units_add(t, c);
}

/* Those from `from` up to `to`. */
static inline void units_add_part(struct units *t, const struct units *part, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        units_add(t, part->u[i]);
}

/* Of a note: ASCII and halves. */
static inline void units_of(const char *note, struct units *t)
{
    t->n = 0;
    for (; *note; note++)
        units_add(t, *note == '<' ? HALF_HIGH : *note == '>' ? HALF_LOW : (uint32_t)*note);
}

/* The character at *at, which moves behind it, at most to `to`; a lone half is itself. */
static inline uint32_t units_next(const struct units *t, size_t *at, size_t to)
{
    uint32_t c = t->u[(*at)++];

    if (is_high(c) && *at < to && is_low(t->u[*at]))
        c = 0x10000 + ((c - 0xd800) << 10) + (t->u[(*at)++] - 0xdc00U);
    return c;
}

/* As UTF-8, lone halves as U+FFFD; returns how many there were. */
static inline uint64_t units_to_utf8(const struct units *t, size_t from, size_t to, struct buf *out)
{
    uint64_t lost = 0;
    char bytes[4];

    while (from < to) {
        uint32_t c = units_next(t, &from, to);

        if (is_high(c) || is_low(c)) {
            lost++;
            c = 0xfffd;
        }
        EXPECT(!buf_add(out, (struct str){ bytes, utf8_put(c, bytes) }));
    }
    return lost;
}

static inline bool units_begin_with(const struct units *t, const struct units *prefix)
{
    return t->n >= prefix->n && memcmp(t->u, prefix->u, prefix->n * sizeof(t->u[0])) == 0;
}

/* Bytes of the text between the halves at its ends. */
static inline size_t units_bytes(const struct units *t)
{
    size_t from = t->n > 0 && is_low(t->u[0]) ? 1 : 0;
    size_t to = t->n > from && is_high(t->u[t->n - 1]) ? t->n - 1 : t->n;
    struct buf b;
    size_t n;

    buf_init(&b, SIZE_MAX);
    units_to_utf8(t, from, to, &b);
    n = b.n;
    buf_deinit(&b);
    return n;
}

/* ---- the model ---- */

struct pieces {
    size_t n;
    struct units at[PIECES_MAX];
};

/* Which way the pieces are read: CONTENT_AUTO while nobody knows. *ret_until is how many pieces it
 * took to know. Those of one message and one kind. */
static inline enum enginelabs_content model_settle(const struct pieces *p, size_t *ret_until)
{
    for (size_t i = 1; i < p->n; i++) {
        const struct units *before = &p->at[i - 1];
        bool grows = p->at[i].n > before->n && units_begin_with(&p->at[i], before);

        *ret_until = i + 1;
        bool is_cut = before->n > 0 && is_high(before->u[before->n - 1]);

        if (!grows || (is_cut && is_low(p->at[i].u[0])))
            return CONTENT_DELTA;
        if (i == 3 || is_cut || units_bytes(before) >= 32)
            return CONTENT_SNAPSHOT;
    }
    *ret_until = p->n;
    return CONTENT_AUTO;
}

static inline enum err model_snapshots(const struct pieces *p, struct units *out)
{
    const struct units *longest = &p->at[0];

    units_add_part(out, longest, 0, longest->n);
    for (size_t i = 1; i < p->n; i++) {
        if (units_begin_with(longest, &p->at[i]))
            continue; /* the same, or late */
        if (!units_begin_with(&p->at[i], longest))
            return ERR_PROTOCOL;
        units_add_part(out, &p->at[i], longest->n, p->at[i].n);
        longest = &p->at[i];
    }
    return ERR_NONE;
}

static inline void model_deltas(const struct pieces *p, struct units *out)
{
    for (size_t i = 0; i < p->n; i++)
        units_add_part(out, &p->at[i], 0, p->at[i].n);
}

/* All that comes out of a message. ERR_PROTOCOL: up to the piece that takes text back. */
static inline enum err model_text(enum enginelabs_content mode, const struct pieces *p,
                                  struct units *out)
{
    size_t until;

    if (mode == CONTENT_AUTO)
        mode = model_settle(p, &until);
    if (mode == CONTENT_AUTO && p->n > 1)
        mode = units_bytes(&p->at[p->n - 2]) >= 8 ? CONTENT_SNAPSHOT : CONTENT_DELTA;
    if (mode == CONTENT_SNAPSHOT)
        return model_snapshots(p, out);
    model_deltas(p, out);
    return ERR_NONE;
}

/* ---- chance, the same in each run ---- */

static inline uint32_t chance(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % below;
}

/* A text of about `n` units: few letters, so that it repeats itself, and all that is awkward. */
static inline void chance_text(uint64_t *seed, size_t n, struct units *t)
{
    static const uint32_t chars[] = { 'a',    'a',    'b',     'a',     ' ',      '\r',   '\n',
                                      '"',    '\\',   '/',     0x1f600, 0x1f600,  0x4f60, 0x597d,
                                      0xe9,   0x0,    0x10000, 0x1f680, 0x10ffff, 0x7f,   0xfffd,
                                      0xfeff, 0xffff, 0xd7ff,  0xe000,  0x2028 };

    t->n = 0;
    while (t->n < n) {
        size_t from = t->n > 0 ? chance(seed, (uint32_t)t->n) : 0;

        if (chance(seed, 8) == 0 && t->n > from && t->n - from <= 40 && !is_low(t->u[from]) &&
            t->n + (t->n - from) < UNITS_MAX - 2)
            units_add_part(t, t, from, t->n);
        else
            units_add_char(t, chars[chance(seed, chance(seed, 2) ? 5 : COUNT_OF(chars))]);
    }
}

/* Cuts it, anywhere, into deltas or growing snapshots. */
static inline void chance_cut(uint64_t *seed, const struct units *t, bool snapshots, size_t step,
                              struct pieces *ret)
{
    size_t at = 0;

    ret->n = 0;
    while (at < t->n) {
        size_t to = at + 1 + chance(seed, (uint32_t)(2 * step));

        if (to > t->n || ret->n == PIECES_MAX - 1)
            to = t->n;
        ret->at[ret->n].n = 0;
        units_add_part(&ret->at[ret->n++], t, snapshots ? 0 : at, to);
        at = to;
    }
}

/* Pieces as no upstream cuts them: most grow out of the one before, some repeat it or go on. */
static inline void chance_pieces(uint64_t *seed, struct pieces *ret)
{
    struct units text;
    size_t from = 0;
    size_t to = 0;

    chance_text(seed, 400, &text);
    ret->n = 1 + chance(seed, 7);
    for (size_t i = 0; i < ret->n; i++) {
        uint32_t how = chance(seed, 10);

        if (i > 0 && how >= 8)
            from = to;
        if (i == 0 || how > 0)
            to += 1 + chance(seed, chance(seed, 4) ? 6 : 40);
        ret->at[i].n = 0;
        units_add_part(&ret->at[i], &text, from, to);
    }
}
