/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes are added to a line until it is full; from then on nothing is, and the
 * writer of a field goes back to where the field began. The tail is kept free,
 * so that a full line still ends well.
 */
#include "base/log_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encoding.h"

enum {
    VALUE_MAX = 1024,  /* bytes of a value; longer ones are cut */
    MESSAGE_MAX = 512, /* even fully escaped it fits */
    TAIL = 32,         /* for the mark of a truncated line and its end */
};

struct line {
    char *p;
    size_t n;
    size_t cap;
    bool is_full;
};

static void add(struct line *l, struct str s)
{
    if (l->is_full || s.n > l->cap - l->n) {
        l->is_full = true;
        return;
    }
    if (s.n > 0)
        memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
}

static inline void add_byte(struct line *l, char c)
{
    l->is_full = l->is_full || l->n == l->cap;
    if (!l->is_full)
        l->p[l->n++] = c;
}

FORMAT(2, 3) static void addf(struct line *l, const char *format, ...)
{
    char text[64];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    BUG_ON(n < 0 || (size_t)n >= sizeof(text));
    add(l, (struct str){ text, (size_t)n });
}

/* The code point of a well-formed sequence of `n` bytes. */
static uint32_t code_point(const char *p, size_t n)
{
    static const uint8_t lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t c = (uint8_t)p[0] & lead_mask[n];

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((uint8_t)p[i] & 0x3f);
    return c;
}

/* Whether a terminal or a viewer may take it as a command, a line end or a turn of direction. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void add_escape(struct line *l, uint32_t c)
{
    switch (c) {
    case '\n':
        add(l, STR("\\n"));
        break;
    case '\r':
        add(l, STR("\\r"));
        break;
    case '\t':
        add(l, STR("\\t"));
        break;
    default:
        addf(l, "\\u%04" PRIx32, c);
        break;
    }
}

static bool is_safe(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* is_safe() of all eight at once. It may say no of a byte above one that is not; never yes. */
static bool are_safe(const char *p)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t word, quotes, slashes;

    memcpy(&word, p, sizeof(word));
    quotes = word ^ each * '"';
    slashes = word ^ each * '\\';
    return (((word - each * ' ') | (word + each) | word | (quotes - each) | (slashes - each)) &
            each * 0x80) == 0;
}

/* Bytes in front that stand as they are, which nearly all do. */
static size_t plain_run(struct str s)
{
    size_t n = 0;

    while (s.n - n >= 8 && are_safe(s.p + n))
        n += 8;
    while (n < s.n && is_safe(s.p[n]))
        n++;
    return n;
}

/* A character that may not stand as it is: how many bytes it has. The escapes are JSON's in both
 * formats; an invalid byte is U+FFFD there and \xNN in text. */
static size_t add_char(struct line *l, struct str s, enum log_format format)
{
    size_t n = utf8_sequence(s);
    uint32_t c = n > 0 ? code_point(s.p, n) : 0;

    if (n == 0 && format == LOG_JSON)
        add(l, STR("\\ufffd"));
    else if (n == 0)
        addf(l, "\\x%02x", (uint8_t)s.p[0]);
    else if (c == '"' || c == '\\')
        addf(l, "\\%c", (char)c);
    else if (is_unsafe(c))
        add_escape(l, c);
    else
        add(l, str_sub(s, 0, n));
    return n > 0 ? n : 1;
}

static void add_escaped(struct line *l, struct str s, enum log_format format)
{
    while (s.n > 0 && !l->is_full) {
        size_t plain = plain_run(s);

        add(l, str_sub(s, 0, plain));
        s = str_from(s, plain);
        if (s.n > 0)
            s = str_from(s, add_char(l, s, format));
    }
}

/* At most `max` bytes, not cut within a character. */
static struct str clip(struct str s, size_t max)
{
    size_t n = max;

    if (s.n <= max)
        return s;
    while (n > max - 3 && ((uint8_t)s.p[n] & 0xc0) == 0x80)
        n--;
    return str_sub(s, 0, n);
}

static void add_clipped(struct line *l, struct str s, enum log_format format)
{
    struct str kept = clip(s, VALUE_MAX);

    add_escaped(l, kept, format);
    if (kept.n < s.n)
        add(l, STR("..."));
}

