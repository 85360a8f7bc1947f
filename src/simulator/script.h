/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of one task, made in advance: all its WebSocket bytes in one run, cut into packets
 * that each say when they leave and what happens to the sockets then. Playing it costs a
 * pointer and a timer, so thousands of streams are cheap; equal ones share it.
 */
#pragma once

#include "simulator/faults.h"
#include "simulator/settings.h"

enum sim_wait { SIM_WAIT_NONE, SIM_WAIT_FIRST, SIM_WAIT_EVERY };

/* After the bytes of a packet. The task goes on behind all of them but SILENT. */
enum sim_act {
    SIM_ACT_NONE,
    SIM_ACT_RESET,  /* the sockets are reset */
    SIM_ACT_CUT,    /* ... end with a FIN and no close frame */
    SIM_ACT_CLOSE,  /* ... are closed with code `arg` */
    SIM_ACT_SILENT, /* nothing more ever comes */
    SIM_ACT_PAUSE   /* the next packet waits `arg` ms more */
};

struct sim_packet {
    uint32_t end;  /* bytes of the script up to its end */
    uint32_t text; /* bytes of the answer that were sent with it */
    int arg;
    uint8_t wait;  /* enum sim_wait: before it */
    uint8_t act;   /* enum sim_act */
    bool is_fault; /* left out when the buffer is replayed */
};

struct sim_script {
    struct buf bytes;
    struct sim_packet *packets; /* owned */
    size_t n;
    size_t cap;
    struct buf text;       /* the answer */
    char message_id[64];   /* of its (last) message */
    struct list node;      /* in the cache */
    unsigned char key[32]; /* of the cache: what it was made of */
    bool has_final;        /* it ends with a state that says so */
    unsigned refs;         /* the cache, and the tasks that play it */
};

struct sim_order {
    const struct sim_settings *settings;
    const struct sim_fault *const *faults; /* those at frames */
    size_t n_faults;
    struct str text;
    struct str thinking;
    struct str prompt;
    const char *message_id;
    const char *task_id;
};

enum { SIM_SCRIPT_MAX = 67108864, SIM_FRAME_FAULTS_MAX = 16 };

/* ERR_TOO_BIG above SIM_SCRIPT_MAX bytes. The order is not needed any more after. */
MUST_USE enum err sim_script_new(const struct sim_order *order, struct sim_script **ret);

struct sim_script *sim_script_ref(struct sim_script *s);

/* NULL is fine. */
void sim_script_unref(struct sim_script *s);

/* The most recently used scripts; all with settings and text alike share one. */
struct sim_script_cache {
    struct list list; /* most recently used first */
    size_t n;
};

void sim_script_cache_init(struct sim_script_cache *c);
void sim_script_cache_deinit(struct sim_script_cache *c);

/* As sim_script_new(), but an equal one that is there is given. The caller's is one reference. */
MUST_USE enum err sim_script_cache_get(struct sim_script_cache *c, const struct sim_order *order,
                                       struct sim_script **ret);
