/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPE tokenizer first cuts text into words, numbers, punctuation and space, then each of these
 * into tokens. The first step is followed here closely: a space or a single mark belongs to the
 * word behind it, a line end to the punctuation before it. The second is guessed: a word that
 * looks English is one token, any other one and as much more as its pairs of letters are rare in
 * what the tokenizer learned from; other scripts by their length.
 *
 * Characters become symbols first (estimate_internal.h), so that what goes over runs has bytes
 * before it. Long texts go block by block (estimate_block.c), the rest run by run.
 */
#include "chat/estimate_internal.h"
#include "json/block.h"

/* Where scripts begin; each goes up to the next. */
static const struct {
    uint32_t from;
    enum kind kind;
} blocks[] = {
    { 0x80, MARK },       { 0xAA, LATIN },      { 0xAB, MARK },     { 0xB5, LATIN },
    { 0xB6, MARK },       { 0xC0, LATIN },      { 0x2B0, OTHER },   { 0x300, LATIN },
    { 0x370, GREEK },     { 0x400, CYRILLIC },  { 0x530, OTHER },   { 0x590, HEBREW },
    { 0x600, ARABIC },    { 0x780, OTHER },     { 0x900, INDIC },   { 0xE00, OTHER },
    { 0x1100, HANGUL },   { 0x1200, OTHER },    { 0x1E00, LATIN },  { 0x1F00, GREEK },
    { 0x2000, MARK },     { 0x2C00, OTHER },    { 0x2E00, MARK },   { 0x3040, KANA },
    { 0x3100, OTHER },    { 0x3130, HANGUL },   { 0x3190, OTHER },  { 0x3200, MARK },
    { 0x3400, HAN },      { 0xA000, OTHER },    { 0xAC00, HANGUL }, { 0xD800, OTHER },
    { 0xF900, HAN },      { 0xFB00, OTHER },    { 0xFE00, MARK },   { 0xFE70, ARABIC },
    { 0xFF00, MARK },     { 0xFF66, KANA },     { 0xFFA0, HANGUL }, { 0xFFE0, MARK },
    { 0x10000, OTHER },   { 0x1F000, PICTURE }, { 0x20000, HAN },   { 0xE0000, PICTURE },
    { UINT32_MAX, MARK },
};

enum { SYMBOLS = 1024 }; /* of a text, at a time */

/* Most characters are of the block of the one before. */
static enum kind kind_of(struct token_estimate *e, uint32_t c)
{
    size_t low = 0;
    size_t high = COUNT_OF(blocks) - 1;

    if (c >= blocks[e->block].from && c < blocks[e->block + 1].from)
        return blocks[e->block].kind;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (blocks[middle].from <= c)
            low = middle;
        else
            high = middle;
    }
    e->block = (uint8_t)low;
    return blocks[low].kind;
}

static uint64_t marks_cost(const struct token_estimate *e, enum kind next)
{
    uint64_t cost = MILLI;

    if (e->run == 1 && next >= LATIN && e->before != SPACE)
        return estimate_mark_cost(e->mark);
    if (e->run > MARKS_IN_TOKEN)
        cost += (e->run - MARKS_IN_TOKEN) * MARK_MORE;
    return cost < MARKS_MAX ? cost : MARKS_MAX;
}

/* One space belongs to what follows, except to a number; of several the last does. */
static uint64_t space_cost(const struct token_estimate *e, enum kind next)
{
    if (next == LINE_END || (e->run == 1 && next != DIGIT && next != NOTHING))
        return 0;
    return MILLI;
}

static uint64_t cost_of_surprise(int64_t surprise, uint32_t capitals)
{
    int64_t more = surprise * STEP - ALLOWANCE;

    if (capitals > 1)
        more += (int64_t)capitals * CAPITAL;
    return more > 0 ? MILLI + (uint64_t)more : MILLI;
}

static uint64_t word_cost(const struct token_estimate *e)
{
    /* "don't" and "it's" are words of their own. */
    if (e->run == 1 && e->before == MARK && e->mark == '\'')
        return 0;
    return cost_of_surprise(e->surprise, e->capitals);
}

/* The open run, when `next` follows. */
static uint64_t run_cost(const struct token_estimate *e, enum kind next)
{
    switch ((enum kind)e->kind) {
    case NOTHING:
        return 0;
    case SPACE:
        return space_cost(e, next);
    case LINE_END:
        return e->before == MARK ? 0 : MILLI;
    case DIGIT:
        return (e->run + DIGITS_IN_TOKEN - 1) / DIGITS_IN_TOKEN * MILLI;
    case MARK:
        return marks_cost(e, next);
    case LATIN:
        return word_cost(e);
    case PICTURE:
    case GREEK:
    case CYRILLIC:
    case HEBREW:
    case ARABIC:
    case INDIC:
    case HANGUL:
    case KANA:
    case HAN:
    case OTHER:
        break;
    }
    return estimate_script_cost((enum kind)e->kind, e->run);
}

