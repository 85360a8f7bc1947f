/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookie-date algorithm: the text is cut into words, and each word is what it first looks
 * like (time, day, month, year), in any order. So one reader takes every form in use.
 */
#include "provider/date.h"

enum { DAY_MS = 86400000, RETRY_AFTER_MAX_DAYS = 30 };

struct date {
    bool has_time, has_day, has_month, has_year;
    unsigned hour, minute, second, day, month, year; /* month from 1 */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || c == ':' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads `min` to `max` digits from the front of *s; what follows them stays there. */
static bool take_digits(struct str *s, size_t min, size_t max, unsigned *ret)
{
    unsigned value = 0;
    size_t n = 0;

    while (n < s->n && n < max && is_digit(s->p[n]))
        value = value * 10 + (unsigned)(s->p[n++] - '0');
    if (n < min)
        return false;
    *s = str_from(*s, n);
    *ret = value;
    return true;
}

static bool take_colon(struct str *s)
{
    if (s->n == 0 || s->p[0] != ':')
        return false;
    *s = str_from(*s, 1);
    return true;
}

static bool read_time(struct str word, struct date *d)
{
    return take_digits(&word, 1, 2, &d->hour) && take_colon(&word) &&
           take_digits(&word, 1, 2, &d->minute) && take_colon(&word) &&
           take_digits(&word, 1, 2, &d->second) && word.n == 0;
}

static bool read_number(struct str word, size_t min, size_t max, unsigned *ret)
{
    return take_digits(&word, min, max, ret) && word.n == 0;
}

static bool read_month(struct str word, unsigned *ret)
{
    static const char *const names[] = { "jan", "feb", "mar", "apr", "may", "jun",
                                         "jul", "aug", "sep", "oct", "nov", "dec" };

    for (unsigned i = 0; i < COUNT_OF(names); i++)
        if (str_starts_nocase(word, str_of(names[i]))) {
            *ret = i + 1;
            return true;
        }
    return false;
}

static void read_word(struct str word, struct date *d)
{
    if (!d->has_time && read_time(word, d))
        d->has_time = true;
    else if (!d->has_day && read_number(word, 1, 2, &d->day))
        d->has_day = true;
    else if (!d->has_month && read_month(word, &d->month))
        d->has_month = true;
    else if (!d->has_year && read_number(word, 2, 4, &d->year))
        d->has_year = true;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar. */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? (int64_t)year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static bool is_possible(const struct date *d)
{
    return d->has_time && d->has_day && d->has_month && d->has_year && d->day >= 1 &&
           d->day <= 31 && d->year >= 1601 && d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

enum err date_parse(struct str text, int64_t *ret_wall_ms)
{
    struct date d = { 0 };
    size_t i = 0;

    while (i < text.n) {
        size_t from = i;

        while (i < text.n && is_word(text.p[i]))
            i++;
        if (i > from)
            read_word(str_sub(text, from, i - from), &d);
        else
            i++;
    }
    /* Two digits of a year, as RFC 6265 5.1.1 reads them. */
    if (d.year < 100)
        d.year += d.year < 70 ? 2000 : 1900;
    if (!is_possible(&d))
        return ERR_BAD_INPUT;
    *ret_wall_ms = days_of(d.year, d.month, d.day) * DAY_MS +
                   (int64_t)((d.hour * 60 + d.minute) * 60 + d.second) * 1000;
    return ERR_NONE;
}

int64_t date_retry_after_ms(struct str value, int64_t wall_ms)
{
    const int64_t max_ms = (int64_t)RETRY_AFTER_MAX_DAYS * DAY_MS;
    uint64_t seconds = 0;
    int64_t at_ms = 0;
    enum err err = str_to_u64(value, (uint64_t)max_ms / 1000, &seconds);

    if (!err)
        return (int64_t)seconds * 1000;
    if (err == ERR_TOO_BIG)
        return max_ms;
    if (date_parse(value, &at_ms) || at_ms <= wall_ms)
        return 0;
    return at_ms - wall_ms < max_ms ? at_ms - wall_ms : max_ms;
}
