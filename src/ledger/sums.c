/* SPDX-License-Identifier: Apache-2.0 */
/* A key is its four texts with tabs between; days are first, so that a range of them is one of
 * keys. */
#include "ledger/sums.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/mem.h"

enum { HASH_LEN = 8 };

void ledger_day(int64_t wall_ms, char out[LEDGER_DAY_LEN + 1])
{
    char text[CLOCK_TEXT_SIZE];

    str_to_z(str_sub(clock_text(wall_ms, text), 0, CLOCK_DAY_LEN), out, LEDGER_DAY_LEN + 1);
}

bool ledger_is_day(struct str text)
{
    static const char form[] = "dddd-dd-dd";

    if (text.n != LEDGER_DAY_LEN)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (form[i] == 'd' ? text.p[i] < '0' || text.p[i] > '9' : text.p[i] != form[i])
            return false;
    return true;
}

/* ---- keys ---- */

static void add(struct store_key *key, const char *p, size_t n)
{
    BUG_ON(n > sizeof(key->bytes) - key->n);
    memcpy(key->bytes + key->n, p, n);
    key->n = (uint8_t)(key->n + n);
}

struct str ledger_part(struct str text, char out[LEDGER_PART_MAX])
{
    size_t n = LEDGER_PART_MAX - HASH_LEN - 1;
    unsigned char digest[SHA256_LEN];
    char hash[2 * SHA256_LEN + 1];
    struct sha256 h;

    if (text.n <= LEDGER_PART_MAX)
        return text;
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    sha256_init(&h);
    sha256_add(&h, text);
    sha256_end(&h, digest);
    hex_encode(digest, sizeof(digest), hash);
    memcpy(out, text.p, n);
    out[n] = '~';
    memcpy(out + n + 1, hash, HASH_LEN);
    return (struct str){ out, n + 1 + HASH_LEN };
}

static void add_part(struct store_key *key, struct str text)
{
    char out[LEDGER_PART_MAX];
    struct str part = ledger_part(text, out);

    add(key, "\t", 1);
    add(key, part.p, part.n);
}

void ledger_sum_key(struct store_key *ret, const struct ledger_of *of)
{
    *ret = (struct store_key){ .space = STORE_SUM };
    add(ret, of->day.p, of->day.n);
    add_part(ret, of->key);
    add_part(ret, of->model);
    add_part(ret, of->upstream);
}

bool ledger_sum_of(struct str key, struct ledger_of *ret)
{
    ret->day = str_cut(key, '\t', &key);
    ret->key = str_cut(key, '\t', &key);
    ret->model = str_cut(key, '\t', &key);
    ret->upstream = key;
    return ledger_is_day(ret->day);
}

/* ---- reading ---- */

struct reading {
    struct store_port *port;
    char to[LEDGER_DAY_LEN + 1];
    void (*each)(void *arg, const struct ledger_of *of, const int64_t numbers[LEDGER_NUMBERS]);
    void (*done)(void *arg, enum err err);
    void *arg;
};

static void take_numbers(struct str text, int64_t numbers[LEDGER_NUMBERS])
{
    for (size_t i = 0; i < LEDGER_NUMBERS; i++) {
        struct str word = str_cut(text, ' ', &text);
        uint64_t number;

        numbers[i] = str_to_u64(word, INT64_MAX, &number) ? 0 : (int64_t)number;
    }
}

static void end_reading(struct reading *r, enum err err)
{
    r->done(r->arg, err);
    mem_free(r);
}

/* False: it is behind the last day. */
static bool take_row(struct reading *r, const struct store_row *row)
{
    int64_t numbers[LEDGER_NUMBERS];
    struct ledger_of of;

    if (!ledger_sum_of(row->key, &of))
        return true;
    if (memcmp(of.day.p, r->to, LEDGER_DAY_LEN) > 0)
        return false;
    take_numbers(row->value, numbers);
    r->each(r->arg, &of, numbers);
    return true;
}

static void on_rows(void *arg, const struct store_result *result);

static void ask(struct reading *r, struct str after)
{
    store_wait_longer(store_list(r->port, STORE_SUM, after, STORE_ROWS_MAX, on_rows, r));
}

static void on_rows(void *arg, const struct store_result *result)
{
    struct reading *r = arg;
    bool goes_on = !result->err && result->n_rows > 0;

    for (size_t i = 0; i < result->n_rows && goes_on; i++)
        goes_on = take_row(r, &result->rows[i]);
    if (goes_on)
        ask(r, result->rows[result->n_rows - 1].key);
    else
        end_reading(r, result->err);
}

void ledger_read_sums(struct store_port *p, struct str from, struct str to,
                      void (*each)(void *arg, const struct ledger_of *of,
                                   const int64_t numbers[LEDGER_NUMBERS]),
                      void (*done)(void *arg, enum err err), void *arg)
{
    struct reading *r = mem_new(struct reading);

    *r = (struct reading){ .port = p, .each = each, .done = done, .arg = arg };
    str_to_z(to, r->to, sizeof(r->to));
    ask(r, from);
}
