/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs by the block: each kind of symbol becomes a word with a bit for each of 64 symbols, and
 * most costs are counts of bits. A block goes up to the beginning of its last run, where the next
 * one begins, so that of every run in it all is known: where it ends, what is before and behind.
 */
#include "chat/estimate_internal.h"

#include "json/block.h"

#if BLOCK_SSE2
#include "json/wide.h"

/* A bit for each symbol of a block, the first one's lowest. */
struct bits {
    uint64_t small;
    uint64_t capital;
    uint64_t letter; /* these two */
    uint64_t space;
    uint64_t line_end;
    uint64_t digit;
    uint64_t mark;
    uint64_t script; /* and pictures */
    uint64_t picture;
    uint64_t starts; /* of runs */
    uint64_t valid;  /* up to the last one */
};

/* What is before a block. */
struct before {
    enum kind kind;
    unsigned char mark; /* of punctuation: its first */
};

static ALWAYS_INLINE uint64_t in_range(const struct wide *w, unsigned char from,
                                       unsigned char count)
{
    __m128i low = _mm_set1_epi8((char)from), most = _mm_set1_epi8((char)(count - 1));
    uint64_t bits = 0;

    EACH_PART (i) {
        __m128i v = _mm_sub_epi8(w->v[i], low);

        bits |= wide_bits(_mm_cmpeq_epi8(_mm_min_epu8(v, most), v), i);
    }
    return bits;
}

static ALWAYS_INLINE uint64_t are_either(const struct wide *w, unsigned char a, unsigned char b)
{
    uint64_t bits = 0;

    EACH_PART (i)
        bits |= wide_bits(_mm_or_si128(block_equal(w->v[i], a), block_equal(w->v[i], b)), i);
    return bits;
}

/* Symbols that are another than the one before. */
static ALWAYS_INLINE uint64_t changes(const struct wide *w, const unsigned char *p)
{
    struct wide next = wide_load((const char *)p + 1);
    uint64_t same = 0;

    EACH_PART (i)
        same |= wide_bits(_mm_cmpeq_epi8(w->v[i], next.v[i]), i);
    return ~(same << 1);
}

static ALWAYS_INLINE uint64_t firsts(uint64_t bits)
{
    return bits & ~(bits << 1);
}

static ALWAYS_INLINE struct bits bits_of(const unsigned char *p)
{
    struct wide w = wide_load((const char *)p);
    uint64_t high = wide_high(&w);
    struct bits b = {
        .small = in_range(&w, 'a', 26),
        .capital = in_range(&w, 'A', 26),
        .space = are_either(&w, ' ', '\t'),
        .line_end = are_either(&w, '\n', '\r'),
        .digit = in_range(&w, '0', 10),
    };

    if (high) {
        uint64_t accented = wide_equal(&w, SYMBOL_ACCENTED);

        b.small |= accented;
        b.script = high & ~accented;
    }
    b.letter = b.small | b.capital;
    b.mark = ~(b.letter | b.space | b.line_end | b.digit | b.script);
    b.starts = firsts(b.letter) | (b.capital & b.small << 1) | firsts(b.space) |
               firsts(b.line_end) | firsts(b.digit) | firsts(b.mark);
    if (b.script) {
        b.starts |= b.script & changes(&w, p);
        b.picture = wide_equal(&w, SYMBOL_SCRIPT | PICTURE);
    }
    b.valid = (UINT64_C(1) << (63 - __builtin_clzll(b.starts))) - 1;
    return b;
}

