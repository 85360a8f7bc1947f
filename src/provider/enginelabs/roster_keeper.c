/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody must do for the accounts, whether requests come or not: the first port of the
 * process looks whether those that are signed out still are, and at the files of their cookies.
 */
#include "base/mem.h"
#include "base/random.h"
#include "net/file_watch.h"
#include "provider/enginelabs/roster_internal.h"

enum {
    PROBE_MS = 180000,
    WATCH_MS = 2000,
};

struct roster_keeper {
    struct roster_port *port;
    struct timer probe;
    size_t n_running; /* watches that are not gone yet */
    void (*closed)(void *arg);
    void *closed_arg;
    struct watch_of {
        struct roster_keeper *keeper;
        size_t account;
        struct file_watch *watch; /* NULL: it has no file */
    } watches[];
};

static void on_probe(void *arg)
{
    struct roster_keeper *k = arg;

    for (size_t i = 0; i < k->port->roster->n; i++)
        account_probe(roster_account(k->port, i));
    timer_arm(k->port->loop, &k->probe, PROBE_MS + (int64_t)(random_u64() % (PROBE_MS / 10)),
              on_probe, k);
}

static void on_file(void *arg, struct str content)
{
    struct watch_of *w = arg;
    const struct enginelabs_config *config = w->keeper->port->roster->seats[w->account].config;
    enum err err =
        account_set_cookie(roster_account(w->keeper->port, w->account), str_trim(content));

    if (!err)
        log_info("a cookie was replaced", LOG_Z("upstream", config->name),
                 LOG_Z("account", config->account), LOG_Z("file", config->cookie_file));
    else if (err != ERR_CONFLICT)
        log_error("a cookie cannot be used; the one before it stays",
                  LOG_Z("upstream", config->name), LOG_Z("account", config->account),
                  LOG_Z("file", config->cookie_file), LOG_Z("reason", err_text(err)));
}

struct roster_keeper *roster_keeper_open(struct roster_port *port)
{
    size_t n = port->roster->n;
    struct roster_keeper *k = mem_alloc(sizeof(*k) + n * sizeof(k->watches[0]));

    k->port = port;
    timer_arm(port->loop, &k->probe, PROBE_MS, on_probe, k);
    for (size_t i = 0; i < n; i++) {
        const char *path = port->roster->seats[i].config->cookie_file;
        struct watch_of *w = &k->watches[i];

        w->keeper = k;
        w->account = i;
        if (path)
            w->watch = file_watch_start(port->loop, path, WATCH_MS, on_file, w);
        k->n_running += path != NULL;
    }
    return k;
}

static void end_when_idle(struct roster_keeper *k)
{
    void (*closed)(void *) = k->closed;
    void *closed_arg = k->closed_arg;

    if (k->n_running > 0)
        return;
    mem_free(k);
    closed(closed_arg);
}

static void on_watch_gone(void *arg)
{
    struct roster_keeper *k = arg;

    k->n_running--;
    end_when_idle(k);
}

void roster_keeper_close(struct roster_keeper *k, void (*closed)(void *arg), void *arg)
{
    k->closed = closed;
    k->closed_arg = arg;
    timer_disarm(&k->probe);
    for (size_t i = 0; i < k->port->roster->n; i++)
        if (k->watches[i].watch)
            file_watch_stop(k->watches[i].watch, on_watch_gone, k);
    end_when_idle(k);
}
