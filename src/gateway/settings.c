/* SPDX-License-Identifier: Apache-2.0 */
/* How a value finds its way from a source into the struct, and what must hold of several. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/dotenv.h"
#include "gateway/settings_internal.h"
#include "net/worker.h"

/* ---- where a value comes from ---- */

enum { PROBLEM_MAX = 1 << 20, FILE_MAX = 1 << 20, SHOWN_MAX = 200 };

struct loader {
    const struct settings_source *source;
    struct dotenv env_file;
    struct settings *out;
    struct buf *problems;
    bool failed;
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

    l->failed = true;
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

static void load_row(struct loader *l, const struct setting *row)
{
    char what[256];
    struct found found = { .where = "default" };
    bool has = find_value(l, row->name, &found);
    enum err err;

    if (row->type == SETTING_SECRET)
        has |= find_secret_file(l, row->name, has, &found);
    if (!has && !row->fallback)
        return;
    found.value = str_trim(found.value);
    if (has && !found.value.n && row->type == SETTING_SECRET)
        problem(l, "%s: %s is blank; give it a value, or remove it", found.where, row->name);
    if (!found.value.n && row->fallback)
        found.value = str_of(row->fallback);
    if (!found.value.n && row->type != SETTING_LIST)
        return; /* blank counts as unset */
    err = setting_set(row, l->out, found.value, what);
    if (!err)
        return;
    if (setting_may_show(row->type))
        problem(l, "%s: %s is \"%.*s%s\": %s", found.where, row->name,
                STR_ARGS(str_sub(found.value, 0, SHOWN_MAX)),
                found.value.n > SHOWN_MAX ? "..." : "", what);
    else
        problem(l, "%s: %s: %s", found.where, row->name, what);
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

/* 0 is no way to lift these: every request would fail. */
static void check_above_0(struct loader *l)
{
    const struct settings *s = l->out;
    const struct {
        const char *name;
        bool good;
    } rows[] = {
        { "MAX_CONNECTIONS", s->max_connections > 0 },
        { "MAX_BODY_BYTES", s->max_body_bytes > 0 },
        { "MEMORY_LIMIT", s->memory_limit > 0 },
        { "API_REQUEST_TIMEOUT", s->request_timeout_ms > 0 },
        { "UPSTREAM_CONNECT_TIMEOUT", s->connect_timeout_ms > 0 },
        { "UPSTREAM_ACCEPT_TIMEOUT", s->accept_timeout_ms > 0 },
        { "UPSTREAM_FIRST_TOKEN_TIMEOUT", s->first_token_timeout_ms > 0 },
        { "UPSTREAM_IDLE_TIMEOUT", s->idle_timeout_ms > 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!rows[i].good)
            problem(l, "%s is 0: every request would fail; set more than 0", rows[i].name);
}

static void check_all(struct loader *l)
{
    struct settings *s = l->out;

    if (s->workers == 0)
        s->workers = worker_default_count();
    if (s->workers > 64)
        problem(l, "WORKERS is %zu: at most 64", s->workers);
    if (s->nginx_port == 0 || s->nginx_port > 65535)
        problem(l, "NGINX_PORT is %zu: expected a port, 1 to 65535", s->nginx_port);
    check_above_0(l);
    add_default_model(s);
    use_all_proxy(&s->proxies.https, &s->all_proxy);
    use_all_proxy(&s->proxies.http, &s->all_proxy);
}

enum err settings_load(const struct settings_source *source, struct settings *ret,
                       struct buf *problems)
{
    struct loader l = { .source = source, .out = ret, .problems = problems };

    memset(ret, 0, sizeof(*ret));
    arena_init(&ret->arena);
    load_env_file(&l);
    for (const struct setting *row = settings_table; row->name; row++)
        load_row(&l, row);
    if (!l.failed)
        check_all(&l);
    if (!l.failed)
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
    arena_deinit(&s->arena);
}

enum err settings_check_serve(const struct settings *s, bool demo, struct buf *problems)
{
    struct loader l = { .problems = problems };
    char text[HOST_MAX + 9];

    if (!secret_is_set(&s->api_master_key) && !s->allow_no_auth &&
        !endpoint_is_loopback(&s->listen))
        problem(
            &l,
            "LISTEN is %s, which other machines can reach, and API_MASTER_KEY is not set: set a "
            "key, listen on 127.0.0.1, or set ALLOW_NO_AUTH=true if everybody may use your account",
            endpoint_text(&s->listen, text));
    if (!demo && !secret_is_set(&s->clerk_cookie))
        problem(&l,
                "CLERK_COOKIE is not set: copy it from your browser (README, \"Getting the "
                "cookie\"), or try the gateway without an account: enginelabs-2api serve --demo");
    return l.failed ? ERR_BAD_INPUT : ERR_NONE;
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
