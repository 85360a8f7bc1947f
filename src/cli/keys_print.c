/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keys_print.h"

#include <stdio.h>
#include <time.h>

#include "cli/member.h"
#include "cli/terminal.h"

enum { LIMITS_SIZE = 512 };

/* ---- members ---- */

/* Enters the list of that name; false: there is none, or nothing is in it. */
static bool enter_list(struct str object, const char *name, struct json *ret)
{
    struct json_value v;

    if (json_find(object, &v, name, NULL) || v.type != JSON_ARRAY)
        return false;
    json_init(ret, v.raw, JSON_DEPTH_MAX);
    return json_enter_array(ret);
}

/* ---- words ---- */

static const char *state_of(struct str key, int64_t now_s)
{
    int64_t expires_s = member_number(key, "expires");

    if (member_is_true(key, "disabled"))
        return "disabled";
    return expires_s > 0 && expires_s <= now_s ? "expired" : "works";
}

struct words {
    char text[LIMITS_SIZE];
    size_t n;
};

/* Behind a comma; what has no room is left out. */
static void add(struct words *w, const char *format, ...) FORMAT(2, 3);
static void add(struct words *w, const char *format, ...)
{
    va_list args;
    size_t left = sizeof(w->text) - w->n;
    int n = snprintf(w->text + w->n, left, "%s", w->n ? ", " : "");

    va_start(args, format);
    if (n >= 0 && (size_t)n < left)
        n += vsnprintf(w->text + w->n + n, left - (size_t)n, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < left)
        w->n += (size_t)n;
    w->text[w->n] = '\0';
}

enum { MONEY_SIZE = 32, MILLION = 1000000 };

/* "2.50", "0.0051": all that it is, with two digits at least. */
static const char *money_text(int64_t micros, char out[MONEY_SIZE])
{
    int n = snprintf(out, MONEY_SIZE, "%lld.%06lld", (long long)(micros / MILLION),
                     (long long)(micros % MILLION));

    for (int digits = 6; digits > 2 && out[n - 1] == '0'; digits--)
        out[--n] = '\0';
    return out;
}

static void add_amount(struct words *w, bool is_money, const char *per, int64_t used, int64_t limit)
{
    char one[MONEY_SIZE], other[MONEY_SIZE];

    if (is_money)
        add(w, "money%s: %s of %s", per, money_text(used, one), money_text(limit, other));
    else
        add(w, "tokens%s: %lld of %lld", per, (long long)used, (long long)limit);
}

static void add_budgets(struct words *w, struct str key, struct arena *a)
{
    struct json_value item;
    struct json j;

    if (!enter_list(key, "budgets", &j))
        return;
    while (json_next_item(&j) && json_read(&j, &item)) {
        struct str unit = member_text(item.raw, "unit", a), per = member_text(item.raw, "per", a);

        add_amount(w, str_eq(unit, STR("money")),
                   str_eq(per, STR("day"))     ? " today"
                   : str_eq(per, STR("month")) ? " this month"
                                               : " ever",
                   member_number(item.raw, "used"), member_number(item.raw, "limit"));
    }
}

static void add_limits(struct words *w, struct str key, struct arena *a)
{
    int64_t requests = member_number(key, "requests_per_minute");
    int64_t tokens = member_number(key, "tokens_per_minute");
    int64_t parallel = member_number(key, "parallel_requests");

    if (requests)
        add(w, "%lld requests a minute", (long long)requests);
    if (tokens)
        add(w, "%lld tokens a minute", (long long)tokens);
    if (parallel)
        add(w, "%lld of %lld at once", (long long)member_number(key, "running"),
            (long long)parallel);
    add_budgets(w, key, a);
    if (w->n == 0)
        add(w, "none");
}

/* ---- lines ---- */

/* `width` in characters, not bytes. */
static void print_cell(struct str text, int width)
{
    int n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    terminal_print(stdout, text);
    printf("%*s", n < width ? width - n : 1, "");
}

static void print_row(struct str key, int64_t now_s, struct arena *a)
{
    struct words limits = { .n = 0 };

    add_limits(&limits, key, a);
    print_cell(member_text(key, "id", a), 22);
    print_cell(member_text(key, "name", a), 18);
    print_cell(member_text(key, "hint", a), 6);
    print_cell(str_of(state_of(key, now_s)), 10);
    terminal_print(stdout, str_of(limits.text));
    putchar('\n');
}

void keys_print_all(struct str json, int64_t now_s)
{
    struct json_value item;
    struct arena a;
    struct json j;
    size_t n = 0;

    arena_init(&a);
    if (enter_list(json, "data", &j))
        while (json_next_item(&j) && json_read(&j, &item)) {
            if (n++ == 0)
                printf("%-22s%-18s%-6s%-10s%s\n", "ID", "NAME", "ENDS", "STATE", "LIMITS");
            print_row(item.raw, now_s, &a);
        }
    if (n == 0)
        puts("There are no keys besides API_MASTER_KEY. Make one: enginelabs-2api keys add NAME");
    arena_deinit(&a);
}

static void print_member(const char *name, struct str text)
{
    printf("%-11s", name);
    terminal_print(stdout, text);
    putchar('\n');
}

static void print_time(const char *name, int64_t at_s, const char *none)
{
    char text[32];
    time_t at = (time_t)at_s;
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
    print_member(name, str_of(at_s > 0 ? text : none));
}

static void print_models(struct str key, struct arena *a)
{
    struct json_value item;
    struct json j;
    size_t n = 0;

    printf("%-11s", "models");
    if (enter_list(key, "models", &j))
        while (json_next_item(&j) && json_read(&j, &item)) {
            struct str text;

            if (json_text(&item, a, &text))
                continue;
            printf("%s", n++ ? ", " : "");
            terminal_print(stdout, text);
        }
    puts(n ? "" : "all");
}

void keys_print_one(struct str key, int64_t now_s)
{
    struct words limits = { .n = 0 };
    struct arena a;

    arena_init(&a);
    add_limits(&limits, key, &a);
    print_member("id", member_text(key, "id", &a));
    print_member("name", member_text(key, "name", &a));
    print_member("ends", member_text(key, "hint", &a));
    print_member("state", str_of(state_of(key, now_s)));
    print_models(key, &a);
    print_member("limits", str_of(limits.text));
    print_time("made", member_number(key, "created"), "in the settings' file");
    print_time("expires", member_number(key, "expires"), "never");
    print_time("last used", member_number(key, "last_used"), "not since the gateway runs");
    arena_deinit(&a);
}
