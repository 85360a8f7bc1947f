/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chats that the simulator remembers: their prompts and answers in order, the sockets that
 * listen, and the task that answers now. One that is gone leaves its id behind. Chats that nobody
 * uses go, the longest unused first, when there are too many. Pure but for what its owner hangs on
 * it.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "simulator/script.h"

enum { SIM_CHATS_MAX = 100000, SIM_CHATS_BYTES_MAX = 268435456, SIM_CHAT_ID_LEN = 36 };

struct sim_task;

struct sim_turn {
    struct str answer;   /* owned; what was shown of it */
    char message_id[64]; /* of its (last) message */
};

/* Why only the id is left: the service forgot the chat, or was told to delete it. */
enum sim_gone { SIM_GONE_NOT, SIM_GONE_LOST, SIM_GONE_DELETED };

struct sim_chat {
    struct list node; /* in sim_chats, the longest unused first */
    char id[SIM_CHAT_ID_LEN + 1];
    int account;                         /* whose it is */
    char workspace[SIM_CHAT_ID_LEN + 1]; /* of a hosted project; empty for other chats */
    bool has_offers;                     /* a project's, and they were asked for */
    enum sim_gone gone;                  /* has no prompts, and no task, any more */
    struct str *prompts;                 /* owned, and each of them */
    struct sim_turn *turns;              /* owned; one less than prompts while a task runs */
    size_t n_prompts;
    size_t n_turns;
    size_t cap;
    size_t bytes;
    struct sim_script *last; /* of the last turn, when it may be replayed; or NULL */
    struct sim_task *task;   /* running now, or NULL */
    struct list sockets;     /* of struct sim_socket */
};

struct sim_chats {
    struct map by_id;
    struct list list;
    size_t n;
    size_t n_gone; /* of them */
    size_t bytes;
};

void sim_chats_init(struct sim_chats *c);

/* No chat may have a task or sockets any more. */
void sim_chats_deinit(struct sim_chats *c);

/* The chat, counted as used now; NULL when there is none. */
struct sim_chat *sim_chats_find(struct sim_chats *c, struct str id);

/* A new one; `id` has SIM_CHAT_ID_LEN bytes and is not there yet. */
struct sim_chat *sim_chats_add(struct sim_chats *c, struct str id, int account);

/* Forgets it; no task, no sockets. */
void sim_chats_remove(struct sim_chats *c, struct sim_chat *chat);

/* Keeps its id alone, as one that is gone; no task. */
void sim_chats_bury(struct sim_chats *c, struct sim_chat *chat, enum sim_gone gone);

/* Remembers a prompt; ERR_NOMEM. */
MUST_USE enum err sim_chat_add_prompt(struct sim_chats *c, struct sim_chat *chat,
                                      struct str prompt);

/* Remembers the answer to the last prompt. */
void sim_chat_add_answer(struct sim_chats *c, struct sim_chat *chat, struct str answer,
                         const char *message_id);

/* "8-4-4-4-12" hex digits. */
bool sim_chat_id_is_valid(struct str id);
