/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the working files of the simulator share: the simulator itself, its sockets and
 * tasks. Private to this room.
 */
#pragma once

#include "http/server.h"
#include "net/timer.h"
#include "simulator/capture.h"
#include "simulator/chats.h"
#include "simulator/command.h"
#include "simulator/files.h"
#include "simulator/identity.h"
#include "simulator/journal.h"
#include "simulator/simulator.h"
#include "simulator/wire.h"

struct listener;

enum { SIM_ORIGIN_MAX = 256, SIM_ADAPTERS_MAX = 4096, SIM_MODEL_MAX = 128 };

struct sim_account {
    struct sim_identity identity;
    unsigned generation; /* of the cookie that is good now */
    bool old_is_good;    /* the one before it may still be used */
    int offences;        /* malformed POSTs */
    bool is_banned;
    int tasks; /* running now */
    int used;  /* POSTs accepted: the daily usage */
    int64_t token_replies;
    unsigned refreshes;            /* how often its refresh token was rotated */
    int64_t refreshed_ms;          /* ... and when last */
    char preferred[SIM_MODEL_MAX]; /* of a team's first account: its model's key; or empty */
};

struct simulator {
    struct loop *loop; /* borrowed */
    uint64_t seed;
    struct sim_settings settings;
    struct str scenario; /* owned; sim_reset() reads it again */
    char origin[SIM_ORIGIN_MAX];
    char adapters[SIM_ADAPTERS_MAX]; /* names, with commas between */
    char models[SIM_ADAPTERS_MAX];   /* in OpenAI's format; empty: the adapters' */
    char api_keys[SIM_ADAPTERS_MAX]; /* with commas between; "*": no key is needed */
    struct sim_faults faults;
    struct sim_account accounts[SIMULATOR_ACCOUNTS_MAX];
    struct sim_chats chats;
    struct sim_files files;
    struct sim_script_cache scripts;
    struct sim_capture *capture; /* owned; or NULL */
    struct sim_journal *journal;
    struct http_server *server;
    struct listener *listener;
    int fd;              /* of the listener, -1 without one */
    struct list sockets; /* all of them */
    struct list plays;   /* completions being given: struct sim_play */
    struct list parked;  /* connections that hang: struct sim_parked */
    size_t n_sockets;
    size_t n_tasks;
    int64_t tokens;
    int64_t projects; /* that were created */
    uint32_t random;  /* for jitter */
    struct task retire;
};

/* ---- park.c ---- */

/* Keeps a connection open, read and ignored, until its peer goes or the simulator ends. NULL is
 * fine. */
void sim_park(struct simulator *s, struct conn *conn);
void sim_park_end(struct simulator *s);

/* ---- simulator.c ---- */

/* Ends all tasks and sockets, forgets chats, faults, log and usage; the scenario is read again. */
void sim_reset(struct simulator *s);

/* The first account of an account's team, whose organization is that of all. */
int sim_team_leader(const struct simulator *s, int account);

/* Gives the accounts their organizations, by the setting team_size. */
void sim_teams_make(struct simulator *s);

/* What a scenario file and POST /__sim/settings say: an object with settings, `origin`, `adapters`
 * and `faults`, or an array of faults. After an error nothing has changed. */
MUST_USE enum err sim_scenario_apply(struct simulator *s, struct str json, char *what);

/* As GET /__sim/log and GET /__sim/state. */
void sim_write_log(const struct simulator *s, struct str kind, uint64_t since,
                   struct json_writer *w);
void sim_write_state(const struct simulator *s, struct json_writer *w);

/* ---- replay.c ---- */

/* Takes the capture over, NULL for none; sockets that were sent the one before it end. */
void sim_capture_replace(struct simulator *s, struct sim_capture *capture);

/* ---- socket.c: WebSocket connections ---- */

struct sim_socket {
    struct list node;     /* in the simulator's list */
    struct list listener; /* in the chat's list */
    struct simulator *s;
    struct sim_chat *chat; /* NULL when what it hears was recorded */
    struct conn *conn;     /* owned; NULL once closed */
    struct sim_wire wire;
    struct buf out; /* bytes that did not fit */
    struct task retire;
    struct timer timer;                  /* how long the peer may take to close */
    struct timer late;                   /* until `replayed` is sent */
    struct sim_script *replayed;         /* of the last turn; a reference, or NULL */
    const struct sim_exchange *recorded; /* what it is sent, of the capture; or NULL */
    size_t next_record;
    struct sim_entry closed; /* for the journal */
    int64_t opened_ms;
    bool is_corked;       /* what is sent waits for sim_socket_uncork() */
    bool is_silent;       /* frames of tasks do not go to it */
    bool hears_otherwise; /* what it is told of a running task differs from what was sent */
    bool is_closing;      /* our close frame was sent */
};

/* Owns `conn` from now on. Nothing leaves before sim_socket_uncork(), so that the handshake's
 * answer and the greeting are one write: no pause of this process can come between. */
struct sim_socket *sim_socket_open(struct simulator *s, struct sim_chat *chat, struct conn *conn,
                                   int account);
void sim_socket_uncork(struct sim_socket *k);

/* `rest` came behind the handshake. */
void sim_socket_read(struct sim_socket *k, struct str rest);

/* Writes now, or keeps what does not fit (bounded: a peer that does not read is reset). */
void sim_socket_send(struct sim_socket *k, struct str bytes, size_t messages);

/* Bytes that wait for the peer to read. */
bool sim_socket_is_full(const struct sim_socket *k);

void sim_socket_close(struct sim_socket *k, int code);

/* With `reset` RST, else FIN without a close frame. */
void sim_socket_drop(struct sim_socket *k, bool reset);

/* ---- task.c: answers being given ---- */

/* Begins to play `script` (its reference is taken over) to the sockets of the chat. */
void sim_task_start(struct simulator *s, struct sim_chat *chat, struct sim_script *script,
                    const struct sim_settings *settings);

/* There is room in a socket again. */
void sim_task_resume(struct sim_task *t);

/* Ends it without another frame. */
void sim_task_drop(struct sim_task *t);

/* Ends the task and the sockets of a chat that has prompts or is gone, and forgets it. */
void sim_chat_end(struct simulator *s, struct sim_chat *chat);

/* Ends its task and sockets and keeps its id, as one that is gone. */
void sim_chat_lose(struct simulator *s, struct sim_chat *chat, enum sim_gone gone);

/* What it has said so far; its script and how many packets of it are out; its settings. */
struct str sim_task_text(const struct sim_task *t);
const struct sim_script *sim_task_script(const struct sim_task *t, size_t *ret_packets);
const struct sim_settings *sim_task_settings(const struct sim_task *t);

/* ---- greet.c ---- */

/* What a socket gets that connects now: history, replay, state, as the settings say. */
void sim_task_greet(struct sim_socket *k);

/* A history frame; `shape` is an enum sim_history. */
void sim_greet_history(struct sim_socket *k, int shape);
