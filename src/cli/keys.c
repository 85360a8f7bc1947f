/* SPDX-License-Identifier: Apache-2.0 */
/* keys: those of clients, made, seen, changed and ended by their operator. */
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/keys_members.h"
#include "cli/keys_print.h"
#include "cli/operator.h"
#include "cli/terminal.h"
#include "json/reader.h"

enum { PATH_SIZE = 800, BODY_MAX = 64 * 1024, WHY_SIZE = 256 };

struct call {
    struct cli_operator *operator;
    const char *name;   /* of a new key; else NULL */
    char *const *words; /* what stands behind it */
    int64_t now_s;
    struct buf list; /* all keys */
    struct str key;  /* the one that was named, in `list` */
    char path[PATH_SIZE];
};

/* ---- which key ---- */

static bool is_text(struct str object, const char *name, const char *want, struct arena *a)
{
    struct json_value v;
    struct str text;

    return json_find(object, &v, name, NULL) == ERR_NONE && json_text(&v, a, &text) == ERR_NONE &&
           str_eq(text, str_of(want));
}

/* How many have this id, else this name; the last of them. */
static size_t find_by(const struct call *c, const char *member, const char *want, struct str *ret)
{
    struct json_value list, item;
    struct arena a;
    struct json j;
    size_t n = 0;

    arena_init(&a);
    if (json_find(buf_str(&c->list), &list, "data", NULL) == ERR_NONE) {
        json_init(&j, list.raw, JSON_DEPTH_MAX);
        json_enter_array(&j);
        while (json_next_item(&j) && json_read(&j, &item))
            if (is_text(item.raw, member, want, &a)) {
                *ret = item.raw;
                n++;
            }
    }
    arena_deinit(&a);
    return n;
}

/* "keys/file%2Fname" */
static void set_path(struct call *c)
{
    struct json_value v;
    struct arena a;
    struct str id = STR("");
    size_t n = (size_t)snprintf(c->path, sizeof(c->path), "keys/");

    arena_init(&a);
    if (json_find(c->key, &v, "id", NULL) || json_text(&v, &a, &id))
        id = STR("");
    for (size_t i = 0; i < id.n && n + 4 < sizeof(c->path); i++) {
        char byte = id.p[i];
        bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= 'a' && byte <= 'z') || byte == '_' || byte == '-';

        n += (size_t)snprintf(c->path + n, sizeof(c->path) - n, is_plain ? "%c" : "%%%02X",
                              (unsigned char)byte);
    }
    arena_deinit(&a);
}

static bool find_key(struct call *c, const char *word)
{
    size_t n;

    if (!cli_operator_call(c->operator, HTTP_GET, "keys", STR(""), &c->list))
        return false;
    n = find_by(c, "id", word, &c->key);
    if (n == 0)
        n = find_by(c, "name", word, &c->key);
    if (n == 1) {
        set_path(c);
        return true;
    }
    fprintf(stderr, "enginelabs-2api: %s\n",
            n ? "several keys have this name: say which by its id" : "there is no such key");
    fprintf(stderr, "Try: enginelabs-2api keys list\n");
    return false;
}

/* ---- what is done ---- */

static bool run_list(struct call *c)
{
    if (!cli_operator_call(c->operator, HTTP_GET, "keys", STR(""), &c->list))
        return false;
    keys_print_all(buf_str(&c->list), c->now_s);
    return true;
}

static bool run_show(struct call *c)
{
    keys_print_one(c->key, c->now_s);
    return true;
}

