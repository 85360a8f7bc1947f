/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings that serve runs on, and how others take their place: loaded, compared, and taken up
 * by every worker, or refused as a whole (docs/internals/reload.md). The main thread's.
 */
#pragma once

#include "cli/command.h"
#include "gateway/gateway.h"
#include "ops/control.h"

struct cli_settings;

/* Fills g->setup; takes what `settings` own, and leaves them empty. */
void setup_begin(struct gateway *g, struct settings *settings);

/* The settings of now, for who needs them longer than the setup; cli_settings_unref() ends it. */
struct cli_settings *setup_hold_settings(const struct gateway *g);

/* The settings of now. */
const struct settings *setup_settings(const struct gateway *g);

/* When all workers are gone. */
void setup_end(struct gateway *g);

struct reloader {
    struct gateway *gateway;
    const struct cli_args *args;
    struct gateway_worker *shares; /* n_workers of the gateway */
    struct worker **workers;
    struct control *control; /* NULL: there is none */
    bool is_passed;          /* the socket was, so LISTEN says nothing */
};

/* Loads the settings anew as the command line says. Says in the log what came of it, and to those
 * who asked by the control socket. */
void reload(const struct reloader *r);
