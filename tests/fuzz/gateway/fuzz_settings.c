/* SPDX-License-Identifier: Apache-2.0 */
/* The settings out of a YAML file. Properties: what is refused is told in lines of text; what is
 * taken is whole, and has routes. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/encoding.h"
#include "gateway/routes.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int file = -1;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("settings", 0);
    BUG_ON(file < 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    return 0;
}

static void check_problems(struct str text)
{
    BUG_ON(text.n == 0 || text.p[text.n - 1] != '\n');
    for (size_t i = 0; i < text.n; i++)
        BUG_ON(((unsigned char)text.p[i] < 0x20 && text.p[i] != '\n') || text.p[i] == 0x7f);
}

static void check_upstreams(const struct settings *s)
{
    BUG_ON(s->n_upstreams == 0 || s->n_upstreams > UPSTREAMS_MAX);
    for (size_t i = 0; i < s->n_upstreams; i++) {
        const struct upstream_settings *u = &s->upstreams[i];

        BUG_ON(!u->name || strlen(u->name) > SETTINGS_NAME_MAX);
        BUG_ON(u->provider == UPSTREAM_ENGINELABS ? u->n_accounts == 0 || !u->api_url.path
                                                  : !u->base_url.path);
        for (size_t k = 0; k < u->n_accounts; k++)
            BUG_ON(!u->accounts[k].name ||
                   (u->protocol == UPSTREAM_NATIVE && !u->accounts[k].credentials_file));
        for (size_t k = 0; k < u->n_api_keys; k++)
            BUG_ON(!secret_is_set(&u->api_keys[k]));
        for (size_t k = 0; k < u->n_headers; k++)
            BUG_ON(!secret_is_set(&u->headers[k].value));
    }
    for (size_t i = 0; i < s->n_keys; i++)
        BUG_ON(!s->keys[i].name || !secret_is_set(&s->keys[i].key));
}

static void check_name(const struct routes *r, const struct settings *s, struct str name)
{
    struct route_step steps[ROUTE_TARGETS_MAX];
    const struct route *route = routes_find(r, name);
    size_t n = route ? routes_order(r, route, name, STR("k"), name, steps) : 0;

    for (size_t i = 0; i < n; i++)
        BUG_ON(steps[i].target->upstream >= s->n_upstreams || steps[i].model.n == 0);
}

static void check_routes(const struct settings *s)
{
    struct routes *r = routes_new(s, NULL);
    struct routes_entry entry;

    for (size_t i = 0; routes_entry_at(r, i, &entry); i++) {
        BUG_ON(!routes_find(r, str_of(entry.id)) || !utf8_is_valid(str_of(entry.id)));
        check_name(r, s, str_of(entry.id));
    }
    check_name(r, s, STR(""));
    check_name(r, s, STR("local/a/b"));
    routes_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const struct settings_source source = { .use = SETTINGS_ALL,
                                            .config_file = path,
                                            .config_file_required = true };
    struct settings s;
    struct buf problems;

    BUG_ON(ftruncate(file, 0) != 0 || pwrite(file, p, n, 0) != (ssize_t)n);
    buf_init(&problems, 1 << 20);
    if (settings_load(&source, &s, &problems)) {
        check_problems(buf_str(&problems));
    } else {
        BUG_ON(problems.n > 0);
        check_upstreams(&s);
        check_routes(&s);
        settings_deinit(&s);
    }
    buf_deinit(&problems);
    return 0;
}