static void begin_run(struct token_estimate *e, enum kind kind, unsigned char c)
{
    e->milli_tokens += run_cost(e, kind);
    e->before = e->kind;
    e->kind = (uint8_t)kind;
    e->run = 0;
    e->surprise = 0;
    e->capitals = 0;
    e->letter = START;
    if (kind == MARK)
        e->mark = c;
}

/* A capital behind a small letter begins another word: camelCase. */
static void add_capital(struct token_estimate *e, unsigned char c)
{
    if (e->kind != LATIN || e->run > e->capitals)
        begin_run(e, LATIN, c);
    e->surprise += estimate_pairs[e->letter][c % ROWS] - 'c';
    e->letter = c % ROWS;
    e->capitals++;
    e->run++;
}

/* A run of like symbols other than letters, which `p` begins or goes on with. */
static const unsigned char *add_run(struct token_estimate *e, const unsigned char *p,
                                    const unsigned char *end)
{
    const unsigned char *start = p;
    uint8_t kind = estimate_kinds[*p];

    if (kind != e->kind)
        begin_run(e, kind, *p);
    while (p < end && estimate_kinds[*p] == kind)
        p++;
    e->run += (uint64_t)(p - start);
    return p;
}

static bool is_capital(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_small(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || c == SYMBOL_ACCENTED;
}

/* The small letters at `p`: the first behind *letter, which becomes the last. Adds what their
 * pairs come to. */
static inline const unsigned char *pass_small_letters(const unsigned char *p,
                                                      const unsigned char *end, unsigned *letter,
                                                      int64_t *surprise)
{
    const unsigned char *start = p;
    const signed char *row = estimate_pairs[*letter];
    int sum = 0;

    for (; p < end && is_small(*p); p++) {
        sum += row[*p % ROWS];
        row = estimate_pairs[*p % ROWS];
    }
    *surprise += sum - (p - start) * 'c';
    *letter = (unsigned)(row - estimate_pairs[0]) / ROWS;
    return p;
}

/* Goes on with an open word. */
static const unsigned char *add_small_letters(struct token_estimate *e, const unsigned char *p,
                                              const unsigned char *end)
{
    const unsigned char *start = p;
    unsigned letter = e->letter;

    p = pass_small_letters(p, end, &letter, &e->surprise);
    e->letter = (uint8_t)letter;
    e->run += (uint64_t)(p - start);
    return p;
}

static bool is_word_next(const unsigned char *p, const unsigned char *end)
{
    return end - p > 1 && *p == ' ' && is_small(p[1]);
}

/* Words of small letters with one space before each, which cost what run_cost() has for the two.
 * The word before them is open, and so is the last of them. */
static const unsigned char *add_words(struct token_estimate *e, const unsigned char *p,
                                      const unsigned char *end)
{
    uint64_t cost = word_cost(e);
    const unsigned char *start;
    int64_t surprise;
    unsigned letter;

    for (;;) {
        start = ++p;
        letter = START;
        surprise = 0;
        p = pass_small_letters(p, end, &letter, &surprise);
        if (!is_word_next(p, end))
            break;
        cost += cost_of_surprise(surprise, 0);
    }
    e->milli_tokens += cost;
    e->before = SPACE;
    e->run = (uint64_t)(p - start);
    e->capitals = 0;
    e->surprise = surprise;
    e->letter = (uint8_t)letter;
    return p;
}

static const unsigned char *add_latin(struct token_estimate *e, const unsigned char *p,
                                      const unsigned char *end)
{
    if (is_capital(*p))
        add_capital(e, *p++);
    else if (e->kind != LATIN)
        begin_run(e, LATIN, *p);
    p = add_small_letters(e, p, end);
    return is_word_next(p, end) ? add_words(e, p, end) : p;
}

static void add_symbols(struct token_estimate *e, const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        if (BLOCK_SSE2 && end - p > ESTIMATE_BLOCK && estimate_kinds[*p] != e->kind) {
            begin_run(e, (enum kind)estimate_kinds[*p], *p);
            p = estimate_blocks(e, p, end);
        }
        p = estimate_kinds[*p] == LATIN ? add_latin(e, p, end) : add_run(e, p, end);
    }
}

