/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is computed by the compiler from the grammar's own words, so that it can be read
 * beside the RFC. Values are most of a head: where the processor can, they go 16 bytes a step.
 */
#include "http/syntax.h"

#include <arpa/inet.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { IPV6_TEXT_MAX = 45, PORT_MAX = 65535 };

/* clang-format off */
#define IS_DIGIT(c) ((c) >= '0' && (c) <= '9')
#define IS_ALPHA(c) (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define IS_HEX(c) (IS_DIGIT(c) || ((c) >= 'A' && (c) <= 'F') || ((c) >= 'a' && (c) <= 'f'))
#define IS_TOKEN(c)                                                                          \
    (IS_DIGIT(c) || IS_ALPHA(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' ||   \
     (c) == '&' || (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' ||    \
     (c) == '^' || (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')
#define IS_VALUE(c) ((c) == '\t' || ((c) >= 0x20 && (c) != 0x7f))
#define IS_TARGET(c) ((c) > 0x20 && (c) < 0x7f && (c) != '#')
/* A comma is legal in a reg-name; in a Host it means that a proxy joined two of them. */
#define IS_HOST(c)                                                                           \
    (IS_DIGIT(c) || IS_ALPHA(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~' ||   \
     (c) == '!' || (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' ||    \
     (c) == '*' || (c) == '+' || (c) == ';' || (c) == '=')
#define CLASSES(c)                                                                           \
    ((IS_TOKEN(c) ? SYNTAX_TOKEN : 0) | (IS_VALUE(c) ? SYNTAX_VALUE : 0) |                   \
     (IS_TARGET(c) ? SYNTAX_TARGET : 0) | (IS_HOST(c) ? SYNTAX_HOST : 0) |                   \
     (IS_DIGIT(c) ? SYNTAX_DIGIT : 0) | (IS_HEX(c) ? SYNTAX_HEX : 0))
#define ROW4(c) CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)
#define ROW64(c) ROW16(c), ROW16((c) + 16), ROW16((c) + 32), ROW16((c) + 48)

const unsigned char syntax_classes[256] = { ROW64(0), ROW64(64), ROW64(128), ROW64(192) };
/* clang-format on */

const char *syntax_run(const char *p, const char *end, enum syntax_class class)
{
    while (p < end && syntax_is(*p, class))
        p++;
    return p;
}

const char *syntax_value_run(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i space = _mm_set1_epi8(0x20);
    const __m128i tab = _mm_set1_epi8(0x09);
    const __m128i del = _mm_set1_epi8(0x7f);

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i high = _mm_cmpeq_epi8(_mm_max_epu8(v, space), v);
        __m128i good =
            _mm_andnot_si128(_mm_cmpeq_epi8(v, del), _mm_or_si128(high, _mm_cmpeq_epi8(v, tab)));
        unsigned bad = (unsigned)_mm_movemask_epi8(good) ^ 0xffffU;

        if (bad)
            return p + __builtin_ctz(bad);
    }
#endif
    return syntax_run(p, end, SYNTAX_VALUE);
}

bool syntax_is_token(struct str s)
{
    return s.n > 0 && syntax_run(s.p, s.p + s.n, SYNTAX_TOKEN) == s.p + s.n;
}

int syntax_hex_value(char c)
{
    if (!syntax_is(c, SYNTAX_HEX))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static bool is_ipv6(struct str s)
{
    char text[IPV6_TEXT_MAX + 1];
    struct in6_addr address;

    if (s.n > IPV6_TEXT_MAX || memchr(s.p, '\0', s.n))
        return false;
    return inet_pton(AF_INET6, str_to_z(s, text, sizeof(text)), &address) == 1;
}

/* The end of a name from `p` on, in which % introduces two hex digits. */
static const char *name_end(const char *p, const char *end)
{
    for (;;) {
        p = syntax_run(p, end, SYNTAX_HOST);
        if (end - p < 3 || p[0] != '%' || !syntax_is(p[1], SYNTAX_HEX) ||
            !syntax_is(p[2], SYNTAX_HEX))
            return p;
        p += 3;
    }
}

/* The end of the host at the start of [p, end), or NULL when there is none. */
static const char *host_end(const char *p, const char *end)
{
    if (*p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));

        if (!close || !is_ipv6((struct str){ p + 1, (size_t)(close - p - 1) }))
            return NULL;
        return close + 1;
    }
    const char *stop = name_end(p, end);
    return stop > p ? stop : NULL;
}

bool syntax_is_authority(struct str s, struct str *ret_port)
{
    uint64_t port;

    *ret_port = (struct str){ NULL, 0 };
    if (s.n == 0)
        return false;
    const char *end = s.p + s.n;
    const char *stop = host_end(s.p, end);
    if (!stop)
        return false;
    if (stop == end)
        return true;
    if (*stop != ':')
        return false;
    *ret_port = (struct str){ stop + 1, (size_t)(end - stop - 1) };
    return ret_port->n == 0 || str_to_u64(*ret_port, PORT_MAX, &port) == ERR_NONE;
}
