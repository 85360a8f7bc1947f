/* SPDX-License-Identifier: Apache-2.0 */
/* How a value finds its way from a source into the struct, and what must hold of several. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/setting_value.h"
#include "gateway/settings_internal.h"
#include "net/worker.h"
#include "trace/tracer.h"

/* ---- where a value comes from ---- */

enum { PROBLEM_MAX = 1 << 20, FILE_MAX = 1 << 20 };

/* Sources by their rank, the highest first. */
enum from { FROM_COMMAND_LINE, FROM_ENVIRONMENT, FROM_ENV_FILE, FROM_YAML, FROM_NOWHERE };

struct found {
    enum from from;
    struct str value;
    const struct yaml_node *node; /* of FROM_YAML: the value is still to be made of it */
    char name[80];                /* as it is spelled there */
    char where[256];              /* "environment", ".env line 3" */
};

void loader_problem(struct loader *l, const char *format, ...)
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
void loader_lower_case(const char *name, char *out, size_t cap)
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
    loader_lower_case(name, lower, sizeof(lower));
    return str_ends(str_of(name), STR("_PROXY")) && find_in(environment, str_of(lower), ret);
}

static bool find_above_yaml(const struct loader *l, const char *name, struct found *ret)
{
    const struct dotenv_entry *entry;

    if (find_in(l->source->overrides, str_of(name), &ret->value)) {
        ret->from = FROM_COMMAND_LINE;
        str_to_z(STR("command line"), ret->where, sizeof(ret->where));
        return true;
    }
    if (find_environment(l, name, &ret->value)) {
        ret->from = FROM_ENVIRONMENT;
        str_to_z(STR("environment"), ret->where, sizeof(ret->where));
        return true;
    }
    entry = dotenv_find(&l->env_file, str_of(name));
    if (!entry || !entry->value.n)
        return false;
    ret->from = FROM_ENV_FILE;
    ret->value = entry->value;
    snprintf(ret->where, sizeof(ret->where), "%.200s line %u", l->source->env_file, entry->line);
    return true;
}

static bool find_value(const struct loader *l, const char *name, struct found *ret)
{
    *ret = (struct found){ .from = FROM_NOWHERE };
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    if (find_above_yaml(l, name, ret))
        return true;
    ret->node = loader_find_yaml(l, name);
    if (!ret->node)
        return false;
    ret->from = FROM_YAML;
    ret->value = ret->node->text;
    loader_lower_case(name, ret->name, sizeof(ret->name));
    snprintf(ret->where, sizeof(ret->where), "%.200s line %u", l->source->config_file,
             ret->node->line);
    return true;
}

/* ---- files ---- */

