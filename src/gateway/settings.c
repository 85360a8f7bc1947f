/* SPDX-License-Identifier: Apache-2.0 */
/* How a value finds its way from a source into the struct, and what must hold of several. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/dotenv.h"
#include "gateway/setting_value.h"
#include "gateway/settings_internal.h"
#include "net/worker.h"

/* ---- where a value comes from ---- */

enum { PROBLEM_MAX = 1 << 20, FILE_MAX = 1 << 20 };

struct loader {
    const struct settings_source *source;
    enum settings_use use; /* never SETTINGS_SERVE_OR_DEMO */
    struct dotenv env_file;
    struct settings *out;
    struct buf *problems;
    size_t n_problems;
    bool has_no_file;       /* .env should be there and cannot be read */
    bool bad[SETTINGS_MAX]; /* by row: it was set, but not well */
};

struct found {
    struct str value;
    char where[256]; /* "environment", ".env line 3" */
};

static void problem(struct loader *l, const char *format, ...) FORMAT(2, 3);
static void problem(struct loader *l, const char *format, ...)
{
    char line[1024];
    va_list args;

    l->n_problems++;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    /* A list of problems that is longer than its bound has said enough. */
    if (buf_addf(l->problems, "%s\n", line))
        return;
}

/* NAME=VALUE in a NULL-ended array; an empty value counts as unset. */
static bool find_in(const char *const *list, struct str name, struct str *ret)
{
    for (size_t i = 0; list && list[i]; i++) {
        struct str value;
        struct str key = str_cut(str_of(list[i]), '=', &value);

        if (str_eq(key, name) && value.n) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* Proxies are by custom named in either case: https_proxy. */
static void lower_case(const char *name, char *out, size_t cap)
{
    size_t i = 0;

    for (; name[i] && i + 1 < cap; i++)
        out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    out[i] = '\0';
}

static bool find_environment(const struct loader *l, const char *name, struct str *ret)
{
    const char *const *environment = (const char *const *)l->source->environment;
    char lower[64];

    if (find_in(environment, str_of(name), ret))
        return true;
    lower_case(name, lower, sizeof(lower));
    return str_ends(str_of(name), STR("_PROXY")) && find_in(environment, str_of(lower), ret);
}

static bool find_value(const struct loader *l, const char *name, struct found *ret)
{
    const struct dotenv_entry *entry;

    if (find_in(l->source->overrides, str_of(name), &ret->value)) {
        str_to_z(STR("command line"), ret->where, sizeof(ret->where));
        return true;
    }
    if (find_environment(l, name, &ret->value)) {
        str_to_z(STR("environment"), ret->where, sizeof(ret->where));
        return true;
    }
    entry = dotenv_find(&l->env_file, str_of(name));
    if (!entry || !entry->value.n)
        return false;
    ret->value = entry->value;
    snprintf(ret->where, sizeof(ret->where), "%.200s line %u", l->source->env_file, entry->line);
    return true;
}

/* ---- files ---- */

/* The whole file, a pipe too, into the arena; the error number on failure. */
static int read_file(const char *path, struct arena *a, struct str *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct buf text;
    char piece[4096];
    ssize_t got = 0;
    int failed = 0;

    if (fd < 0)
        return errno;
    buf_init(&text, FILE_MAX);
    while (!failed && (got = read(fd, piece, sizeof(piece))) > 0)
        failed = buf_add(&text, (struct str){ piece, (size_t)got }) ? EFBIG : 0;
    if (got < 0)
        failed = errno;
    close(fd);
    if (!failed)
        *ret = arena_dup(a, buf_str(&text));
    mem_wipe(piece, sizeof(piece));
    buf_deinit(&text);
    return failed;
}

static void load_env_file(struct loader *l)
{
    const char *path = l->source->env_file;
    struct str text = { NULL, 0 };
    int failed;

    if (!path)
        return;
    failed = read_file(path, &l->out->arena, &text);
    if (failed == ENOENT && !l->source->env_file_required)
        return;
    if (failed) {
        problem(l, "%s: cannot be read: %s", path, strerror(failed));
        l->has_no_file = true;
        return;
    }
    if (dotenv_parse(text, &l->out->arena, &l->env_file))
        for (size_t i = 0; i < l->env_file.n_problems; i++)
            problem(l, "%s line %u: %s", path, l->env_file.problems[i].line,
                    l->env_file.problems[i].what);
}

/* NAME_FILE=path for secrets; both at once is a mistake. */
static bool find_secret_file(struct loader *l, const char *name, bool has_value, struct found *ret)
{
    char file_name[80];
    struct found path = { .where = "" };
    int failed;

    snprintf(file_name, sizeof(file_name), "%s_FILE", name);
    if (!find_value(l, file_name, &path))
        return false;
    if (has_value) {
        problem(l, "%s: %s and %s are both set; remove one of them", path.where, name, file_name);
        return false;
    }
    const char *z = arena_dup(&l->out->arena, path.value).p;
    if (strlen(z) != path.value.n) {
        problem(l, "%s: %s is \"%s\": control characters are not allowed", path.where, file_name,
                setting_show(path.value, &l->out->arena));
        return false;
    }
    failed = read_file(z, &l->out->arena, &ret->value);
    if (failed) {
        problem(l, "%s: %s: %s cannot be read: %s", path.where, file_name, z, strerror(failed));
        return false;
    }
    ret->value = str_trim(ret->value);
    snprintf(ret->where, sizeof(ret->where), "%.250s", z);
    if (!ret->value.n)
        problem(l, "%s: %s: %s is empty; write the secret into it, or do not name it", path.where,
                file_name, z);
    return ret->value.n > 0;
}

/* Into its field, or a problem. */
static void take_value(struct loader *l, const struct setting *row, const struct found *found)
{
    char what[256];

    if (!setting_set(row, l->out, found->value, what))
        return;
    if (setting_may_show(row->type))
        problem(l, "%s: %s is \"%s\": %s", found->where, row->name,
                setting_show(found->value, &l->out->arena), what);
    else
        problem(l, "%s: %s: %s", found->where, row->name, what);
}

static bool is_malformed_in_file(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->env_file.n_problems; i++)
        if (str_eq(l->env_file.problems[i].name, str_of(name)))
            return true;
    return false;
}

static void load_row(struct loader *l, const struct setting *row)
{
    size_t before = l->n_problems;
    struct found found = { .where = "default" };
    bool skip = (l->use == SETTINGS_CLIENT || l->use == SETTINGS_DEMO) && setting_is_upstream(row);
    bool has = !skip && find_value(l, row->name, &found);
    char what[256];

    if (row->type == SETTING_SECRET && !skip)
        has |= find_secret_file(l, row->name, has, &found);
    found.value = str_trim(found.value);
    if (has && !found.value.n && row->type == SETTING_SECRET)
        problem(l, "%s: %s is blank; give it a value, or remove it", found.where, row->name);
    if (!found.value.n && row->fallback)
        found.value = str_of(row->fallback);
    /* Blank counts as unset. */
    if (found.value.n || (row->fallback && row->type == SETTING_ORIGINS))
        take_value(l, row, &found);
    if (l->n_problems == before && (has || skip || !is_malformed_in_file(l, row->name)))
        return;
    /* What is looked at next finds something that it can look at. */
    l->bad[row - settings_table] = true;
    BUG_ON(row->fallback && setting_set(row, l->out, str_of(row->fallback), what));
}

/* ---- what concerns several settings, or the range of one ---- */

static void add_default_model(struct settings *s)
{
    size_t n = 0;

    while (s->known_models[n]) {
        if (strcmp(s->known_models[n], s->default_model) == 0)
            return;
        n++;
    }
    const char **list = arena_alloc(&s->arena, (n + 2) * sizeof(*list));
    list[0] = s->default_model;
    memcpy(list + 1, s->known_models, (n + 1) * sizeof(*list));
    s->known_models = list;
}

static void use_all_proxy(struct proxy *p, const struct proxy *all)
{
    if (p->type != PROXY_NONE || all->type == PROXY_NONE)
        return;
    *p = *all;
    p->password = (struct secret){ NULL, 0 };
    secret_set(&p->password, secret_reveal(&all->password));
}

/* systemd's, which may be a list; the user's own; or the usual place in the home directory. */
static void find_state_directory(struct loader *l)
{
    struct arena *a = &l->out->arena;
    struct str value;

    if (find_environment(l, "STATE_DIRECTORY", &value))
        l->out->state_directory = arena_dup(a, str_cut(value, ':', &value)).p;
    else if (find_environment(l, "XDG_STATE_HOME", &value))
        l->out->state_directory = arena_printf(a, "%.*s/enginelabs-2api", STR_ARGS(value)).p;
    else if (find_environment(l, "HOME", &value))
        l->out->state_directory =
            arena_printf(a, "%.*s/.local/state/enginelabs-2api", STR_ARGS(value)).p;
}

static void complete(struct settings *s)
{
    if (s->workers == 0)
        s->workers = worker_default_count();
    add_default_model(s);
    use_all_proxy(&s->proxies.https, &s->all_proxy);
    use_all_proxy(&s->proxies.http, &s->all_proxy);
}

/* ---- what serving needs ---- */

/* Not set, and not only set wrongly, which was said already. */
static bool is_missing(const struct loader *l, const struct secret *secret, const char *name)
{
    for (const struct setting *row = settings_table; row->name; row++)
        if (strcmp(row->name, name) == 0 && l->bad[row - settings_table])
            return false;
    return !secret_is_set(secret) && !l->has_no_file;
}

static void check_key(struct loader *l)
{
    const struct settings *s = l->out;
    char text[HOST_MAX + 9];

    if (s->allow_no_auth || endpoint_is_loopback(&s->listen) ||
        !is_missing(l, &s->api_master_key, "API_MASTER_KEY"))
        return;
    problem(l,
            "LISTEN is %s, which other machines can reach, and API_MASTER_KEY is not set: set a "
            "key, listen on 127.0.0.1, or set ALLOW_NO_AUTH=true if everybody may use your account",
            endpoint_text(&s->listen, text));
}

static void check_cookie(struct loader *l)
{
    if (is_missing(l, &l->out->clerk_cookie, "CLERK_COOKIE"))
        problem(l,
                "CLERK_COOKIE is not set: copy it from your browser (README, \"Your own "
                "account\"), or try the gateway without an account: enginelabs-2api serve --demo");
}

static void open_trust(struct loader *l)
{
    struct settings *s = l->out;
    char what[256];

    if (!s->ca_file && !s->enginelabs_api_url.endpoint.tls && !s->clerk_url.endpoint.tls &&
        !str_starts(str_of(s->store_url), STR("rediss:")))
        return;
    if (tls_trust_new(s->ca_file, &s->trust, what))
        problem(l, "%s%s", s->ca_file ? "UPSTREAM_CA_FILE: " : "", what);
}

/* A cookie that is named decides, even if it is none that can be used: then its problem is told. */
static void decide_use(struct loader *l)
{
    struct found found;
    bool has =
        find_value(l, "CLERK_COOKIE", &found) || find_value(l, "CLERK_COOKIE_FILE", &found) ||
        is_malformed_in_file(l, "CLERK_COOKIE") || is_malformed_in_file(l, "CLERK_COOKIE_FILE");

    l->use = l->source->use;
    if (l->use == SETTINGS_SERVE_OR_DEMO)
        l->use = has ? SETTINGS_SERVE : SETTINGS_DEMO;
    l->out->is_demo = l->use == SETTINGS_DEMO;
}

enum err settings_load(const struct settings_source *source, struct settings *ret,
                       struct buf *problems)
{
    struct loader l = { .source = source, .out = ret, .problems = problems };

    memset(ret, 0, sizeof(*ret));
    arena_init(&ret->arena);
    load_env_file(&l);
    decide_use(&l);
    for (const struct setting *row = settings_table; row->name; row++)
        load_row(&l, row);
    complete(ret);
    find_state_directory(&l);
    if (l.use == SETTINGS_SERVE || l.use == SETTINGS_DEMO)
        check_key(&l);
    if (l.use == SETTINGS_SERVE) {
        check_cookie(&l);
        open_trust(&l);
    }
    if (!l.n_problems)
        return ERR_NONE;
    settings_deinit(ret);
    return ERR_BAD_INPUT;
}

void settings_deinit(struct settings *s)
{
    secret_deinit(&s->api_master_key);
    secret_deinit(&s->clerk_cookie);
    url_deinit(&s->enginelabs_api_url);
    url_deinit(&s->clerk_url);
    proxy_deinit(&s->proxies.https);
    proxy_deinit(&s->proxies.http);
    proxy_deinit(&s->all_proxy);
    tls_trust_free(s->trust);
    arena_deinit(&s->arena);
}

enum log_level settings_log_level(const struct settings *s)
{
    static const char *const names[] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
    };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(s->log_level, names[i]) == 0)
            return (enum log_level)i;
    return LOG_OFF;
}

enum log_format settings_log_format(const struct settings *s, int fd)
{
    if (strcmp(s->log_format, "auto") == 0)
        return isatty(fd) ? LOG_TEXT : LOG_JSON;
    return strcmp(s->log_format, "text") == 0 ? LOG_TEXT : LOG_JSON;
}