/* The text on standard output, so that a script can take it; the rest beside it. */
static bool print_secret(struct str answer, const char *what)
{
    struct json_value id, secret;
    struct arena a;
    struct str text, name;
    bool is_there;

    arena_init(&a);
    is_there = json_find(answer, &secret, "secret", NULL) == ERR_NONE &&
               json_find(answer, &id, "key", "id", NULL) == ERR_NONE &&
               json_text(&secret, &a, &text) == ERR_NONE && json_text(&id, &a, &name) == ERR_NONE;
    if (is_there) {
        fprintf(stderr, "%.*s: %s. It is shown this once:\n", STR_ARGS(name), what);
        printf("%.*s\n", STR_ARGS(text));
    } else {
        fprintf(stderr, "enginelabs-2api: the answer has no key in it\n");
    }
    arena_deinit(&a);
    return is_there;
}

/* Sends what the words say and gives the answer. */
static bool send_members(struct call *c, enum http_method method, const char *path, struct buf *ret)
{
    char why[WHY_SIZE];
    struct buf body;
    bool is_done;

    buf_init(&body, BODY_MAX);
    is_done = keys_members_write(c->words, c->name, c->key, c->now_s, &body, why);
    if (!is_done)
        fprintf(stderr, "enginelabs-2api: %s\n", why);
    else
        is_done = cli_operator_call(c->operator, method, path, buf_str(&body), ret);
    buf_deinit(&body);
    return is_done;
}

static bool run_add(struct call *c)
{
    struct buf answer;
    bool is_done = send_members(c, HTTP_POST, "keys", &answer);

    if (!is_done)
        return false;
    is_done = print_secret(buf_str(&answer), "a new key");
    buf_wipe(&answer);
    return is_done;
}

static bool run_edit(struct call *c)
{
    struct buf answer;

    if (!send_members(c, HTTP_PATCH, c->path, &answer))
        return false;
    keys_print_one(buf_str(&answer), c->now_s);
    buf_deinit(&answer);
    return true;
}

static bool run_revoke(struct call *c)
{
    struct buf answer;

    if (!cli_operator_call(c->operator, HTTP_DELETE, c->path, STR(""), &answer))
        return false;
    buf_deinit(&answer);
    puts("The key works no more.");
    return true;
}

static bool run_rotate(struct call *c)
{
    struct buf answer;
    char path[PATH_SIZE + 8];
    bool is_done;

    snprintf(path, sizeof(path), "%s/rotate", c->path);
    if (!cli_operator_call(c->operator, HTTP_POST, path, STR("{}"), &answer))
        return false;
    is_done = print_secret(buf_str(&answer), "its new text; the old one works no more");
    buf_wipe(&answer);
    return is_done;
}

static const struct keys_task {
    const char *name;
    enum { NO_KEY, NEW_KEY, ONE_KEY } of; /* what the word behind it is */
    bool has_members;                     /* words may follow */
    bool (*run)(struct call *c);
} tasks[] = {
    { "list", NO_KEY, false, run_list },      { "add", NEW_KEY, true, run_add },
    { "show", ONE_KEY, false, run_show },     { "edit", ONE_KEY, true, run_edit },
    { "revoke", ONE_KEY, false, run_revoke }, { "rotate", ONE_KEY, false, run_rotate },
};

/* ---- the command ---- */

static const struct keys_task *find_task(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(tasks); i++)
        if (strcmp(tasks[i].name, name) == 0)
            return &tasks[i];
    return NULL;
}

static int usage_error(const char *word, const char *what)
{
    fprintf(stderr, "enginelabs-2api: keys %s: %s\nTry: enginelabs-2api help keys\n", word, what);
    return EXIT_USAGE;
}

/* Or else nobody would need the new key. */
static void warn_if_open(const struct settings *s)
{
    if (!secret_is_set(&s->api_master_key) && s->n_keys == 0)
        fputs("enginelabs-2api: the gateway answers everybody, since its settings have no "
              "API_MASTER_KEY and no keys: set one, and reload\n",
              stderr);
}