static bool is_pipe(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

const char *loader_file_error(int failed)
{
    if (failed == ESPIPE)
        return "it is a pipe, which can be read only once; to reload, write the settings into a "
               "file";
    if (failed == EACCES)
        return "Permission denied; run as a user who may read it";
    if (failed == ENOENT)
        return "No such file or directory; make it, or name another one";
    if (failed == EISDIR)
        return "Is a directory; name a file";
    return strerror(failed);
}

int loader_read_file(struct loader *l, const char *path, struct str *ret)
{
    int flags = l->source->is_again ? O_NONBLOCK : 0; /* a pipe that nobody writes to */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
    struct buf text;
    char piece[4096];
    ssize_t got = 0;
    int failed;

    if (fd < 0)
        return errno;
    failed = l->source->is_again && is_pipe(fd) ? ESPIPE : 0;
    buf_init(&text, FILE_MAX);
    while (!failed && (got = read(fd, piece, sizeof(piece))) > 0)
        failed = buf_add(&text, (struct str){ piece, (size_t)got }) ? EFBIG : 0;
    if (got < 0)
        failed = errno;
    close(fd);
    if (!failed)
        *ret = arena_dup(&l->out->arena, buf_str(&text));
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
    failed = loader_read_file(l, path, &text);
    if (failed == ENOENT && !l->source->env_file_required)
        return;
    if (failed) {
        loader_problem(l, "%s: cannot be read: %s", path, loader_file_error(failed));
        l->has_no_file = true;
        return;
    }
    if (dotenv_parse(text, &l->out->arena, &l->env_file))
        for (size_t i = 0; i < l->env_file.n_problems; i++)
            loader_problem(l, "%s line %u: %s", path, l->env_file.problems[i].line,
                           l->env_file.problems[i].what);
}

const char *loader_home_path(struct loader *l, const char *path)
{
    struct str home;

    if (!str_starts(str_of(path), STR("~/")) || !find_environment(l, "HOME", &home))
        return path;
    return arena_printf(&l->out->arena, "%.*s%s", STR_ARGS(home), path + 1).p;
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return true;
    return false;
}

bool loader_read_secret(struct loader *l, const char *where, const char *name, struct str path,
                        struct str *ret)
{
    const char *z = arena_dup(&l->out->arena, path).p;
    struct str text;
    int failed;

    if (has_control(path)) {
        loader_problem(l, "%s: %s is \"%s\": control characters are not allowed", where, name,
                       setting_show(path, &l->out->arena));
        return false;
    }
    z = loader_home_path(l, z);
    failed = loader_read_file(l, z, &text);
    if (failed) {
        loader_problem(l, "%s: %s: %s cannot be read: %s", where, name, z,
                       loader_file_error(failed));
        return false;
    }
    *ret = str_trim(text);
    if (!ret->n)
        loader_problem(l, "%s: %s: %s is empty; write the secret into it, or do not name it", where,
                       name, z);
    return ret->n > 0;
}

/* NAME_FILE=path for secrets; both in one source is a mistake, else the higher source counts. */
static bool find_secret_file(struct loader *l, const char *name, struct found *found)
{
    char file_name[80];
    struct found path;
    struct str value;

    snprintf(file_name, sizeof(file_name), "%s_FILE", name);
    if (!find_value(l, file_name, &path) || path.from > found->from)
        return false;
    if (path.from == found->from) {
        loader_problem(l, "%s: %s and %s are both set; remove one of them", path.where, found->name,
                       path.name);
        return false;
    }
    if (path.node && !node_text(l, path.node, SETTING_TEXT, &path.value))
        return false;
    if (!loader_read_secret(l, path.where, path.name, path.value, &value))
        return false;
    if (strcmp(name, "CLERK_COOKIE") == 0)
        l->out->clerk_cookie_file = loader_home_path(l, arena_dup(&l->out->arena, path.value).p);
    *found = (struct found){ .from = path.from, .value = value };
    snprintf(found->name, sizeof(found->name), "%s", name);
    str_to_z(path.value, found->where, sizeof(found->where));
    return true;
}

/* Into its field, or a problem. */
static void take_value(struct loader *l, const struct setting *row, const struct found *found)
{
    char what[256];

    if (!setting_set(row, l->out, found->value, what))
        return;
    if (setting_may_show(row->type))
        loader_problem(l, "%s: %s is \"%s\": %s", found->where, found->name,
                       setting_show(found->value, &l->out->arena), what);
    else
        loader_problem(l, "%s: %s: %s", found->where, found->name, what);
}

static bool is_malformed_in_file(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->env_file.n_problems; i++)
        if (str_eq(l->env_file.problems[i].name, str_of(name)))
            return true;
    return false;
}

/* What is there for the row, in the source that counts. */
static bool find_row(struct loader *l, const struct setting *row, struct found *found)
{
    bool has = find_value(l, row->name, found);

    if (row->type == SETTING_SECRET)
        has |= find_secret_file(l, row->name, found);
    if (found->node && !node_text(l, found->node, row->type, &found->value))
        found->value = STR("");
    else if (has && !str_trim(found->value).n && row->type == SETTING_SECRET)
        loader_problem(l, "%s: %s is blank; give it a value, or remove it", found->where,
                       found->name);
    found->value = str_trim(found->value);
    return has;
}

