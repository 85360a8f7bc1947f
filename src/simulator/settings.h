/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the simulator behaves when nothing goes wrong: pacing, the shape of its frames, sign-in
 * and limits. Set by a scenario, over HTTP, and for one answer by a prompt. The reference with
 * all names is docs/internals/simulator.md; the table in settings.c is what it describes. Pure.
 */
#pragma once

#include "simulator/options.h"

enum sim_content { SIM_DELTA, SIM_SNAPSHOT };
enum sim_shape { SIM_SHAPE_CHAT, SIM_SHAPE_ASSISTANT, SIM_SHAPE_BLOCKS };
enum sim_connect_state { SIM_CONNECT_ACTUAL, SIM_CONNECT_NONE, SIM_CONNECT_IDLE, SIM_CONNECT_RUN };
enum sim_history { SIM_HISTORY_NONE, SIM_HISTORY_STRING, SIM_HISTORY_BLOCKS };
enum sim_replay { SIM_REPLAY_NONE, SIM_REPLAY_RUNNING, SIM_REPLAY_ALWAYS };
enum sim_old_cookie { SIM_OLD_ONCE, SIM_OLD_NEVER, SIM_OLD_ALWAYS };

/* All members are ints, so that one table can name them. Enums above for the words. */
struct sim_settings {
    /* pacing */
    int first_ms;    /* from the accepted POST to the first piece of the answer */
    int every_ms;    /* between packets; 0: as fast as the peer reads */
    int jitter_ms;   /* at most so much is added to every_ms, by the seed */
    int words;       /* in one piece of the answer */
    int piece_bytes; /* above 0: pieces of so many bytes instead (whole code points) */

    /* shape of the frames */
    int content;          /* enum sim_content */
    int shape;            /* enum sim_shape */
    int buffer_object;    /* `buffer` is an object instead of a string */
    int newline;          /* the string ends in \n */
    int ascii;            /* all but ASCII is escaped as \uXXXX */
    int split_surrogates; /* an escaped pair that ends a piece is cut in two */
    int running_state;    /* the task begins with a state frame */
    int final_state;      /* ... and ends with one */
    int close_at_end;     /* ... and then the socket is closed with 1000 */
    int echo;             /* the user's message comes first */
    int label;            /* a label frame comes first */
    int activity;         /* that many agent activity frames come first */
    int thinking;         /* words of reasoning before the answer */
    int paragraph;        /* a new message id after so many pieces; 0: never */
    int fragments;        /* WebSocket fragments of each message; 1: whole */
    int coalesce;         /* messages in one packet */

    /* what a socket gets when it connects */
    int connect_state;  /* enum sim_connect_state */
    int history;        /* enum sim_history */
    int replay;         /* enum sim_replay */
    int late_replay_ms; /* the last turn's replay comes so long after the handshake */
    int late_history;   /* the history comes behind so many pieces of the next answer; 0: first */
    int ws_needs_chat;  /* 404 until the chat had its first POST */
    int ws_cookie;      /* the handshake must have a Cookie */

    /* sign-in */
    int accounts;
    int team_size; /* so many accounts in a row are of one organization */
    int token_life_s;
    int clock_skew_s;    /* added to the clock that dates tokens */
    int rotate_every;    /* every n-th token reply rotates the cookie; 0: none */
    int old_cookie;      /* enum sim_old_cookie: how long the one before is good */
    int access_life_s;   /* of a native access token */
    int expires_in;      /* ... is said */
    int refresh_rotate;  /* a refresh gives a new refresh token */
    int refresh_grace_s; /* so long the one before it is good; -1: all are for ever */
    int client_session;  /* /v1/client names the session */

    /* API */
    int classic;           /* prompts in the shape of protocol classic are taken */
    int native;            /* the native way, with its sign-in */
    int project;           /* ... of protocol project, with its other requests */
    int reply_status;      /* of an accepted POST: 200 to 299 */
    int reply_json;        /* ... with a JSON body */
    int chunked;           /* answers come in chunks */
    int task_limit;        /* running tasks of an account; beyond: 429. 0: no limit */
    int daily_limit;       /* as /billing says */
    int enforce_limit;     /* ... and 429 beyond it */
    int billing_old;       /* the older shape of /billing */
    int max_message_bytes; /* of a POST body: 413 beyond. 0: no limit */
    int max_message_chars; /* of a prompt, in UTF-16 units: 413 beyond. 0: no limit */
    int ban_after;         /* malformed POSTs until the account is banned; 0: never */

    int slice_bytes;    /* an event stream leaves in pieces of so many bytes; 0: as it comes */
    int log_body_bytes; /* of a request's body that the log keeps */
    int log_entries;    /* how many entries the log keeps */
};

extern const struct sim_options sim_setting_options;

void sim_settings_default(struct sim_settings *s);

/* "name=value" words, as a prompt's !set has them. After an error *s is as it was. */
MUST_USE enum err sim_settings_line(struct sim_settings *s, struct str line, char *what);

/* One member of a settings object, `pacing` (an object of its own) included; reads the value from
 * `j`. ERR_NOT_FOUND, with nothing read, for a name that is no setting. */
MUST_USE enum err sim_settings_member(struct sim_settings *s, struct json *j, struct str name,
                                      char *what);