/* ---- symbols ---- */

static unsigned char symbol_of(struct token_estimate *e, uint32_t c)
{
    enum kind kind = kind_of(e, c);

    if (kind == LATIN)
        return SYMBOL_ACCENTED;
    return kind == MARK ? SYMBOL_MARK : (unsigned char)(SYMBOL_SCRIPT | kind);
}

/* A byte of a character of several, at whose end there is one symbol more at `out`; what is no
 * UTF-8 is passed over. Returns how many. */
static size_t add_utf8(struct token_estimate *e, unsigned char c, unsigned char *out)
{
    if (c >= 0xC0) {
        e->utf8_left = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
        e->utf8_char = c & (0x3Fu >> e->utf8_left);
        return 0;
    }
    if (e->utf8_left == 0)
        return 0;
    e->utf8_char = e->utf8_char << 6 | (c & 0x3F);
    if (--e->utf8_left > 0)
        return 0;
    *out = symbol_of(e, e->utf8_char);
    return 1;
}

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* The same for a whole character of two or three bytes at `p`, which is returned behind it, or for
 * one byte. */
static const unsigned char *take_wide(struct token_estimate *e, const unsigned char *p,
                                      const unsigned char *end, unsigned char *out, size_t *n)
{
    uint32_t c;

    if (*p < 0xC0 || *p >= 0xF0 || end - p < 3 || !is_tail(p[1]) ||
        (*p >= 0xE0 && !is_tail(p[2]))) {
        *n += add_utf8(e, *p, out + *n);
        return p + 1;
    }
    c = (*p & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    e->utf8_left = 0;
    if (*p >= 0xE0)
        c = (c & 0x3FF) << 6 | (p[2] & 0x3Fu);
    out[(*n)++] = symbol_of(e, c);
    return p + (*p < 0xE0 ? 2 : 3);
}

/* Copies what is of ASCII at `p`, at most `most` bytes; returns how many. */
static size_t copy_ascii(const unsigned char *p, size_t most, unsigned char *out)
{
    size_t n = 0;

    for (; most - n >= 8; n += 8) {
        uint64_t high = block_word((const char *)p + n) & EACH_BYTE(0x80);

        block_copy(BLOCK_BY_8, (const char *)p + n, (char *)out + n);
        if (high)
            return n + (size_t)__builtin_ctzll(high) / 8;
    }
    for (; n < most && p[n] < 0x80; n++)
        out[n] = p[n];
    return n;
}

/* The symbols of as much of *text as fits, which is then cut off. */
static size_t take_symbols(struct token_estimate *e, struct str *text, unsigned char out[SYMBOLS])
{
    const unsigned char *p = (const unsigned char *)text->p;
    const unsigned char *end = p + text->n;
    size_t n = 0;

    while (p < end && n < SYMBOLS) {
        size_t left = (size_t)(end - p);
        size_t plain = copy_ascii(p, left < SYMBOLS - n ? left : SYMBOLS - n, out + n);

        n += plain;
        p += plain;
        while (p < end && n < SYMBOLS && *p >= 0x80)
            p = take_wide(e, p, end, out, &n);
    }
    *text = (struct str){ (const char *)p, (size_t)(end - p) };
    return n;
}

static bool is_ascii(struct str s)
{
    unsigned char all = 0;
    size_t i = 0;

    for (; s.n - i >= 8; i += 8)
        if (block_word(s.p + i) & EACH_BYTE(0x80))
            return false;
    for (; i < s.n; i++)
        all |= (unsigned char)s.p[i];
    return all < 0x80;
}

/* With a frame that token_estimate_add() does not need. */
__attribute__((noinline)) static void add_text(struct token_estimate *e, struct str text)
{
    unsigned char symbols[SYMBOLS];

    while (text.n > 0) {
        size_t n = take_symbols(e, &text, symbols);

        add_symbols(e, symbols, symbols + n);
    }
}

/* A piece of an answer is short, and nearly always its own symbols. */
void token_estimate_add(struct token_estimate *e, struct str text)
{
    const unsigned char *p = (const unsigned char *)text.p;

    if (text.n == 0)
        return;
    if (text.n <= ESTIMATE_BLOCK && is_ascii(text))
        add_symbols(e, p, p + text.n);
    else
        add_text(e, text);
}

int64_t token_estimate_total(const struct token_estimate *e)
{
    uint64_t milli = e->milli_tokens + run_cost(e, NOTHING);

    if (e->kind == NOTHING)
        return 0;
    return milli < MILLI ? 1 : (int64_t)((milli + MILLI / 2) / MILLI);
}