static ALWAYS_INLINE unsigned lowest(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

/* Behind the run at `at`, which is not the last. */
static ALWAYS_INLINE unsigned end_of(const struct bits *b, unsigned at)
{
    return lowest(b->starts & ~UINT64_C(1) << at);
}

/* ---- runs that cost whole tokens: a bit each ---- */

/* One space belongs to what follows, except to a number; of several the last does. */
static ALWAYS_INLINE uint64_t space_tokens(const struct bits *b)
{
    return b->space & ~(b->space >> 1) & ~(b->line_end >> 1) & (b->space << 1 | b->digit >> 1);
}

static ALWAYS_INLINE uint64_t line_end_tokens(const struct bits *b, const struct before *before)
{
    return firsts(b->line_end) & ~(b->mark << 1 | (before->kind == MARK));
}

/* Each third digit. */
static ALWAYS_INLINE uint64_t digit_tokens(const struct bits *b)
{
    uint64_t pairs = b->digit & b->digit << 1;
    uint64_t fourths = pairs & pairs << 2;
    uint64_t now = firsts(b->digit) & b->valid;
    uint64_t all = 0;

    for (; now; now = now << 3 & fourths)
        all |= now;
    return all;
}

/* ---- marks ---- */

/* Those that begin a word. */
static ALWAYS_INLINE uint64_t lone_marks(const struct bits *b, const struct before *before)
{
    uint64_t letters = b->letter | (b->script & ~b->picture);

    return firsts(b->mark) & ~(b->mark >> 1) & letters >> 1 &
           ~(b->space << 1 | (before->kind == SPACE)) & b->valid;
}

/* What lone marks cost, and the marks of runs beyond the first, which costs a token. */
static ALWAYS_INLINE uint64_t marks_more(const struct bits *b, uint64_t lone,
                                         const unsigned char *p)
{
    enum { MANY = (MARKS_MAX - MILLI) / MARK_MORE + MARKS_IN_TOKEN };
    uint64_t pairs = b->mark & b->mark << 1;
    uint64_t thirds = pairs & b->mark << 2;
    uint64_t eighths = thirds & pairs << 2;
    uint64_t cost = 0;

    for (; lone; lone &= lone - 1)
        cost += estimate_mark_cost(p[lowest(lone)]);
    cost += (uint64_t)__builtin_popcountll(thirds & b->valid) * MARK_MORE;
    eighths &= eighths << 4;
    if ((eighths & eighths << 6) == 0)
        return cost;
    for (uint64_t runs = firsts(b->mark) & b->valid; runs; runs &= runs - 1) {
        unsigned n = end_of(b, lowest(runs)) - lowest(runs);

        if (n > MANY)
            cost -= (n - MANY) * MARK_MORE;
    }
    return cost;
}

/* ---- words ---- */

/* "don't" and "it's" are words of their own: the letters behind the apostrophe. */
static ALWAYS_INLINE uint64_t behind_quote(const struct bits *b, const struct before *before,
                                           uint64_t words, const unsigned char *p)
{
    uint64_t marks = firsts(b->mark);
    uint64_t quoted = 0;
    uint64_t rest = words & b->starts >> 1 & (b->mark << 1 | (before->kind == MARK));

    for (; rest; rest &= rest - 1) {
        uint64_t under = marks & ((rest & -rest) - 1);
        unsigned char mark = under ? p[63 - __builtin_clzll(under)] : before->mark;

        if (mark == '\'')
            quoted |= rest & -rest;
    }
    return quoted;
}

/* Where the pair of each second symbol from `p` on stands in the table. */
static ALWAYS_INLINE void places_of_pairs(const unsigned char *p, uint16_t at[8])
{
    const __m128i first = _mm_set1_epi16(ROWS - 1), second = _mm_set1_epi16((ROWS - 1) * ROWS);
    __m128i v = block_load((const char *)p);
    __m128i row = _mm_and_si128(_mm_slli_epi16(v, 5), second);
    __m128i column = _mm_and_si128(_mm_srli_epi16(v, 8), first);
    __m128i both = _mm_or_si128(row, column);

    memcpy(at, &both, sizeof(both));
}

/* What the pairs of letters up to each symbol come to; those of other symbols are of no matter. */
static ALWAYS_INLINE void add_up_pairs(const unsigned char *p, int sums[ESTIMATE_BLOCK])
{
    const signed char *pairs = estimate_pairs[0];
    int sum = 0;

#pragma GCC unroll 4
    for (int i = 0; i < ESTIMATE_BLOCK; i += 16) {
        uint16_t even[8], odd[8];

        places_of_pairs(p + i, even);
        places_of_pairs(p + i + 1, odd);
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) {
            sums[i + 2 * k] = sum;
            sum += pairs[even[k]];
            sums[i + 2 * k + 1] = sum;
            sum += pairs[odd[k]];
        }
    }
}

/* What `words` cost beyond a token each. */
static ALWAYS_INLINE uint64_t words_more(const struct bits *b, uint64_t words,
                                         const unsigned char *p)
{
    uint64_t capitals = b->capital & b->capital >> 1;
    int sums[ESTIMATE_BLOCK];
    uint64_t cost = 0;

    if (words)
        add_up_pairs(p, sums);
    for (; words; words &= words - 1) {
        unsigned at = lowest(words);
        unsigned end = end_of(b, at);
        int surprise =
            sums[end - 1] - sums[at] + estimate_pairs[START][p[at] % ROWS] - (int)(end - at) * 'c';
        int more = surprise * STEP - ALLOWANCE;

        if (capitals >> at & 1)
            more += (int)lowest(~(b->capital >> at)) * CAPITAL;
        cost += (uint64_t)(more > 0 ? more : 0);
    }
    return cost;
}

/* ---- blocks ---- */

static ALWAYS_INLINE uint64_t scripts_cost(const struct bits *b, const unsigned char *p)
{
    uint64_t cost = 0;

    for (uint64_t runs = b->script & b->starts & b->valid; runs; runs &= runs - 1) {
        unsigned at = lowest(runs);

        cost += estimate_script_cost((enum kind)estimate_kinds[p[at]], end_of(b, at) - at);
    }
    return cost;
}

static ALWAYS_INLINE uint64_t cost_of(const struct bits *b, const struct before *before,
                                      const unsigned char *p)
{
    uint64_t words = b->letter & b->starts & b->valid;
    uint64_t lone = lone_marks(b, before);
    uint64_t tokens;

    words &= ~behind_quote(b, before, words, p);
    tokens = space_tokens(b) | line_end_tokens(b, before) | digit_tokens(b) |
             (firsts(b->mark) & ~lone) | words;
    return (uint64_t)__builtin_popcountll(tokens & b->valid) * MILLI + marks_more(b, lone, p) +
           words_more(b, words, p) + scripts_cost(b, p);
}

const unsigned char *estimate_blocks(struct token_estimate *e, const unsigned char *p,
                                     const unsigned char *end)
{
    struct before before = { (enum kind)e->before, e->mark };

    while (end - p > ESTIMATE_BLOCK) {
        struct bits b = bits_of(p);
        uint64_t marks = firsts(b.mark) & b.valid;

        if (b.valid == 0)
            break;
        e->milli_tokens += cost_of(&b, &before, p);
        if (marks)
            before.mark = p[63 - __builtin_clzll(marks)];
        p += lowest(~b.valid);
        before.kind = (enum kind)estimate_kinds[p[-1]];
    }
    e->before = (uint8_t)before.kind;
    e->kind = estimate_kinds[*p];
    e->mark = e->kind == MARK ? *p : before.mark;
    return p;
}

#endif