static bool run_task(const struct keys_task *task, const char *word, char *const *words,
                     const struct settings *s)
{
    struct call c = { .words = words, .now_s = (int64_t)time(NULL), .key = STR("") };
    bool is_done;

    c.operator= cli_operator_open(s);
    if (!c.operator)
        return false;
    if (task->of == NEW_KEY) {
        c.name = word;
        warn_if_open(s);
    }
    buf_init(&c.list, 1); /* nothing yet */
    is_done = task->of != ONE_KEY || find_key(&c, word);
    if (is_done)
        is_done = task->run(&c);
    buf_deinit(&c.list);
    cli_operator_close(c.operator);
    return is_done;
}

/* Whether words behind it are MEMBER=VALUE; else `why` (WHY_SIZE) says what is not. */
static bool check_members(char *const *words, char *why)
{
    struct buf body;
    bool is_right;

    buf_init(&body, BODY_MAX);
    is_right = keys_members_write(words, NULL, STR(""), (int64_t)time(NULL), &body, why);
    buf_deinit(&body);
    return is_right;
}

/* What is wrong with the words of a task, or NULL. `why` has WHY_SIZE. */
static const char *find_mistake(const struct keys_task *task, char *const *words, char *why)
{
    bool has_word = words[0] && words[1];

    if (!has_word && task->of == NEW_KEY)
        return "how is the key to be called?";
    if (!has_word && task->of == ONE_KEY)
        return "which key? Name its id, or its name";
    if (has_word && (task->of == NO_KEY || (!task->has_members && words[2])))
        return "it takes no more words";
    if (task->has_members && task->of == ONE_KEY && !words[2])
        return "what is to be changed? Say MEMBER=VALUE";
    return task->has_members && !check_members(words + 2, why) ? why : NULL;
}

static int run(const struct cli_args *args)
{
    char *const *words = args->words;
    const char *name = words[0] ? words[0] : "list";
    const struct keys_task *task = find_task(name);
    char why[WHY_SIZE];
    const char *mistake;
    struct settings s;
    bool is_done;

    mistake = task ? find_mistake(task, words, why) : "there is no such thing to do";
    if (mistake)
        return usage_error(name, mistake);
    if (cli_load_settings(args, SETTINGS_ALL, &s))
        return EXIT_USAGE;
    is_done = task->of == NO_KEY ? run_task(task, NULL, words, &s)
                                 : run_task(task, words[1], words + 2, &s);
    settings_deinit(&s);
    return is_done ? EXIT_DONE : EXIT_FAILED;
}

const struct command command_keys = {
    .name = "keys",
    .options = "w",
    .summary = "Make, list, change and end the keys of clients",
    .help =
        "Usage: enginelabs-2api keys [--config FILE] [--env-file FILE] [WHAT]\n\n"
        "  list                       all keys (without WHAT, too)\n"
        "  add NAME [MEMBER=VALUE]... make a key, and print it: it is never shown again\n"
        "  show KEY                   one key, by its id or its name\n"
        "  edit KEY MEMBER=VALUE...   change it\n"
        "  revoke KEY                 end it\n"
        "  rotate KEY                 give it another text, and print that; the old one ends\n\n"
        "Members; \"none\" takes a limit away:\n"
        "  name=TEXT\n"
        "  models=NAME,PREFIX*,...    the models that it may use; none: all\n"
        "  expires=2026-12-31         the last day (UTC), or a time from now: 30d, 12h\n"
        "  disabled=true              it works no more, until disabled=false\n"
        "  requests_per_minute=N      tokens_per_minute=N    parallel_requests=N\n"
        "  tokens_per_day=N           tokens_per_month=N     tokens_ever=N\n"
        "  money_per_day=N.NN         money_per_month=N.NN   money_ever=N.NN\n\n"
        "A gateway that runs is asked, through a socket in its state directory; else the store is\n"
        "opened. Keys of the YAML file are listed, and changed there.\n\n"
        "Examples:\n"
        "  enginelabs-2api keys add laptop requests_per_minute=60 tokens_per_month=5000000\n"
        "  enginelabs-2api keys edit laptop tokens_per_month=none expires=30d\n",
    .run = run,
};