static void note_row(struct loader *l, const struct setting *row, const struct found *found)
{
    static const char *const sources[] = { [FROM_COMMAND_LINE] = "command line",
                                           [FROM_ENVIRONMENT] = "environment",
                                           [FROM_ENV_FILE] = "file",
                                           [FROM_YAML] = "file",
                                           [FROM_NOWHERE] = "default" };
    struct settings_told *told = &l->out->told[row - settings_table];

    told->source = sources[found->value.n ? found->from : FROM_NOWHERE];
    if (!found->value.n)
        told->value = row->fallback && row->fallback[0] ? row->fallback : NULL;
    else
        told->value =
            setting_may_show(row->type) ? setting_show(found->value, &l->out->arena) : "set";
}

static void load_row(struct loader *l, const struct setting *row)
{
    size_t before = l->n_problems;
    struct found found = { .from = FROM_NOWHERE, .where = "default" };
    bool skip = (l->use == SETTINGS_CLIENT || l->use == SETTINGS_DEMO) && setting_is_upstream(row);
    bool has = !skip && find_row(l, row, &found);
    char what[256];

    l->given[row - settings_table] = found.value.n > 0;
    note_row(l, row, &found);
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

    s->known_models = s->named_models;
    while (s->named_models[n]) {
        if (strcmp(s->named_models[n], s->default_model) == 0)
            return;
        n++;
    }
    const char **list = arena_alloc(&s->arena, (n + 2) * sizeof(*list));
    list[0] = s->default_model;
    memcpy(list + 1, s->named_models, (n + 1) * sizeof(*list));
    s->known_models = list;
}

