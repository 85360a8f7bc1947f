/* SPDX-License-Identifier: Apache-2.0 */
#include "base/near.h"

#include <string.h>

enum { ROW = NEAR_MAX + 1, LONG_WORD = 8 };

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool same(struct str a, size_t i, struct str b, size_t j)
{
    return lower(a.p[i]) == lower(b.p[j]);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Of rows of the table of distances between beginnings, the last three. */
static void next_row(struct str a, struct str b, size_t i, unsigned rows[3][ROW])
{
    const unsigned *two_before = rows[(i + 1) % 3], *before = rows[(i + 2) % 3];
    unsigned *row = rows[i % 3];

    row[0] = (unsigned)i;
    for (size_t j = 1; j <= b.n; j++) {
        unsigned change = before[j - 1] + (same(a, i - 1, b, j - 1) ? 0 : 1);

        row[j] = least(change, least(before[j], row[j - 1]) + 1);
        if (i > 1 && j > 1 && same(a, i - 1, b, j - 2) && same(a, i - 2, b, j - 1))
            row[j] = least(row[j], two_before[j - 2] + 1);
    }
}

unsigned near_distance(struct str a, struct str b)
{
    unsigned rows[3][ROW] = { { 0 } };

    if (a.n > NEAR_MAX || b.n > NEAR_MAX)
        return NEAR_MAX + 1;
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++)
        next_row(a, b, i, rows);
    return rows[a.n % 3][b.n];
}

void near_init(struct near *n, struct str word)
{
    *n = (struct near){ .word = word, .limit = word.n < LONG_WORD ? 2 : 3 };
}

void near_try(struct near *n, const char *name)
{
    unsigned distance = near_distance(n->word, str_of(name));

    if (distance >= n->limit)
        return;
    n->limit = distance;
    n->best = name;
}
