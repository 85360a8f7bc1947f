/* SPDX-License-Identifier: Apache-2.0 */
/* usage: what was used, by day, key, model or upstream. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "cli/command.h"
#include "cli/member.h"
#include "cli/operator.h"
#include "cli/terminal.h"
#include "ledger/query.h"
#include "json/reader.h"

enum {
    PATH_MAX_SIZE = 900,
    COLUMNS = 4,
    TEXT_MAX = 60,
    BAR_WIDTH = 24,
    ONLY_OF_ROWS = 2,
    WAITING_MAX = 1 << 20, /* of rows that came, and whose last one goes on */
};

enum usage_format { USAGE_TABLE, USAGE_CSV, USAGE_JSONL };

static const char *const group_names[COLUMNS] = { "day", "key", "model", "upstream" };

/* Numbers of the table, in its order. */
static const struct {
    const char *member;
    const char *head;
} numbers[] = {
    { "requests", "requests" },        { "failed", "failed" },        { "prompt_tokens", "input" },
    { "completion_tokens", "output" }, { "cached_tokens", "cached" }, { "cost_micros", "cost" },
};

struct asked {
    enum usage_format format;
    bool wants_rows;
    struct ledger_query query; /* to see what is wrong before anybody is asked */
    struct buf path;           /* below /admin/api/ */
};

/* ---- the question ---- */

static bool complain(const char *what, const char *word)
{
    fprintf(stderr, "enginelabs-2api: %s: %s\nTry: enginelabs-2api help usage\n", word, what);
    return false;
}

static bool take_format(struct asked *a, struct str value)
{
    static const char *const names[] = { "table", "csv", "jsonl" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(value, str_of(names[i]))) {
            a->format = (enum usage_format)i;
            return true;
        }
    return false;
}

/* NULL, or what is wrong. */
static const char *judge(struct asked *a, const char *name, struct str value)
{
    uint64_t n;

    if (strcmp(name, "limit") == 0 || strcmp(name, "before") == 0)
        return str_to_u64(value, UINT64_MAX, &n) ? "expected a number" : NULL;
    return ledger_query_set(&a->query, name, value);
}

static bool take_word(struct asked *a, const char *word)
{
    static const char *const names[] = {
        "from", "to", "by", "key", "model", "limit", "before"
    }; /* the last of rows only */
    const char *wrong;
    struct str value;
    struct str name = str_cut(str_of(word), '=', &value);

    if (str_eq(name, STR("format")))
        return take_format(a, value) || complain("expected table, csv or jsonl", word);
    for (size_t i = 0; i < COUNT_OF(names) - (a->wants_rows ? 0 : ONLY_OF_ROWS); i++)
        if (str_eq(name, str_of(names[i])) && name.n < strlen(word)) {
            wrong = judge(a, names[i], value);
            if (!wrong && (buf_addf(&a->path, "&%s=", names[i]) || percent_add(&a->path, value)))
                wrong = "it is too long";
            return !wrong || complain(wrong, word);
        }
    return complain(a->wants_rows ? "expected from=, to=, key=, model=, limit=, before= or format="
                                  : "expected from=, to=, by=, key=, model= or format=",
                    word);
}

static bool take_words(struct asked *a, char *const *words)
{
    a->wants_rows = words[0] && strcmp(words[0], "rows") == 0;
    if (buf_add(&a->path, a->wants_rows ? STR("usage/rows?") : STR("usage?")))
        return false;
    for (words += a->wants_rows; *words; words++)
        if (!take_word(a, *words))
            return false;
    if (ledger_query_check(&a->query))
        return complain(ledger_query_check(&a->query), a->query.from);
    if (a->wants_rows && a->format == USAGE_CSV && buf_add(&a->path, STR("&format=csv")))
        return false;
    return buf_add_char(&a->path, '\0') == ERR_NONE;
}

/* ---- the answer ---- */

/* A member as text; false: there is none. */
static bool text_of(struct str object, const char *name, struct arena *a, struct str *ret)
{
    struct json_value v;

    *ret = STR("");
    return json_find(object, &v, name, NULL) == ERR_NONE && json_text(&v, a, ret) == ERR_NONE;
}

/* Calls each(arg, item) for each line of the answer. */
static void for_each(struct str answer, void (*each)(void *arg, struct str item), void *arg)
{
    struct json_value list, item;
    struct json j;

    if (json_find(answer, &list, "data", NULL) || list.type != JSON_ARRAY)
        return;
    json_init(&j, list.raw, JSON_DEPTH_MAX);
    json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &item))
        each(arg, item.raw);
}