/* Names that no request could be for. DEFAULT_MODEL is one of them. */
static void check_model_names(struct loader *l)
{
    const char *const *models = l->out->known_models;

    for (size_t i = 0; models[i]; i++) {
        struct str name = str_of(models[i]);

        if (name.n > MODEL_NAME_MAX)
            loader_problem(
                l,
                "KNOWN_MODELS, DEFAULT_MODEL: \"%s\" is longer than %d bytes: no model has such "
                "a name",
                setting_show(name, &l->out->arena), MODEL_NAME_MAX);
        else if (str_ends(name, STR("*")))
            loader_problem(
                l,
                "KNOWN_MODELS, DEFAULT_MODEL: \"%s\" ends in a star, which only routes of the "
                "YAML file may",
                setting_show(name, &l->out->arena));
    }
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

static size_t row_named(const char *name)
{
    size_t i = 0;

    while (settings_table[i].name && strcmp(settings_table[i].name, name) != 0)
        i++;
    BUG_ON(!settings_table[i].name);
    return i;
}

static void complete(struct loader *l)
{
    struct settings *s = l->out;

    s->has_default_model = l->given[row_named("DEFAULT_MODEL")];
    s->has_known_models = l->given[row_named("KNOWN_MODELS")];
    s->has_max_parallel = l->given[row_named("ENGINELABS_MAX_PARALLEL")];
    s->enginelabs_credentials_file = loader_home_path(l, s->enginelabs_credentials_file);
    if (s->workers == 0)
        s->workers = worker_default_count();
    add_default_model(s);
    use_all_proxy(&s->proxies.https, &s->all_proxy);
    use_all_proxy(&s->proxies.http, &s->all_proxy);
}

/* ---- what serving needs ---- */

/* Not set, and not only set wrongly, which was said already. */
bool loader_is_missing(const struct loader *l, const struct secret *secret, const char *name)
{
    return !secret_is_set(secret) && !l->bad[row_named(name)] && !l->has_no_file;
}

bool settings_may_listen(const struct settings *s)
{
    return s->allow_no_auth || endpoint_is_loopback(&s->listen) || s->n_keys > 0 ||
           secret_is_set(&s->api_master_key);
}

static void check_key(struct loader *l)
{
    const struct settings *s = l->out;
    char text[HOST_MAX + 9];

    if (settings_may_listen(s) || !loader_is_missing(l, &s->api_master_key, "API_MASTER_KEY"))
        return;
    loader_problem(
        l,
        "LISTEN is %s, which other machines can reach, and API_MASTER_KEY is not set: set a "
        "key, listen on 127.0.0.1, or set ALLOW_NO_AUTH=true if everybody may use your account",
        endpoint_text(&s->listen, text));
}

static void check_tracing(struct loader *l)
{
    struct settings *s = l->out;
    char what[128];

    if (secret_is_set(&s->otel_headers) &&
        !tracer_headers_are_valid(secret_reveal(&s->otel_headers), what))
        loader_problem(l, "OTEL_EXPORTER_OTLP_HEADERS: %s", what);
}

static bool needs_tls(const struct settings *s)
{
    for (size_t i = 0; i < s->n_upstreams; i++) {
        const struct upstream_settings *u = &s->upstreams[i];

        if (u->provider == UPSTREAM_OPENAI ? u->base_url.endpoint.tls
                                           : u->api_url.endpoint.tls || u->clerk_url.endpoint.tls)
            return true;
    }
    return s->otel_endpoint.endpoint.tls || str_starts(str_of(s->store_url), STR("rediss:"));
}

static void open_trust(struct loader *l)
{
    struct settings *s = l->out;
    char what[256];

    if (!s->ca_file && !needs_tls(s))
        return;
    if (tls_trust_new(s->ca_file, &s->trust, what))
        loader_problem(l, "%s%s", s->ca_file ? "UPSTREAM_CA_FILE: " : "", what);
}

/* A cookie or an upstream that is named decides, even if it is none that can be used: then its
 * problem is told. */
static void decide_use(struct loader *l)
{
    struct found found;
    bool has = loader_find_yaml(l, "UPSTREAMS") || find_value(l, "CLERK_COOKIE", &found) ||
               find_value(l, "CLERK_COOKIE_FILE", &found) ||
               is_malformed_in_file(l, "CLERK_COOKIE") ||
               is_malformed_in_file(l, "CLERK_COOKIE_FILE");

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
    ret->told = arena_alloc(&ret->arena, SETTINGS_MAX * sizeof(*ret->told));
    load_env_file(&l);
    loader_load_yaml(&l);
    decide_use(&l);
    for (const struct setting *row = settings_table; row->name; row++)
        load_row(&l, row);
    complete(&l);
    find_state_directory(&l);
    loader_load_upstreams(&l);
    loader_load_keys(&l);
    loader_load_prices(&l);
    check_tracing(&l);
    loader_load_routes(&l);
    check_model_names(&l);
    if (l.use == SETTINGS_SERVE || l.use == SETTINGS_DEMO)
        check_key(&l);
    if (l.use == SETTINGS_SERVE)
        open_trust(&l);
    loader_note(&l);
    if (!l.n_problems)
        return ERR_NONE;
    settings_deinit(ret);
    return ERR_BAD_INPUT;
}

void settings_deinit(struct settings *s)
{
    secret_deinit(&s->api_master_key);
    secret_deinit(&s->admin_key);
    secret_deinit(&s->otel_headers);
    url_deinit(&s->otel_endpoint);
    secret_deinit(&s->clerk_cookie);
    url_deinit(&s->enginelabs_api_url);
    url_deinit(&s->clerk_url);
    proxy_deinit(&s->proxies.https);
    proxy_deinit(&s->proxies.http);
    proxy_deinit(&s->all_proxy);
    tls_trust_free(s->trust);
    arena_deinit(&s->arena);
}

/* The table of settings lets no other name pass. */
enum log_level settings_log_level(const struct settings *s)
{
    enum log_level level;

    BUG_ON(!log_level_find(str_of(s->log_level), &level));
    return level;
}

enum log_format settings_log_format(const struct settings *s, int fd)
{
    if (strcmp(s->log_format, "auto") == 0)
        return isatty(fd) ? LOG_TEXT : LOG_JSON;
    return strcmp(s->log_format, "text") == 0 ? LOG_TEXT : LOG_JSON;
}
