/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is learned and done beside the answers, on one worker: which models there are, how the
 * accounts stand, which chats are to be deleted. Nothing of it holds up an answer.
 */
#pragma once

#include "base/str.h"

struct provider_instance;
struct upkeep;

/* The instance's roster must be open, and closed after it. */
struct upkeep *upkeep_open(struct provider_instance *p);
void upkeep_close(struct upkeep *u);

/* The account is used: a good time to ask what is due. */
void upkeep_used(struct upkeep *u, size_t account);

/* The service said that a limit of it is reached. */
void upkeep_limit_reached(struct upkeep *u, size_t account);

/* Asks for the models, if they are not known. */
void upkeep_prepare(struct upkeep *u);

/* A turn begins on a chat, or was settled. */
void upkeep_turn(struct upkeep *u, size_t account, struct str chat);

/* The chat will not be continued. */
void upkeep_end(struct upkeep *u, size_t account, struct str chat);
