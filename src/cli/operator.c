/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "keys/key_ring.h"
#include "ops/control.h"

enum { TARGET_SIZE = 1024, STORE_WAIT_MS = 5000, LOOK_MS = 10 };

struct cli_operator {
    struct settings at; /* a copy that leads to the socket; owns nothing */
    struct local_client *client;

    /* When this process has the store. */
    struct store *store; /* NULL: a gateway has it */
    struct gateway_setup setup;
    struct gateway gateway;
    struct control *control;
    char folder[64]; /* of the socket; "": none was made */
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "enginelabs-2api: %s: %s\n", what, why);
    return false;
}

/* ---- by this process ---- */

/* One over a network takes longer to be reached than an operation may. */
static void await_store(struct store *s)
{
    char why[STORE_PROBLEM_MAX];

    for (int waited = 0; waited < STORE_WAIT_MS && !store_is_ready(s, why); waited += LOOK_MS)
        usleep(LOOK_MS * 1000);
}

/* A socket in a folder that is nobody else's. */
static bool serve_ourselves(struct cli_operator *o, const struct settings *s)
{
    const char *base = getenv("TMPDIR");
    char why[256];
    int n = snprintf(o->folder, sizeof(o->folder), "%.32s/enginelabs-XXXXXX",
                     base && strlen(base) <= 32 ? base : "/tmp");

    if (n < 0 || !mkdtemp(o->folder)) {
        fail(o->folder, "no folder can be made there; set TMPDIR to another place");
        o->folder[0] = '\0';
        return false;
    }
    snprintf(o->at.listen.host, sizeof(o->at.listen.host), "%s/control", o->folder);
    log_set_level(LOG_ERROR); /* the answer says the rest */
    o->setup = (struct gateway_setup){ .settings = s, .refs = 1 };
    o->gateway = (struct gateway){ .setup = &o->setup, .store = o->store, .trust = s->trust };
    o->gateway.keys = key_ring_new();
    o->control = control_open(&o->gateway, o->at.listen.host, -1, why);
    if (!o->control)
        return fail(o->at.listen.host, why);
    await_store(o->store);
    return true;
}

static void close_ourselves(struct cli_operator *o)
{
    control_close(o->control);
    if (o->folder[0])
        rmdir(o->folder);
    store_close(o->store);
    key_ring_free(o->gateway.keys);
}

/* ---- by the gateway that has the store ---- */

static bool find_gateway(struct cli_operator *o, const struct settings *s, const char *why)
{
    char path[CONTROL_PATH_SIZE];

    if (!cli_control_path(s, path) || strlen(path) >= sizeof(o->at.listen.host))
        return fail("cannot open the store", why);
    str_to_z(str_of(path), o->at.listen.host, sizeof(o->at.listen.host));
    return true;
}

struct cli_operator *cli_operator_open(const struct settings *s)
{
    struct cli_operator *o = mem_new(struct cli_operator);
    char why[STORE_WHY_MAX];
    enum err err = cli_open_store(s, -1, &o->store, why);
    bool is_there;

    o->at = *s;
    o->at.listen = (struct endpoint){ .is_unix = true };
    if (err)
        o->store = NULL;
    else if (why[0])
        fprintf(stderr, "enginelabs-2api: %s\n", why);
    if (err == ERR_CONFLICT)
        is_there = find_gateway(o, s, why);
    else
        is_there = err ? fail("cannot open the store", why) : serve_ourselves(o, s);
    if (is_there) {
        o->client = local_client_new(&o->at);
        return o;
    }
    cli_operator_close(o);
    return NULL;
}

void cli_operator_close(struct cli_operator *o)
{
    if (!o)
        return;
    local_client_free(o->client);
    close_ourselves(o);
    mem_free(o);
}

static void explain(const struct local_response *response)
{
    struct arena a;
    struct str text;

    arena_init(&a);
    text = local_response_message(response, &a);
    fprintf(stderr, "enginelabs-2api: ");
    terminal_print(stderr, text);
    fputc('\n', stderr);
    arena_deinit(&a);
}

/* False: it failed, which is told. */
static bool call(struct cli_operator *o, enum http_method method, const char *path, struct str body,
                 void (*on_body)(void *arg, struct str bytes), void *arg, struct buf *ret)
{
    struct local_response response;
    char target[TARGET_SIZE];
    int n = snprintf(target, sizeof(target), ADMIN_PREFIX "%s", path);

    if (n < 0 || (size_t)n >= sizeof(target))
        return fail(path, "it is too long");
    local_client_call(o->client, method, target, body, on_body, arg, &response);
    if (!response.err && response.status / 100 == 2) {
        *ret = response.body;
        return true;
    }
    if (response.err)
        fail("the gateway that has the store does not answer", response.detail);
    else
        explain(&response);
    buf_wipe(&response.body);
    return false;
}

bool cli_operator_call(struct cli_operator *o, enum http_method method, const char *path,
                       struct str body, struct buf *ret)
{
    return call(o, method, path, body, NULL, NULL, ret);
}

bool cli_operator_stream(struct cli_operator *o, const char *path,
                         void (*on_body)(void *arg, struct str bytes), void *arg)
{
    struct buf nothing;
    bool is_done = call(o, HTTP_GET, path, STR(""), on_body, arg, &nothing);

    if (is_done)
        buf_deinit(&nothing);
    return is_done;
}