/* Whether a value of a text line can stand without quotes. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || (uint8_t)s.p[i] >= 0x7f || strchr("\"\\=", s.p[i]))
            return false;
    return s.n > 0;
}

static void add_int(struct line *l, int64_t i)
{
    char digits[STR_U64_MAX];

    if (i < 0)
        add_byte(l, '-');
    add(l, str_of_u64(i < 0 ? 0 - (uint64_t)i : (uint64_t)i, digits));
}

static void add_value(struct line *l, const struct log_field *f, enum log_format format)
{
    bool is_quoted = format == LOG_JSON || (f->type == LOG_FIELD_STR && !is_plain(f->str));

    if (f->type == LOG_FIELD_INT) {
        add_int(l, f->number);
        return;
    }
    if (is_quoted)
        add_byte(l, '"');
    if (f->type == LOG_FIELD_SECRET)
        add(l, STR("***"));
    else
        add_clipped(l, f->str, format);
    if (is_quoted)
        add_byte(l, '"');
}

/* Names are ours: nothing in them wants an escape. */
static void add_name(struct line *l, const char *name, enum log_format format)
{
    add_byte(l, format == LOG_JSON ? ',' : ' ');
    if (format == LOG_JSON)
        add_byte(l, '"');
    add(l, str_of(name));
    if (format == LOG_JSON)
        add_byte(l, '"');
    add_byte(l, format == LOG_JSON ? ':' : '=');
}

static void add_field(struct line *l, const struct log_field *f, enum log_format format)
{
    add_name(l, f->name, format);
    add_value(l, f, format);
}

/* All fields that fit; says whether one did not. */
static bool add_fields(struct line *l, const struct log_entry *e, enum log_format format)
{
    bool is_truncated = false;

    for (size_t i = 0; i < e->n; i++) {
        size_t before = l->n;

        add_field(l, &e->fields[i], format);
        if (l->is_full) {
            l->n = before;
            l->is_full = false;
            is_truncated = true;
        }
    }
    return is_truncated;
}

static const struct {
    const char *name; /* JSON */
    const char *label;
    const char *color;
} levels[] = {
    [LOG_DEBUG] = { "debug", "DEBUG", "\033[2m" },
    [LOG_INFO] = { "info", "INFO ", "\033[32m" },
    [LOG_WARN] = { "warn", "WARN ", "\033[33m" },
    [LOG_ERROR] = { "error", "ERROR", "\033[31m" },
};

static void write_json(struct line *l, const struct log_entry *e)
{
    char time[CLOCK_TEXT_SIZE];
    bool is_truncated;

    add(l, STR("{\"time\":\""));
    add(l, clock_text(e->wall_ms, time));
    add(l, STR("\",\"level\":\""));
    add(l, str_of(levels[e->level].name));
    add(l, STR("\",\"message\":\""));
    add_escaped(l, clip(str_of(e->message), MESSAGE_MAX), LOG_JSON);
    add(l, STR("\""));
    is_truncated = add_fields(l, e, LOG_JSON);
    l->cap += TAIL;
    add(l, is_truncated ? STR(",\"truncated\":true}\n") : STR("}\n"));
}

static void write_text(struct line *l, const struct log_entry *e, bool has_colors)
{
    char time[CLOCK_TEXT_SIZE];
    struct str at = clock_text(e->wall_ms, time);
    bool is_truncated;

    add(l, str_sub(at, CLOCK_TIME_AT, at.n - CLOCK_TIME_AT - 1));
    add(l, STR(" "));
    addf(l, "%s%s%s ", has_colors ? levels[e->level].color : "", levels[e->level].label,
         has_colors ? "\033[0m" : "");
    add_escaped(l, clip(str_of(e->message), MESSAGE_MAX), LOG_TEXT);
    is_truncated = add_fields(l, e, LOG_TEXT);
    l->cap += TAIL;
    add(l, is_truncated ? STR(" truncated=true\n") : STR("\n"));
}

size_t log_line(char out[LOG_LINE_MAX], enum log_format format, bool has_colors,
                const struct log_entry *entry)
{
    struct line l = { .p = out, .cap = LOG_LINE_MAX - TAIL };

    if (format == LOG_JSON)
        write_json(&l, entry);
    else
        write_text(&l, entry, has_colors);
    BUG_ON(l.is_full);
    return l.n;
}