static void print_line(UNUSED void *arg, struct str item)
{
    terminal_print(stdout, item);
    putchar('\n');
}

/* What clients call their models may be anything. */
static void print_field(struct str text)
{
    struct buf field;

    buf_init(&field, 2 * text.n + 3);
    if (ledger_csv_text(text, &field) == ERR_NONE)
        text = buf_str(&field);
    terminal_print(stdout, text);
    buf_deinit(&field);
}

static void print_csv_head(struct str item, struct arena *a)
{
    struct str text;

    for (size_t i = 0; i < COLUMNS; i++)
        if (text_of(item, group_names[i], a, &text))
            printf("%s,", group_names[i]);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        printf("%s%s", i ? "," : "", numbers[i].member);
    putchar('\n');
}

static void print_csv(void *arg, struct str item)
{
    bool *has_head = arg;
    struct arena a;
    struct str text;

    arena_init(&a);
    if (!*has_head)
        print_csv_head(item, &a);
    *has_head = true;
    for (size_t i = 0; i < COLUMNS; i++)
        if (text_of(item, group_names[i], &a, &text)) {
            print_field(text);
            putchar(',');
        }
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        printf("%s%lld", i ? "," : "", (long long)member_number(item, numbers[i].member));
    putchar('\n');
    arena_deinit(&a);
}

/* ---- the table ---- */

struct table {
    bool has[COLUMNS];
    int width[COLUMNS];
    int64_t most; /* tokens of a line */
    bool is_utf8;
};

static int64_t tokens_of(struct str item)
{
    return member_number(item, "prompt_tokens") + member_number(item, "completion_tokens");
}

static void measure(void *arg, struct str item)
{
    struct table *t = arg;
    struct arena a;
    struct str text;

    arena_init(&a);
    for (size_t i = 0; i < COLUMNS; i++)
        if (text_of(item, group_names[i], &a, &text)) {
            int n = text.n < TEXT_MAX ? (int)text.n : TEXT_MAX;

            t->has[i] = true;
            if (n > t->width[i])
                t->width[i] = n;
        }
    arena_deinit(&a);
    if (tokens_of(item) > t->most)
        t->most = tokens_of(item);
}

/* "12,345,678" */
static void print_number(int64_t number)
{
    char digits[24], text[32] = "";
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)number);
    int k = 0;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text[k++] = ',';
        text[k++] = digits[i];
    }
    printf("  %12.*s", k, text);
}

static void print_numbers(struct str item)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int64_t number = member_number(item, numbers[i].member);

        if (strcmp(numbers[i].member, "cost_micros") == 0)
            printf("  %12.4f", (double)number / 1e6);
        else
            print_number(number);
    }
}

/* Eighths of a character, where the terminal has them. */
static void print_bar(const struct table *t, int64_t tokens)
{
    static const char *const parts[] = { "",       "\u258f", "\u258e", "\u258d",
                                         "\u258c", "\u258b", "\u258a", "\u2589" };
    int64_t eighths = t->most ? tokens * 8 * BAR_WIDTH / t->most : 0;

    printf("  ");
    for (int64_t i = 0; i < eighths / 8; i++)
        fputs(t->is_utf8 ? "\u2588" : "#", stdout);
    if (t->is_utf8)
        fputs(parts[eighths % 8], stdout);
}

static void print_row(void *arg, struct str item)
{
    const struct table *t = arg;
    struct arena a;
    struct str text;

    arena_init(&a);
    for (size_t i = 0; i < COLUMNS; i++)
        if (t->has[i] && text_of(item, group_names[i], &a, &text)) {
            text = str_sub(text, 0, TEXT_MAX);
            terminal_print(stdout, text);
            printf("%*s", t->width[i] - (int)text.n + 2, "");
        }
    arena_deinit(&a);
    print_numbers(item);
    print_bar(t, tokens_of(item));
    putchar('\n');
}

static void print_head(const struct table *t)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (t->has[i])
            printf("%-*s  ", t->width[i], group_names[i]);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        printf("  %12s", numbers[i].head);
    printf("  tokens\n");
}

