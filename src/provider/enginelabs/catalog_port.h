/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks an account for its models, when the catalog is due, and hands them to it. One a worker and
 * account; whichever asks first does so for all.
 */
#pragma once

#include "provider/enginelabs/account.h"
#include "provider/enginelabs/catalog.h"

struct catalog_port;

struct catalog_port_params {
    const struct enginelabs_config *config; /* outlives the port, as do the next two */
    struct account_port *account;
    struct http_client *client;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;

    /* A question of this port ended: ERR_NONE, the list is the account's; else it is as it was:
     * the errors of catalog_take(), or ERR_IO, the service did not answer it. Optional. */
    void (*told)(void *arg, enum err err);
    void *arg;
};

struct catalog_port *catalog_port_open(struct catalog *c, const struct catalog_port_params *params);

/* A question that runs here ends; others may ask a minute later. */
void catalog_port_close(struct catalog_port *p);

/* Asks when the catalog is due. Cheap; for every use of the account. Never calls back before it
 * returned. True: a question of this port runs now, `told` follows. */
bool catalog_port_poll(struct catalog_port *p);