static void print_table(struct str answer)
{
    const char *charset = setlocale(LC_CTYPE, "");
    struct table t = { .is_utf8 = isatty(STDOUT_FILENO) && charset &&
                                  (strstr(charset, "UTF-8") || strstr(charset, "utf8")) };
    struct json_value total;
    int width = 0;

    for (size_t i = 0; i < COLUMNS; i++)
        t.width[i] = (int)strlen(group_names[i]);
    for_each(answer, measure, &t);
    if (t.most == 0 && !t.has[0] && !t.has[1] && !t.has[2] && !t.has[3]) {
        puts("Nothing was used in these days.");
        return;
    }
    print_head(&t);
    for_each(answer, print_row, &t);
    for (size_t i = 0; i < COLUMNS; i++)
        width += t.has[i] ? t.width[i] + 2 : 0;
    printf("%-*s", width, "total");
    if (json_find(answer, &total, "total", NULL) == ERR_NONE)
        print_numbers(total.raw);
    putchar('\n');
}

static void print_answer(const struct asked *a, struct str answer)
{
    bool has_head = false;

    if (a->format == USAGE_TABLE)
        print_table(answer);
    else
        for_each(answer, a->format == USAGE_CSV ? print_csv : print_line, &has_head);
}

/* ---- the command ---- */

/* There may be very many of them. Pieces end anywhere, and what is shown ends with a line. */
static void on_rows(void *arg, struct str bytes)
{
    struct buf *waiting = arg;
    size_t n = bytes.n;

    while (n > 0 && bytes.p[n - 1] != '\n')
        n--;
    if (n > 0 && buf_add(waiting, str_sub(bytes, 0, n)) == ERR_NONE) {
        terminal_print(stdout, buf_str(waiting));
        buf_clear(waiting);
        bytes = str_from(bytes, n);
    }
    if (buf_add(waiting, bytes) == ERR_NONE)
        return;
    terminal_print(stdout, buf_str(waiting));
    buf_clear(waiting);
    terminal_print(stdout, bytes);
}

static bool tell_rows(struct cli_operator *o, const char *path)
{
    struct buf waiting;
    bool is_told;

    buf_init(&waiting, WAITING_MAX);
    is_told = cli_operator_stream(o, path, on_rows, &waiting);
    terminal_print(stdout, buf_str(&waiting));
    buf_deinit(&waiting);
    return is_told;
}

static bool tell(struct cli_operator *o, const struct asked *a)
{
    struct buf answer;

    if (a->wants_rows)
        return tell_rows(o, a->path.p);
    if (!cli_operator_call(o, HTTP_GET, a->path.p, STR(""), &answer))
        return false;
    print_answer(a, buf_str(&answer));
    buf_deinit(&answer);
    return true;
}

static int ask(const struct cli_args *args, const struct asked *a)
{
    struct cli_operator *operator;
    struct settings s;
    bool is_told;

    if (cli_load_settings(args, SETTINGS_CLIENT, &s))
        return EXIT_USAGE;
    operator= cli_operator_open(&s);
    is_told = operator&& tell(operator, a) && !fflush(stdout) && !ferror(stdout);
    cli_operator_close(operator);
    settings_deinit(&s);
    return is_told ? EXIT_DONE : EXIT_FAILED;
}

static int run(const struct cli_args *args)
{
    struct asked a = { .format = USAGE_TABLE };
    int code = EXIT_USAGE;

    buf_init(&a.path, PATH_MAX_SIZE);
    ledger_query_init(&a.query, clock_wall_ms());
    if (take_words(&a, args->words))
        code = ask(args, &a);
    buf_deinit(&a.path);
    return code;
}

const struct command command_usage = {
    .name = "usage",
    .options = "w",
    .summary = "Tell what was used, by whom, of what",
    .help =
        "Usage: enginelabs-2api usage [--config FILE] [--env-file FILE] [rows] [NAME=VALUE]...\n\n"
        "  from=2026-11-01   first day (UTC); 29 days ago without it\n"
        "  to=2026-11-26     last day, included; today\n"
        "  by=day            day, key, model or upstream, or several: by=key,model\n"
        "  key=ID            of one key: its id, as `keys list` has it, or master\n"
        "  model=NAME        of one model\n"
        "  format=table      table, csv or jsonl\n"
        "  rows              single requests instead of sums, the newest first, as jsonl or csv;\n"
        "                    where the store is a file (STORE_URL=sqlite:)\n"
        "  limit=100         at most so many rows\n"
        "  before=ID         rows with ids below: that of the last row has the next ones\n\n"
        "A gateway that runs is asked, through a socket in its state directory; else the store is\n"
        "opened. Costs are those of the settings' price table.\n\n"
        "Examples:\n"
        "  enginelabs-2api usage by=model from=2026-11-01\n"
        "  enginelabs-2api usage rows format=csv >november.csv\n",
    .run = run,
};
